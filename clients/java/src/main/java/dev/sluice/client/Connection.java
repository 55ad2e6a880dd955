package dev.sluice.client;

import static java.lang.Integer.parseInt;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import dev.sluice.v1.GenerateRequest;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.ManagedChannelRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the calls of a client share: the channel, set up as it should be, and the functions' pool.
 */
final class Connection implements AutoCloseable {
  /**
   * Silence on a connection with calls on it after which the server is pinged: proxies commonly cut
   * a connection after 60 silent seconds, and servers refuse pings more often than every 10.
   */
  private static final int KEEPALIVE_SECONDS = 30;

  /** How long the answer to such a ping may take before the connection counts as lost. */
  private static final int KEEPALIVE_TIMEOUT_SECONDS = 20;

  /** What a server with default settings sends at most; the default of 4 MiB is less. */
  private static final int MAX_ANSWER_BYTES = 33 << 20;

  /** Largest request that can be sent again; a server with default settings takes no larger one. */
  private static final long MAX_RETRIED_REQUEST_BYTES = 32L << 20;

  /** Requests of all calls together that can be sent again. */
  private static final long MAX_RETRIED_BYTES = 128L << 20;

  private static final long IDLE_THREAD_SECONDS = 60;
  private static final int MAX_PORT = 65_535;

  /** The addresses whose end is a number of a port. */
  private static final Pattern PORT =
      Pattern.compile("(?:dns:.*/)?(?:[^:/]+|\\[[^]]*]):0*([0-9]+)");

  private final String address;
  private final ManagedChannel channel;
  private final ClosedByCaller closed = new ClosedByCaller();
  private final Executor functionExecutor;
  private final ExecutorService ownPool;

  private Connection(String address, ManagedChannel channel, ConnectOptions options) {
    this.address = address;
    this.channel = channel;
    this.ownPool = options.functionExecutor().isPresent() ? null : newPool();
    this.functionExecutor = options.functionExecutor().orElse(ownPool);
  }

  static Connection open(String address, ConnectOptions options) {
    checkPort(address);
    ChannelCredentials credentials =
        options.tls().map(Tls::credentials).orElseGet(InsecureChannelCredentials::create);
    try {
      return over(address, Grpc.newChannelBuilder(address, credentials), options);
    } catch (ManagedChannelRegistry.ProviderNotFoundException refused) {
      // gRPC asked each of its transports, and none could do with what was given.
      throw new IllegalArgumentException("cannot connect to " + address, refused);
    }
  }

  /** Opens a channel that others began to describe. */
  static Connection over(String address, ManagedChannelBuilder<?> builder, ConnectOptions options) {
    builder
        .userAgent("sluice-java/" + version())
        .defaultServiceConfig(serviceConfig())
        .enableRetry()
        .perRpcBufferLimit(MAX_RETRIED_REQUEST_BYTES)
        .retryBufferSize(MAX_RETRIED_BYTES)
        .maxInboundMessageSize(MAX_ANSWER_BYTES)
        .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
        .keepAliveWithoutCalls(false);
    options.channel().accept(builder);
    try {
      return new Connection(address, builder.build(), options);
    } catch (IllegalArgumentException refused) {
      // It speaks of name resolvers and URIs, also to whoever wrote http:// before the host.
      throw unusable(address, refused);
    }
  }

  /** With such a port grpc-java's resolver would die, and its channel wait for it for ever. */
  private static void checkPort(String address) {
    Matcher port = PORT.matcher(address);
    if (port.matches() && (port.group(1).length() > 5 || parseInt(port.group(1)) > MAX_PORT)) {
      throw unusable(address, null);
    }
  }

  private static IllegalArgumentException unusable(String address, Throwable cause) {
    return new IllegalArgumentException(
        "\""
            + address
            + "\" is neither host:port nor a target of gRPC's name resolution such as"
            + " dns:///host:port",
        cause);
  }

  String address() {
    return address;
  }

  Channel channel() {
    return ClientInterceptors.intercept(channel, closed);
  }

  Executor functionExecutor() {
    return functionExecutor;
  }

  @Override
  public void close() {
    closed.set();
    channel.shutdownNow();
    if (ownPool != null) {
      ownPool.shutdownNow();
    }
  }

  /**
   * Starts a thread for each function that finds none idle, since functions wait for others. It
   * rejects functions only when it is shut down, which a run tells as what it is.
   */
  private static ExecutorService newPool() {
    return new ThreadPoolExecutor(
        0,
        Integer.MAX_VALUE,
        IDLE_THREAD_SECONDS,
        TimeUnit.SECONDS,
        new SynchronousQueue<>(),
        task -> {
          Thread thread = new Thread(task, "sluice-function");
          thread.setDaemon(true);
          return thread;
        },
        (task, pool) -> {
          throw Failures.cancelled(ClosedByCaller.MESSAGE, null);
        });
  }

  /** Gson gives what gRPC wants, all numbers as Double, and is on its class path anyway. */
  private static Map<String, ?> serviceConfig() {
    try (Reader reader = resource(GenerateRequest.class, "service_config.json")) {
      return new Gson().fromJson(reader, new TypeToken<Map<String, Object>>() {});
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static String version() {
    try (Reader reader = resource(Connection.class, "version.properties")) {
      Properties properties = new Properties();
      properties.load(reader);
      return properties.getProperty("version");
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static Reader resource(Class<?> beside, String name) {
    InputStream stream = beside.getResourceAsStream(name);
    if (stream == null) {
      throw new IllegalStateException(name + " is missing beside " + beside.getName());
    }
    return new InputStreamReader(stream, StandardCharsets.UTF_8);
  }
}
