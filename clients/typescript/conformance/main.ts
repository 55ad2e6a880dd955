/** The driver of the conformance run: carries out orders, and judges nothing. */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import { connect, SluiceError, TurnLimitError, type TlsOptions } from "@sluice/client";

import { calls } from "./calls.js";
import { Broken } from "./functions.js";
import type { Order } from "./order.js";
import { errorJson, write, type Line } from "./report.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function carryOut(order: Order): Promise<void> {
  const begin = calls.get(order.call);
  if (begin === undefined) throw new Error(`There is no call named ${order.call}.`);
  const { address, token, tls } = order.connect;
  const client = connect(address, { token, tls: tls && (await pemsOf(tls)) });
  const stop = new AbortController();
  try {
    const { metadata, timeout_ms: timeoutMs } = order;
    const call = begin(client, order, { signal: stop.signal, timeoutMs, metadata });
    if (order.cancel_after === 0) stop.abort();
    try {
      await follow(call.lines, order, stop);
    } catch (error) {
      const line = endOf(error);
      // What a cancelled call ends with is its language's own business.
      if (!stop.signal.aborted) write(line);
    }
    if (stop.signal.aborted) write({ cancelled: true });
    if (call.summary) write(call.summary());
  } finally {
    client.close();
  }
}

/** Writes the lines as they come, and cancels or pauses after as many as were ordered. */
async function follow(seen: AsyncIterable<Line>, order: Order, stop: AbortController) {
  let written = 0;
  for await (const line of seen) {
    write(line);
    written += 1;
    if (written === order.cancel_after) stop.abort();
    if (written === order.pause_after) {
      write({ paused: true });
      await lines.next();
    }
  }
}

function endOf(error: unknown): Line {
  if (error instanceof SluiceError) return { error: errorJson(error) };
  if (error instanceof TurnLimitError) return { turn_limit: true };
  if (error instanceof Broken) return { broken: error.message };
  throw error;
}

async function pemsOf(paths: NonNullable<Order["connect"]["tls"]>): Promise<TlsOptions> {
  const pem = async (path: string | undefined): Promise<Buffer | undefined> =>
    path === undefined ? undefined : readFile(path);
  return { ca: await pem(paths.ca), cert: await pem(paths.cert), key: await pem(paths.key) };
}

for (let next = await lines.next(); !next.done; next = await lines.next()) {
  await carryOut(JSON.parse(next.value) as Order);
  write({ end: true });
}
