package dev.sluice.client;

import dev.sluice.v1.Completed;
import dev.sluice.v1.Event;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.GenerateResponse;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.PartFinished;
import dev.sluice.v1.PartStarted;
import dev.sluice.v1.Role;
import dev.sluice.v1.Started;
import dev.sluice.v1.TextDelta;
import dev.sluice.v1.ToolCall;
import io.grpc.StatusRuntimeException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Events as a gateway sends them, and turns of them. */
final class Script {
  static final Event STARTED =
      Event.newBuilder().setStarted(Started.newBuilder().setGenerationId("gen_1")).build();

  private Script() {}

  static Event text(int part, String text) {
    return Event.newBuilder()
        .setTextDelta(TextDelta.newBuilder().setPart(part).setText(text))
        .build();
  }

  static Event text(String text) {
    return text(0, text);
  }

  static Event started(PartStarted.Builder part) {
    return Event.newBuilder().setPartStarted(part).build();
  }

  static Event finished(PartFinished.Builder part) {
    return Event.newBuilder().setPartFinished(part).build();
  }

  static Event completed(Completed.Builder completed) {
    return Event.newBuilder().setCompleted(completed).build();
  }

  /** Completed with a message of these parts. */
  static Event completed(FinishReason reason, Part... parts) {
    Message message =
        Message.newBuilder().setRole(Role.ROLE_ASSISTANT).addAllParts(List.of(parts)).build();
    return completed(Completed.newBuilder().setFinishReason(reason).setMessage(message));
  }

  static ToolCall call(String id, String name) {
    return ToolCall.newBuilder().setId(id).setName(name).setArgumentsJson("{}").build();
  }

  static Part part(String text) {
    return Part.newBuilder().setText(text).build();
  }

  static Part part(ToolCall call) {
    return Part.newBuilder().setToolCall(call).build();
  }

  static GenerateResponse response(Event... events) {
    return GenerateResponse.newBuilder().addAllEvents(List.of(events)).build();
  }

  /** One message for each event, then OK. */
  static FakeGateway.Turn good(Event... events) {
    return out -> {
      Stream.of(events).map(Script::response).forEach(out::onNext);
      out.onCompleted();
    };
  }

  /** One message for each event, then a failure. */
  static FakeGateway.Turn bad(StatusRuntimeException failure, Event... events) {
    return out -> {
      Stream.of(events).map(Script::response).forEach(out::onNext);
      out.onError(failure);
    };
  }

  /** A turn that says this. */
  static FakeGateway.Turn says(String text) {
    return good(STARTED, text(text), completed(FinishReason.FINISH_REASON_STOP, part(text)));
  }

  /** A turn that makes these calls. */
  static FakeGateway.Turn calls(ToolCall... calls) {
    Part[] parts = Arrays.stream(calls).map(Script::part).toArray(Part[]::new);
    return good(STARTED, completed(FinishReason.FINISH_REASON_TOOL_CALLS, parts));
  }
}
