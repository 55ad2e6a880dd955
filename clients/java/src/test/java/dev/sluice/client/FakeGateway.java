package dev.sluice.client;

import dev.sluice.v1.GatewayServiceGrpc.GatewayServiceImplBase;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.GenerateResponse;
import dev.sluice.v1.ListModelsRequest;
import dev.sluice.v1.ListModelsResponse;
import dev.sluice.v1.Model;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A gateway in this process that answers by a script. It and its clients, which are connected when
 * they are handed out, run on the threads of their callers: whatever a test does has happened when
 * the test goes on.
 */
final class FakeGateway extends GatewayServiceImplBase implements AutoCloseable {
  /** What the gateway does with one call of Generate. */
  @FunctionalInterface
  interface Turn {
    void play(ServerCallStreamObserver<GenerateResponse> out);
  }

  final List<GenerateRequest> requests = new CopyOnWriteArrayList<>();
  final List<Metadata> headers = new CopyOnWriteArrayList<>();
  private final String name = InProcessServerBuilder.generateName();
  private final Queue<Turn> turns = new ArrayDeque<>();
  private final Server server;

  FakeGateway(Turn... turns) {
    this.turns.addAll(List.of(turns));
    try {
      server =
          InProcessServerBuilder.forName(name)
              .directExecutor()
              .addService(ServerInterceptors.intercept(this, new HeaderKeeper()))
              .addService(new HealthStatusManager().getHealthService())
              .build()
              .start();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  Client client() {
    return client(ConnectOptions.builder().build());
  }

  Client client(ConnectOptions options) {
    InProcessChannelBuilder channel = InProcessChannelBuilder.forName(name).directExecutor();
    Client client = new Client(Connection.over(name, channel, options), CallMetadata.of(options));
    // The channel waits for the gateway's health, which comes on a thread of its own.
    client.health();
    return client;
  }

  @Override
  public void generate(GenerateRequest request, StreamObserver<GenerateResponse> out) {
    requests.add(request);
    turns.remove().play((ServerCallStreamObserver<GenerateResponse>) out);
  }

  /** Three models, one on each page. */
  @Override
  public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> out) {
    int page = request.getPageToken().isEmpty() ? 1 : Integer.parseInt(request.getPageToken());
    Model model = Model.newBuilder().setName(request.getFilter().getQuery() + page).build();
    out.onNext(
        ListModelsResponse.newBuilder()
            .addModels(model)
            .setNextPageToken(page == 3 ? "" : Integer.toString(page + 1))
            .build());
    out.onCompleted();
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private final class HeaderKeeper implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      FakeGateway.this.headers.add(headers);
      return next.startCall(call, headers);
    }
  }
}
