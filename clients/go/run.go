package sluice

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice/sluicev1"
)

const defaultMaxTurns = 10

// RunOption is a setting of [Client.RunTools].
type RunOption func(*loop)

// WithMaxTurns ends a run after this many turns, instead of 10. With fewer than one
// no call is made, and the run is an error from the start.
func WithMaxTurns(turns int) RunOption {
	return func(l *loop) { l.maxTurns = turns }
}

// TurnLimitError is the end of a run whose last turn that it may take still wants more.
type TurnLimitError struct {
	// Turns is how many turns were made.
	Turns int
}

func (e *TurnLimitError) Error() string {
	return fmt.Sprintf("sluice: the model wants more after %d turns", e.Turns)
}

// Run is a stream over all turns that a run of tools takes.
type Run struct {
	*Stream
	loop *loop
}

// Messages returns the whole conversation so far: what the request had, and what the
// run added. Like Answers it may be called at any time by whoever reads the stream,
// also after a failure.
func (r *Run) Messages() []*sluicev1.Message { return slices.Clone(r.loop.request.Messages) }

// Answers returns the answers so far, one per turn that came to a good end.
func (r *Run) Answers() []*Answer { return slices.Clone(r.loop.answers) }

// RunTools starts a turn, and when the model calls functions runs them, sends back
// what they returned and starts the next, until the model wants no more. Calls that
// the gateway found wrong are not run, the model is told instead; a turn that the
// provider paused is sent back to go on. Functions are added to the request's own
// tools; the request itself stays as it is.
//
// A turn that calls a tool of the request's own ends the run before any function of
// it is called: those calls are the caller's. When the turns are used up the run ends
// with a [*TurnLimitError]. The context holds for the whole run, and its metadata is sent
// with every turn. A run goes on no further than its reader, and like a turn wants to
// be read or closed.
func (c *Client) RunTools(
	ctx context.Context,
	request *sluicev1.GenerateRequest,
	functions []Function,
	options ...RunOption,
) *Run {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{
		client:    c,
		ctx:       ctx,
		cancel:    cancel,
		request:   proto.CloneOf(request),
		functions: map[string]Function{},
		callers:   map[string]bool{},
		maxTurns:  defaultMaxTurns,
	}
	for _, option := range options {
		option(l)
	}
	for _, tool := range request.GetTools() {
		l.callers[tool.GetName()] = true
	}
	for _, function := range functions {
		l.functions[function.Name] = function
		l.request.Tools = append(l.request.Tools, function.tool())
	}
	if l.maxTurns < 1 {
		l.end = fmt.Errorf("sluice: a run takes at least one turn, not %d", l.maxTurns)
	} else {
		l.turn = c.startTurn(ctx, l.request)
	}
	return &Run{Stream: &Stream{source: l}, loop: l}
}
