/** Calls of generated methods through gRPC's own library: the few lines that join the two. */

import {
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  status as codes,
  type CallOptions as GrpcCallOptions,
  type Client as GrpcClient,
  type ClientReadableStream,
  type Metadata,
  type StatusObject,
} from "@grpc/grpc-js";

import { fromStatus } from "./errors.js";
import { callMetadata } from "./metadata.js";
import type { CallOptions } from "./options.js";

/** A channel, and what is sent with each of its calls. */
export interface Connection {
  readonly grpc: GrpcClient;
  readonly metadata: Metadata;
}

/** Makes a call that has one answer. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  { grpc, metadata }: Connection,
  method: DescMethodUnary<I, O>,
  request: MessageShape<I>,
  options: CallOptions,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    const call = grpc.makeUnaryRequest<MessageShape<I>, MessageShape<O>>(
      pathOf(method),
      (message) => serialize(method.input, message),
      (bytes) => fromBinary(method.output, bytes),
      request,
      callMetadata(metadata, options.metadata),
      grpcOptions(options),
      (error, answer) => {
        if (error) reject(fromStatus(error, options.signal));
        else resolve(answer as MessageShape<O>);
      },
    );
    cancelOn(options.signal, call);
  });
}

/** A call under way, whose answer is a stream. */
export interface ServerStream<Message> {
  /** The messages, taken from the call as they are asked for; leaving them cancels it. */
  messages(): AsyncGenerator<Message, void, undefined>;
  cancel(): void;
}

/** Starts a call whose answer is a stream. */
export function callServerStream<I extends DescMessage, O extends DescMessage>(
  { grpc, metadata }: Connection,
  method: DescMethodServerStreaming<I, O>,
  request: MessageShape<I>,
  options: CallOptions,
): ServerStream<MessageShape<O>> {
  const call = grpc.makeServerStreamRequest<MessageShape<I>, MessageShape<O>>(
    pathOf(method),
    (message) => serialize(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
    request,
    callMetadata(metadata, options.metadata),
    grpcOptions(options),
  );
  const ended = endOf(call);
  cancelOn(options.signal, call);
  return {
    messages: () => read(call, ended, options.signal),
    cancel: () => {
      call.cancel();
    },
  };
}

async function* read<Message>(
  call: ClientReadableStream<Message>,
  ended: Promise<StatusObject>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Message, void, undefined> {
  try {
    for await (const message of call as AsyncIterable<Message>) yield message;
  } catch (error) {
    // Of a failed call the library throws the status, if somebody reads at that moment.
    if (!(error instanceof Error && "code" in error && "details" in error)) throw error;
  } finally {
    call.cancel();
  }
  const status = await ended;
  if (status.code !== codes.OK) throw fromStatus(status, signal);
}

/** Waits for the end of a call, however it comes and whether or not anybody reads. */
function endOf(call: ClientReadableStream<unknown>): Promise<StatusObject> {
  // Without a listener the event would end the process. The status says the same, and always comes.
  call.on("error", () => undefined);
  return new Promise((resolve) => call.once("status", resolve));
}

function cancelOn(
  signal: AbortSignal | undefined,
  call: { cancel(): void; once(event: "status", listener: () => void): unknown },
): void {
  if (signal === undefined) return;
  const cancel = (): void => {
    call.cancel();
  };
  if (signal.aborted) {
    cancel();
    return;
  }
  signal.addEventListener("abort", cancel, { once: true });
  call.once("status", () => {
    signal.removeEventListener("abort", cancel);
  });
}

function grpcOptions({ timeoutMs }: CallOptions): GrpcCallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function pathOf({ parent, name }: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${parent.typeName}/${name}`;
}

function serialize<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): Buffer {
  const { buffer, byteOffset, byteLength } = toBinary(schema, message);
  return Buffer.from(buffer, byteOffset, byteLength);
}
