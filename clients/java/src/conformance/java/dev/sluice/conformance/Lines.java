package dev.sluice.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import dev.sluice.client.Answer;
import dev.sluice.client.SluiceException;
import dev.sluice.client.ToolRun;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Collection;
import java.util.Optional;
import java.util.stream.Stream;

/** Writes what was seen as JSON, one object per line; functions do so on their own threads. */
record Lines(PrintStream out) {
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().omittingInsignificantWhitespace();
  private static final Gson GSON = new GsonBuilder().serializeNulls().create();

  void write(String name, Object value) {
    write(object(name, value));
  }

  void write(JsonObject line) {
    String text = line.toString();
    synchronized (out) {
      out.println(text);
    }
  }

  static JsonObject object(String name, Object value) {
    JsonObject object = new JsonObject();
    object.add(name, GSON.toJsonTree(value));
    return object;
  }

  static JsonElement json(MessageOrBuilder message) {
    try {
      return JsonParser.parseString(PRINTER.print(message));
    } catch (InvalidProtocolBufferException unknownAny) {
      throw new IllegalStateException("the contract has no Any", unknownAny);
    }
  }

  static JsonArray array(Collection<String> texts) {
    return GSON.toJsonTree(texts).getAsJsonArray();
  }

  static JsonObject answer(Answer answer) {
    JsonObject line = new JsonObject();
    line.add("message", json(answer.message()));
    line.addProperty("text", answer.text());
    line.addProperty("refusal", answer.refusal());
    line.addProperty("reasoning", answer.reasoning());
    line.add("tool_calls", array(answer.toolCalls().stream().map(Lines::json)));
    line.addProperty("finish_reason", answer.finishReasonValue());
    line.add("usage", orNull(answer.usage()));
    line.add("cost", orNull(answer.cost()));
    line.add("upstream", orNull(answer.upstream()));
    line.addProperty("generation_id", answer.generationId());
    return line;
  }

  static JsonObject run(ToolRun run) {
    JsonObject line = new JsonObject();
    line.add("messages", array(run.messages().stream().map(Lines::json)));
    line.add("answers", array(run.answers().stream().map(Lines::answer)));
    return line;
  }

  static JsonObject error(SluiceException failure) {
    JsonObject line = new JsonObject();
    line.addProperty("status", failure.status().name());
    line.addProperty("reason", failure.reason());
    line.addProperty("message", failure.getMessage());
    line.addProperty("retry_delay_ms", failure.retryDelay().map(Duration::toMillis).orElse(null));
    line.add("violations", GSON.toJsonTree(failure.violations()));
    line.add("quota_violations", GSON.toJsonTree(failure.quotaViolations()));
    line.add("metadata", GSON.toJsonTree(failure.metadata()));
    line.addProperty("generation_id", failure.generationId());
    return line;
  }

  private static JsonElement orNull(Optional<? extends MessageOrBuilder> message) {
    return message.<JsonElement>map(Lines::json).orElse(JsonNull.INSTANCE);
  }

  private static JsonArray array(Stream<? extends JsonElement> elements) {
    JsonArray array = new JsonArray();
    elements.forEach(array::add);
    return array;
  }
}
