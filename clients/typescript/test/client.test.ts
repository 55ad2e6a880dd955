import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { test } from "node:test";

import { serviceConfig } from "#gen/sluice/v1/service_config.js";
import {
  connect,
  ListModelsResponseSchema,
  Role,
  SluiceError,
  system,
  toolResult,
  ToolCallSchema,
  type ListModelsRequest,
} from "@sluice/client";

import { clientOf } from "./support/gateway.js";

test("models are read page by page, with one filter", async (t) => {
  const requests: ListModelsRequest[] = [];
  const client = await clientOf(t, {
    listModels({ request }, callback) {
      requests.push(request);
      const page = Number(request.pageToken || "1");
      const models = [{ name: `up/${page}` }];
      callback(
        null,
        create(ListModelsResponseSchema, { models, nextPageToken: page < 3 ? `${page + 1}` : "" }),
      );
    },
  });
  const names: string[] = [];
  for await (const { name } of client.models({ query: "up" }, { pageSize: 1 })) {
    names.push(name);
    assert.equal(requests.length, names.length);
  }
  assert.deepEqual(names, ["up/1", "up/2", "up/3"]);
  for (const { filter, pageSize } of requests) {
    assert.equal(filter?.query, "up");
    assert.equal(pageSize, 1);
  }
});

test("a URL in the place of an address is told at once", () => {
  for (const address of ["http://127.0.0.1:50051", "HTTPS://sluice.example.com"]) {
    assert.throws(() => connect(address), /^TypeError: The address is a URL/);
  }
});

test("calls without a stream fail with the same error", async (t) => {
  const client = await clientOf(t, {
    listModels(_, callback) {
      callback({ code: status.PERMISSION_DENIED, details: "Not you." });
    },
  });
  await assert.rejects(
    client.listModels(),
    (error) => error instanceof SluiceError && error.status === "PERMISSION_DENIED",
  );
});

test("the error of a call shows who made it", async (t) => {
  const client = await clientOf(t, {
    getMetrics(_, callback) {
      callback({ code: status.INTERNAL, details: "Ours." });
    },
  });
  async function whoever(): Promise<void> {
    await client.getMetrics();
  }
  await assert.rejects(whoever, (error: Error) => error.stack?.includes("whoever") === true);
});

test("the service config is the one of all clients", async () => {
  const contract = new URL("../../../../proto/sluice/v1/service_config.json", import.meta.url);
  assert.deepEqual(serviceConfig, JSON.parse(await readFile(contract, "utf8")));
});

test("its code works without its manifest beside it, as in a bundle", async () => {
  const moved = new URL("../moved/", import.meta.url);
  await cp(new URL("../../dist/", import.meta.url), moved, { recursive: true });
  const library = (await import(new URL("index.js", moved).href)) as { connect: unknown };
  assert.equal(typeof library.connect, "function");
});

test("messages are made for each role", () => {
  assert.equal(system("Be brief.").role, Role.SYSTEM);
  const result = toolResult(create(ToolCallSchema, { id: "c" }), "21 °C");
  assert.equal(result.role, Role.TOOL);
  const [part] = result.parts;
  assert.equal(part?.kind.case, "toolResult");
  assert.equal(part.kind.value.toolCallId, "c");
  assert.equal(part.kind.value.isError, false);
});
