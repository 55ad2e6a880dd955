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
import type { Completed, Event, PartFinished, PartStarted } from "./gen/sluice/v1/event_pb.js";

/**
 * Puts the answer of a turn together from its events; `Started` begins a new one.
 *
 * The message is the one that `Completed` brings. Where that was too large for it the deltas held
 * it all, but for what the gateway keeps to itself, such as provider state.
 */
export class Assembly {
  #generationId = "";
  #completed: Completed | undefined;
  readonly #parts = new Map<number, Part>();

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
      case "reasoningDelta":
        this.#append(kind.value.part, kind.value.text);
        break;
      case "toolArgumentsDelta":
        this.#append(kind.value.part, kind.value.fragment);
        break;
      case "partFinished":
        this.#finish(kind.value);
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

  #message(): Message {
    const parts = [...this.#parts].sort(([a], [b]) => a - b).map(([, part]) => part);
    return create(MessageSchema, { role: Role.ASSISTANT, parts });
  }

  #start({ part, kind }: PartStarted): void {
    const started = create(PartSchema);
    if (kind.case === "text" || kind.case === "refusal") {
      started.kind = { case: kind.case, value: "" };
    } else if (kind.case === "reasoning") {
      started.kind = { case: kind.case, value: create(ReasoningSchema) };
    } else if (kind.case === "toolCall") {
      const { id, name } = kind.value;
      started.kind = { case: kind.case, value: create(ToolCallSchema, { id, name }) };
    } else {
      // A kind of part that this contract does not know has no place in a message of it.
      return;
    }
    this.#parts.set(part, started);
  }

  #append(index: number, text: string): void {
    const kind = this.#parts.get(index)?.kind;
    if (kind?.case === "text" || kind?.case === "refusal") kind.value += text;
    else if (kind?.case === "reasoning") kind.value.text += text;
    else if (kind?.case === "toolCall") kind.value.argumentsJson += text;
  }

  #finish({ part, toolCall }: PartFinished): void {
    const kind = this.#parts.get(part)?.kind;
    if (kind?.case === "toolCall" && toolCall) kind.value = toolCall;
  }
}
