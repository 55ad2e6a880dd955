package dev.sluice.client;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * What a client sends beside every request: the token, and what its caller adds. Immutable, and no
 * record, whose toString would show the values.
 */
final class CallMetadata {
  private static final CallMetadata NONE = new CallMetadata(Map.of());

  /** What grpc-java writes itself, instead of the caller's and without a word. */
  private static final Set<String> WRITTEN_BY_GRPC = Set.of("content-type", "te", "user-agent");

  private final Map<Metadata.Key<String>, String> values;

  private CallMetadata(Map<Metadata.Key<String>, String> values) {
    this.values = values;
  }

  static CallMetadata of(ConnectOptions options) {
    // An empty one is what a variable of the environment that is not set becomes.
    return options
        .token()
        .filter(token -> !token.isEmpty())
        .map(token -> NONE.with(Map.of("authorization", "Bearer " + token)))
        .orElse(NONE);
  }

  /**
   * Returns this and that, of which that holds where both have a name.
   *
   * @throws IllegalArgumentException if a name or a value cannot be sent; it quotes no value
   */
  CallMetadata with(Map<String, String> others) {
    Map<Metadata.Key<String>, String> own = new HashMap<>();
    others.forEach(
        (name, value) -> {
          if (own.put(key(name), checked(name, value)) != null) {
            throw new IllegalArgumentException(name + " is given twice, in different case");
          }
        });
    Map<Metadata.Key<String>, String> all = new HashMap<>(values);
    all.putAll(own);
    return new CallMetadata(all);
  }

  /** Returns the channel with this on every call. */
  Channel on(Channel channel) {
    Metadata headers = new Metadata();
    values.forEach(headers::put);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** gRPC's key refuses what can be no name, and names of binary values. */
  private static Metadata.Key<String> key(String name) {
    Metadata.Key<String> key = Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    if (key.name().startsWith("grpc-") || WRITTEN_BY_GRPC.contains(key.name())) {
      throw new IllegalArgumentException(name + " is gRPC's own");
    }
    return key;
  }

  /** Without this, grpc-java would leave the value out, and log it. */
  private static String checked(String name, String value) {
    Objects.requireNonNull(value, name);
    if (!value.chars().allMatch(character -> ' ' <= character && character <= '~')) {
      throw new IllegalArgumentException(
          "the value of " + name + " has characters that are not printable ASCII");
    }
    return value;
  }
}
