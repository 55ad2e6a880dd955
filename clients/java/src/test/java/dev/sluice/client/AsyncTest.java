package dev.sluice.client;

import static dev.sluice.client.EventStreamTest.hangs;
import static dev.sluice.client.Messages.prompt;
import static dev.sluice.client.Script.STARTED;
import static dev.sluice.client.Script.says;
import static dev.sluice.client.Script.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.Event;
import dev.sluice.v1.GenerateRequest;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Calls for which no thread waits. */
class AsyncTest {
  private static final GenerateRequest REQUEST = prompt("local/model", "Hello.");

  @Test
  void observerIsToldTheEventsAndTheEnd() {
    try (FakeGateway gateway = new FakeGateway(says("Rivers run."));
        Client client = gateway.client()) {
      Observer observer = new Observer();

      client.generate(REQUEST, observer);

      assertEquals(List.of(STARTED, text("Rivers run.")), observer.events.subList(0, 2));
      assertEquals(3, observer.events.size());
      assertTrue(observer.completed);
    }
  }

  @Test
  void observerIsToldAFailure() {
    try (FakeGateway gateway = new FakeGateway(Script.bad(Status.INTERNAL.asRuntimeException()));
        Client client = gateway.client()) {
      Observer observer = new Observer();

      client.generate(REQUEST, observer);

      assertEquals(Status.Code.INTERNAL, observer.failure.status());
    }
  }

  @Test
  void nullIsNoObserver() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      assertThrows(NullPointerException.class, () -> client.generate(REQUEST, null));
      assertEquals(List.of(), gateway.requests);
    }
  }

  @Test
  void cancellationHangsUpAndIsToldToTheObserver() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway = new FakeGateway(hangs(cancelled));
        Client client = gateway.client()) {
      Observer observer = new Observer();
      Cancellation call = client.generate(REQUEST, observer);
      assertFalse(cancelled.get());

      call.cancel();

      assertTrue(cancelled.get());
      assertEquals(Status.Code.CANCELLED, observer.failure.status());
    }
  }

  @Test
  void observerThatThrowsEndsTheCall() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway =
            new FakeGateway(
                out -> {
                  hangs(cancelled).play(out);
                  out.onNext(Script.response(STARTED));
                });
        Client client = gateway.client()) {
      IllegalStateException fault = new IllegalStateException("a fault of the observer");
      Observer observer =
          new Observer() {
            @Override
            public void onNext(Event event) {
              throw fault;
            }
          };

      client.generate(REQUEST, observer);

      assertEquals(fault, observer.failure.getCause());
      assertTrue(cancelled.get());
    }
  }

  @Test
  void futureHasTheAnswer() {
    try (FakeGateway gateway = new FakeGateway(says("Rivers run."));
        Client client = gateway.client()) {
      assertEquals("Rivers run.", client.collectAsync(REQUEST).join().text());
    }
  }

  @Test
  void futureFailsAsTheCallDid() {
    try (FakeGateway gateway = new FakeGateway(Script.bad(Status.INTERNAL.asRuntimeException()));
        Client client = gateway.client()) {
      CompletionException failure =
          assertThrows(CompletionException.class, client.collectAsync(REQUEST)::join);

      assertInstanceOf(SluiceException.class, failure.getCause());
    }
  }

  @Test
  void cancellingTheFutureCancelsTheCall() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway = new FakeGateway(hangs(cancelled));
        Client client = gateway.client()) {
      CompletableFuture<Answer> answer = client.collectAsync(REQUEST);
      assertFalse(cancelled.get());

      answer.cancel(false);

      assertTrue(cancelled.get());
    }
  }

  @Test
  void futureThatIsOverInAnotherWayCancelsTheCall() {
    AtomicBoolean cancelled = new AtomicBoolean();
    try (FakeGateway gateway = new FakeGateway(hangs(cancelled));
        Client client = gateway.client()) {
      client.collectAsync(REQUEST).completeExceptionally(new TimeoutException());

      assertTrue(cancelled.get());
    }
  }

  private static class Observer implements StreamObserver<Event> {
    final List<Event> events = new ArrayList<>();
    SluiceException failure;
    boolean completed;

    @Override
    public void onNext(Event event) {
      events.add(event);
    }

    @Override
    public void onError(Throwable thrown) {
      failure = assertInstanceOf(SluiceException.class, thrown);
    }

    @Override
    public void onCompleted() {
      completed = true;
    }
  }
}
