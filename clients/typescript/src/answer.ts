import type { Message, Part, ToolCall } from "./gen/sluice/v1/content_pb.js";
import type { Completed, FinishReason, Upstream } from "./gen/sluice/v1/event_pb.js";
import type { Cost, Timing, Usage } from "./gen/sluice/v1/usage_pb.js";

/** The whole answer of one turn. */
export interface Answer {
  /** Ready to be appended to the conversation. */
  message: Message;
  /** The message's texts, joined. */
  text: string;
  /** The words in which the model refused, joined. */
  refusal: string;
  /** The readable reasoning, joined. */
  reasoning: string;
  /** The message's tool calls, in its order. */
  toolCalls: ToolCall[];
  /** Why the model stopped. A reason that this version does not know is its number. */
  finishReason: FinishReason;
  /** Tokens. */
  usage: Usage | undefined;
  /** Money; undefined when no price is known. */
  cost: Cost | undefined;
  /** Where the time went. */
  timing: Timing | undefined;
  /** Who served. */
  upstream: Upstream | undefined;
  /** Id of the turn at the gateway. */
  generationId: string;
}

/** The answer that ends with `completed` and says `message`. */
export function answerOf(completed: Completed, message: Message, generationId: string): Answer {
  const kinds = message.parts.map(({ kind }) => kind);
  return {
    message,
    text: joined(kinds, (kind) => (kind.case === "text" ? kind.value : "")),
    refusal: joined(kinds, (kind) => (kind.case === "refusal" ? kind.value : "")),
    reasoning: joined(kinds, (kind) => (kind.case === "reasoning" ? kind.value.text : "")),
    toolCalls: kinds.flatMap((kind) => (kind.case === "toolCall" ? [kind.value] : [])),
    finishReason: completed.finishReason,
    usage: completed.usage,
    cost: completed.cost,
    timing: completed.timing,
    upstream: completed.upstream,
    generationId,
  };
}

function joined(kinds: Part["kind"][], textOf: (kind: Part["kind"]) => string): string {
  return kinds.map(textOf).join("");
}
