import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";

import { connect, prompt, SluiceError, type TlsOptions } from "@sluice/client";

import { said, started } from "./support/events.js";
import { clientOf, fail, send } from "./support/gateway.js";

const token = "token-that-nobody-may-see";
const metadata = { "sluice-provider-key": "provider-key-that-nobody-may-see" };
const key = "-----BEGIN PRIVATE KEY-----\nprivatebytes\n-----END PRIVATE KEY-----\n";

function shown(value: unknown): string {
  const everything = inspect(value, { depth: Infinity, showHidden: true, getters: true });
  return `${everything}\n${JSON.stringify(value)}\n${String(value)}`;
}

test("a client, its streams and its errors show neither token nor metadata", async (t) => {
  const client = await clientOf(
    t,
    {
      generate(call) {
        if (call.request.model === "bad") fail(call, 7, "No.");
        else {
          send(call, started(), said("Hi"));
          call.end();
        }
      },
    },
    { token },
  );
  const stream = client.generate(prompt("good", "Hi"), { metadata });
  const models = client.models({}, { metadata });
  const run = client.runTools(prompt("good", "Hi"), [], { metadata });
  const answer = await stream.collect();
  await run.collect();
  const failing = client.collect(prompt("bad", "Hi"), { metadata });
  const error = await failing.catch((it: unknown) => it);
  assert.ok(error instanceof SluiceError);
  for (const value of [client, stream, run, models, answer, error, error.stack]) {
    assert.doesNotMatch(shown(value), /that-nobody-may-see/);
  }
});

test("a token that no header can carry is refused without being shown", () => {
  for (const unfit of [`${token}\n`, `${token} ü`]) {
    assert.throws(
      () => connect("127.0.0.1:1", { token: unfit }),
      (error: unknown) => error instanceof TypeError && !shown(error).includes(token),
    );
  }
});

test("what is not PEM is refused by its name, without being shown", () => {
  const certificate = "-----BEGIN CERTIFICATE-----\nprivatebytes\n-----END CERTIFICATE-----\n";
  const unfit: [keyof TlsOptions, string | Uint8Array][] = [
    ["ca", ""],
    ["ca", "privatebytes"],
    ["ca", certificate],
    ["ca", key],
    ["ca", Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x00)],
    ["cert", "privatebytes"],
    ["cert", certificate],
    ["key", "privatebytes"],
    ["key", key],
  ];
  for (const [name, value] of unfit) {
    assert.throws(
      () => connect("127.0.0.1:1", { tls: { [name]: value } }),
      (error: unknown) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, new RegExp(`^tls\\.${name} `));
        assert.doesNotMatch(shown(error), /privatebytes/);
        return true;
      },
    );
  }
});

test("a private key without its certificate is refused without being shown", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const [, bytes = ""] = pem.split("\n");
  assert.throws(
    () => connect("127.0.0.1:1", { tls: { key: pem } }),
    (error: unknown) => error instanceof Error && !shown(error).includes(bytes),
  );
});
