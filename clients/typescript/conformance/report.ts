/** What the driver saw, one JSON object per line. */
import { toJson, type DescMessage, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import {
  CostSchema,
  MessageSchema,
  ToolCallSchema,
  UpstreamSchema,
  UsageSchema,
  type Answer,
  type SluiceError,
  type ToolRun,
} from "@sluice/client";

export type Line = Record<string, JsonValue>;

export function write(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function answerJson(answer: Answer): Line {
  return {
    message: toJson(MessageSchema, answer.message),
    text: answer.text,
    refusal: answer.refusal,
    reasoning: answer.reasoning,
    tool_calls: answer.toolCalls.map((call) => toJson(ToolCallSchema, call)),
    finish_reason: answer.finishReason,
    usage: orNull(UsageSchema, answer.usage),
    cost: orNull(CostSchema, answer.cost),
    upstream: orNull(UpstreamSchema, answer.upstream),
    generation_id: answer.generationId,
  };
}

export function runJson({ messages, answers }: ToolRun): Line {
  return {
    messages: messages.map((message) => toJson(MessageSchema, message)),
    answers: answers.map(answerJson),
  };
}

export function errorJson(error: SluiceError): Line {
  return {
    status: error.status,
    reason: error.reason,
    message: error.message,
    retry_delay_ms: error.retryDelayMs ?? null,
    violations: error.violations.map(({ field, description }) => ({ field, description })),
    quota_violations: error.quotaViolations.map(({ subject, description }) => ({
      subject,
      description,
    })),
    metadata: { ...error.metadata },
    generation_id: error.generationId,
  };
}

function orNull<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema> | undefined,
): JsonValue {
  return message === undefined ? null : toJson(schema, message);
}
