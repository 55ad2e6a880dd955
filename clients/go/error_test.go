package sluice_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"go.sluice.dev/sluice"
)

// failure makes a gateway fail like this and returns how the client tells it.
func failure(t *testing.T, code codes.Code, details ...proto.Message) *sluice.Error {
	t.Helper()
	told := &spb.Status{Code: int32(code), Message: "the message"}
	for _, detail := range details {
		packed, ok := detail.(*anypb.Any)
		if !ok {
			var err error
			if packed, err = anypb.New(detail); err != nil {
				t.Fatal(err)
			}
		}
		told.Details = append(told.Details, packed)
	}
	g := &gateway{turns: []turn{fail(status.ErrorProto(told))}}
	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))
	var failed *sluice.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want an Error", err)
	}
	if failed.Status != code || failed.Message != "the message" {
		t.Errorf("got %v, %q", failed.Status, failed.Message)
	}
	return failed
}

func info(domain, reason string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{
		Domain: domain, Reason: reason, Metadata: map[string]string{"provider": "p"},
	}
}

func TestErrorHasAllThatRidesOnAStatus(t *testing.T) {
	failed := failure(t, codes.InvalidArgument,
		info("sluice.v1", "A_NEWER_REASON"),
		&errdetails.RequestInfo{RequestId: "gen_1"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(2500 * time.Millisecond)},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "messages[0]", Description: "Send it."},
		}},
		&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{
			{Subject: "p/key", Description: "Too many."},
		}},
	)

	if failed.Reason != "A_NEWER_REASON" || failed.GenerationID != "gen_1" {
		t.Errorf("got %q, %q", failed.Reason, failed.GenerationID)
	}
	if failed.RetryDelay == nil || *failed.RetryDelay != 2500*time.Millisecond {
		t.Errorf("got %v", failed.RetryDelay)
	}
	if want := []sluice.Violation{{"messages[0]", "Send it."}}; !reflect.DeepEqual(failed.Violations, want) {
		t.Errorf("got %v", failed.Violations)
	}
	if want := []sluice.QuotaViolation{{"p/key", "Too many."}}; !reflect.DeepEqual(failed.QuotaViolations, want) {
		t.Errorf("got %v", failed.QuotaViolations)
	}
	if want := map[string]string{"provider": "p"}; !reflect.DeepEqual(failed.Metadata, want) {
		t.Errorf("got %v", failed.Metadata)
	}
	if failed.Error() != "A_NEWER_REASON: the message" {
		t.Errorf("got %q", failed.Error())
	}
	if came := status.Convert(failed); len(came.Details()) != 5 {
		t.Errorf("got %v", came)
	}
}

func TestAnotherDomainIsNoGateway(t *testing.T) {
	failed := failure(t, codes.InvalidArgument,
		info("example.com", "THEIRS"), &errdetails.RequestInfo{RequestId: "theirs"})

	if failed.Reason != "" || failed.Metadata != nil || failed.GenerationID != "" {
		t.Errorf("got %q, %v, %q", failed.Reason, failed.Metadata, failed.GenerationID)
	}
	if failed.Error() != "INVALID_ARGUMENT: the message" {
		t.Errorf("got %q", failed.Error())
	}
}

func TestDetailThatCannotBeReadHidesNoOther(t *testing.T) {
	failed := failure(t, codes.Internal,
		&anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: []byte{0xff}},
		&anypb.Any{TypeUrl: "type.googleapis.com/example.Unknown"},
		&errdetails.RetryInfo{}, // without a delay
		info("sluice.v1", "INTERNAL"),
	)

	if failed.Reason != "INTERNAL" || failed.RetryDelay != nil {
		t.Errorf("got %q, %v", failed.Reason, failed.RetryDelay)
	}
}

func TestDelayOfNothingIsADelay(t *testing.T) {
	failed := failure(t, codes.Internal, &errdetails.RetryInfo{RetryDelay: &durationpb.Duration{}})

	if failed.RetryDelay == nil || *failed.RetryDelay != 0 {
		t.Errorf("got %v", failed.RetryDelay)
	}
}

func TestErrorIsTheContextsWhereItStandsForIt(t *testing.T) {
	for code, want := range map[codes.Code]error{
		codes.Canceled:         context.Canceled,
		codes.DeadlineExceeded: context.DeadlineExceeded,
		codes.Internal:         nil,
	} {
		failed := failure(t, code)
		for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
			if got := errors.Is(failed, err); got != (err == want) {
				t.Errorf("%v is %v: %v", code, err, got)
			}
		}
	}
}

func TestErrorThatACallerMakesHasAStatus(t *testing.T) {
	made := &sluice.Error{Status: codes.NotFound, Message: "Made."}

	if got := status.Convert(made); got.Code() != codes.NotFound || got.Message() != "Made." {
		t.Errorf("got %v", got)
	}
}
