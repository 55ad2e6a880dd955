package dev.sluice.conformance;

import com.google.gson.JsonObject;
import dev.sluice.client.Answer;
import dev.sluice.client.Client;
import dev.sluice.client.EventStream;
import dev.sluice.client.SluiceException;
import dev.sluice.client.ToolRun;
import dev.sluice.client.TurnLimitException;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.GetMetricsRequest;
import dev.sluice.v1.GetRateLimitsRequest;
import dev.sluice.v1.ListModelsRequest;
import dev.sluice.v1.Model;
import io.grpc.Status;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Carries out one order and writes what it saw. */
record Calls(Order order, Client client, BufferedReader in, Lines lines) {
  void carryOut() throws IOException {
    try {
      switch (order.call()) {
        case "generate" -> generate();
        case "text" -> text();
        case "collect" -> collect();
        case "run_tools" -> runTools();
        case "models" -> models();
        case "get_rate_limits" ->
            lines.write(
                "response",
                Lines.json(
                    client.getRateLimits(
                        order.request(GetRateLimitsRequest.newBuilder()).build())));
        case "get_metrics" ->
            lines.write(
                "response",
                Lines.json(
                    client.getMetrics(order.request(GetMetricsRequest.newBuilder()).build())));
        case "health" -> lines.write("health", client.health(order.service()).name());
        default -> throw new OrderException("no call of this name: " + order.call(), null);
      }
    } catch (SluiceException failure) {
      lines.write("error", Lines.error(failure));
    }
  }

  private GenerateRequest request() {
    return order.request(GenerateRequest.newBuilder()).build();
  }

  private void generate() throws IOException {
    try (EventStream stream = client.generate(request())) {
      read(stream, stream.iterator(), event -> Lines.object("event", Lines.json(event)));
    }
  }

  private void text() throws IOException {
    try (EventStream stream = client.generate(request())) {
      read(stream, stream.text().iterator(), piece -> Lines.object("text", piece));
    }
  }

  /** Waits for the answer, or cancels the future: there is no line to cancel after. */
  private void collect() {
    if (order.cancelAfter().isEmpty()) {
      lines.write("answer", Lines.answer(client.collect(request())));
      return;
    }
    CompletableFuture<Answer> answer = client.collectAsync(request());
    answer.cancel(true);
    try {
      lines.write("answer", Lines.answer(answer.join()));
    } catch (CancellationException expected) {
      lines.write("cancelled", true);
    }
  }

  private void runTools() throws IOException {
    try (ToolRun run =
        client.runTools(
            request(), order.functions(lines), order.maxTurns().orElse(Client.DEFAULT_MAX_TURNS))) {
      try {
        read(run, run.iterator(), event -> Lines.object("event", Lines.json(event)));
      } catch (TurnLimitException limit) {
        lines.write("turn_limit", true);
      } catch (BrokenException broken) {
        lines.write("broken", broken.getMessage());
      } catch (SluiceException failure) {
        lines.write("error", Lines.error(failure));
      }
      lines.write("run", Lines.run(run));
    }
  }

  private void models() {
    List<String> names =
        client
            .models(order.request(ListModelsRequest.newBuilder()).build())
            .map(Model::getName)
            .toList();
    lines.write("models", Lines.array(names));
  }

  /** Writes each item; pauses and cancels where the order says so. */
  private <T> void read(EventStream stream, Iterator<T> items, Function<T, JsonObject> line)
      throws IOException {
    int written = 0;
    boolean cancelled = false;
    while (true) {
      if (order.pauseAfter().orElse(-1) == written) {
        lines.write("paused", true);
        in.readLine();
      }
      if (order.cancelAfter().orElse(-1) == written) {
        cancelled = true;
        stream.close();
      }
      try {
        if (!items.hasNext()) {
          break;
        }
        T item = items.next();
        if (!cancelled) {
          lines.write(line.apply(item));
          written++;
        }
      } catch (SluiceException failure) {
        if (!cancelled || failure.status() != Status.Code.CANCELLED) {
          throw failure;
        }
        break;
      }
    }
    if (cancelled) {
      lines.write("cancelled", true);
    }
  }
}
