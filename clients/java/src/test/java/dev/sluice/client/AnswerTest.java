package dev.sluice.client;

import static dev.sluice.client.Script.STARTED;
import static dev.sluice.client.Script.call;
import static dev.sluice.client.Script.completed;
import static dev.sluice.client.Script.finished;
import static dev.sluice.client.Script.part;
import static dev.sluice.client.Script.started;
import static dev.sluice.client.Script.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sluice.v1.Completed;
import dev.sluice.v1.Event;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.PartFinished;
import dev.sluice.v1.PartStarted;
import dev.sluice.v1.Reasoning;
import dev.sluice.v1.ReasoningDelta;
import dev.sluice.v1.ReasoningStart;
import dev.sluice.v1.RefusalStart;
import dev.sluice.v1.Role;
import dev.sluice.v1.TextStart;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.ToolCallStart;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** How an answer comes of events. */
class AnswerTest {
  private static final Event SILENT_END = completed(Completed.newBuilder());

  @Test
  void messageLeftOutForItsSizeIsPutTogetherFromTheDeltas() {
    ToolCall call = call("call_1", "get_weather");

    Answer answer =
        answer(
            STARTED,
            started(opened(0).setReasoning(ReasoningStart.getDefaultInstance())),
            reasoning(0, "Hm"),
            started(opened(1).setText(TextStart.getDefaultInstance())),
            text(1, "Rivers "),
            started(opened(2).setToolCall(ToolCallStart.newBuilder().setId("call_1"))),
            reasoning(0, "m."),
            text(1, "run."),
            finished(PartFinished.newBuilder().setPart(2).setToolCall(call)),
            started(opened(3).setRefusal(RefusalStart.getDefaultInstance())),
            text(3, "But no."),
            SILENT_END);

    assertEquals(
        Message.newBuilder()
            .setRole(Role.ROLE_ASSISTANT)
            .addParts(Part.newBuilder().setReasoning(Reasoning.newBuilder().setText("Hmm.")))
            .addParts(part("Rivers run."))
            .addParts(part(call))
            .addParts(Part.newBuilder().setRefusal("But no."))
            .build(),
        answer.message());
    assertEquals("Rivers run.", answer.text());
    assertEquals("Hmm.", answer.reasoning());
    assertEquals("But no.", answer.refusal());
    assertEquals(List.of(call), answer.toolCalls());
    assertEquals("gen_1", answer.generationId());
  }

  @Test
  void partsOfUnknownKindsAndEmptyOnesAreLeftOut() {
    Answer answer =
        answer(
            started(opened(0)),
            text(0, "of what?"),
            started(opened(1).setReasoning(ReasoningStart.getDefaultInstance())),
            SILENT_END);

    assertEquals(List.of(), answer.message().getPartsList());
  }

  @Test
  void gatewaysMessageIsTakenAsItIs() {
    Event end = completed(FinishReason.FINISH_REASON_STOP, part("Rivers "), part("run."));

    Answer answer =
        answer(started(opened(0).setText(TextStart.getDefaultInstance())), text("other"), end);

    assertEquals("Rivers run.", answer.text());
    assertEquals(end.getCompleted().getMessage(), answer.message());
  }

  @Test
  void unknownReasonsKeepTheirNumber() {
    Answer answer = answer(completed(Completed.newBuilder().setFinishReasonValue(77)));

    assertEquals(77, answer.finishReasonValue());
    assertEquals(FinishReason.UNRECOGNIZED, answer.finishReason());
  }

  @Test
  void whatWasNotToldIsAbsent() {
    Answer answer = answer(SILENT_END);

    assertEquals(Optional.empty(), answer.usage());
    assertEquals(Optional.empty(), answer.cost());
    assertEquals(Optional.empty(), answer.timing());
    assertEquals(Optional.empty(), answer.upstream());
  }

  @Test
  void withoutCompletedThereIsNoAnswer() {
    AnswerBuilder builder = new AnswerBuilder();
    builder.add(STARTED);

    assertTrue(builder.build().isEmpty());
  }

  private static Answer answer(Event... events) {
    AnswerBuilder builder = new AnswerBuilder();
    List.of(events).forEach(builder::add);
    return builder.build().orElseThrow();
  }

  private static PartStarted.Builder opened(int index) {
    return PartStarted.newBuilder().setPart(index);
  }

  private static Event reasoning(int index, String text) {
    return Event.newBuilder()
        .setReasoningDelta(ReasoningDelta.newBuilder().setPart(index).setText(text))
        .build();
  }
}
