/** Client of Sluice, and the messages of its contract `sluice.v1`. */

export { connect, Client, type ModelsOptions } from "./client.js";
export type { CallOptions, ConnectOptions, TlsOptions } from "./options.js";
export type { Answer } from "./answer.js";
export type { Stream } from "./stream.js";
export type { ToolRun, RunOptions } from "./run.js";
export type { ToolFunction } from "./tools.js";
export { SluiceError, ToolError, TurnLimitError, type StatusName } from "./errors.js";
export type { ErrorDetails, FieldViolation, QuotaViolation } from "./details.js";
export { prompt, system, toolResult, user } from "./messages.js";
export { HealthCheckResponse_ServingStatus as ServingStatus } from "./gen/grpc_health/v1/health_pb.js";

export * from "./gen/sluice/v1/content_pb.js";
export * from "./gen/sluice/v1/error_reason_pb.js";
export * from "./gen/sluice/v1/event_pb.js";
export * from "./gen/sluice/v1/gateway_service_pb.js";
export * from "./gen/sluice/v1/metrics_pb.js";
export * from "./gen/sluice/v1/model_pb.js";
export * from "./gen/sluice/v1/rate_limit_pb.js";
export * from "./gen/sluice/v1/usage_pb.js";
