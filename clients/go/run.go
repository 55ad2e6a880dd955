package sluice

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice/sluicev1"
)

const defaultMaxTurns = 10

// RunOption is a setting of [Client.RunTools].
type RunOption func(*loop)

// WithMaxTurns ends a run after this many turns, instead of 10. One is always made.
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
// with a [*TurnLimitError]. The context holds for the whole run.
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
		delete(l.callers, function.Name)
		l.request.Tools = append(l.request.Tools, function.tool())
	}
	l.turn = c.startTurn(ctx, l.request)
	return &Run{Stream: &Stream{source: l}, loop: l}
}

// loop is the source of one run.
type loop struct {
	client    *Client
	ctx       context.Context // of the run, and so of all its turns and functions
	cancel    context.CancelFunc
	request   *sluicev1.GenerateRequest // of the next turn
	functions map[string]Function
	callers   map[string]bool // names of tools that the caller runs itself
	maxTurns  int

	turn     *turn
	assembly assembly
	answers  []*Answer
	end      error
}

func (l *loop) next() (*sluicev1.Event, error) {
	for l.end == nil {
		event, err := l.turn.next()
		if err == nil {
			l.assembly.add(event)
			return event, nil
		}
		if err == io.EOF {
			err = l.goOn()
		}
		l.end = err
	}
	return nil, l.end
}

func (l *loop) close() { l.cancel() }

// goOn starts the turn that follows the one that came to a good end; [io.EOF] when
// none does.
func (l *loop) goOn() error {
	answer := l.assembly.answer()
	l.answers = append(l.answers, answer)
	l.request.Messages = append(l.request.Messages, answer.Message)
	called := answer.FinishReason == sluicev1.FinishReason_FINISH_REASON_TOOL_CALLS
	paused := answer.FinishReason == sluicev1.FinishReason_FINISH_REASON_PAUSED
	switch {
	case !called && !paused, called && slices.ContainsFunc(answer.ToolCalls, l.isCallers):
		return io.EOF
	case len(l.answers) >= l.maxTurns:
		return &TurnLimitError{Turns: len(l.answers)}
	case called:
		results, err := l.results(answer.ToolCalls)
		if err != nil {
			return err
		}
		l.request.Messages = append(l.request.Messages, results)
	}
	l.turn = l.client.startTurn(l.ctx, l.request)
	return nil
}

func (l *loop) isCallers(call *sluicev1.ToolCall) bool { return l.callers[call.GetName()] }

// results calls the functions at the same time and returns the message with what
// they returned, in the order of the calls. It waits for all of them, also when one
// breaks: that one's error is returned, and the context of the others is done.
func (l *loop) results(calls []*sluicev1.ToolCall) (*sluicev1.Message, error) {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	var (
		parts   = make([]*sluicev1.Part, len(calls))
		running sync.WaitGroup
		once    sync.Once
		broken  error
	)
	for i, call := range calls {
		function, known := l.functions[call.GetName()]
		if words := fault(call, known); words != "" {
			parts[i] = resultPart(call, words, true)
			continue
		}
		running.Go(func() {
			part, err := function.result(ctx, call)
			if err != nil {
				once.Do(func() {
					broken = err
					cancel()
				})
			}
			parts[i] = part
		})
	}
	running.Wait()
	if broken != nil {
		return nil, broken
	}
	return newMessage(sluicev1.Role_ROLE_TOOL, parts...), nil
}
