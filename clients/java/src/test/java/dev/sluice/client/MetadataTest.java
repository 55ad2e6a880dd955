package dev.sluice.client;

import static dev.sluice.client.Messages.prompt;
import static dev.sluice.client.Script.call;
import static dev.sluice.client.Script.calls;
import static dev.sluice.client.Script.says;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.ListModelsRequest;
import io.grpc.Metadata;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What a caller has sent beside a request. */
class MetadataTest {
  private static final GenerateRequest REQUEST = prompt("local/model", "Hello.");
  private static final ConnectOptions WITH_TOKEN =
      ConnectOptions.builder().token("the-token").build();
  private static final Map<String, String> LOW = Map.of("sluice-priority", "low");

  @Test
  void goesWithEveryCallAndBesideTheToken() {
    try (FakeGateway gateway = new FakeGateway(says("One."), says("Two."));
        Client client = gateway.client(WITH_TOKEN)) {
      Client low = client.withMetadata(LOW);
      low.collect(REQUEST);
      low.collectAsync(REQUEST).join();
      low.listModels(ListModelsRequest.getDefaultInstance());

      assertEquals(List.of("low", "low", "low"), sent(gateway, "sluice-priority"));
      String bearer = "Bearer the-token";
      assertEquals(List.of(bearer, bearer, bearer), sent(gateway, "authorization"));
    }
  }

  @Test
  void goesWithEveryTurnOfARun() {
    ToolFunction function = new ToolFunction("f", "", "", call -> "one");
    try (FakeGateway gateway = new FakeGateway(calls(call("a", "f")), says("Done."));
        Client client = gateway.client();
        ToolRun run = client.withMetadata(LOW).runTools(REQUEST, List.of(function))) {
      run.collect();

      assertEquals(List.of("low", "low"), sent(gateway, "sluice-priority"));
    }
  }

  @Test
  void isOfTheOtherClientAlone() {
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client()) {
      client.withMetadata(LOW);
      client.collect(REQUEST);

      assertEquals(1, gateway.headers.size());
      assertEquals(List.of(), sent(gateway, "sluice-priority"));
    }
  }

  @Test
  void combinesWithATimeoutInEitherOrder() {
    Duration timeout = Duration.ofHours(1);
    try (FakeGateway gateway = new FakeGateway(says("One."), says("Two."));
        Client client = gateway.client()) {
      client.withTimeout(timeout).withMetadata(LOW).collect(REQUEST);
      client.withMetadata(LOW).withTimeout(timeout).collect(REQUEST);

      assertEquals(List.of("low", "low"), sent(gateway, "sluice-priority"));
      assertEquals(2, sent(gateway, "grpc-timeout").size());
    }
  }

  @Test
  void isAddedAndReplacesWhatHasItsName() {
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client()) {
      client
          .withMetadata(Map.of("sluice-priority", "high", "traceparent", "first"))
          .withMetadata(Map.of("Sluice-Priority", "low"))
          .collect(REQUEST);

      assertEquals(List.of("low"), sent(gateway, "sluice-priority"));
      assertEquals(List.of("first"), sent(gateway, "traceparent"));
    }
  }

  @Test
  void authorizationTakesThePlaceOfTheToken() {
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client(WITH_TOKEN)) {
      client.withMetadata(Map.of("authorization", "Bearer another")).collect(REQUEST);

      assertEquals(List.of("Bearer another"), sent(gateway, "authorization"));
    }
  }

  @Test
  void namesThatCannotBeSentAreRefused() {
    try (Client client = Client.connect("gateway.example:50051")) {
      for (String name :
          List.of("", "two words", "größe", ":path", "x-bin", "grpc-timeout", "User-Agent", "te")) {
        IllegalArgumentException refusal =
            assertThrows(
                IllegalArgumentException.class,
                () -> client.withMetadata(Map.of(name, "the-secret")),
                name);
        assertFalse(refusal.getMessage().contains("the-secret"), refusal.getMessage());
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> client.withMetadata(Map.of("traceparent", "a", "Traceparent", "b")));
    }
  }

  @Test
  void valuesThatCannotBeSentAreRefusedAndNotQuoted() {
    try (Client client = Client.connect("gateway.example:50051")) {
      for (String value : List.of("the-secret\n", "the-secret\u007f", "the-secret-ä")) {
        IllegalArgumentException refusal =
            assertThrows(
                IllegalArgumentException.class,
                () -> client.withMetadata(Map.of("sluice-provider-key", value)));
        assertFalse(refusal.getMessage().contains("the-secret"), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("sluice-provider-key"), refusal.getMessage());
      }
    }
  }

  @Test
  void tokenThatCannotBeSentIsRefusedAndNotQuoted() {
    ConnectOptions options = ConnectOptions.builder().token("the-token\n").build();

    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class,
            () -> Client.connect("gateway.example:50051", options).close());
    assertFalse(refusal.getMessage().contains("the-token"), refusal.getMessage());
  }

  /** The values under a name in all calls, one after the other. */
  private static List<String> sent(FakeGateway gateway, String name) {
    Metadata.Key<String> key = Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    List<String> values = new ArrayList<>();
    for (Metadata headers : gateway.headers) {
      Iterable<String> found = headers.getAll(key);
      if (found != null) {
        found.forEach(values::add);
      }
    }
    return values;
  }
}
