import type { Connection } from "./connection.js";
import { cancelled, ofTurn, SluiceError } from "./errors.js";
import type { Event } from "./gen/sluice/v1/event_pb.js";
import {
  GatewayService,
  type GenerateRequest,
  type GenerateResponse,
} from "./gen/sluice/v1/gateway_service_pb.js";
import type { CallOptions } from "./options.js";
import { callServerStream, type ServerStream } from "./rpc.js";
import { Stream } from "./stream.js";

/** The stream of one call of Generate, which begins with its making. */
export class Turn extends Stream {
  readonly #call: ServerStream<GenerateResponse>;
  readonly #signal: AbortSignal | undefined;
  #cancelled = false;

  constructor(connection: Connection, request: GenerateRequest, options: CallOptions) {
    super();
    this.#signal = options.signal;
    this.#call = callServerStream(connection, GatewayService.method.generate, request, options);
  }

  override cancel(): void {
    this.#cancelled = true;
    this.#call.cancel();
  }

  protected override async *events(): AsyncGenerator<Event, void, undefined> {
    let generationId = "";
    let completed = false;
    try {
      for await (const message of this.#call.messages()) {
        for (const event of message.events) {
          // What came before the cancellation and was not read yet is of no use any more.
          if (this.#cancelled || this.#signal?.aborted) throw cancelled(this.#signal);
          const { kind } = event;
          // A kind that this contract does not know.
          if (kind.case === undefined) continue;
          if (kind.case === "started") generationId = kind.value.generationId;
          if (kind.case === "completed") completed = true;
          yield event;
        }
      }
      if (!completed) throw truncated();
    } catch (error) {
      throw ofTurn(error, generationId);
    }
  }
}

function truncated(): SluiceError {
  return new SluiceError("UNAVAILABLE", "The stream ended before Completed.", {
    reason: "STREAM_TRUNCATED",
  });
}
