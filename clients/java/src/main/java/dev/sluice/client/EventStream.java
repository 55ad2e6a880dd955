package dev.sluice.client;

import dev.sluice.v1.Event;
import java.util.Iterator;

/**
 * The events of one or more turns, as they come.
 *
 * <p>It can be read once, by one thread; {@link #close} may be called by any. It is read as fast as
 * its reader reads: the next message is fetched when the events of the last one are used up. Events
 * of kinds that this version does not know are skipped.
 *
 * <p>It ends when the gateway completed the turn. Every other end is thrown to the reader, as a
 * {@link SluiceException}. Close it, best by try-with-resources: leaving it early then cancels the
 * call, and the gateway hangs up on the provider.
 */
public interface EventStream extends Iterable<Event>, AutoCloseable {
  /**
   * Returns the events that were not read yet. Every call returns the same iterator.
   *
   * @return the events, waited for in {@code hasNext} and {@code next}
   */
  @Override
  Iterator<Event> iterator();

  /**
   * Reads only the text: every {@code TextDelta}, and so the words of a refusal as well.
   *
   * @return the pieces, as they come
   */
  default Iterable<String> text() {
    return () -> new TextIterator(iterator());
  }

  /**
   * Reads to the end.
   *
   * @return the answer, of the last turn where there were several
   */
  Answer collect();

  /** Cancels the call, unless it is over. Who still reads gets status CANCELLED. */
  @Override
  void close();
}
