package sluice

import (
	"maps"
	"slices"
	"strings"

	"go.sluice.dev/sluice/sluicev1"
)

// assembly keeps of one turn's events what its answer is made of.
type assembly struct {
	generationID string
	parts        map[uint32]*assembledPart
	completed    *sluicev1.Completed
}

type assembledPart struct {
	started *sluicev1.PartStarted
	text    strings.Builder
	call    *sluicev1.ToolCall
}

// add takes the next event. Started begins anew, since with it a turn begins.
func (a *assembly) add(event *sluicev1.Event) {
	switch kind := event.GetKind().(type) {
	case *sluicev1.Event_Started:
		*a = assembly{generationID: kind.Started.GetGenerationId()}
	case *sluicev1.Event_PartStarted:
		a.part(kind.PartStarted.GetPart()).started = kind.PartStarted
	case *sluicev1.Event_TextDelta:
		a.part(kind.TextDelta.GetPart()).text.WriteString(kind.TextDelta.GetText())
	case *sluicev1.Event_ReasoningDelta:
		a.part(kind.ReasoningDelta.GetPart()).text.WriteString(kind.ReasoningDelta.GetText())
	case *sluicev1.Event_PartFinished:
		a.part(kind.PartFinished.GetPart()).call = kind.PartFinished.GetToolCall()
	case *sluicev1.Event_Completed:
		a.completed = kind.Completed
	}
}

// answer returns what the turn came to; it is for turns that came to a good end.
func (a *assembly) answer() *Answer {
	message := a.completed.GetMessage()
	if message == nil {
		message = a.message()
	}
	return newAnswer(a.generationID, message, a.completed)
}

func (a *assembly) part(number uint32) *assembledPart {
	part := a.parts[number]
	if part == nil {
		part = &assembledPart{}
		if a.parts == nil {
			a.parts = map[uint32]*assembledPart{}
		}
		a.parts[number] = part
	}
	return part
}

// message puts the parts together, by their numbers: deltas of several may have come
// in turn.
func (a *assembly) message() *sluicev1.Message {
	message := newMessage(sluicev1.Role_ROLE_ASSISTANT)
	for _, number := range slices.Sorted(maps.Keys(a.parts)) {
		if part := a.parts[number].whole(); part != nil {
			message.Parts = append(message.Parts, part)
		}
	}
	return message
}

// whole returns nil for a part that deltas cannot tell: one of a newer contract, or
// reasoning that only the provider can read.
func (p *assembledPart) whole() *sluicev1.Part {
	switch p.started.GetKind().(type) {
	case *sluicev1.PartStarted_Text:
		return textPart(p.text.String())
	case *sluicev1.PartStarted_Refusal:
		return &sluicev1.Part{Kind: &sluicev1.Part_Refusal{Refusal: p.text.String()}}
	case *sluicev1.PartStarted_Reasoning:
		if p.text.Len() > 0 {
			return &sluicev1.Part{Kind: &sluicev1.Part_Reasoning{
				Reasoning: &sluicev1.Reasoning{Text: p.text.String()},
			}}
		}
	case *sluicev1.PartStarted_ToolCall:
		if p.call != nil {
			return &sluicev1.Part{Kind: &sluicev1.Part_ToolCall{ToolCall: p.call}}
		}
	}
	return nil
}
