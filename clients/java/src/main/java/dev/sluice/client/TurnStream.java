package dev.sluice.client;

import dev.sluice.v1.Event;
import dev.sluice.v1.GenerateRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** One turn, for a thread that waits for its events. */
final class TurnStream implements EventStream {
  /** Why a stream that its reader closed has no more events. */
  static final String CLOSED = "The stream was closed.";

  /** What the channel's threads hand to the reader: events, or else how the call ended. */
  private record Arrival(List<Event> events, Answer answer, SluiceException failure) {}

  /** Holds at most one message and the end, since a message is fetched when none is left. */
  private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();

  private final GenerateCall call;
  private final Events events = new Events();

  TurnStream(Channel channel, CallOptions options, GenerateRequest request) {
    call = GenerateCall.start(channel, options, request, new Handover(arrivals));
  }

  @Override
  public Iterator<Event> iterator() {
    return events;
  }

  @Override
  public Answer collect() {
    while (events.hasNext()) {
      events.next();
    }
    return events.end.answer();
  }

  @Override
  public void close() {
    call.cancel(CLOSED, null);
  }

  private final class Events implements Iterator<Event> {
    private Iterator<Event> ready = Collections.emptyIterator();
    private Arrival end;

    @Override
    public boolean hasNext() {
      while (!ready.hasNext() && end == null) {
        call.fetch();
        Arrival arrival = await();
        if (arrival.events() == null) {
          end = arrival;
        } else {
          ready = arrival.events().iterator();
        }
      }
      if (ready.hasNext()) {
        return true;
      }
      if (end.failure() != null) {
        // It was made on another thread; whoever reads shall find themselves in its trace.
        end.failure().fillInStackTrace();
        throw end.failure();
      }
      return false;
    }

    @Override
    public Event next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      return ready.next();
    }

    private Arrival await() {
      try {
        return arrivals.take();
      } catch (InterruptedException interruption) {
        Thread.currentThread().interrupt();
        String message = "The thread was interrupted while it waited for the next event.";
        call.cancel(message, interruption);
        return new Arrival(
            null, null, Failures.cancelled(message, call.generationId(), interruption));
      }
    }
  }

  private record Handover(BlockingQueue<Arrival> arrivals) implements GenerateCall.Listener {
    @Override
    public void onEvents(GenerateCall call, List<Event> events) {
      arrivals.add(new Arrival(events, null, null));
    }

    @Override
    public void onAnswer(Answer answer) {
      arrivals.add(new Arrival(null, answer, null));
    }

    @Override
    public void onFailure(SluiceException failure) {
      arrivals.add(new Arrival(null, null, failure));
    }
  }
}
