package sluice

import (
	"context"
	"errors"
	"strings"

	"go.sluice.dev/sluice/sluicev1"
)

// Function is a tool that [Client.RunTools] runs itself.
type Function struct {
	// Name is unique in the request; [A-Za-z0-9_-]{1,64}.
	Name string
	// Description says to the model what it does and when to use it.
	Description string
	// InputSchemaJSON is a JSON Schema of the arguments, as JSON text; empty means
	// that it takes none.
	InputSchemaJSON string
	// Strict asks the provider for decoding constrained to the schema.
	Strict bool
	// Call runs it and returns text for the model. The arguments are in
	// call.ArgumentsJson. A [*ToolError] is told to the model; any other error ends
	// the run and reaches its caller as it is. Functions of one turn run at the same
	// time; ctx is done when the run is over, or another of them ends it, and the run
	// waits until all have returned: one that does not heed ctx holds up its end, a
	// deadline included. ctx comes from the run's but without its outgoing metadata,
	// which is for the gateway. A panic is not caught.
	Call func(ctx context.Context, call *sluicev1.ToolCall) (string, error)
}

// ToolError is a failure of a function that the model shall know of.
type ToolError struct {
	// Message is what the model reads.
	Message string
}

func (e *ToolError) Error() string { return e.Message }

func (f Function) tool() *sluicev1.Tool {
	return &sluicev1.Tool{
		Name:            f.Name,
		Description:     f.Description,
		InputSchemaJson: f.InputSchemaJSON,
		Strict:          f.Strict,
	}
}

// result runs the function and returns the part that tells what it returned.
func (f Function) result(ctx context.Context, call *sluicev1.ToolCall) (*sluicev1.Part, error) {
	text, err := f.Call(ctx, call)
	var told *ToolError
	if errors.As(err, &told) {
		return resultPart(call, told.Message, true), nil
	}
	if err != nil {
		return nil, err
	}
	return resultPart(call, text, false), nil
}

// fault says to the model what is wrong with a call; empty when it can be run.
func fault(call *sluicev1.ToolCall, known bool) string {
	switch check := call.GetCheck(); {
	case check == sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_UNKNOWN_TOOL || !known:
		return "There is no function named " + call.GetName() + "."
	case check == sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_MALFORMED_JSON:
		return "The arguments are not valid JSON."
	case check == sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_SCHEMA_VIOLATION:
		return "The arguments do not match the schema: " + strings.Join(call.GetViolations(), "; ")
	default:
		return ""
	}
}
