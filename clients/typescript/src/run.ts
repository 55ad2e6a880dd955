import { clone, create } from "@bufbuild/protobuf";

import type { Answer } from "./answer.js";
import { Assembly } from "./assembly.js";
import type { Connection } from "./connection.js";
import { cancelled, TurnLimitError } from "./errors.js";
import { ToolSchema, type Message } from "./gen/sluice/v1/content_pb.js";
import { FinishReason, type Event } from "./gen/sluice/v1/event_pb.js";
import { GenerateRequestSchema, type GenerateRequest } from "./gen/sluice/v1/gateway_service_pb.js";
import type { CallOptions } from "./options.js";
import { Stream } from "./stream.js";
import { Toolbox, type ToolFunction } from "./tools.js";
import { Turn } from "./turn.js";

/** Options of a run of tools: `timeoutMs` holds for each turn, `signal` for the whole run. */
export interface RunOptions extends CallOptions {
  /** Most turns that are made, at least 1; 10 by default. */
  maxTurns?: number | undefined;
}

/** The stream of a run of tools, over all turns that it takes. */
export class ToolRun extends Stream {
  readonly #connection: Connection;
  readonly #toolbox: Toolbox;
  readonly #maxTurns: number;
  readonly #options: CallOptions & { signal: AbortSignal };
  /** Names that the caller declared, and may have no function for. */
  readonly #declared: ReadonlySet<string>;
  /** The next turn's; the conversation grows in it. */
  readonly #request: GenerateRequest;
  readonly #answers: Answer[] = [];
  readonly #stop = new AbortController();
  #turn: Turn;

  constructor(
    connection: Connection,
    request: GenerateRequest,
    functions: readonly ToolFunction[],
    { maxTurns = 10, signal, timeoutMs, metadata }: RunOptions,
  ) {
    super();
    if (!Number.isInteger(maxTurns) || maxTurns < 1) {
      throw new RangeError("A run takes a whole number of turns, at least one.");
    }
    this.#connection = connection;
    this.#toolbox = new Toolbox(functions);
    this.#maxTurns = maxTurns;
    const stop = this.#stop.signal;
    this.#options = {
      signal: signal ? AbortSignal.any([signal, stop]) : stop,
      timeoutMs,
      // A copy, so that every turn sends the same.
      metadata: { ...metadata },
    };
    this.#declared = new Set(request.tools.map(({ name }) => name));
    this.#request = clone(GenerateRequestSchema, request);
    for (const { name, description, inputSchemaJson, strict = false } of functions) {
      this.#request.tools.push(create(ToolSchema, { name, description, inputSchemaJson, strict }));
    }
    this.#turn = this.#nextTurn();
  }

  /** The whole conversation so far, the request's included; also after a failure. */
  get messages(): readonly Message[] {
    return this.#request.messages;
  }

  /** The answers so far, one for each turn that ended; also after a failure. */
  get answers(): readonly Answer[] {
    return this.#answers;
  }

  override cancel(): void {
    this.#stop.abort();
  }

  protected override async *events(): AsyncGenerator<Event, void, undefined> {
    try {
      for (;;) {
        const answer = yield* this.#play(this.#turn);
        if (!this.#wantsMore(answer)) return;
        if (this.#answers.length >= this.#maxTurns) throw new TurnLimitError(this.#maxTurns);
        if (answer.finishReason === FinishReason.TOOL_CALLS) await this.#callFunctions(answer);
        this.#turn = this.#nextTurn();
      }
    } finally {
      // Functions that still run learn that nobody waits for them.
      this.#stop.abort();
    }
  }

  async *#play(turn: Turn): AsyncGenerator<Event, Answer, undefined> {
    const assembly = new Assembly();
    for await (const event of turn) {
      assembly.add(event);
      yield event;
    }
    const answer = assembly.answer();
    this.#answers.push(answer);
    this.#request.messages.push(answer.message);
    return answer;
  }

  /** Whether the run can give the model what it waits for. */
  #wantsMore({ finishReason, toolCalls }: Answer): boolean {
    if (finishReason === FinishReason.PAUSED) return true;
    if (finishReason !== FinishReason.TOOL_CALLS || toolCalls.length === 0) return false;
    return toolCalls.every(({ name }) => this.#toolbox.has(name) || !this.#declared.has(name));
  }

  async #callFunctions({ toolCalls }: Answer): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted) throw cancelled(signal);
    const results = this.#toolbox.run(toolCalls, signal);
    this.#request.messages.push(await unlessAborted(results, signal));
  }

  #nextTurn(): Turn {
    return new Turn(this.#connection, this.#request, this.#options);
  }
}

/** Waits for `work`, but no longer than until `signal` is aborted. */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(cancelled(signal));
    };
    // The work itself may have done it.
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
