package dev.sluice.client;

import dev.sluice.v1.Event;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** The text of events, and nothing else of them. */
final class TextIterator implements Iterator<String> {
  private final Iterator<Event> events;
  private String next;

  TextIterator(Iterator<Event> events) {
    this.events = events;
  }

  @Override
  public boolean hasNext() {
    while (next == null && events.hasNext()) {
      Event event = events.next();
      if (event.hasTextDelta()) {
        next = event.getTextDelta().getText();
      }
    }
    return next != null;
  }

  @Override
  public String next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    String text = next;
    next = null;
    return text;
  }
}
