package dev.sluice.client;

import static dev.sluice.client.Messages.prompt;
import static dev.sluice.client.Script.call;
import static dev.sluice.client.Script.calls;
import static dev.sluice.client.Script.good;
import static dev.sluice.client.Script.part;
import static dev.sluice.client.Script.says;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.ArgumentsCheck;
import dev.sluice.v1.Event;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Role;
import dev.sluice.v1.Tool;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.ToolResult;
import io.grpc.Status;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** The rules of a run of tools. */
class ToolRunTest {
  private static final GenerateRequest REQUEST = prompt("local/model", "Hello.");
  private static final ToolFunction.Body NEVER =
      call -> {
        throw new AssertionError("called");
      };

  @Test
  void functionsRunAtTheSameTimeAndTheirResultsKeepTheOrderOfTheCalls() {
    CyclicBarrier together = new CyclicBarrier(2);
    CountDownLatch secondIsDone = new CountDownLatch(1);
    ToolFunction first =
        function(
            "first",
            call -> {
              meet(together);
              await(secondIsDone);
              return "one";
            });
    ToolFunction second =
        function(
            "second",
            call -> {
              meet(together);
              secondIsDone.countDown();
              return "two";
            });
    try (FakeGateway gateway =
            new FakeGateway(calls(call("a", "first"), call("b", "second")), says("Done."));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(first, second))) {
      assertEquals("Done.", run.collect().text());

      List<Message> messages = gateway.requests.get(1).getMessagesList();
      assertEquals(3, messages.size());
      assertEquals(
          Message.newBuilder()
              .setRole(Role.ROLE_TOOL)
              .addParts(result("a", "one", false))
              .addParts(result("b", "two", false))
              .build(),
          messages.get(2));
      assertEquals(4, run.messages().size());
      assertEquals(2, run.answers().size());
    }
  }

  @Test
  void functionsAreAddedToTheToolsOfTheRequest() {
    ToolFunction strict = new ToolFunction("mine", "What it does.", "{}", true, NEVER);
    Tool theirs = Tool.newBuilder().setName("theirs").build();
    try (FakeGateway gateway = new FakeGateway(says("Done."));
        Client client = gateway.client();
        ToolRun run =
            client.runTools(REQUEST.toBuilder().addTools(theirs).build(), List.of(strict))) {
      run.collect();

      Tool mine =
          Tool.newBuilder()
              .setName("mine")
              .setDescription("What it does.")
              .setInputSchemaJson("{}")
              .setStrict(true)
              .build();
      assertEquals(List.of(theirs, mine), gateway.requests.get(0).getToolsList());
    }
  }

  @Test
  void wrongCallsAreNotRunAndTheModelIsToldWhy() {
    ToolCall malformed = checked("a", "f", ArgumentsCheck.ARGUMENTS_CHECK_MALFORMED_JSON);
    ToolCall mismatched =
        checked("b", "f", ArgumentsCheck.ARGUMENTS_CHECK_SCHEMA_VIOLATION).toBuilder()
            .addViolations("/city: is missing")
            .addViolations("/town: is unknown")
            .build();
    ToolCall unknown = checked("c", "g", ArgumentsCheck.ARGUMENTS_CHECK_UNKNOWN_TOOL);
    ToolCall unchecked = call("d", "h");
    try (FakeGateway gateway =
            new FakeGateway(calls(malformed, mismatched, unknown, unchecked), says("Sorry."));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(function("f", NEVER)))) {
      run.collect();

      assertEquals(
          List.of(
              result("a", "The arguments are not valid JSON.", true),
              result(
                  "b",
                  "The arguments do not match the schema: /city: is missing; /town: is unknown",
                  true),
              result("c", "There is no function named g.", true),
              result("d", "There is no function named h.", true)),
          gateway.requests.get(1).getMessages(2).getPartsList());
    }
  }

  @Test
  void toolExceptionIsToldToTheModel() {
    ToolFunction fails =
        function(
            "f",
            call -> {
              throw new ToolException("no such city", new IOException("of no concern to it"));
            });
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")), says("Sorry."));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(fails))) {
      assertEquals("Sorry.", run.collect().text());
      assertEquals(
          List.of(result("a", "no such city", true)),
          gateway.requests.get(1).getMessages(2).getPartsList());
    }
  }

  @Test
  void anythingElseReachesTheReaderAsItIsAndInterruptsTheFunctionsBesideIt() throws Exception {
    AssertionError fault = new AssertionError("a fault of the function");
    CyclicBarrier together = new CyclicBarrier(2);
    CountDownLatch interrupted = new CountDownLatch(1);
    ToolFunction waits = function("waits", call -> waitForInterruption(together, interrupted));
    ToolFunction breaks =
        function(
            "breaks",
            call -> {
              meet(together);
              throw fault;
            });
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "waits"), call("b", "breaks")));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(waits, breaks))) {
      assertSame(fault, assertThrows(AssertionError.class, run::collect));

      interrupted.await();
      assertSame(fault, assertThrows(AssertionError.class, run::collect));
      assertEquals(1, gateway.requests.size());
      assertEquals(2, run.messages().size());
      assertEquals(1, run.answers().size());
    }
  }

  @Test
  void functionThatSpeaksOfCancellationIsNotTakenForAClosedRun() {
    CancellationException fault = new CancellationException("a fault of the function");
    ToolFunction breaks =
        function(
            "f",
            call -> {
              throw fault;
            });
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(breaks))) {
      assertSame(fault, assertThrows(CancellationException.class, run::collect));
    }
  }

  @Test
  void callsOfToolsWithoutFunctionAreTheCallers() {
    GenerateRequest request =
        REQUEST.toBuilder().addTools(Tool.newBuilder().setName("theirs")).build();
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "mine"), call("b", "theirs")));
        Client client = gateway.client();
        ToolRun run = client.runTools(request, List.of(function("mine", NEVER)), 1)) {
      assertEquals(2, run.collect().toolCalls().size());
      assertEquals(2, run.messages().size());
    }
  }

  @Test
  void pausedTurnIsSentBack() {
    try (FakeGateway gateway =
            new FakeGateway(
                good(Script.completed(FinishReason.FINISH_REASON_PAUSED, part("Wait."))),
                says("Done."));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of())) {
      assertEquals("Done.", run.collect().text());
      assertEquals(
          List.of(Messages.user("Hello."), run.answers().get(0).message()),
          gateway.requests.get(1).getMessagesList());
    }
  }

  @Test
  void lastTurnThatWantsMoreEndsTheRunBeforeItsFunctions() {
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(function("f", NEVER)), 1)) {
      TurnLimitException limit = assertThrows(TurnLimitException.class, run::collect);

      assertEquals(1, limit.maxTurns());
      assertEquals(1, run.answers().size());
    }
  }

  @Test
  void failedTurnLeavesTheConversationBeforeIt() {
    try (FakeGateway gateway =
            new FakeGateway(
                calls(call("a", "f")), Script.bad(Status.INTERNAL.asRuntimeException()));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(function("f", call -> "one")))) {
      SluiceException failure = assertThrows(SluiceException.class, run::collect);

      assertEquals(Status.Code.INTERNAL, failure.status());
      assertEquals(3, run.messages().size());
      assertEquals(1, run.answers().size());
    }
  }

  @Test
  void closingInterruptsFunctionsAndBeginsNoTurn() throws Exception {
    CyclicBarrier together = new CyclicBarrier(2);
    CountDownLatch interrupted = new CountDownLatch(1);
    ToolFunction waits = function("waits", call -> waitForInterruption(together, interrupted));
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "waits")));
        Client client = gateway.client()) {
      ToolRun run = client.runTools(REQUEST, List.of(waits));
      Thread closer =
          new Thread(
              () -> {
                meet(together);
                run.close();
              });
      closer.start();

      SluiceException failure = assertThrows(SluiceException.class, run::collect);

      closer.join();
      interrupted.await();
      assertEquals(Status.Code.CANCELLED, failure.status());
      assertEquals(1, gateway.requests.size());
    }
  }

  @Test
  void closingTheClientBeginsNoFunction() {
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")))) {
      Client client = gateway.client();
      ToolRun run = client.runTools(REQUEST, List.of(function("f", NEVER)));
      Iterator<Event> events = run.iterator();
      events.next();
      events.next();
      client.close();

      SluiceException failure = assertThrows(SluiceException.class, events::hasNext);

      assertEquals(Status.Code.CANCELLED, failure.status());
      assertEquals(1, run.answers().size());
    }
  }

  @Test
  void interruptionOfTheReaderEndsTheRun() {
    Thread reader = Thread.currentThread();
    ToolFunction interrupts =
        function(
            "f",
            call -> {
              reader.interrupt();
              return waitForInterruption(new CyclicBarrier(1), new CountDownLatch(1));
            });
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(interrupts))) {
      SluiceException failure = assertThrows(SluiceException.class, run::collect);

      assertTrue(Thread.interrupted());
      assertEquals(Status.Code.CANCELLED, failure.status());
    }
  }

  @Test
  void functionsRunWhereTheCallerWants() {
    AtomicBoolean here = new AtomicBoolean();
    Thread reader = Thread.currentThread();
    ConnectOptions options = ConnectOptions.builder().functionExecutor(Runnable::run).build();
    ToolFunction function =
        function(
            "f",
            call -> {
              here.set(Thread.currentThread() == reader);
              return "one";
            });
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")), says("Done."));
        Client client = gateway.client(options);
        ToolRun run = client.runTools(REQUEST, List.of(function))) {
      assertFalse(here.get());
      run.collect();
      assertTrue(here.get());
    }
  }

  @Test
  void functionThatReturnsNullEndsTheRunByName() {
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")));
        Client client = gateway.client();
        ToolRun run = client.runTools(REQUEST, List.of(function("f", call -> null)))) {
      NullPointerException failure = assertThrows(NullPointerException.class, run::collect);

      assertEquals("f returned null", failure.getMessage());
    }
  }

  @Test
  void functionWithoutBodyIsRefusedAtOnce() {
    assertThrows(NullPointerException.class, () -> function("f", null));
  }

  @Test
  void runHasAtLeastOneTurn() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      for (int tooFew : new int[] {0, -1}) {
        assertThrows(
            IllegalArgumentException.class,
            () -> client.runTools(REQUEST, List.of(), tooFew).close());
      }
      assertEquals(List.of(), gateway.requests);
    }
  }

  private static ToolFunction function(String name, ToolFunction.Body body) {
    return new ToolFunction(name, "", "", body);
  }

  private static ToolCall checked(String id, String name, ArgumentsCheck check) {
    return call(id, name).toBuilder().setCheck(check).build();
  }

  private static Part result(String id, String text, boolean isError) {
    ToolResult.Builder result =
        ToolResult.newBuilder().setToolCallId(id).addParts(part(text)).setIsError(isError);
    return Part.newBuilder().setToolResult(result).build();
  }

  private static String waitForInterruption(CyclicBarrier begun, CountDownLatch interrupted) {
    meet(begun);
    try {
      new CountDownLatch(1).await();
      throw new AssertionError("nothing counts it down");
    } catch (InterruptedException expected) {
      interrupted.countDown();
      return "too late";
    }
  }

  private static void meet(CyclicBarrier barrier) {
    try {
      barrier.await();
    } catch (InterruptedException | BrokenBarrierException failure) {
      throw new AssertionError(failure);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException failure) {
      throw new AssertionError(failure);
    }
  }
}
