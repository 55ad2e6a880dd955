import type { Answer } from "./answer.js";
import { Assembly } from "./assembly.js";
import type { Event } from "./gen/sluice/v1/event_pb.js";

/**
 * Events as they come. It can be read once, as events, as text or as a whole answer.
 *
 * It is read as fast as its reader reads. Leaving it (`break`, `return`, an exception) cancels the
 * call, and the gateway hangs up on the provider. It ends well after `Completed` and status OK;
 * every other end is thrown as a {@link SluiceError}.
 */
export abstract class Stream implements AsyncIterable<Event> {
  #taken = false;

  /** Cancels the call: whoever reads, now or later, gets a {@link SluiceError} with CANCELLED. */
  abstract cancel(): void;

  /** The events, for the one reader. */
  protected abstract events(): AsyncGenerator<Event, void, undefined>;

  [Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    if (this.#taken) throw new TypeError("A stream can be read only once.");
    this.#taken = true;
    return this.events();
  }

  /** Only the text as it comes: every `TextDelta`, and so the words of a refusal as well. */
  async *text(): AsyncGenerator<string, void, undefined> {
    for await (const { kind } of this) {
      if (kind.case === "textDelta") yield kind.value.text;
    }
  }

  /** Reads to the end and returns the whole answer; of several turns the last one. */
  async collect(): Promise<Answer> {
    const assembly = new Assembly();
    for await (const event of this) assembly.add(event);
    return assembly.answer();
  }
}
