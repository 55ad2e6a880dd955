import { create } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { test } from "node:test";

import {
  GetMetricsResponseSchema,
  ListModelsResponseSchema,
  prompt,
  SluiceError,
} from "@sluice/client";

import { called, said, started, textDelta } from "./support/events.js";
import { clientOf, send, type GenerateCall, type Handlers } from "./support/gateway.js";

const request = prompt("up/m", "Hi");

/** A gateway that begins to speak and then waits, and how it learns that it was left. */
function waiting(): { handlers: Handlers; left: Promise<unknown> } {
  let learn!: (left: Promise<unknown>) => void;
  const left = new Promise<unknown>((resolve) => (learn = resolve));
  const generate = (call: GenerateCall): void => {
    learn(once(call, "cancelled"));
    send(call, started(), textDelta("Riv"), textDelta("ers"));
  };
  return { handlers: { generate }, left };
}

const answerMetrics: Handlers["getMetrics"] = (_, callback) => {
  callback(null, create(GetMetricsResponseSchema));
};

function isCancelled(cause: unknown): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.status, "CANCELLED");
    assert.equal(error.cause, cause);
    return true;
  };
}

test("breaking out of a stream cancels the call", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  for await (const { kind } of client.generate(request)) {
    if (kind.case === "textDelta") break;
  }
  await left;
});

test("so does leaving its text", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  for await (const piece of client.generate(request).text()) {
    assert.equal(piece, "Riv");
    break;
  }
  await left;
});

test("an aborted signal ends the reading with its reason, before what is left to read", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  const reason = new Error("Enough.");
  const stop = new AbortController();
  const seen: (string | undefined)[] = [];
  await assert.rejects(async () => {
    for await (const { kind } of client.generate(request, { signal: stop.signal })) {
      seen.push(kind.case);
      if (kind.case === "textDelta") stop.abort(reason);
    }
  }, isCancelled(reason));
  assert.deepEqual(seen, ["started", "textDelta"]);
  await left;
});

test("cancel wakes a reader who waits", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  const stream = client.generate(request);
  const events = stream[Symbol.asyncIterator]();
  for (let read = 0; read < 3; read += 1) await events.next();
  const next = events.next();
  stream.cancel();
  await assert.rejects(next, isCancelled(undefined));
  await left;
});

test("a signal that is aborted already lets nothing begin", async (t) => {
  let calls = 0;
  const client = await clientOf(t, {
    generate(call) {
      calls += 1;
      call.end();
    },
    listModels(_, callback) {
      calls += 1;
      callback(null, create(ListModelsResponseSchema));
    },
    getMetrics: answerMetrics,
  });
  const signal = AbortSignal.abort("no");
  // Without a connection, and with one.
  for (let round = 0; round < 2; round += 1) {
    await assert.rejects(client.collect(request, { signal }), isCancelled("no"));
    await assert.rejects(client.runTools(request, [], { signal }).collect(), isCancelled("no"));
    await assert.rejects(client.listModels({}, { signal }), isCancelled("no"));
    // What had been sent would have come before it.
    await client.getMetrics();
  }
  assert.equal(calls, 0);
});

test("a call that is left as soon as it was made does not go on", async (t) => {
  let coming = 0;
  const { handlers } = waiting();
  const client = await clientOf(t, {
    generate(call) {
      coming += 1;
      call.once("cancelled", () => (coming -= 1));
      void handlers.generate?.(call);
    },
    getMetrics: answerMetrics,
  });
  await client.getMetrics();
  const stop = new AbortController();
  const aborted = client.generate(request, { signal: stop.signal });
  stop.abort("no");
  const left = client.generate(request);
  left.cancel();
  await client.generate(request)[Symbol.asyncIterator]().return();
  await client.generate(request).text().throw("gone").catch(String);
  await assert.rejects(aborted.collect(), isCancelled("no"));
  await assert.rejects(left.collect(), isCancelled(undefined));
  // Ends and resets arrive in their order.
  do await client.getMetrics();
  while (coming > 0);
});

test("whoever waits for the next event can leave", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  const text = client.generate(request).text();
  for (let read = 0; read < 2; read += 1) await text.next();
  const next = text.next();
  const end = text.return();
  await assert.rejects(next, isCancelled(undefined));
  assert.deepEqual(await end, { value: undefined, done: true });
  await left;
});

test("many calls may share a signal", async (t) => {
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warn);
  t.after(() => process.off("warning", warn));
  const client = await clientOf(t, waiting().handlers);
  const stop = new AbortController();
  const calls = Array.from({ length: 20 }, () => client.collect(request, { signal: stop.signal }));
  stop.abort("all");
  for (const call of calls) await assert.rejects(call, isCancelled("all"));
  assert.deepEqual(warnings, []);
});

test("a time that is none is refused before anything is sent, and a very long one is no deadline", async (t) => {
  let calls = 0;
  const client = await clientOf(t, {
    generate(call) {
      calls += 1;
      send(call, started(), said("Hi"));
      call.end();
    },
  });
  for (const timeoutMs of [NaN, -Infinity]) {
    assert.throws(() => client.generate(request, { timeoutMs }), RangeError);
    assert.throws(() => client.runTools(request, [], { timeoutMs }), RangeError);
    await assert.rejects(client.listModels({}, { timeoutMs }), RangeError);
  }
  assert.equal(calls, 0);
  for (const timeoutMs of [2 ** 31, 1e15, Number.MAX_VALUE, Infinity]) {
    assert.equal((await client.collect(request, { timeoutMs })).text, "Hi");
  }
});

test("a deadline is kept by the client itself", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  // Time enough for the call to reach its gateway; else that would have nothing to be left.
  const events = client.generate(request, { timeoutMs: 1000 })[Symbol.asyncIterator]();
  for (let read = 0; read < 3; read += 1) await events.next();
  await assert.rejects(
    events.next(),
    (error: unknown) => error instanceof SluiceError && error.status === "DEADLINE_EXCEEDED",
  );
  await left;
});

test("a call that is over leaves no listener with the signal", async (t) => {
  const { handlers } = waiting();
  const client = await clientOf(t, handlers);
  const { signal } = new AbortController();
  await assert.rejects(client.collect(request, { signal, timeoutMs: 100 }), SluiceError);
  await assert.rejects(client.listModels({}, { signal }), SluiceError);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("closing the client ends what it has under way, and whatever is begun later", async (t) => {
  const { handlers, left } = waiting();
  const client = await clientOf(t, handlers);
  const stream = client.generate(request)[Symbol.asyncIterator]();
  const first = await stream.next();
  assert.equal(first.value?.kind.case, "started");
  client.close();
  await assert.rejects(async () => {
    while (!(await stream.next()).done);
  }, isCancelled(undefined));
  await left;
  await assert.rejects(client.collect(request), isCancelled(undefined));
  await assert.rejects(client.getMetrics(), isCancelled(undefined));
});

test("a run whose client is closed between its turns ends as cancelled", async (t) => {
  const turn = (call: GenerateCall): void => {
    send(call, started(), called({ name: "weather" }));
    call.end();
  };
  const client = await clientOf(t, { generate: turn });
  const weather = {
    name: "weather",
    description: "",
    inputSchemaJson: "",
    run: () => {
      client.close();
      return "sunny";
    },
  };
  await assert.rejects(client.runTools(request, [weather]).collect(), isCancelled(undefined));
});
