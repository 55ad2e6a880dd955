package dev.sluice.example;

import static dev.sluice.client.Messages.prompt;

import dev.sluice.client.Client;
import dev.sluice.client.ConnectOptions;
import dev.sluice.client.EventStream;
import dev.sluice.client.SluiceException;
import dev.sluice.client.ToolFunction;
import dev.sluice.v1.Completed;
import dev.sluice.v1.Event;
import dev.sluice.v1.PartFinished;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.Usage;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** A stream of events, then a run of tools: {@code example [ADDRESS [MODEL]]}. */
public final class Example {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private static final ToolFunction GET_WEATHER =
      new ToolFunction(
          "get_weather",
          "Current weather of a city.",
          """
          {"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}\
          """,
          call -> "21 °C, sunny");

  private Example() {}

  /**
   * Runs it.
   *
   * @param args address and model, with defaults; the token is in {@code SLUICE_TOKEN}, if any
   */
  public static void main(String[] args) {
    String address = args.length > 0 ? args[0] : "127.0.0.1:50051";
    String model = args.length > 1 ? args[1] : "local/smollm2-135m-instruct";
    ConnectOptions.Builder options = ConnectOptions.builder();
    String token = System.getenv("SLUICE_TOKEN");
    if (token != null && !token.isEmpty()) {
      options.token(token);
    }
    try (Client client = Client.connect(address, options.build())) {
      String question = "Write one sentence about rivers.";
      show(question, client.generate(prompt(model, question)));
      question = "What is the weather in Paris?";
      show(question, client.runTools(prompt(model, question), List.of(GET_WEATHER)));
    } catch (SluiceException failure) {
      System.err.println(told(failure));
      System.exit(1);
    }
  }

  private static void show(String question, EventStream stream) {
    OUT.println("> " + question);
    try (stream) {
      for (Event event : stream) {
        switch (event.getKindCase()) {
          case TEXT_DELTA -> OUT.print(event.getTextDelta().getText());
          case PART_FINISHED -> OUT.println(finished(event.getPartFinished()));
          case COMPLETED -> OUT.println(spent(event.getCompleted()));
          default -> {}
        }
      }
    }
  }

  private static String finished(PartFinished part) {
    ToolCall call = part.getToolCall();
    return part.hasToolCall() ? call.getName() + "(" + call.getArgumentsJson() + ")" : "";
  }

  private static String spent(Completed completed) {
    Usage usage = completed.getUsage();
    String in = usage.hasInputTokens() ? Long.toString(usage.getInputTokens()) : "?";
    String out = usage.hasOutputTokens() ? Long.toString(usage.getOutputTokens()) : "?";
    String cost =
        completed.hasCost()
            ? String.format(Locale.ROOT, "$%.6f", completed.getCost().getUsdNanos() / 1e9)
            : "cost unknown";
    return "[" + in + " tokens in, " + out + " out, " + cost + "]";
  }

  private static String told(SluiceException failure) {
    String what = failure.reason().isEmpty() ? failure.status().name() : failure.reason();
    String wait = failure.retryDelay().map(Example::again).orElse("");
    return what + ": " + failure.getMessage() + wait;
  }

  private static String again(Duration delay) {
    BigDecimal seconds = BigDecimal.valueOf(delay.toMillis(), 3).stripTrailingZeros();
    return "; try again in " + seconds.toPlainString() + " s";
  }
}
