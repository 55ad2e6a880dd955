package dev.sluice.client;

import dev.sluice.v1.Event;
import dev.sluice.v1.GatewayServiceGrpc;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.GetMetricsRequest;
import dev.sluice.v1.GetMetricsResponse;
import dev.sluice.v1.GetRateLimitsRequest;
import dev.sluice.v1.GetRateLimitsResponse;
import dev.sluice.v1.ListModelsRequest;
import dev.sluice.v1.ListModelsResponse;
import dev.sluice.v1.Model;
import dev.sluice.v1.ModelFilter;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A connection to a gateway. Any number of threads may use it at the same time, and should, rather
 * than have one each.
 *
 * <p>A call that fails throws {@link SluiceException}. What waits here ends when its thread is
 * interrupted: as a {@link SluiceException} of status CANCELLED, with the thread still interrupted.
 */
public final class Client implements AutoCloseable {
  /** The most turns of a run of tools where no other number is given. */
  public static final int DEFAULT_MAX_TURNS = 10;

  private final Connection connection;
  private final CallMetadata metadata;
  private final Channel channel;
  private final Duration timeout;

  Client(Connection connection, CallMetadata metadata) {
    this(connection, metadata, null);
  }

  /** A null timeout is none. */
  private Client(Connection connection, CallMetadata metadata, Duration timeout) {
    this.connection = connection;
    this.metadata = metadata;
    this.channel = metadata.on(connection.channel());
    this.timeout = timeout;
  }

  /**
   * Returns a client that speaks plaintext and sends no token. Nothing is sent before the first
   * call.
   *
   * @param address {@code host:port}, or a target of gRPC's name resolution such as {@code
   *     dns:///sluice.default.svc:50051}
   * @return the client
   * @throws IllegalArgumentException if the address is none
   */
  public static Client connect(String address) {
    return connect(address, ConnectOptions.builder().build());
  }

  /**
   * Returns a client. Nothing is sent before the first call.
   *
   * @param address {@code host:port}, or a target of gRPC's name resolution such as {@code
   *     dns:///sluice.default.svc:50051}
   * @param options what differs from the defaults
   * @return the client
   * @throws IllegalArgumentException if the address or the PEM of the options cannot be read, or
   *     the token cannot be sent
   */
  public static Client connect(String address, ConnectOptions options) {
    CallMetadata metadata = CallMetadata.of(options);
    return new Client(Connection.open(address, options), metadata);
  }

  /**
   * Returns a client over the same connection whose calls have a deadline: so long after its begin,
   * over all its tries, a call ends with status DEADLINE_EXCEEDED. In a run of tools it holds for
   * each turn. Closing either client closes the connection of both.
   *
   * @param timeout time that a call may take
   * @return the other client
   */
  public Client withTimeout(Duration timeout) {
    return new Client(connection, metadata, Objects.requireNonNull(timeout));
  }

  /**
   * Returns a client over the same connection that sends this with every call, each turn of a run
   * of tools included: {@code sluice-priority}, {@code sluice-provider-key}, {@code traceparent}.
   * It is added to what this client sends. A name given again replaces the value it had, so {@code
   * authorization} takes the place of the token. Values may be keys, and are never shown. Closing
   * either client closes the connection of both.
   *
   * @param metadata values by name; upper and lower case make no difference to names
   * @return the other client
   * @throws IllegalArgumentException if a name is none, is gRPC's own, or ends with {@code -bin},
   *     or if a value has characters that are not printable ASCII
   */
  public Client withMetadata(Map<String, String> metadata) {
    return new Client(connection, this.metadata.with(metadata), timeout);
  }

  /**
   * Starts a turn.
   *
   * @param request the turn
   * @return its events, to be read by one thread and closed
   */
  public EventStream generate(GenerateRequest request) {
    return new TurnStream(channel, callOptions(), request);
  }

  /**
   * Starts a turn and tells its events to an observer, one after the other, on threads of the
   * connection. The next message is fetched when the observer has taken all events of the last one,
   * so an observer that is slow slows the gateway down. A failure, and a cancellation as well, is
   * told as a {@link SluiceException}.
   *
   * @param request the turn
   * @param observer told each event, then the end
   * @return cancels the call
   */
  public Cancellation generate(GenerateRequest request, StreamObserver<Event> observer) {
    Objects.requireNonNull(observer);
    GenerateCall call =
        GenerateCall.start(channel, callOptions(), request, new ObserverListener(observer));
    call.fetch();
    return () -> call.cancel("The caller cancelled the call.", null);
  }

  /**
   * Runs a turn to its end.
   *
   * @param request the turn
   * @return its answer
   */
  public Answer collect(GenerateRequest request) {
    try (EventStream stream = generate(request)) {
      return stream.collect();
    }
  }

