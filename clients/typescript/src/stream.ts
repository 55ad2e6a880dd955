import type { Answer } from "./answer.js";
import { Assembly } from "./assembly.js";
import type { Event } from "./gen/sluice/v1/event_pb.js";

/**
 * Events as they come. It can be read once, as events, as text or as a whole answer.
 *
 * It is read as fast as its reader reads. Leaving it (`break`, `return`, an exception) cancels the
 * call at any moment, and the gateway hangs up on the provider; a stream that nobody reads goes on
 * until it is cancelled. It ends well after `Completed` and status OK;
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
    return this.#leavable(this.events());
  }

  /** Only the text as it comes: every `TextDelta`, and so the words of a refusal as well. */
  text(): AsyncGenerator<string, void, undefined> {
    return this.#leavable(textOf(this[Symbol.asyncIterator]()));
  }

  /** Reads to the end and returns the whole answer; of several turns the last one. */
  async collect(): Promise<Answer> {
    const assembly = new Assembly();
    for await (const event of this) assembly.add(event);
    return assembly.answer();
  }

  /**
   * Makes leaving `items` cancel the call at once. A generator alone hears of it neither before its
   * first item, when nothing of it has run yet, nor while a reader waits for the next one.
   */
  #leavable<Item>(
    items: AsyncGenerator<Item, void, undefined>,
  ): AsyncGenerator<Item, void, undefined> {
    const end = items.return.bind(items);
    const fail = items.throw.bind(items);
    return Object.assign(items, {
      return: (value?: void | PromiseLike<void>) => {
        this.cancel();
        return end(value);
      },
      throw: (error: unknown) => {
        this.cancel();
        return fail(error);
      },
    });
  }
}

async function* textOf(
  events: AsyncGenerator<Event, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  for await (const { kind } of events) {
    if (kind.case === "textDelta") yield kind.value.text;
  }
}
