package dev.sluice.client;

import io.grpc.ManagedChannelBuilder;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** How a client connects. What is left out has a default. */
public final class ConnectOptions {
  private final Builder given;

  private ConnectOptions(Builder given) {
    this.given = given;
  }

  /**
   * Returns a builder of options, all of them left out.
   *
   * @return the builder
   */
  public static Builder builder() {
    return new Builder();
  }

  Optional<String> token() {
    return Optional.ofNullable(given.token);
  }

  Optional<Tls> tls() {
    return Optional.ofNullable(given.tls);
  }

  Optional<Executor> functionExecutor() {
    return Optional.ofNullable(given.functionExecutor);
  }

  Consumer<ManagedChannelBuilder<?>> channel() {
    return given.channel;
  }

  /** Tells that there is a token, and never which. */
  @Override
  public String toString() {
    return "ConnectOptions[token="
        + (given.token == null ? "none" : "…")
        + ", tls="
        + given.tls
        + "]";
  }

  /** Collects options. */
  public static final class Builder {
    private String token;
    private Tls tls;
    private Executor functionExecutor;
    private Consumer<ManagedChannelBuilder<?>> channel = builder -> {};

    private Builder() {}

    private Builder(Builder other) {
      token = other.token;
      tls = other.tls;
      functionExecutor = other.functionExecutor;
      channel = other.channel;
    }

    /**
     * Sends {@code authorization: Bearer …} with every call.
     *
     * @param token the caller's token; an empty one is none
     * @return this builder
     */
    public Builder token(String token) {
      this.token = Objects.requireNonNull(token);
      return this;
    }

    /**
     * Speaks TLS; otherwise it is plaintext.
     *
     * @param tls whom to trust, and who the client is
     * @return this builder
     */
    public Builder tls(Tls tls) {
      this.tls = Objects.requireNonNull(tls);
      return this;
    }

    /**
     * Runs the functions of {@link Client#runTools} on this executor, which stays the caller's to
     * shut down. The default is a pool that starts as many daemon threads as there are functions at
     * the same time, and ends with the client. One with fewer threads makes functions wait for each
     * other.
     *
     * @param executor where functions run
     * @return this builder
     */
    public Builder functionExecutor(Executor executor) {
      this.functionExecutor = Objects.requireNonNull(executor);
      return this;
    }

    /**
     * Sets other options of gRPC's channel, such as an interceptor. It is called last, so whatever
     * it sets is what holds.
     *
     * @param channel called with the builder of the channel
     * @return this builder
     */
    public Builder channel(Consumer<ManagedChannelBuilder<?>> channel) {
      this.channel = Objects.requireNonNull(channel);
      return this;
    }

    /**
     * Returns the options collected so far.
     *
     * @return the options, which the builder no longer changes
     */
    public ConnectOptions build() {
      return new ConnectOptions(new Builder(this));
    }
  }
}
