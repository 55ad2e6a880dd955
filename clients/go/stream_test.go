package sluice_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

const stop = sluicev1.FinishReason_FINISH_REASON_STOP

func TestEventsAreTakenOutOfTheirMessages(t *testing.T) {
	newer := &sluicev1.Event{}
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(
		protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	sent := []*sluicev1.Event{started(), text(0, "Rivers"), newer, text(0, " run."), completed(1234, words(""))}
	g := &gateway{turns: []turn{func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		return errors.Join(say(sent[:3]...)(stream), say()(stream), say(sent[3:]...)(stream))
	}}}
	known := slices.Delete(slices.Clone(sent), 2, 3)

	var got []*sluicev1.Event
	for event, err := range g.connect(t).Generate(t.Context(), sluice.Prompt("m", "Hi")).Events() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}

	same := func(one, other *sluicev1.Event) bool { return proto.Equal(one, other) }
	if !slices.EqualFunc(got, known, same) {
		t.Errorf("got %v, want %v", got, known)
	}
}

func TestTextIsWhatIsVisible(t *testing.T) {
	refusal := &sluicev1.Event{Kind: &sluicev1.Event_PartStarted{PartStarted: &sluicev1.PartStarted{
		Part: 1, Kind: &sluicev1.PartStarted_Refusal{Refusal: &sluicev1.RefusalStart{}},
	}}}
	thought := &sluicev1.Event{Kind: &sluicev1.Event_ReasoningDelta{
		ReasoningDelta: &sluicev1.ReasoningDelta{Text: "Hm."},
	}}
	g := &gateway{turns: []turn{say(
		started(), thought, text(0, "Well, "), refusal, text(1, "no."), completed(stop, nil),
	)}}

	var got []string
	for piece, err := range g.connect(t).Generate(t.Context(), sluice.Prompt("m", "Hi")).Text() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, piece)
	}

	if want := []string{"Well, ", "no."}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEndWithoutCompletedIsAnError(t *testing.T) {
	g := &gateway{turns: []turn{say(started(), text(0, "Riv"))}}

	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	var failed *sluice.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want an Error", err)
	}
	if failed.Status != codes.Unavailable || failed.Reason != "STREAM_TRUNCATED" {
		t.Errorf("got %v, %q", failed.Status, failed.Reason)
	}
}

func TestErrorAfterCompletedIsAnError(t *testing.T) {
	g := &gateway{turns: []turn{
		fail(status.Error(codes.Internal, "broke"), started(), completed(stop, words("Done."))),
	}}

	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	if status.Code(err) != codes.Internal {
		t.Errorf("got %v", err)
	}
}

// leavings are the ways of leaving a stream before its end.
var leavings = map[string]func(stream *sluice.Stream, cancel context.CancelFunc) error{
	"leaving the loop over events": func(stream *sluice.Stream, _ context.CancelFunc) error {
		for _, err := range stream.Events() {
			return err
		}
		return io.ErrUnexpectedEOF
	},
	"leaving the loop over text": func(stream *sluice.Stream, _ context.CancelFunc) error {
		for _, err := range stream.Text() {
			return err
		}
		return io.ErrUnexpectedEOF
	},
	"closing it": func(stream *sluice.Stream, _ context.CancelFunc) error {
		stream.Close()
		return nil
	},
	"cancelling the context": func(stream *sluice.Stream, cancel context.CancelFunc) error {
		for _, err := range stream.Events() {
			cancel()
			if errors.Is(err, context.Canceled) {
				return nil
			}
		}
		return io.ErrUnexpectedEOF
	},
}

func TestLeavingAStreamCancelsTheCall(t *testing.T) {
	for name, leave := range leavings {
		t.Run(name, func(t *testing.T) {
			reached, left := make(chan struct{}), make(chan struct{})
			g := &gateway{turns: []turn{func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
				close(reached)
				defer close(left)
				if err := say(started(), text(0, "Rivers"))(stream); err != nil {
					return err
				}
				<-stream.Context().Done()
				return stream.Context().Err()
			}}}
			client := g.connect(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			stream := client.Generate(ctx, sluice.Prompt("m", "Hi"))
			<-reached
			if err := leave(stream, cancel); err != nil {
				t.Fatal(err)
			}

			<-left
		})
	}
}

func TestStreamIsReadOnce(t *testing.T) {
	g := &gateway{turns: []turn{answering("Rivers run.")}}
	stream := g.connect(t).Generate(t.Context(), sluice.Prompt("m", "Hi"))
	if _, err := stream.Collect(); err != nil {
		t.Fatal(err)
	}

	_, err := stream.Collect()

	if err == nil || !strings.Contains(err.Error(), "only once") {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsSentTwiceAfterOutput(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "gone")
	g := &gateway{turns: []turn{
		fail(unavailable),                          // tried again
		fail(unavailable, started(), text(0, "R")), // not tried again
		answering("Rivers run."),
	}}

	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	if status.Code(err) != codes.Unavailable || len(g.asked()) != 2 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}

func TestLastWordIsHandedOverAsItCame(t *testing.T) {
	full := func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		stream.SetTrailer(metadata.Pairs("grpc-retry-pushback-ms", "0"))
		return status.Error(codes.Unavailable, "Full.")
	}
	g := &gateway{turns: []turn{full, full, full, full, full}}

	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	var failed *sluice.Error
	if !errors.As(err, &failed) || failed.Message != "Full." || len(g.asked()) != 5 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}
