package dev.sluice.client;

import dev.sluice.v1.Event;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Role;
import dev.sluice.v1.ToolCall;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.function.Function;

/** Runs turn after turn, for a thread that waits for their events. */
final class TurnLoop implements ToolRun {
  private final Function<GenerateRequest, EventStream> generate;
  private final GenerateRequest request;
  private final Toolbox toolbox;
  private final int maxTurns;
  private final Executor executor;
  private final List<Message> messages;
  private final List<Answer> answers = new CopyOnWriteArrayList<>();

  /** Guards what {@link #close} ends, and that nothing begins after it. */
  private final Object lock = new Object();

  private boolean closed;
  private EventStream turn;
  private FunctionCalls functionCalls = new FunctionCalls(List.of());

  private final Events events = new Events();

  TurnLoop(
      Function<GenerateRequest, EventStream> generate,
      GenerateRequest request,
      List<ToolFunction> functions,
      int maxTurns,
      Executor executor) {
    if (maxTurns < 1) {
      throw new IllegalArgumentException("a run has at least one turn, not " + maxTurns);
    }
    this.generate = generate;
    this.toolbox = new Toolbox(request.getToolsList(), functions);
    this.request = toolbox.declaredIn(request);
    this.maxTurns = maxTurns;
    this.executor = executor;
    this.messages = new CopyOnWriteArrayList<>(request.getMessagesList());
    this.turn = generate.apply(this.request);
  }

  @Override
  public List<Message> messages() {
    return List.copyOf(messages);
  }

  @Override
  public List<Answer> answers() {
    return List.copyOf(answers);
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
    return answers.get(answers.size() - 1);
  }

  @Override
  public void close() {
    synchronized (lock) {
      closed = true;
      turn.close();
      functionCalls.cancel();
    }
  }

  /** Begins the next turn, unless there is nothing more to do; returns whether it did. */
  private boolean goOn(Answer answer) {
    answers.add(answer);
    messages.add(answer.message());
    List<ToolCall> calls = answer.toolCalls();
    switch (answer.finishReason()) {
      case FINISH_REASON_PAUSED -> checkTurns();
      case FINISH_REASON_TOOL_CALLS -> {
        if (calls.isEmpty() || calls.stream().anyMatch(toolbox::isCallers)) {
          return false;
        }
        checkTurns();
        messages.add(
            Message.newBuilder().setRole(Role.ROLE_TOOL).addAllParts(results(calls)).build());
      }
      default -> {
        return false;
      }
    }
    startTurn();
    return true;
  }

  private void checkTurns() {
    if (answers.size() == maxTurns) {
      throw new TurnLimitException(maxTurns);
    }
  }

  private void startTurn() {
    GenerateRequest next = request.toBuilder().clearMessages().addAllMessages(messages).build();
    synchronized (lock) {
      checkOpen();
      turn = generate.apply(next);
    }
  }

  private List<Part> results(List<ToolCall> calls) {
    FunctionCalls begun = new FunctionCalls(calls.stream().map(toolbox::work).toList());
    synchronized (lock) {
      checkOpen();
      functionCalls = begun;
    }
    try {
      return begun.run(executor);
    } catch (ExecutionException thrown) {
      throw Failures.asItIs(thrown.getCause());
    } catch (CancellationException closing) {
      throw Failures.cancelled(TurnStream.CLOSED, closing);
    } catch (InterruptedException interruption) {
      Thread.currentThread().interrupt();
      throw Failures.cancelled("The thread was interrupted while functions ran.", interruption);
    }
  }

  private void checkOpen() {
    if (closed) {
      throw Failures.cancelled(TurnStream.CLOSED, null);
    }
  }

  private final class Events implements Iterator<Event> {
    private boolean over;
    private Throwable failure;

    @Override
    public boolean hasNext() {
      if (failure != null) {
        throw Failures.asItIs(failure);
      }
      while (!over) {
        if (turn.iterator().hasNext()) {
          return true;
        }
        try {
          over = !goOn(turn.collect());
        } catch (Throwable thrown) {
          failure = thrown;
          throw Failures.asItIs(thrown);
        }
      }
      return false;
    }

    @Override
    public Event next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      return turn.iterator().next();
    }
  }
}
