package sluice_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

func call(id, name string) *sluicev1.ToolCall {
	return &sluicev1.ToolCall{
		Id: id, Name: name, ArgumentsJson: "{}", Check: sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_VALID,
	}
}

// function is one of this name; it answers with what it gets from run.
func function(name string, run func(context.Context) (string, error)) sluice.Function {
	return sluice.Function{
		Name: name, Description: "Does it.", InputSchemaJSON: `{"type":"object"}`, Strict: true,
		Call: func(ctx context.Context, _ *sluicev1.ToolCall) (string, error) { return run(ctx) },
	}
}

func returns(name, text string) sluice.Function {
	return function(name, func(context.Context) (string, error) { return text, nil })
}

// results are what the last message of a run tells the model.
func results(t *testing.T, messages []*sluicev1.Message) (texts []string, wrong []bool) {
	t.Helper()
	last := messages[len(messages)-1]
	if last.GetRole() != sluicev1.Role_ROLE_TOOL {
		t.Fatalf("got %v", last)
	}
	for _, part := range last.GetParts() {
		texts = append(texts, part.GetToolResult().GetParts()[0].GetText())
		wrong = append(wrong, part.GetToolResult().GetIsError())
	}
	return texts, wrong
}

func TestRunOfTools(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "a"), call("2", "b")), answering("Done.")}}
	request := sluice.Prompt("m", "Hi")
	request.Tools = []*sluicev1.Tool{{Name: "own"}}
	before := proto.CloneOf(request)
	// Each waits for the other, so that one after the other would never end.
	a, b := make(chan struct{}), make(chan struct{})
	meeting := func(mine, other chan struct{}, text string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			close(mine)
			<-other
			return text, nil
		}
	}

	run := g.connect(t).RunTools(t.Context(), request, []sluice.Function{
		function("b", meeting(b, a, "of b")), function("a", meeting(a, b, "of a")),
	})
	answer, err := run.Collect()
	if err != nil {
		t.Fatal(err)
	}

	if answer.Text != "Done." || len(run.Answers()) != 2 || len(run.Messages()) != 4 {
		t.Errorf("got %q, %d answers, %d messages", answer.Text, len(run.Answers()), len(run.Messages()))
	}
	asked := g.asked()
	if texts, wrong := results(t, asked[1].GetMessages()); !slices.Equal(texts, []string{"of a", "of b"}) ||
		slices.Contains(wrong, true) {
		t.Errorf("got %q, %v", texts, wrong)
	}
	want := &sluicev1.Tool{
		Name: "b", Description: "Does it.", InputSchemaJson: `{"type":"object"}`, Strict: true,
	}
	if tools := asked[1].GetTools(); len(tools) != 3 || tools[0].GetName() != "own" || !proto.Equal(tools[1], want) {
		t.Errorf("got %v", tools)
	}
	if !proto.Equal(request, before) {
		t.Errorf("the caller's request became %v", request)
	}
}

func TestWhatIsWrongIsToldToTheModel(t *testing.T) {
	malformed, violating, unknown := call("1", "a"), call("2", "a"), call("3", "nobody")
	malformed.Check = sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_MALFORMED_JSON
	violating.Check = sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_SCHEMA_VIOLATION
	violating.Violations = []string{"/city: missing", "/town: unknown"}
	unknown.Check = sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_UNKNOWN_TOOL
	unchecked := call("4", "nobody")
	unchecked.Check = sluicev1.ArgumentsCheck_ARGUMENTS_CHECK_UNSPECIFIED
	g := &gateway{turns: []turn{
		calling(malformed, violating, unknown, unchecked, call("5", "fails")), answering("Done."),
	}}

	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{
		function("a", func(context.Context) (string, error) {
			t.Error("a wrong call was run")
			return "", nil
		}),
		function("fails", func(context.Context) (string, error) {
			return "", errors.Join(errors.New("around it"), &sluice.ToolError{Message: "Closed."})
		}),
	})
	if _, err := run.Collect(); err != nil {
		t.Fatal(err)
	}

	texts, wrong := results(t, g.asked()[1].GetMessages())
	want := []string{
		"The arguments are not valid JSON.",
		"The arguments do not match the schema: /city: missing; /town: unknown",
		"There is no function named nobody.",
		"There is no function named nobody.",
		"Closed.",
	}
	if !slices.Equal(texts, want) || slices.Contains(wrong, false) {
		t.Errorf("got %q, %v", texts, wrong)
	}
}

func TestFunctionThatBreaksEndsTheRunWhenNoneRunsAnyMore(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "waits"), call("2", "breaks"))}}
	broken := errors.New("out of order")
	waiting := make(chan struct{})
	ended := false
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{
		function("waits", func(ctx context.Context) (string, error) {
			close(waiting)
			<-ctx.Done()
			ended = true // a race, if the run did not wait
			return "", ctx.Err()
		}),
		function("breaks", func(context.Context) (string, error) {
			<-waiting
			return "", broken
		}),
	})

	_, err := run.Collect()

	if err != broken || !ended {
		t.Errorf("got %v, the other ended: %v", err, ended)
	}
	if len(run.Messages()) != 2 || len(run.Answers()) != 1 || len(g.asked()) != 1 {
		t.Errorf("got %v, %d calls", run.Messages(), len(g.asked()))
	}
}

