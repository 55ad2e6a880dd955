package sluice

import "go.sluice.dev/sluice/sluicev1"

// Prompt returns a request of one message by the user.
func Prompt(model, text string) *sluicev1.GenerateRequest {
	return &sluicev1.GenerateRequest{
		Model:    model,
		Messages: []*sluicev1.Message{User(text)},
	}
}

// System returns a message with instructions from the application.
func System(text string) *sluicev1.Message {
	return newMessage(sluicev1.Role_ROLE_SYSTEM, textPart(text))
}

// User returns a message by the end user.
func User(text string) *sluicev1.Message {
	return newMessage(sluicev1.Role_ROLE_USER, textPart(text))
}

// ToolResult returns a message with what a call returned.
func ToolResult(call *sluicev1.ToolCall, text string) *sluicev1.Message {
	return newMessage(sluicev1.Role_ROLE_TOOL, resultPart(call, text, false))
}

func newMessage(role sluicev1.Role, parts ...*sluicev1.Part) *sluicev1.Message {
	return &sluicev1.Message{Role: role, Parts: parts}
}

func textPart(text string) *sluicev1.Part {
	return &sluicev1.Part{Kind: &sluicev1.Part_Text{Text: text}}
}

func resultPart(call *sluicev1.ToolCall, text string, isError bool) *sluicev1.Part {
	return &sluicev1.Part{Kind: &sluicev1.Part_ToolResult{ToolResult: &sluicev1.ToolResult{
		ToolCallId: call.GetId(),
		Parts:      []*sluicev1.Part{textPart(text)},
		IsError:    isError,
	}}}
}
