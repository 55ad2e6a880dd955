/** How a client is set up. The guide for clients has all values and their reasons. */

import { credentials, type ChannelCredentials, type ChannelOptions } from "@grpc/grpc-js";
import { createPrivateKey, X509Certificate } from "node:crypto";

import { serviceConfig } from "./gen/sluice/v1/service_config.js";
import { version } from "./gen/version.js";

/** Certificates and keys as PEM; a TypeError, which shows nothing of it, refuses anything else. */
export interface TlsOptions {
  /** Authorities to trust, at least one; without it those that Node trusts. */
  ca?: string | Uint8Array | undefined;
  /** The client's certificate chain, for mutual TLS; together with `key`. */
  cert?: string | Uint8Array | undefined;
  /** The private key of `cert`. */
  key?: string | Uint8Array | undefined;
}

/** Options of {@link connect}. */
export interface ConnectOptions {
  /**
   * Sent as `authorization: Bearer …` with every call; an empty one is none. A TypeError refuses what
   * no header can carry.
   */
  token?: string | undefined;
  /** Speak TLS; `{}` with Node's authorities. Without it the client speaks plaintext. */
  tls?: TlsOptions | undefined;
  /** Options of the gRPC channel, which go before those that the client sets itself. */
  channelOptions?: ChannelOptions | undefined;
}

/** Options of a call. */
export interface CallOptions {
  /** Cancels the call; what waits for it is rejected with CANCELLED, the signal's reason as its cause. */
  signal?: AbortSignal | undefined;
  /**
   * Deadline of the call in milliseconds from now, over all its tries. There is none by default. A
   * RangeError refuses what is no number.
   */
  timeoutMs?: number | undefined;
  /**
   * Sent beside the request, such as `sluice-priority`; by a run of tools with every turn. Names
   * are lower case, values printable ASCII; a TypeError, which does not show the value, refuses
   * what gRPC cannot send. An `authorization` is sent instead of the client's token.
   */
  metadata?: Readonly<Record<string, string>> | undefined;
}

const MIB = 1024 * 1024;

/** The options of the channel: those of all clients, below the caller's own. */
export function channelOptions(own: ChannelOptions = {}): ChannelOptions {
  return {
    "grpc.service_config": JSON.stringify(serviceConfig),
    "grpc.primary_user_agent": `sluice-typescript/${version}`,
    // Silence on a connection with calls on it after which the server is pinged, and how long its
    // answer may take.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.keepalive_permit_without_calls": 0,
    // A gateway that comes back is found soon; the library's own bound is two minutes.
    "grpc.initial_reconnect_backoff_ms": 250,
    "grpc.max_reconnect_backoff_ms": 5_000,
    // The largest answer of a server with default settings.
    "grpc.max_receive_message_length": 33 * MIB,
    // Requests are kept until their first output, so that they can be sent again: of one call as
    // much as a server with default settings takes, of all calls four times that.
    "grpc.per_rpc_retry_buffer_size": 32 * MIB,
    "grpc.retry_buffer_size": 128 * MIB,
    ...own,
  };
}

/** The credentials of the channel. */
export function channelCredentials(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const ca = pem("ca", tls.ca, readCertificate);
  const cert = pem("cert", tls.cert, readCertificate);
  const key = pem("key", tls.key, createPrivateKey);
  return credentials.createSsl(ca, key, cert);
}

/**
 * Reads what is PEM once, to be sure of it: authorities that cannot be read Node leaves out without
 * a word, and then trusts nobody; of the rest its complaint does not say which one is meant.
 */
function pem(
  name: keyof TlsOptions,
  value: string | Uint8Array | undefined,
  read: (pem: Buffer) => unknown,
): Buffer | null {
  if (value === undefined) return null;
  const bytes = Buffer.from(value);
  try {
    if (!bytes.includes("-----BEGIN ")) throw new TypeError("DER, or something else.");
    read(bytes);
  } catch {
    const what = name === "key" ? "private key without a passphrase" : "certificate";
    throw new TypeError(`tls.${name} holds no PEM of a ${what}.`);
  }
  return bytes;
}

function readCertificate(bytes: Buffer): X509Certificate {
  return new X509Certificate(bytes);
}