func TestFunctionThatEndsItsGoroutineEndsTheRun(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "waits"), call("2", "exits"))}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{
		function("waits", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}),
		function("exits", func(context.Context) (string, error) {
			runtime.Goexit()
			return "", nil
		}),
	})

	_, err := run.Collect()

	if err == nil || errors.Is(err, context.Canceled) || len(g.asked()) != 1 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}

func TestCallsOfTheCallersToolsAreTheCallers(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "a"), call("2", "own"))}}
	request := sluice.Prompt("m", "Hi")
	request.Tools = []*sluicev1.Tool{{Name: "own"}}
	run := g.connect(t).RunTools(t.Context(), request, []sluice.Function{
		function("a", func(context.Context) (string, error) {
			t.Error("a function of the turn was run")
			return "", nil
		}),
	}, sluice.WithMaxTurns(1))

	answer, err := run.Collect()

	if err != nil || len(answer.ToolCalls) != 2 || len(run.Messages()) != 2 {
		t.Errorf("got %v, %v, %v", answer, err, run.Messages())
	}
}

func TestTurnThatCallsNothingEndsTheRun(t *testing.T) {
	g := &gateway{turns: []turn{calling()}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{returns("a", "x")},
		sluice.WithMaxTurns(1))

	answer, err := run.Collect()

	if err != nil || answer.FinishReason != sluicev1.FinishReason_FINISH_REASON_TOOL_CALLS ||
		len(run.Messages()) != 2 || len(g.asked()) != 1 {
		t.Errorf("got %v, %v, %v after %d calls", answer, err, run.Messages(), len(g.asked()))
	}
}

func TestPausedTurnsGoOnUntilTheLimit(t *testing.T) {
	paused := say(started(), completed(sluicev1.FinishReason_FINISH_REASON_PAUSED, words("I will")))
	g := &gateway{turns: []turn{paused, paused}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), nil, sluice.WithMaxTurns(2))

	_, err := run.Collect()

	var limit *sluice.TurnLimitError
	if !errors.As(err, &limit) || limit.Turns != 2 || len(run.Messages()) != 3 || len(g.asked()) != 2 {
		t.Errorf("got %v, %v after %d calls", err, run.Messages(), len(g.asked()))
	}
	if got := g.asked()[1].GetMessages(); len(got) != 2 || !proto.Equal(got[1], words("I will")) {
		t.Errorf("got %v", got)
	}
}

func TestRunWithoutTurnsIsRefused(t *testing.T) {
	g := &gateway{}
	client := g.connect(t)
	for _, turns := range []int{0, -1} {
		run := client.RunTools(t.Context(), sluice.Prompt("m", "Hi"), nil, sluice.WithMaxTurns(turns))
		seen := 0
		for event, err := range run.Events() {
			var limit *sluice.TurnLimitError
			if seen++; event != nil || err == nil || errors.As(err, &limit) {
				t.Errorf("%d turns: got %v, %v", turns, event, err)
			}
		}
		if seen != 1 || len(run.Messages()) != 1 || len(g.asked()) != 0 {
			t.Errorf("%d turns: got %d results, %v, %d calls", turns, seen, run.Messages(), len(g.asked()))
		}
	}
}

func TestRunTakesTenTurns(t *testing.T) {
	g := &gateway{}
	for range 11 {
		g.turns = append(g.turns, calling(call("1", "a")))
	}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{returns("a", "x")})

	_, err := run.Collect()

	var limit *sluice.TurnLimitError
	if !errors.As(err, &limit) || len(run.Answers()) != 10 || len(g.asked()) != 10 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}

func TestWhatWasSaidBeforeAFailureIsKept(t *testing.T) {
	g := &gateway{turns: []turn{
		calling(call("1", "a")), fail(status.Error(codes.Internal, "broke"), started()),
	}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{returns("a", "x")})

	_, err := run.Collect()

	if status.Code(err) != codes.Internal || len(run.Messages()) != 3 || len(run.Answers()) != 1 {
		t.Errorf("got %v, %v", err, run.Messages())
	}
}

func TestLeavingARunEndsItsFunctions(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "a"))}}
	var run *sluice.Run
	run = g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), []sluice.Function{
		function("a", func(ctx context.Context) (string, error) {
			run.Close()
			<-ctx.Done()
			return "", ctx.Err()
		}),
	})

	if _, err := run.Collect(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLeavingARunMidTurnCancelsTheCall(t *testing.T) {
	left := make(chan struct{})
	g := &gateway{turns: []turn{func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		defer close(left)
		if err := say(started())(stream); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}}}
	run := g.connect(t).RunTools(t.Context(), sluice.Prompt("m", "Hi"), nil)

	for range run.Events() {
		break
	}

	<-left
	if len(run.Messages()) != 1 {
		t.Errorf("got %v", run.Messages())
	}
}
