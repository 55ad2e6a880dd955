package dev.sluice.client;

import dev.sluice.v1.Event;
import dev.sluice.v1.GatewayServiceGrpc;
import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.GenerateResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One call of Generate: takes events out of messages, puts the answer together, and judges the end.
 * Fetches a message only when asked, unlike the iterators of the generated stubs, which are always
 * one ahead.
 */
final class GenerateCall {
  /** Told what happens, one after the other, on threads of the channel. */
  interface Listener {
    /** The known events of one message, maybe none; what follows has to be fetched. */
    void onEvents(GenerateCall call, List<Event> events);

    /** The turn is complete. */
    void onAnswer(Answer answer);

    /** The call ended in any other way. */
    void onFailure(SluiceException failure);
  }

  private final ClientCall<GenerateRequest, GenerateResponse> call;
  private final AnswerBuilder answer = new AnswerBuilder();

  private GenerateCall(ClientCall<GenerateRequest, GenerateResponse> call) {
    this.call = call;
  }

  static GenerateCall start(
      Channel channel, CallOptions options, GenerateRequest request, Listener listener) {
    // gRPC would send an empty one.
    Objects.requireNonNull(request);
    ClientCall<GenerateRequest, GenerateResponse> call =
        channel.newCall(GatewayServiceGrpc.getGenerateMethod(), options);
    GenerateCall generate = new GenerateCall(call);
    call.start(generate.new Reader(listener), new Metadata());
    call.sendMessage(request);
    call.halfClose();
    return generate;
  }

  /** Asks for one more message. */
  void fetch() {
    call.request(1);
  }

  /** Ends the call, if it still runs, as CANCELLED; a null cause is none. */
  void cancel(String message, Throwable cause) {
    call.cancel(message, cause);
  }

  /** Returns the id as far as it is known; else empty. */
  String generationId() {
    return answer.generationId();
  }

  private final class Reader extends ClientCall.Listener<GenerateResponse> {
    private final Listener listener;

    Reader(Listener listener) {
      this.listener = listener;
    }

    @Override
    public void onMessage(GenerateResponse message) {
      List<Event> known =
          message.getEventsList().stream()
              .filter(event -> event.getKindCase() != Event.KindCase.KIND_NOT_SET)
              .toList();
      known.forEach(answer::add);
      listener.onEvents(GenerateCall.this, known);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      Optional<Answer> whole = answer.build();
      if (!status.isOk()) {
        listener.onFailure(Failures.of(status, trailers, answer.generationId()));
      } else if (whole.isEmpty()) {
        listener.onFailure(Failures.truncated(answer.generationId()));
      } else {
        listener.onAnswer(whole.get());
      }
    }
  }
}
