package dev.sluice.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;

/**
 * Tells calls that ended because their client was closed as CANCELLED. The library says
 * UNAVAILABLE, as of a gateway that cannot be reached.
 */
final class ClosedByCaller implements ClientInterceptor {
  static final String MESSAGE = "The client was closed.";

  private volatile boolean closed;

  /** To be called before the channel is closed. */
  void set() {
    closed = true;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        super.start(new Ending<>(listener), headers);
      }
    };
  }

  private final class Ending<A> extends SimpleForwardingClientCallListener<A> {
    Ending(ClientCall.Listener<A> listener) {
      super(listener);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      boolean ended = closed && status.getCode() == Status.Code.UNAVAILABLE;
      super.onClose(ended ? Status.CANCELLED.withDescription(MESSAGE) : status, trailers);
    }
  }
}
