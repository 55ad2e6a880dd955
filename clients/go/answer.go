package sluice

import (
	"strings"

	"go.sluice.dev/sluice/sluicev1"
)

// Answer is what a turn came to.
type Answer struct {
	// Message is ready to be appended to the conversation. Where the gateway left it
	// out for its size it is put together from the deltas, and lacks the provider
	// state, which deltas do not carry.
	Message *sluicev1.Message
	// Text is the visible text of all parts.
	Text string
	// Refusal is the model's refusal; empty when it did not refuse.
	Refusal string
	// Reasoning is the readable reasoning of all parts.
	Reasoning string
	// ToolCalls are the calls that the model made, in its order.
	ToolCalls []*sluicev1.ToolCall
	// FinishReason says why the model stopped.
	FinishReason sluicev1.FinishReason
	// Usage counts tokens.
	Usage *sluicev1.Usage
	// Cost is the price; nil when nobody knows it, which is not free.
	Cost *sluicev1.Cost
	// Timing says where the time went.
	Timing *sluicev1.Timing
	// Upstream is who answered.
	Upstream *sluicev1.Upstream
	// GenerationID is the turn's id at the gateway, to be quoted in support requests.
	GenerationID string
}

func newAnswer(
	generationID string, message *sluicev1.Message, completed *sluicev1.Completed,
) *Answer {
	answer := &Answer{
		Message:      message,
		FinishReason: completed.GetFinishReason(),
		Usage:        completed.GetUsage(),
		Cost:         completed.GetCost(),
		Timing:       completed.GetTiming(),
		Upstream:     completed.GetUpstream(),
		GenerationID: generationID,
	}
	var text, refusal, reasoning strings.Builder
	for _, part := range message.GetParts() {
		switch kind := part.GetKind().(type) {
		case *sluicev1.Part_Text:
			text.WriteString(kind.Text)
		case *sluicev1.Part_Refusal:
			refusal.WriteString(kind.Refusal)
		case *sluicev1.Part_Reasoning:
			reasoning.WriteString(kind.Reasoning.GetText())
		case *sluicev1.Part_ToolCall:
			answer.ToolCalls = append(answer.ToolCalls, kind.ToolCall)
		}
	}
	answer.Text, answer.Refusal, answer.Reasoning = text.String(), refusal.String(), reasoning.String()
	return answer
}
