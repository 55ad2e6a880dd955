import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, AnySchema, type Any } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "#gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "#gen/google/rpc/status_pb.js";
import { prompt, SluiceError } from "@sluice/client";

import { clientOf, fail } from "./support/gateway.js";

function detail<Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>): Any {
  return anyPack(schema, create(schema, init));
}

/** The error that a call ends with whose trailers hold these bytes, or these details. */
async function errorOf(
  test: TestContext,
  trailer: Uint8Array | Any[] | undefined,
  code = 8,
): Promise<SluiceError> {
  const trailers = new Metadata();
  // So that the library does not try again.
  trailers.set("grpc-retry-pushback-ms", "-1");
  if (trailer) {
    const bytes = Array.isArray(trailer)
      ? toBinary(StatusSchema, create(StatusSchema, { code, details: trailer }))
      : trailer;
    trailers.set("grpc-status-details-bin", Buffer.from(bytes));
  }
  const client = await clientOf(test, {
    generate(call) {
      fail(call, code, "No room – 100 %.", trailers);
    },
  });
  const error = await client.collect(prompt("up/m", "Hi")).catch((it: unknown) => it);
  assert.ok(error instanceof SluiceError);
  return error;
}

function plain(error: SluiceError): object {
  return { ...Object.fromEntries(Object.entries(error)), message: error.message };
}

const BARE = {
  name: "SluiceError",
  message: "No room – 100 %.",
  status: "RESOURCE_EXHAUSTED",
  reason: "",
  retryDelayMs: undefined,
  violations: [],
  quotaViolations: [],
  metadata: {},
  generationId: "",
};

test("everything that a status carries is told, in plain values", async (t) => {
  const error = await errorOf(t, [
    detail(ErrorInfoSchema, { reason: "X", domain: "sluice.v1", metadata: { provider: "up" } }),
    detail(RetryInfoSchema, { retryDelay: { seconds: 2n, nanos: 500_000_000 } }),
    detail(BadRequestSchema, { fieldViolations: [{ field: "model", description: "missing" }] }),
    detail(QuotaFailureSchema, { violations: [{ subject: "caller:a", description: "rpm" }] }),
    detail(RequestInfoSchema, { requestId: "gen_1" }),
  ]);
  assert.deepEqual(plain(error), {
    ...BARE,
    reason: "X",
    retryDelayMs: 2500,
    violations: [{ field: "model", description: "missing" }],
    quotaViolations: [{ subject: "caller:a", description: "rpm" }],
    metadata: { provider: "up" },
    generationId: "gen_1",
  });
  assert.equal(typeof JSON.stringify(error), "string");
});

test("a status without details has no reason", async (t) => {
  assert.deepEqual(plain(await errorOf(t, undefined)), BARE);
});

test("trailers that cannot be read count as none", async (t) => {
  const cut = create(AnySchema, {
    typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
    value: Uint8Array.of(0x0a, 0x7f, 0x41),
  });
  for (const trailer of [Uint8Array.of(0x1a, 0xff, 0xff), [cut], []]) {
    assert.deepEqual(plain(await errorOf(t, trailer)), BARE);
  }
});

test("a detail that cannot be read hides no other", async (t) => {
  const cut = create(AnySchema, {
    typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
    value: Uint8Array.of(0xff),
  });
  const known = detail(ErrorInfoSchema, { reason: "X", domain: "sluice.v1" });
  assert.deepEqual(plain(await errorOf(t, [cut, known])), { ...BARE, reason: "X" });
});

test("details of kinds that are not known are passed over", async (t) => {
  const later = create(AnySchema, { typeUrl: "type.googleapis.com/google.rpc.Later" });
  const known = detail(ErrorInfoSchema, { reason: "X", domain: "sluice.v1" });
  assert.equal((await errorOf(t, [later, known])).reason, "X");
});

test("the reason of whoever stands between is not the gateway's", async (t) => {
  const foreign = detail(ErrorInfoSchema, { reason: "PROXY", domain: "proxy.example" });
  assert.deepEqual(plain(await errorOf(t, [foreign])), BARE);
});

test("a code that gRPC does not have is UNKNOWN", async (t) => {
  assert.equal((await errorOf(t, undefined, 77)).status, "UNKNOWN");
});
