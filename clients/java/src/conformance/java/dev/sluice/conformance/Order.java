package dev.sluice.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import dev.sluice.client.Client;
import dev.sluice.client.ConnectOptions;
import dev.sluice.client.Tls;
import dev.sluice.client.ToolException;
import dev.sluice.client.ToolFunction;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** An order, read as far as it is needed. */
record Order(JsonObject json) {
  String call() {
    return text(json, "call").orElseThrow(() -> new OrderException("no call", null));
  }

  /** Opens the client of the order, with the order's timeout and metadata. */
  Client connect() throws IOException {
    JsonObject connect = json.getAsJsonObject("connect");
    ConnectOptions.Builder options = ConnectOptions.builder();
    text(connect, "token").ifPresent(options::token);
    if (connect.has("tls")) {
      options.tls(tls(connect.getAsJsonObject("tls")));
    }
    Client client = Client.connect(connect.get("address").getAsString(), options.build());
    if (json.has("timeout_ms")) {
      client = client.withTimeout(Duration.ofMillis(json.get("timeout_ms").getAsLong()));
    }
    return json.has("metadata") ? client.withMetadata(metadata()) : client;
  }

  /** Fills a request with the order's; without one it stays empty. */
  <B extends Message.Builder> B request(B empty) {
    if (json.has("request")) {
      try {
        JsonFormat.parser().merge(json.get("request").toString(), empty);
      } catch (InvalidProtocolBufferException unreadable) {
        throw new OrderException("the request cannot be read", unreadable);
      }
    }
    return empty;
  }

  OptionalInt cancelAfter() {
    return number("cancel_after");
  }

  OptionalInt pauseAfter() {
    return number("pause_after");
  }

  OptionalInt maxTurns() {
    return number("max_turns");
  }

  String service() {
    return text(json, "service").orElse("");
  }

  /** Returns the functions, which write a line when they are called. */
  List<ToolFunction> functions(Lines lines) {
    List<ToolFunction> functions = new ArrayList<>();
    for (JsonElement element : json.getAsJsonArray("functions")) {
      JsonObject function = element.getAsJsonObject();
      functions.add(
          new ToolFunction(
              text(function, "name").orElseThrow(),
              text(function, "description").orElse(""),
              text(function, "input_schema_json").orElse(""),
              call -> {
                lines.write("called", Lines.json(call));
                return outcome(function);
              }));
    }
    return functions;
  }

  private Map<String, String> metadata() {
    Map<String, String> values = new HashMap<>();
    json.getAsJsonObject("metadata")
        .entrySet()
        .forEach(entry -> values.put(entry.getKey(), entry.getValue().getAsString()));
    return values;
  }

  private static String outcome(JsonObject function) throws ToolException {
    if (function.has("fails")) {
      throw new ToolException(function.get("fails").getAsString());
    }
    if (function.has("breaks")) {
      throw new BrokenException(function.get("breaks").getAsString());
    }
    return function.get("returns").getAsString();
  }

  private static Tls tls(JsonObject paths) throws IOException {
    Tls tls = Tls.system();
    if (paths.has("ca")) {
      tls = tls.withAuthorities(content(paths, "ca"));
    }
    if (paths.has("cert")) {
      tls = tls.withIdentity(content(paths, "cert"), content(paths, "key"));
    }
    return tls;
  }

  private static String content(JsonObject paths, String name) throws IOException {
    return Files.readString(Path.of(paths.get(name).getAsString()));
  }

  private OptionalInt number(String name) {
    return json.has(name) ? OptionalInt.of(json.get(name).getAsInt()) : OptionalInt.empty();
  }

  private static Optional<String> text(JsonObject object, String name) {
    return Optional.ofNullable(object.get(name)).map(JsonElement::getAsString);
  }
}
