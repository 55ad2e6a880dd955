import { create, fromJson } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { test } from "node:test";

import { EventSchema, prompt, SluiceError, type Event, type Stream } from "@sluice/client";

import { said, started, textDelta } from "./support/events.js";
import { clientOf, fail, send } from "./support/gateway.js";

const request = prompt("up/m", "Hi");

async function kindsOf(stream: Stream): Promise<(string | undefined)[]> {
  const kinds = [];
  for await (const { kind } of stream) kinds.push(kind.case);
  return kinds;
}

function isError(expected: Partial<SluiceError>): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError);
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual(error[name as keyof SluiceError], value);
    }
    return true;
  };
}

test("events of unknown kinds are skipped and unknown values of enums are kept", async (t) => {
  const later: Event = create(EventSchema);
  later.$unknown = [{ no: 99, wireType: WireType.LengthDelimited, data: Uint8Array.of(1, 0x41) }];
  const client = await clientOf(t, {
    generate(call) {
      send(call, later, started());
      send(call, later);
      send(call, fromJson(EventSchema, { completed: { finishReason: 99, message: { role: 7 } } }));
      call.end();
    },
  });
  assert.deepEqual(await kindsOf(client.generate(request)), ["started", "completed"]);
  const answer = await client.collect(request);
  assert.equal(answer.finishReason, 99);
  assert.equal(answer.message.role, 7);
});

test("text is every delta and nothing else", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started(), textDelta("Riv"), { kind: { case: "reasoningDelta", value: {} } });
      send(call, textDelta("ers."), said("Rivers."));
      call.end();
    },
  });
  const pieces = [];
  for await (const piece of client.generate(request).text()) pieces.push(piece);
  assert.deepEqual(pieces, ["Riv", "ers."]);
});

test("what came before a failure is read first", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started(), textDelta("Riv"));
      fail(call, status.UNAVAILABLE, "Gone.");
    },
  });
  const seen: (string | undefined)[] = [];
  await assert.rejects(
    async () => {
      for await (const { kind } of client.generate(request)) seen.push(kind.case);
    },
    isError({ status: "UNAVAILABLE", message: "Gone.", reason: "" }),
  );
  assert.deepEqual(seen, ["started", "textDelta"]);
});

test("a reader who comes after the failure learns of it", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      fail(call, status.INTERNAL, call.request.model);
    },
  });
  const late = client.generate(prompt("late", "Hi"));
  // By then the first call, on the same connection, is over as well.
  await assert.rejects(client.collect(request), isError({ message: "up/m" }));
  await assert.rejects(late.collect(), isError({ message: "late" }));
});

test("an end without Completed is a truncated stream", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started("gen_7"), textDelta("Riv"));
      call.end();
    },
  });
  const truncated = { status: "UNAVAILABLE", reason: "STREAM_TRUNCATED" } as const;
  const expected = isError({ ...truncated, generationId: "gen_7" });
  await assert.rejects(kindsOf(client.generate(request)), expected);
  await assert.rejects(client.collect(request), expected);
});

test("an error that nobody told the id of the turn has it from Started", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started("gen_8"));
      if (call.request.model === "fails") fail(call, status.INTERNAL, "Ours.");
    },
  });
  const late = client.collect(request, { timeoutMs: 1000 });
  await assert.rejects(late, isError({ status: "DEADLINE_EXCEEDED", generationId: "gen_8" }));
  const failed = client.collect(prompt("fails", "Hi"));
  await assert.rejects(failed, isError({ message: "Ours.", generationId: "gen_8" }));
});

test("a status other than OK after Completed is a failure all the same", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started(), said("Hi"));
      fail(call, status.INTERNAL, "Late.");
    },
  });
  await assert.rejects(client.collect(request), isError({ status: "INTERNAL" }));
});

test("a stream is read once", async (t) => {
  const client = await clientOf(t, {
    generate(call) {
      send(call, started(), said("Hi"));
      call.end();
    },
  });
  const stream = client.generate(request);
  await stream.collect();
  await assert.rejects(stream.collect(), TypeError);
});
