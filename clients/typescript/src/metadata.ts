/** What is sent beside a request: the client's token, and what a call's caller gives. */

import { Metadata } from "@grpc/grpc-js";

/** The metadata of every call of a client. */
export function clientMetadata(token: string | undefined): Metadata {
  const metadata = new Metadata();
  // An empty one is what a variable of the environment that is not set becomes.
  if (token !== undefined && token !== "") {
    // The library's own complaint would show the token.
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new TypeError("The token has characters that a header cannot carry.");
    }
    metadata.set("authorization", `Bearer ${token}`);
  }
  return metadata;
}

/** The metadata of one call: the client's, and `own`, which replaces what has the same name. */
export function callMetadata(
  client: Metadata,
  own: Readonly<Record<string, string>> = {},
): Metadata {
  const metadata = client.clone();
  for (const [name, value] of Object.entries(own)) {
    checkName(name);
    checkValue(name, value);
    metadata.set(name, value);
  }
  return metadata;
}

/** Names of HTTP/2 and gRPC: some make the library try a call for ever, others it leaves out. */
const RESERVED = new Set([
  "connection",
  "content-length",
  "content-type",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "user-agent",
]);

function checkName(name: string): void {
  // Not quoted: a whole header in the place of a name would show its value.
  if (!/^[0-9a-z_.-]+$/.test(name)) {
    throw new TypeError("A name of metadata has only a-z, 0-9, '_', '-' and '.'.");
  }
  if (RESERVED.has(name) || name.startsWith("grpc-")) {
    throw new TypeError(`The metadata ${name} is gRPC's own.`);
  }
  if (name.endsWith("-bin")) {
    throw new TypeError(`The metadata ${name} would be binary; values are text.`);
  }
}

/** The library's own complaint would show the value; spaces at its ends would lose it on the way. */
function checkValue(name: string, value: unknown): void {
  if (typeof value !== "string" || !/^[ -~]*$/.test(value) || value !== value.trim()) {
    throw new TypeError(
      `The value of the metadata ${name} is not text of printable ASCII without spaces at its ends.`,
    );
  }
}
