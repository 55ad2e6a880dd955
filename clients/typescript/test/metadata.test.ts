import { create } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";

import { HealthCheckResponseSchema } from "#gen/grpc_health/v1/health_pb.js";
import {
  FinishReason,
  GetMetricsResponseSchema,
  GetRateLimitsResponseSchema,
  ListModelsResponseSchema,
  prompt,
  type CallOptions,
  type Client,
} from "@sluice/client";

import { said, started } from "./support/events.js";
import { clientOf, send } from "./support/gateway.js";

const request = prompt("up/m", "Hi");
const secret = "key-that-nobody-may-see";

/** A client whose gateway answers every call, and the metadata of the calls that came. */
async function recording(
  t: TestContext,
  ...ends: FinishReason[]
): Promise<{ client: Client; seen: Metadata[] }> {
  const seen: Metadata[] = [];
  const client = await clientOf(
    t,
    {
      generate(call) {
        seen.push(call.metadata);
        send(call, started(), said("Hi", ends.shift()));
        call.end();
      },
      listModels({ request: { pageToken }, metadata }, callback) {
        seen.push(metadata);
        const nextPageToken = pageToken === "" ? "2" : "";
        callback(null, create(ListModelsResponseSchema, { nextPageToken }));
      },
      getRateLimits({ metadata }, callback) {
        seen.push(metadata);
        callback(null, create(GetRateLimitsResponseSchema));
      },
      getMetrics({ metadata }, callback) {
        seen.push(metadata);
        callback(null, create(GetMetricsResponseSchema));
      },
      check({ metadata }, callback) {
        seen.push(metadata);
        callback(null, create(HealthCheckResponseSchema));
      },
    },
    { token: "the-token" },
  );
  return { client, seen };
}

/** Every way to make a call, each made and read to its end. */
function callsOf(client: Client, options: CallOptions): Record<string, () => Promise<unknown>> {
  return {
    generate: async () => client.generate(request, options).collect(),
    collect: () => client.collect(request, options),
    runTools: async () => client.runTools(request, [], options).collect(),
    listModels: () => client.listModels({}, options),
    models: async () => {
      for await (const model of client.models({}, options)) assert.fail(model.name);
    },
    getRateLimits: () => client.getRateLimits({}, options),
    getMetrics: () => client.getMetrics({}, options),
    health: () => client.health("", options),
  };
}

test("every call sends its metadata beside the token", async (t) => {
  const { client, seen } = await recording(t);
  const metadata = { "sluice-priority": "low", "sluice-provider-key": secret, "x_y.z": "" };
  for (const [name, call] of Object.entries(callsOf(client, { metadata }))) {
    await call();
    const came = seen.splice(0);
    assert.equal(came.length, name === "models" ? 2 : 1, name);
    for (const one of came) {
      assert.deepEqual(one.get("sluice-priority"), ["low"], name);
      assert.deepEqual(one.get("sluice-provider-key"), [secret], name);
      assert.deepEqual(one.get("x_y.z"), [""], name);
      assert.deepEqual(one.get("authorization"), ["Bearer the-token"], name);
    }
  }
  await client.collect(request);
  assert.deepEqual(seen[0]?.get("sluice-priority"), []);
});

test("every turn of a run sends what the run was given at its beginning", async (t) => {
  const { client, seen } = await recording(t, FinishReason.PAUSED, FinishReason.PAUSED);
  const metadata = { "sluice-priority": "low" };
  const run = client.runTools(request, [], { metadata });
  metadata["sluice-priority"] = "changed\n";
  await run.collect();
  assert.deepEqual(
    seen.map((one) => one.get("sluice-priority")),
    [["low"], ["low"], ["low"]],
  );
});

test("authorization of a call replaces the token, for that call alone", async (t) => {
  const { client, seen } = await recording(t);
  await client.collect(request, { metadata: { authorization: "Bearer another" } });
  await client.collect(request);
  assert.deepEqual(
    seen.map((one) => one.get("authorization")),
    [["Bearer another"], ["Bearer the-token"]],
  );
});

test("the user agent is this package and its version", async (t) => {
  const manifest = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const { client, seen } = await recording(t);
  await client.collect(request);
  const [agent] = seen[0]?.get("user-agent") ?? [];
  assert.ok(String(agent).startsWith(`sluice-typescript/${version} grpc-node`));
});

test("what cannot be sent is refused by every call, without being shown", async (t) => {
  const { client, seen } = await recording(t);
  const unfit: Record<string, unknown>[] = [
    ...["\n", " ", "\u00fc", "\u0000"].map((end) => ({ "sluice-provider-key": secret + end })),
    { "sluice-provider-key": ` ${secret}` },
    { "sluice-provider-key": [secret] },
    { "sluice-provider-key": undefined },
    { [`sluice-provider-key: ${secret}`]: "low" },
    ...["", ":path", "Sluice-Priority", "a b", "\u00fc"].map((name) => ({ [name]: secret })),
    ...["connection", "content-length", "user-agent", "grpc-timeout", "trace-bin"].map((name) => ({
      [name]: secret,
    })),
  ];
  for (const metadata of unfit) {
    const options = { metadata: metadata as Record<string, string> };
    for (const call of Object.values(callsOf(client, options))) {
      await assert.rejects(call, (error: unknown) => {
        assert.ok(error instanceof TypeError);
        assert.ok(!inspect(error, { showHidden: true }).includes(secret));
        return true;
      });
    }
    assert.throws(() => client.generate(request, options), TypeError);
    assert.throws(() => client.runTools(request, [], options), TypeError);
  }
  assert.deepEqual(seen, []);
});
