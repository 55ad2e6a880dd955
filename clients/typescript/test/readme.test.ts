import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { said, started, textDelta } from "./support/events.js";
import { send, serve } from "./support/gateway.js";

test("the README's first program, saved as JavaScript, streams text", async (t) => {
  const address = await serve(t, {
    generate(call) {
      send(call, started(), textDelta("Rivers "), textDelta("run."), said("Rivers run."));
      call.end();
    },
  });
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [, code = ""] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
  assert.match(code, /127\.0\.0\.1:50051/);
  const program = fileURLToPath(new URL("../rivers.mjs", import.meta.url));
  await writeFile(program, code.replace("127.0.0.1:50051", address));
  const node = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "pipe"] });
  assert.deepEqual(await Promise.all([text(node.stdout), text(node.stderr)]), ["Rivers run.", ""]);
});
