package dev.sluice.client;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;

/** Nothing that prints a client or its options shows a secret. */
class SecretsTest {
  private static final Tls TLS = Tls.system().withIdentity("the certificate", "the-key");
  private static final ConnectOptions OPTIONS =
      ConnectOptions.builder().token("the-token").tls(TLS).build();

  @Test
  void optionsTellThatThereIsATokenAndAKeyButNotWhich() {
    String told = OPTIONS.toString();

    assertFalse(told.contains("the-token") || told.contains("the-key"), told);
    assertTrue(told.contains("token=…") && told.contains("identity=…"), told);
  }

  @Test
  void clientTellsItsAddressAlone() {
    ConnectOptions options = ConnectOptions.builder().token("the-token").build();
    try (Client client = Client.connect("gateway.example:50051", options)) {
      String told = client.withMetadata(Map.of("sluice-provider-key", "the-key")).toString();

      assertFalse(told.contains("the-token") || told.contains("the-key"), told);
      assertTrue(told.contains("gateway.example:50051"), told);
    }
  }
}
