package sluice_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// opened starts a part of the kind that is set in start.
func opened(part uint32, start *sluicev1.PartStarted) *sluicev1.Event {
	start.Part = part
	return &sluicev1.Event{Kind: &sluicev1.Event_PartStarted{PartStarted: start}}
}

func openedText(part uint32) *sluicev1.Event {
	return opened(part, &sluicev1.PartStarted{Kind: &sluicev1.PartStarted_Text{}})
}

func openedReasoning(part uint32) *sluicev1.Event {
	return opened(part, &sluicev1.PartStarted{Kind: &sluicev1.PartStarted_Reasoning{}})
}

func reasoning(part uint32, text string) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_ReasoningDelta{
		ReasoningDelta: &sluicev1.ReasoningDelta{Part: part, Text: text},
	}}
}

func TestAnswerIsTheMessageOfCompleted(t *testing.T) {
	whole := &sluicev1.Completed{
		FinishReason: stop,
		Message: &sluicev1.Message{Role: sluicev1.Role_ROLE_ASSISTANT, Parts: []*sluicev1.Part{
			{
				Kind:          &sluicev1.Part_Reasoning{Reasoning: &sluicev1.Reasoning{Text: "Hm."}},
				ProviderState: []*sluicev1.ProviderState{{Provider: "p", Kind: "signature", Value: []byte{1}}},
			},
			{Kind: &sluicev1.Part_Text{Text: "Rivers "}},
			{Kind: &sluicev1.Part_Text{Text: "run."}},
		}},
		Usage:    &sluicev1.Usage{InputTokens: proto.Uint64(12)},
		Cost:     &sluicev1.Cost{UsdNanos: 120_000},
		Timing:   &sluicev1.Timing{},
		Upstream: &sluicev1.Upstream{Provider: "p"},
	}
	g := &gateway{turns: []turn{say(started(), openedText(0), text(0, "Other words."),
		&sluicev1.Event{Kind: &sluicev1.Event_Completed{Completed: whole}})}}

	answer, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))
	if err != nil {
		t.Fatal(err)
	}

	got := &sluicev1.Completed{
		FinishReason: answer.FinishReason,
		Message:      answer.Message,
		Usage:        answer.Usage,
		Cost:         answer.Cost,
		Timing:       answer.Timing,
		Upstream:     answer.Upstream,
	}
	if !proto.Equal(got, whole) {
		t.Errorf("got %v, want %v", got, whole)
	}
	if answer.Text != "Rivers run." || answer.Reasoning != "Hm." || answer.GenerationID != "gen_1" {
		t.Errorf("got %q, %q, %q", answer.Text, answer.Reasoning, answer.GenerationID)
	}
}

func TestMessageIsPutTogetherWhereItWasLeftOut(t *testing.T) {
	call := &sluicev1.ToolCall{Id: "call_1", Name: "get_weather", ArgumentsJson: "{}"}
	g := &gateway{turns: []turn{say(
		started(),
		openedReasoning(0), finished(0, nil), // only the provider can read it
		openedReasoning(1), reasoning(1, "Hm"),
		openedText(2), text(2, "Rivers"),
		reasoning(1, "."), finished(1, nil),
		text(2, " run."), finished(2, nil),
		opened(4, &sluicev1.PartStarted{Kind: &sluicev1.PartStarted_Refusal{}}),
		opened(3, &sluicev1.PartStarted{Kind: &sluicev1.PartStarted_ToolCall{}}),
		text(4, "No"), text(4, "."), finished(4, nil), finished(3, call),
		opened(5, &sluicev1.PartStarted{}), finished(5, nil), // of a newer contract
		completed(stop, nil),
	)}}

	answer, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))
	if err != nil {
		t.Fatal(err)
	}

	want := &sluicev1.Message{Role: sluicev1.Role_ROLE_ASSISTANT, Parts: []*sluicev1.Part{
		{Kind: &sluicev1.Part_Reasoning{Reasoning: &sluicev1.Reasoning{Text: "Hm."}}},
		{Kind: &sluicev1.Part_Text{Text: "Rivers run."}},
		{Kind: &sluicev1.Part_ToolCall{ToolCall: call}},
		{Kind: &sluicev1.Part_Refusal{Refusal: "No."}},
	}}
	if !proto.Equal(answer.Message, want) {
		t.Errorf("got %v, want %v", answer.Message, want)
	}
	if answer.Text != "Rivers run." || answer.Refusal != "No." || answer.Reasoning != "Hm." {
		t.Errorf("got %q, %q, %q", answer.Text, answer.Refusal, answer.Reasoning)
	}
	if len(answer.ToolCalls) != 1 || !proto.Equal(answer.ToolCalls[0], call) {
		t.Errorf("got %v", answer.ToolCalls)
	}
}

func TestPartsWithoutStartDoNotBreakTheClient(t *testing.T) {
	g := &gateway{turns: []turn{say(text(0, "Riv"), finished(0, nil), completed(stop, nil))}}

	answer, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	if err != nil || len(answer.Message.GetParts()) != 0 {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestEachTurnOfARunIsPutTogetherAlone(t *testing.T) {
	turnOf := func(reason sluicev1.FinishReason, words string) turn {
		return say(started(), openedText(0), text(0, words), finished(0, nil), completed(reason, nil))
	}
	g := &gateway{turns: []turn{
		turnOf(sluicev1.FinishReason_FINISH_REASON_PAUSED, "I will"), turnOf(stop, "be back."),
	}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), nil)

	last, err := run.Collect()
	if err != nil {
		t.Fatal(err)
	}

	answers := run.Answers()
	if answers[0].Text != "I will" || answers[1].Text != "be back." || last.Text != "be back." {
		t.Errorf("got %q, %q, at last %q", answers[0].Text, answers[1].Text, last.Text)
	}
}
