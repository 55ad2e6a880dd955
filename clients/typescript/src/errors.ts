import { status as codes, type StatusObject } from "@grpc/grpc-js";

import {
  readDetails,
  type ErrorDetails,
  type FieldViolation,
  type QuotaViolation,
} from "./details.js";

/** Name of a gRPC status, such as `RESOURCE_EXHAUSTED`. */
export type StatusName = keyof typeof codes;

/** How a failed call ends. */
export class SluiceError extends Error implements ErrorDetails {
  override readonly name = "SluiceError";
  /** gRPC's status. */
  readonly status: StatusName;
  readonly reason: string;
  readonly retryDelayMs: number | undefined;
  readonly violations: readonly FieldViolation[];
  readonly quotaViolations: readonly QuotaViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly generationId: string;

  constructor(
    status: StatusName,
    message: string,
    details: Partial<ErrorDetails> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = status;
    this.reason = details.reason ?? "";
    this.retryDelayMs = details.retryDelayMs;
    this.violations = details.violations ?? [];
    this.quotaViolations = details.quotaViolations ?? [];
    this.metadata = details.metadata ?? {};
    this.generationId = details.generationId ?? "";
  }
}

/** Thrown by a function that a model called: the message is sent to the model as the result. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** A run of tools made all the turns that it may, and the last one still wants more. */
export class TurnLimitError extends Error {
  override readonly name = "TurnLimitError";

  /** @param maxTurns turns that were made. */
  constructor(readonly maxTurns: number) {
    super(`The run was not over after ${maxTurns} turns.`);
  }
}

/** The error that a status other than OK is; of a cancelled call `signal` tells the cause. */
export function fromStatus(status: StatusObject, signal?: AbortSignal): SluiceError {
  if (status.code === codes.CANCELLED && signal?.aborted) return cancelled(signal);
  // A code that gRPC does not have means UNKNOWN, says gRPC.
  const name = codes[status.code] as StatusName | undefined;
  return new SluiceError(name ?? "UNKNOWN", status.details, readDetails(status.metadata));
}

/** The error of a call that was cancelled on this side, through `signal` or otherwise. */
export function cancelled(signal?: AbortSignal): SluiceError {
  const options = signal?.aborted ? { cause: signal.reason as unknown } : undefined;
  return new SluiceError("CANCELLED", "The call was cancelled.", {}, options);
}

/** The error of a call that is begun when its client was closed. */
export function closed(): SluiceError {
  return new SluiceError("CANCELLED", "The client was closed.");
}

/** The same error with the turn's id, where nobody told it: also a call that broke off can be asked about. */
export function ofTurn(error: unknown, generationId: string): unknown {
  if (!(error instanceof SluiceError) || error.generationId !== "") return error;
  const { reason, retryDelayMs, violations, quotaViolations, metadata, cause } = error;
  const details = { reason, retryDelayMs, violations, quotaViolations, metadata, generationId };
  return new SluiceError(
    error.status,
    error.message,
    details,
    cause === undefined ? {} : { cause },
  );
}
