package dev.sluice.client;

import static dev.sluice.client.Messages.prompt;
import static dev.sluice.client.Script.STARTED;
import static dev.sluice.client.Script.completed;
import static dev.sluice.client.Script.good;
import static dev.sluice.client.Script.part;
import static dev.sluice.client.Script.response;
import static dev.sluice.client.Script.says;
import static dev.sluice.client.Script.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.Event;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.GenerateRequest;
import io.grpc.Status;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What a reader of a turn sees, and what the gateway sees of the reader. */
class EventStreamTest {
  private static final GenerateRequest REQUEST = prompt("local/model", "Hello.");
  private static final Event END = completed(FinishReason.FINISH_REASON_STOP, part("Rivers run."));

  @Test
  void eventsComeOutOfTheirMessagesAndUnknownOnesAreSkipped() {
    Event unknown = Event.getDefaultInstance();
    try (FakeGateway gateway =
            new FakeGateway(
                out -> {
                  out.onNext(response(STARTED, unknown, text("Rivers ")));
                  out.onNext(response(unknown));
                  out.onNext(response(text("run."), END));
                  out.onCompleted();
                });
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      List<Event> events = new ArrayList<>();
      stream.forEach(events::add);

      assertEquals(List.of(STARTED, text("Rivers "), text("run."), END), events);
      assertEquals("Rivers run.", stream.collect().text());
      assertEquals(List.of(REQUEST), gateway.requests);
    }
  }

  @Test
  void textIsTheTextAlone() {
    try (FakeGateway gateway = new FakeGateway(good(STARTED, text("Rivers "), text("run."), END));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      List<String> pieces = new ArrayList<>();
      stream.text().forEach(pieces::add);

      assertEquals(List.of("Rivers ", "run."), pieces);
    }
  }

  @Test
  void readingCanChangeItsMannerOnTheWay() {
    try (FakeGateway gateway = new FakeGateway(good(STARTED, text("Rivers "), text("run."), END));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      assertEquals(STARTED, stream.iterator().next());
      assertEquals("Rivers ", stream.text().iterator().next());
      assertEquals("Rivers run.", stream.collect().text());
    }
  }

  @Test
  void goodStatusWithoutCompletedIsAFailure() {
    try (FakeGateway gateway = new FakeGateway(good(STARTED, text("Rivers")));
        Client client = gateway.client()) {
      SluiceException failure = assertThrows(SluiceException.class, () -> client.collect(REQUEST));

      assertEquals(Status.Code.UNAVAILABLE, failure.status());
      assertEquals("STREAM_TRUNCATED", failure.reason());
      assertEquals("gen_1", failure.generationId());
    }
  }

  @Test
  void failureAfterCompletedIsAFailure() {
    try (FakeGateway gateway =
            new FakeGateway(Script.bad(Status.INTERNAL.asRuntimeException(), STARTED, END));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      Iterator<Event> events = stream.iterator();
      assertEquals(List.of(STARTED, END), List.of(events.next(), events.next()));

      SluiceException failure = assertThrows(SluiceException.class, events::hasNext);

      assertEquals(Status.Code.INTERNAL, failure.status());
      assertEquals("gen_1", failure.generationId());
      assertThrows(SluiceException.class, events::hasNext);
    }
  }

  @Test
  void failureIsTracedToItsReader() {
    try (FakeGateway gateway = new FakeGateway(Script.bad(Status.INTERNAL.asRuntimeException()));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      SluiceException failure = assertThrows(SluiceException.class, stream::collect);

      assertTrue(
          Arrays.stream(failure.getStackTrace())
              .anyMatch(frame -> frame.getMethodName().equals("collect")));
    }
  }

  @Test
  void nothingIsFetchedThatNobodyWaitsFor() {
    AtomicInteger sent = new AtomicInteger();
    try (FakeGateway gateway =
            new FakeGateway(
                out ->
                    out.setOnReadyHandler(
                        () -> {
                          while (out.isReady()) {
                            sent.incrementAndGet();
                            out.onNext(response(text("a"), text("b")));
                          }
                        }));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      assertEquals(0, sent.get());
      Iterator<Event> events = stream.iterator();
      events.next();
      events.next();
      assertEquals(1, sent.get());
      events.next();
      assertEquals(2, sent.get());
    }
  }

