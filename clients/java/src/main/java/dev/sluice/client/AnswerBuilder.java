package dev.sluice.client;

import dev.sluice.v1.Completed;
import dev.sluice.v1.Event;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.PartFinished;
import dev.sluice.v1.PartStarted;
import dev.sluice.v1.Reasoning;
import dev.sluice.v1.Role;
import dev.sluice.v1.ToolCall;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Puts the answer together from the events of a turn. */
final class AnswerBuilder {
  private final Map<Integer, OpenPart> parts = new TreeMap<>(Integer::compareUnsigned);

  /** Also read by a thread that gives up waiting for the events. */
  private volatile String generationId = "";

  private Completed completed;

  void add(Event event) {
    switch (event.getKindCase()) {
      case STARTED -> generationId = event.getStarted().getGenerationId();
      case PART_STARTED -> start(event.getPartStarted());
      case TEXT_DELTA -> append(event.getTextDelta().getPart(), event.getTextDelta().getText());
      case REASONING_DELTA ->
          append(event.getReasoningDelta().getPart(), event.getReasoningDelta().getText());
      case PART_FINISHED -> finish(event.getPartFinished());
      case COMPLETED -> completed = event.getCompleted();
      // The end of a part holds the whole call; log-probs are no part of a message.
      case TOOL_ARGUMENTS_DELTA, LOGPROBS_DELTA, KIND_NOT_SET -> {}
    }
  }

  /** Returns the id as far as it is known; else empty. */
  String generationId() {
    return generationId;
  }

  /** Returns the answer, once there was a Completed. */
  Optional<Answer> build() {
    return Optional.ofNullable(completed)
        .map(it -> new Answer(generationId, it.hasMessage() ? it.getMessage() : message(), it));
  }

  private Message message() {
    Message.Builder message = Message.newBuilder().setRole(Role.ROLE_ASSISTANT);
    parts.values().forEach(part -> part.build().ifPresent(message::addParts));
    return message.build();
  }

  private void start(PartStarted started) {
    parts.put(started.getPart(), new OpenPart(started));
  }

  private void append(int index, String piece) {
    OpenPart part = parts.get(index);
    if (part != null) {
      part.text.append(piece);
    }
  }

  private void finish(PartFinished finished) {
    OpenPart part = parts.get(finished.getPart());
    if (part != null && finished.hasToolCall()) {
      part.call = finished.getToolCall();
    }
  }

  private static final class OpenPart {
    private final PartStarted started;
    private final StringBuilder text = new StringBuilder();
    private ToolCall call;

    OpenPart(PartStarted started) {
      this.started = started;
    }

    /** Returns the part; none of a kind that is not known, or without content. */
    Optional<Part> build() {
      if (call != null) {
        return Optional.of(Part.newBuilder().setToolCall(call).build());
      }
      if (text.isEmpty()) {
        return Optional.empty();
      }
      Part.Builder part = Part.newBuilder();
      switch (started.getKindCase()) {
        case TEXT -> part.setText(text.toString());
        case REFUSAL -> part.setRefusal(text.toString());
        case REASONING -> part.setReasoning(Reasoning.newBuilder().setText(text.toString()));
        case TOOL_CALL, KIND_NOT_SET -> {
          return Optional.empty();
        }
      }
      return Optional.of(part.build());
    }
  }
}
