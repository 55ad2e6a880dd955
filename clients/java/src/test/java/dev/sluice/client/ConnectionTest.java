package dev.sluice.client;

import static dev.sluice.client.Messages.prompt;
import static dev.sluice.client.Script.STARTED;
import static dev.sluice.client.Script.bad;
import static dev.sluice.client.Script.says;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.GetMetricsRequest;
import dev.sluice.v1.ListModelsRequest;
import dev.sluice.v1.Model;
import dev.sluice.v1.ModelFilter;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How a client connects, and the calls that have one answer. */
class ConnectionTest {
  private static final GenerateRequest REQUEST = prompt("local/model", "Hello.");
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> USER_AGENT =
      Metadata.Key.of("user-agent", Metadata.ASCII_STRING_MARSHALLER);

  @Test
  void tokenGoesWithEveryCall() {
    ConnectOptions options = ConnectOptions.builder().token("the-token").build();
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client(options)) {
      client.collect(REQUEST);
      client.listModels(ListModelsRequest.getDefaultInstance());

      assertEquals(
          List.of("Bearer the-token", "Bearer the-token"),
          gateway.headers.stream().map(headers -> headers.get(AUTHORIZATION)).toList());
    }
  }

  @Test
  void agentIsTheClientInItsVersion() {
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client()) {
      client.collect(REQUEST);

      String agent = gateway.headers.get(0).get(USER_AGENT);
      assertTrue(agent.matches("sluice-java/\\d+\\.\\d+\\.\\d+ grpc-java.*"), agent);
    }
  }

  @Test
  void withoutTokenNoneIsSent() {
    try (FakeGateway gateway = new FakeGateway(says("Hello."));
        Client client = gateway.client()) {
      client.collect(REQUEST);

      assertEquals(1, gateway.headers.size());
      assertFalse(gateway.headers.get(0).containsKey(AUTHORIZATION));
    }
  }

  @Test
  void serviceConfigTriesAgainBeforeOutput() {
    try (FakeGateway gateway =
            new FakeGateway(bad(Status.UNAVAILABLE.asRuntimeException()), says("Hello."));
        Client client = gateway.client()) {
      assertEquals("Hello.", client.collect(REQUEST).text());
      assertEquals(2, gateway.requests.size());
    }
  }

  @Test
  void nothingIsTriedAgainAfterOutput() {
    try (FakeGateway gateway =
            new FakeGateway(bad(Status.UNAVAILABLE.asRuntimeException(), STARTED), says("Hello."));
        Client client = gateway.client()) {
      assertThrows(SluiceException.class, () -> client.collect(REQUEST));
      assertEquals(1, gateway.requests.size());
    }
  }

  @Test
  void modelsGoThroughAllPages() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      ModelFilter filter = ModelFilter.newBuilder().setQuery("model-").build();

      assertEquals(
          List.of("model-1", "model-2", "model-3"),
          client.models(filter).map(Model::getName).toList());
    }
  }

  @Test
  void callsWithOneAnswerFailTheSameWay() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      SluiceException failure =
          assertThrows(
              SluiceException.class,
              () -> client.getMetrics(GetMetricsRequest.getDefaultInstance()));

      assertEquals(Status.Code.UNIMPLEMENTED, failure.status());
    }
  }

  @Test
  void healthIsAskedForByService() {
    try (FakeGateway gateway = new FakeGateway();
        Client client = gateway.client()) {
      assertEquals(ServingStatus.SERVING, client.health());

      SluiceException failure = assertThrows(SluiceException.class, () -> client.health("other"));
      assertEquals(Status.Code.NOT_FOUND, failure.status());
    }
  }

  @Test
  void authoritiesThatAreNoneAreRefusedAtOnceAndNotQuoted() {
    String mistaken = "-----BEGIN PRIVATE KEY-----\nthe-key\n-----END PRIVATE KEY-----\n";
    for (String none : List.of("", "no certificate", mistaken)) {
      ConnectOptions options =
          ConnectOptions.builder().tls(Tls.system().withAuthorities(none)).build();

      IllegalArgumentException refusal =
          assertThrows(
              IllegalArgumentException.class, () -> Client.connect("127.0.0.1:1", options).close());
      assertEquals("the authorities are no certificates in PEM", refusal.getMessage());
      assertNull(refusal.getCause());
    }
  }

  @Test
  void addressThatIsNoneIsRefusedAtOnceAndSaysWhatIsOne() {
    for (String none :
        List.of(
            "",
            "two words",
            "http://127.0.0.1:50051",
            "127.0.0.1:65536",
            "[::1]:4294967297",
            "dns:///gateway.example:99999")) {
      IllegalArgumentException refusal =
          assertThrows(IllegalArgumentException.class, () -> Client.connect(none).close(), none);
      assertTrue(
          refusal.getMessage().startsWith("\"" + none + "\" is neither host:port"),
          refusal.getMessage());
    }
  }

  @Test
  void addressesOfEveryKindAreTaken() {
    for (String address :
        List.of(
            "127.0.0.1:65535",
            "gateway.example:050051",
            "[::1]:1",
            "dns:///gateway.example:50051",
            "unix:/run/gateway:99999")) {
      Client.connect(address).close();
    }
  }
}