  /**
   * Runs a turn to its end without waiting for it.
   *
   * @param request the turn
   * @return its answer, or a {@link SluiceException}; completed on a thread of the connection.
   *     Cancelling it, or completing it in another way, cancels the call
   */
  public CompletableFuture<Answer> collectAsync(GenerateRequest request) {
    CompletableFuture<Answer> future = new CompletableFuture<>();
    GenerateCall call =
        GenerateCall.start(channel, callOptions(), request, new FutureListener(future));
    // Whoever completes it, by a timeout of the future's for example, waits for no answer.
    CompletableFuture<Answer> unused =
        future.whenComplete(
            (answer, failure) -> call.cancel("Nobody waits for the answer.", failure));
    call.fetch();
    return future;
  }

  /**
   * Starts a run of at most {@value #DEFAULT_MAX_TURNS} turns in which the model may call
   * functions; {@link ToolRun} says how it goes.
   *
   * @param request the first turn
   * @param functions what the model may call, beside the request's own tools
   * @return the events of all turns
   */
  public ToolRun runTools(GenerateRequest request, List<ToolFunction> functions) {
    return runTools(request, functions, DEFAULT_MAX_TURNS);
  }

  /**
   * Starts a run of turns in which the model may call functions; {@link ToolRun} says how it goes.
   *
   * @param request the first turn
   * @param functions what the model may call, beside the request's own tools
   * @param maxTurns the most turns, at least 1
   * @return the events of all turns
   * @throws IllegalArgumentException if it is less than 1
   */
  public ToolRun runTools(GenerateRequest request, List<ToolFunction> functions, int maxTurns) {
    return new TurnLoop(
        this::generate, request, functions, maxTurns, connection.functionExecutor());
  }

  /**
   * Lists the models that can be called now.
   *
   * @param request filter and page
   * @return one page
   */
  public ListModelsResponse listModels(ListModelsRequest request) {
    return call(GatewayServiceGrpc.getListModelsMethod(), request);
  }

  /**
   * Lists the models that can be called now, through all pages.
   *
   * @param filter what they must meet; all of them meet an empty one
   * @return the models, fetched as {@link #models(ListModelsRequest)} says
   */
  public Stream<Model> models(ModelFilter filter) {
    return models(ListModelsRequest.newBuilder().setFilter(filter).build());
  }

  /**
   * Lists the models that can be called now, through all pages. The first page is fetched at once,
   * each other one when the stream gets there, which is then where its failure is thrown.
   *
   * @param request filter, size of the pages, and where to begin
   * @return the models
   */
  public Stream<Model> models(ListModelsRequest request) {
    return Stream.iterate(listModels(request), Objects::nonNull, page -> pageAfter(page, request))
        .flatMap(page -> page.getModelsList().stream());
  }

  private ListModelsResponse pageAfter(ListModelsResponse page, ListModelsRequest request) {
    String token = page.getNextPageToken();
    return token.isEmpty() ? null : listModels(request.toBuilder().setPageToken(token).build());
  }

  /**
   * Tells how much room is left upstream.
   *
   * @param request filter, and the size of a call that is considered
   * @return a snapshot
   */
  public GetRateLimitsResponse getRateLimits(GetRateLimitsRequest request) {
    return call(GatewayServiceGrpc.getGetRateLimitsMethod(), request);
  }

  /**
   * Returns counters, latencies and health of the replica that answers.
   *
   * @param request filter
   * @return a snapshot
   */
  public GetMetricsResponse getMetrics(GetMetricsRequest request) {
    return call(GatewayServiceGrpc.getGetMetricsMethod(), request);
  }

  /**
   * Asks gRPC's health service about the server as a whole.
   *
   * @return what it answered
   */
  public ServingStatus health() {
    return health("");
  }

  /**
   * Asks gRPC's health service about one service. A name that it does not know is a {@link
   * SluiceException} of status NOT_FOUND.
   *
   * @param service full name of the service, such as {@code sluice.v1.GatewayService}
   * @return what it answered
   */
  public ServingStatus health(String service) {
    HealthCheckRequest request = HealthCheckRequest.newBuilder().setService(service).build();
    return call(HealthGrpc.getCheckMethod(), request).getStatus();
  }

  /** Closes the connection. Calls that run, and those begun later, end as CANCELLED. */
  @Override
  public void close() {
    connection.close();
  }

  @Override
  public String toString() {
    return "Client[" + connection.address() + "]";
  }

  private <Q, A> A call(MethodDescriptor<Q, A> method, Q request) {
    try {
      return ClientCalls.blockingUnaryCall(channel, method, callOptions(), request);
    } catch (StatusRuntimeException failure) {
      throw Failures.of(failure.getStatus(), failure.getTrailers(), "");
    }
  }

  private CallOptions callOptions() {
    return timeout == null
        ? CallOptions.DEFAULT
        : CallOptions.DEFAULT.withDeadlineAfter(
            TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
  }
}
