import { create } from "@bufbuild/protobuf";

import {
  MessageSchema,
  PartSchema,
  Role,
  ToolResultSchema,
  type Message,
  type Part,
  type ToolCall,
} from "./gen/sluice/v1/content_pb.js";
import { GenerateRequestSchema, type GenerateRequest } from "./gen/sluice/v1/gateway_service_pb.js";

/** A request of one user message. */
export function prompt(model: string, text: string): GenerateRequest {
  return create(GenerateRequestSchema, { model, messages: [user(text)] });
}

/** Instructions from the application. */
export function system(text: string): Message {
  return create(MessageSchema, { role: Role.SYSTEM, parts: [textPart(text)] });
}

/** Words of the end user. */
export function user(text: string): Message {
  return create(MessageSchema, { role: Role.USER, parts: [textPart(text)] });
}

/** What `call` returned. */
export function toolResult(call: ToolCall, text: string): Message {
  return create(MessageSchema, { role: Role.TOOL, parts: [resultPart(call, text)] });
}

/** The part that answers `call`; the parts of all calls of a turn make one message. */
export function resultPart(call: ToolCall, text: string, isError = false): Part {
  const value = create(ToolResultSchema, { toolCallId: call.id, parts: [textPart(text)], isError });
  return create(PartSchema, { kind: { case: "toolResult", value } });
}

function textPart(text: string): Part {
  return create(PartSchema, { kind: { case: "text", value: text } });
}