  @Test
  void closingCancelsTheCall() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway = new FakeGateway(hangs(cancelled));
        Client client = gateway.client()) {
      EventStream stream = client.generate(REQUEST);
      assertFalse(cancelled.get());

      stream.close();

      assertTrue(cancelled.get());
      SluiceException failure = assertThrows(SluiceException.class, stream::collect);
      assertEquals(Status.Code.CANCELLED, failure.status());
    }
  }

  @Test
  void closingTheClientEndsWhatRunsAndWhatIsBegunLater() {
    try (FakeGateway gateway = new FakeGateway(out -> out.onNext(response(STARTED)))) {
      Client client = gateway.client();
      EventStream stream = client.generate(REQUEST);
      assertEquals(STARTED, stream.iterator().next());

      client.close();

      SluiceException running = assertThrows(SluiceException.class, stream::collect);
      assertEquals(Status.Code.CANCELLED, running.status());
      assertEquals("The client was closed.", running.getMessage());
      assertEquals("gen_1", running.generationId());
      SluiceException later = assertThrows(SluiceException.class, () -> client.collect(REQUEST));
      assertEquals(Status.Code.CANCELLED, later.status());
      SluiceException health = assertThrows(SluiceException.class, client::health);
      assertEquals(Status.Code.CANCELLED, health.status());
      assertEquals(1, gateway.requests.size());
    }
  }

  @Test
  void interruptionCancelsTheCallAndStays() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway = new FakeGateway(hangs(cancelled));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      Thread.currentThread().interrupt();

      SluiceException failure = assertThrows(SluiceException.class, stream::collect);

      assertTrue(Thread.interrupted());
      assertEquals(Status.Code.CANCELLED, failure.status());
      assertTrue(cancelled.get());
    }
  }

  @Test
  void interruptedCallCanBeAskedAbout() {
    try (FakeGateway gateway = new FakeGateway(out -> out.onNext(response(STARTED)));
        Client client = gateway.client();
        EventStream stream = client.generate(REQUEST)) {
      assertEquals(STARTED, stream.iterator().next());
      Thread.currentThread().interrupt();

      SluiceException failure = assertThrows(SluiceException.class, stream::collect);

      assertTrue(Thread.interrupted());
      assertEquals("gen_1", failure.generationId());
    }
  }

  @Test
  void nullIsNotSent() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      assertThrows(NullPointerException.class, () -> client.generate(null).close());
      assertEquals(List.of(), gateway.requests);
    }
  }

  @Test
  void timeoutMayBeForEver() {
    try (FakeGateway gateway = new FakeGateway(says("Rivers run."));
        Client client = gateway.client()) {
      Client patient = client.withTimeout(ChronoUnit.FOREVER.getDuration());

      assertEquals("Rivers run.", patient.collect(REQUEST).text());
    }
  }

  @Test
  void timeoutEndsTheCall() {
    try (FakeGateway gateway = new FakeGateway(hangs(new AtomicBoolean()));
        Client client = gateway.client()) {
      Client hasty = client.withTimeout(Duration.ofMillis(20));

      SluiceException failure = assertThrows(SluiceException.class, () -> hasty.collect(REQUEST));

      assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.status());
    }
  }

  @Test
  void timeoutIsOfTheOtherClientAlone() {
    try (FakeGateway gateway = new FakeGateway(says("Rivers run."));
        Client client = gateway.client()) {
      client.withTimeout(Duration.ZERO);

      assertEquals("Rivers run.", client.collect(REQUEST).text());
    }
  }

  /** A turn that never says anything. */
  static FakeGateway.Turn hangs(AtomicBoolean cancelled) {
    return out -> out.setOnCancelHandler(() -> cancelled.set(true));
  }
}
