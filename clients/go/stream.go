package sluice

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	"go.sluice.dev/sluice/sluicev1"
)

var errRead = errors.New("sluice: a stream can be read only once")

// Stream is a turn, or a run of several, as it comes. It is read once, by one
// goroutine and one of Events, Text and Collect, as fast as its reader asks.
type Stream struct {
	source source
	read   bool
}

// source is where the events of a stream come from.
type source interface {
	// next returns the next event, and [io.EOF] after a good end.
	next() (*sluicev1.Event, error)
	// close cancels what still runs.
	close()
}

// Events goes through the events. Of one turn they are Started, then parts, then
// exactly one Completed. Events of a kind that this package does not know are
// skipped. An error is the last thing that it gives: an [*Error], unless a run of
// tools ended otherwise. Leaving the loop cancels the call.
func (s *Stream) Events() iter.Seq2[*sluicev1.Event, error] {
	return func(yield func(*sluicev1.Event, error) bool) {
		if s.read {
			yield(nil, errRead)
			return
		}
		s.read = true
		defer s.Close()
		for {
			event, err := s.source.next()
			if err == io.EOF {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Text goes through the visible text alone, in pieces as they come; the words of a
// refusal are among it. It ends as Events does.
func (s *Stream) Text() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range s.Events() {
			if err != nil {
				yield("", err)
				return
			}
			if delta := event.GetTextDelta(); delta != nil && !yield(delta.GetText(), nil) {
				return
			}
		}
	}
}

// Collect reads to the end and returns the answer; of several turns, the last one's.
func (s *Stream) Collect() (*Answer, error) {
	var turn assembly
	for event, err := range s.Events() {
		if err != nil {
			return nil, err
		}
		turn.add(event)
	}
	return turn.answer(), nil
}

// Close cancels what still runs; any goroutine may call it, at any time. A stream
// that is read needs no Close.
func (s *Stream) Close() { s.source.close() }

// turn is the source of one call of Generate.
type turn struct {
	stream    grpc.ServerStreamingClient[sluicev1.GenerateResponse]
	cancel    context.CancelFunc
	waiting   []*sluicev1.Event // of the message received last
	completed bool
	id        string // of the generation, once Started told it
	end       error
}

func (c *Client) startTurn(ctx context.Context, request *sluicev1.GenerateRequest) *turn {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.gateway.Generate(ctx, request)
	t := &turn{stream: stream, cancel: cancel}
	if err != nil {
		t.finish(newError(err))
	}
	return t
}

func (t *turn) next() (*sluicev1.Event, error) {
	for {
		for len(t.waiting) > 0 {
			event := t.waiting[0]
			t.waiting = t.waiting[1:]
			if event.GetKind() == nil { // of a newer contract
				continue
			}
			switch {
			case event.GetStarted() != nil:
				t.id = event.GetStarted().GetGenerationId()
			case event.GetCompleted() != nil:
				t.completed = true
			}
			return event, nil
		}
		if t.end != nil {
			return nil, t.end
		}
		response, err := t.stream.Recv()
		switch {
		case err == nil:
			t.waiting = response.GetEvents()
		case err != io.EOF:
			t.fail(newError(err))
		case t.completed:
			t.finish(io.EOF)
		default:
			t.fail(truncated())
		}
	}
}

// fail ends the turn with an error, which names the generation whoever tells it.
func (t *turn) fail(err *Error) {
	if err.GenerationID == "" {
		err.GenerationID = t.id
	}
	t.finish(err)
}

func (t *turn) finish(end error) {
	t.end = end
	t.cancel()
}

func (t *turn) close() { t.cancel() }
