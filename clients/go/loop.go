package sluice

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc/metadata"

	"go.sluice.dev/sluice/sluicev1"
)

// errExited is what becomes of a function that called [runtime.Goexit], as
// testing's FailNow does.
var errExited = errors.New("sluice: a function ended its goroutine instead of returning")

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
	called := answer.FinishReason == sluicev1.FinishReason_FINISH_REASON_TOOL_CALLS &&
		len(answer.ToolCalls) > 0 // without any there is nothing to tell the model
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
	// The metadata may hold a key, and is no business of services that a function calls.
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(l.ctx, nil))
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
			err := errExited
			defer func() {
				if err != nil {
					once.Do(func() {
						broken = err
						cancel()
					})
				}
			}()
			parts[i], err = function.result(ctx, call)
		})
	}
	running.Wait()
	if broken != nil {
		return nil, broken
	}
	return newMessage(sluicev1.Role_ROLE_TOOL, parts...), nil
}
