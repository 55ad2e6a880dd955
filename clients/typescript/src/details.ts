import { fromBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, durationMs, type Any } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";

import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";

/** A field of the request and what is wrong with it. */
export interface FieldViolation {
  /** Its path in the request, such as `messages[0].parts`; `metadata[name]` of metadata. */
  field: string;
  /** What is wrong, for a person. */
  description: string;
}

/** A limit and why it has no room. */
export interface QuotaViolation {
  /** Whose limit it is, such as `caller:NAME`. */
  subject: string;
  /** What has no room, for a person. */
  description: string;
}

/** What the gateway tells of an error beside its status. */
export interface ErrorDetails {
  /**
   * Name of an `ErrorReason` without its prefix, as the gateway sent it; it may be one that this
   * version does not know. Empty when no gateway spoke, such as at an unreachable address.
   */
  readonly reason: string;
  /** Milliseconds after which another try is worth it; undefined when none were told. */
  readonly retryDelayMs: number | undefined;
  /** Where the request breaks the contract. */
  readonly violations: readonly FieldViolation[];
  /** Limits that have no room. */
  readonly quotaViolations: readonly QuotaViolation[];
  /** `provider`, `model`, `http_status` and what else the gateway knows. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Id of the turn at the gateway, to be quoted in support requests; empty when unknown. */
  readonly generationId: string;
}

const TRAILER = "grpc-status-details-bin";
const DOMAIN = "sluice.v1";

/**
 * Reads the details in the trailers of a failed call.
 *
 * What cannot be read counts as absent: it is not the gateway's, and the status, which says what
 * happened, must reach the caller all the same.
 */
export function readDetails(trailers: Metadata): Partial<ErrorDetails> {
  const [trailer] = trailers.get(TRAILER);
  if (!(trailer instanceof Uint8Array)) return {};
  try {
    return parse(trailer);
  } catch {
    return {};
  }
}

function parse(trailer: Uint8Array): Partial<ErrorDetails> {
  const { details } = fromBinary(StatusSchema, trailer);
  // Whatever stands between may have reasons of its own.
  const info = unpack(details, ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  const retryDelay = unpack(details, RetryInfoSchema)[0]?.retryDelay;
  const retryDelayMs = retryDelay && durationMs(retryDelay);
  return {
    reason: info?.reason ?? "",
    // Nobody can wait for less than nothing.
    retryDelayMs: retryDelayMs !== undefined && retryDelayMs >= 0 ? retryDelayMs : undefined,
    violations: unpack(details, BadRequestSchema)
      .flatMap(({ fieldViolations }) => fieldViolations)
      .map(({ field, description }) => ({ field, description })),
    quotaViolations: unpack(details, QuotaFailureSchema)
      .flatMap(({ violations }) => violations)
      .map(({ subject, description }) => ({ subject, description })),
    metadata: info?.metadata ?? {},
    // The ids of others are not those of turns.
    generationId: (info && unpack(details, RequestInfoSchema)[0]?.requestId) ?? "",
  };
}

function unpack<Schema extends DescMessage>(
  details: readonly Any[],
  schema: Schema,
): MessageShape<Schema>[] {
  return details.flatMap((detail) => {
    try {
      return anyUnpack(detail, schema) ?? [];
    } catch {
      // The others say what they say all the same.
      return [];
    }
  });
}
