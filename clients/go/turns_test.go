package sluice_test

import (
	"google.golang.org/grpc"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// say sends these events in one message and ends the turn well.
func say(events ...*sluicev1.Event) turn {
	return func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		return stream.Send(&sluicev1.GenerateResponse{Events: events})
	}
}

// fail ends the turn with an error after these events; without any nothing is sent.
func fail(err error, events ...*sluicev1.Event) turn {
	return func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		if len(events) > 0 {
			if err := say(events...)(stream); err != nil {
				return err
			}
		}
		return err
	}
}

func started() *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_Started{
		Started: &sluicev1.Started{GenerationId: "gen_1"},
	}}
}

func text(part uint32, text string) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_TextDelta{
		TextDelta: &sluicev1.TextDelta{Part: part, Text: text},
	}}
}

func finished(part uint32, call *sluicev1.ToolCall) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_PartFinished{
		PartFinished: &sluicev1.PartFinished{Part: part, ToolCall: call},
	}}
}

func completed(reason sluicev1.FinishReason, message *sluicev1.Message) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_Completed{
		Completed: &sluicev1.Completed{FinishReason: reason, Message: message},
	}}
}

// words is the message of a model that says this.
func words(text string) *sluicev1.Message {
	message := sluice.User(text)
	message.Role = sluicev1.Role_ROLE_ASSISTANT
	return message
}

// answering ends a turn with a text.
func answering(text string) turn {
	return say(started(), completed(sluicev1.FinishReason_FINISH_REASON_STOP, words(text)))
}

// calling ends a turn with calls of tools.
func calling(calls ...*sluicev1.ToolCall) turn {
	message := &sluicev1.Message{Role: sluicev1.Role_ROLE_ASSISTANT}
	for _, call := range calls {
		message.Parts = append(message.Parts, &sluicev1.Part{
			Kind: &sluicev1.Part_ToolCall{ToolCall: call},
		})
	}
	return say(started(), completed(sluicev1.FinishReason_FINISH_REASON_TOOL_CALLS, message))
}
