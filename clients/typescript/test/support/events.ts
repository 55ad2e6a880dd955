/** Events of a turn, in short. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FinishReason, Role, type MessageSchema, type ToolCallSchema } from "@sluice/client";

import type { EventInit } from "./gateway.js";

type ToolCallInit = MessageInitShape<typeof ToolCallSchema>;

export function started(generationId = "gen_1"): EventInit {
  return { kind: { case: "started", value: { generationId } } };
}

export function textDelta(text: string, part = 0): EventInit {
  return { kind: { case: "textDelta", value: { part, text } } };
}

export function completed(
  finishReason: FinishReason,
  message?: MessageInitShape<typeof MessageSchema>,
): EventInit {
  return {
    kind: { case: "completed", value: message ? { finishReason, message } : { finishReason } },
  };
}

/** The end of a turn that said `text`. */
export function said(text: string, finishReason = FinishReason.STOP): EventInit {
  const parts = [{ kind: { case: "text" as const, value: text } }];
  return completed(finishReason, { role: Role.ASSISTANT, parts });
}

/** The end of a turn that calls tools. */
export function called(...calls: ToolCallInit[]): EventInit {
  const parts = calls.map((value) => ({ kind: { case: "toolCall" as const, value } }));
  return completed(FinishReason.TOOL_CALLS, { role: Role.ASSISTANT, parts });
}
