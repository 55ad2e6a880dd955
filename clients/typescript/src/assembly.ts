import { create } from "@bufbuild/protobuf";

import { answerOf, type Answer } from "./answer.js";
import {
  MessageSchema,
  PartSchema,
  ReasoningSchema,
  Role,
  ToolCallSchema,
  type Message,
  type Part,
} from "./gen/sluice/v1/content_pb.js";
import type { Completed, Event, PartStarted } from "./gen/sluice/v1/event_pb.js";

/** What a model's answer can consist of. */
type PartKind = Extract<Part["kind"], { case: "text" | "refusal" | "reasoning" | "toolCall" }>;

/**
 * Puts the answer of a turn together from its events; `Started` begins a new one.
 *
 * The message is the one that `Completed` brings. Where that was too large for it the deltas held
 * it all, but for what only the gateway knows, such as provider state.
 */
export class Assembly {
  #generationId = "";
  #completed: Completed | undefined;
  readonly #parts = new Map<number, PartKind>();

  add({ kind }: Event): void {
    switch (kind.case) {
      case "started":
        this.#generationId = kind.value.generationId;
        this.#completed = undefined;
        this.#parts.clear();
        break;
      case "partStarted":
        this.#start(kind.value);
        break;
      case "textDelta":
        this.#append(kind.value.part, kind.value.text, "text");
        break;
      case "reasoningDelta":
        this.#append(kind.value.part, kind.value.text, "reasoning");
        break;
      case "toolArgumentsDelta":
        this.#append(kind.value.part, kind.value.fragment, "toolCall");
        break;
      case "partFinished":
        if (kind.value.toolCall) {
          this.#parts.set(kind.value.part, { case: "toolCall", value: kind.value.toolCall });
        }
        break;
      case "completed":
        this.#completed = kind.value;
        break;
    }
  }

  /** The answer, once `Completed` was added. */
  answer(): Answer {
    if (this.#completed === undefined) throw new Error("The turn is not over.");
    const message = this.#completed.message ?? this.#message();
    return answerOf(this.#completed, message, this.#generationId);
  }

  #start({ part, kind }: PartStarted): void {
    if (kind.case === "toolCall") {
      const { id, name } = kind.value;
      this.#parts.set(part, { case: "toolCall", value: create(ToolCallSchema, { id, name }) });
    } else if (kind.case !== undefined) {
      this.#parts.set(part, empty(kind.case));
    }
  }

  /** Appends to a part; one that nobody opened is of the kind that such a delta is made for. */
  #append(part: number, text: string, usual: "text" | "reasoning" | "toolCall"): void {
    const kind = this.#parts.get(part) ?? empty(usual);
    if (kind.case === "reasoning") kind.value.text += text;
    else if (kind.case === "toolCall") kind.value.argumentsJson += text;
    else kind.value += text;
    this.#parts.set(part, kind);
  }

  #message(): Message {
    const parts = [...this.#parts]
      .sort(([a], [b]) => a - b)
      .map(([, kind]) => create(PartSchema, { kind }));
    return create(MessageSchema, { role: Role.ASSISTANT, parts });
  }
}

function empty(kindCase: PartKind["case"]): PartKind {
  switch (kindCase) {
    case "reasoning":
      return { case: kindCase, value: create(ReasoningSchema) };
    case "toolCall":
      return { case: kindCase, value: create(ToolCallSchema) };
    case "text":
    case "refusal":
      return { case: kindCase, value: "" };
  }
}
