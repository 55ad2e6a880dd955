/** What the calls of a client share, and how they end with it. How they are made is not here. */

import type { Client as GrpcClient, Metadata } from "@grpc/grpc-js";

/** A call of gRPC's library that is under way. */
export interface Cancellable {
  cancel(): void;
  once(event: "status", listener: () => void): unknown;
}

/** A channel, what is sent with each of its calls, and those under way. */
export class Connection {
  readonly grpc: GrpcClient;
  readonly metadata: Metadata;
  readonly #underWay = new Set<Cancellable>();
  #closed = false;

  constructor(grpc: GrpcClient, metadata: Metadata) {
    this.grpc = grpc;
    this.metadata = metadata;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Lets a call that was begun end when the connection is closed. */
  hold(call: Cancellable): void {
    this.#underWay.add(call);
    call.once("status", () => {
      this.#underWay.delete(call);
    });
  }

  /** Cancels the calls under way: closing its channel the library lets them go on. */
  close(): void {
    this.#closed = true;
    for (const call of this.#underWay) cancel(call);
    this.grpc.close();
  }
}

/**
 * Cancels a call, and once more a little later: one that is cancelled as soon as it was made the
 * library sends all the same, and then only a second word reaches it.
 */
export function cancel(call: Cancellable): void {
  call.cancel();
  setImmediate(() => {
    call.cancel();
  });
}
