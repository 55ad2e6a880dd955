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
  type ClientReadableStream,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import { setMaxListeners } from "node:events";

import { cancel, type Cancellable, type Connection } from "./connection.js";
import { cancelled, closed, fromStatus, type SluiceError } from "./errors.js";
import { callMetadata } from "./metadata.js";
import type { CallOptions } from "./options.js";

/** Makes a call that has one answer. */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  connection: Connection,
  method: DescMethodUnary<I, O>,
  request: MessageShape<I>,
  { signal, timeoutMs, metadata: own }: CallOptions,
): Promise<MessageShape<O>> {
  const sent = callMetadata(connection.metadata, own);
  const grpcOptions = deadlineOf(timeoutMs);
  const before = neverBegun(connection, signal);
  if (before !== undefined) throw before;
  const { error, answer } = await new Promise<UnaryEnd<MessageShape<O>>>((resolve) => {
    const call = connection.grpc.makeUnaryRequest<MessageShape<I>, MessageShape<O>>(
      pathOf(method),
      (message) => serialize(method.input, message),
      (bytes) => fromBinary(method.output, bytes),
      request,
      sent,
      grpcOptions,
      (error, answer) => {
        resolve({ error, answer });
      },
    );
    connection.hold(call);
    cancelOn(signal, call);
  });
  // Thrown here and not where the library tells it, the error's stack shows who made the call.
  if (error) throw fromStatus(error, signal);
  return answer as MessageShape<O>;
}

/** Why a call is not begun at all; undefined when it is. */
function neverBegun(
  connection: Connection,
  signal: AbortSignal | undefined,
): SluiceError | undefined {
  if (signal?.aborted) return cancelled(signal);
  return connection.closed ? closed() : undefined;
}

interface UnaryEnd<Message> {
  error: ServiceError | null;
  answer: Message | undefined;
}

/** A call under way, whose answer is a stream. */
export interface ServerStream<Message> {
  /** The messages, taken from the call as they are asked for; leaving them cancels it. */
  messages(): AsyncGenerator<Message, void, undefined>;
  cancel(): void;
}

/** Starts a call whose answer is a stream. */
export function callServerStream<I extends DescMessage, O extends DescMessage>(
  connection: Connection,
  method: DescMethodServerStreaming<I, O>,
  request: MessageShape<I>,
  { signal, timeoutMs, metadata: own }: CallOptions,
): ServerStream<MessageShape<O>> {
  const sent = callMetadata(connection.metadata, own);
  const grpcOptions = deadlineOf(timeoutMs);
  const before = neverBegun(connection, signal);
  if (before !== undefined) return { messages: () => fail(before), cancel: () => undefined };
  const call = connection.grpc.makeServerStreamRequest<MessageShape<I>, MessageShape<O>>(
    pathOf(method),
    (message) => serialize(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
    request,
    sent,
    grpcOptions,
  );
  const ended = endOf(call);
  connection.hold(call);
  cancelOn(signal, call);
  return {
    messages: () => read(call, ended, signal),
    cancel: () => {
      cancel(call);
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

async function* fail(error: SluiceError): AsyncGenerator<never, void, undefined> {
  yield await Promise.reject(error);
}

/** Waits for the end of a call, however it comes and whether or not anybody reads. */
function endOf(call: ClientReadableStream<unknown>): Promise<StatusObject> {
  // Without a listener the event would end the process. The status says the same, and always comes.
  call.on("error", () => undefined);
  return new Promise((resolve) => call.once("status", resolve));
}

function cancelOn(signal: AbortSignal | undefined, call: Cancellable): void {
  if (signal === undefined) return;
  // Node 20 warns of more than ten listeners; calls with one signal may be as many as there are.
  if (signal instanceof EventTarget) setMaxListeners(0, signal);
  const abort = (): void => {
    cancel(call);
  };
  signal.addEventListener("abort", abort, { once: true });
  call.once("status", () => {
    signal.removeEventListener("abort", abort);
  });
}

/** A deadline further away than this cannot be told to a server. */
const NEVER_MS = 1e14;

function deadlineOf(timeoutMs: number | undefined): GrpcCallOptions {
  if (timeoutMs === undefined || timeoutMs >= NEVER_MS) return {};
  // Of NaN the library throws where nobody can catch it, and the process ends.
  if (!Number.isFinite(timeoutMs))
    throw new RangeError("timeoutMs is not a number of milliseconds.");
  return { deadline: Date.now() + timeoutMs };
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
