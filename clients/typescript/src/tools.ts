import { create } from "@bufbuild/protobuf";

import { ToolError } from "./errors.js";
import {
  ArgumentsCheck,
  MessageSchema,
  Role,
  type Message,
  type Part,
  type ToolCall,
} from "./gen/sluice/v1/content_pb.js";
import { resultPart } from "./messages.js";

/** A tool of the request, and what to call when the model calls it. */
export interface ToolFunction {
  /** Unique in the request; [A-Za-z0-9_-]{1,64}. */
  name: string;
  /** What it does and when to use it. */
  description: string;
  /** JSON Schema of the arguments as JSON text. */
  inputSchemaJson: string;
  /** Ask the provider for decoding constrained to the schema. */
  strict?: boolean | undefined;
  /**
   * Returns the text that the model gets; what is no string ends the run with a TypeError. A
   * {@link ToolError} is told to the model; anything else that it throws ends the run and reaches
   * the reader as it is.
   *
   * @param call the call, with its arguments as JSON text that satisfies the schema.
   * @param signal aborted when the run ends before the function does.
   */
  run(call: ToolCall, signal: AbortSignal): string | Promise<string>;
}

/** Functions by name, and calls of them. */
export class Toolbox {
  readonly #functions: ReadonlyMap<string, ToolFunction>;

  constructor(functions: readonly ToolFunction[]) {
    this.#functions = new Map(functions.map((it) => [it.name, it]));
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  /** Runs all calls of a turn at the same time; their results are one message, in the calls' order. */
  async run(calls: readonly ToolCall[], signal: AbortSignal): Promise<Message> {
    const parts = await Promise.all(calls.map((call) => this.#answer(call, signal)));
    return create(MessageSchema, { role: Role.TOOL, parts });
  }

  async #answer(call: ToolCall, signal: AbortSignal): Promise<Part> {
    const it = this.#functions.get(call.name);
    if (it === undefined) return resultPart(call, unknown(call), true);
    const wrong = faultOf(call);
    if (wrong !== undefined) return resultPart(call, wrong, true);
    try {
      const text: unknown = await it.run(call, signal);
      // JavaScript lets it through, and the model would read "undefined" or "[object Object]".
      if (typeof text !== "string")
        throw new TypeError(`The function ${call.name} returned no text.`);
      return resultPart(call, text);
    } catch (error) {
      if (error instanceof ToolError) return resultPart(call, error.message, true);
      throw error;
    }
  }
}

/** What the model is told of a call that the gateway found wrong; undefined when it may be run. */
function faultOf(call: ToolCall): string | undefined {
  switch (call.check) {
    case ArgumentsCheck.MALFORMED_JSON:
      return "The arguments are not valid JSON.";
    case ArgumentsCheck.SCHEMA_VIOLATION:
      return `The arguments do not match the schema: ${call.violations.join("; ")}`;
    case ArgumentsCheck.UNKNOWN_TOOL:
      return unknown(call);
    default:
      return undefined;
  }
}

function unknown(call: ToolCall): string {
  return `There is no function named ${call.name}.`;
}
