package sluice

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// domain is whose reasons an ErrorInfo carries; those of others mean something else.
const domain = "sluice.v1"

// Error is how a failed call ends; get at it with [errors.As]. It is
// [context.Canceled] or [context.DeadlineExceeded] to [errors.Is] where its status
// says so.
type Error struct {
	// Status is gRPC's status.
	Status codes.Code
	// Reason is the name of a [sluicev1.ErrorReason] without its prefix, such as
	// "PROVIDER_RATE_LIMITED", as the gateway sent it: it may be newer than this
	// package. Empty when no gateway spoke.
	Reason string
	// Message says in words what went wrong.
	Message string
	// RetryDelay is how long to wait before it makes sense to try again; nil when
	// nobody told.
	RetryDelay *time.Duration
	// Violations are where a request breaks the contract.
	Violations []Violation
	// QuotaViolations are the limits without room.
	QuotaViolations []QuotaViolation
	// Metadata is what else the gateway tells: provider, model, http_status and so on.
	Metadata map[string]string
	// GenerationID is the turn's id at the gateway, to be quoted in support requests;
	// empty when it is not known.
	GenerationID string

	status *status.Status
}

// Violation is one place where a request breaks the contract.
type Violation struct {
	// Field is a path, such as "messages[0].parts".
	Field string
	// Description says what to do about it.
	Description string
}

// QuotaViolation is one limit without room.
type QuotaViolation struct {
	// Subject is whose limit it is.
	Subject string
	// Description says which limit, and how far it is used.
	Description string
}

// Error returns the reason, or gRPC's name of the status where there is none, and
// the message.
func (e *Error) Error() string {
	name := e.Reason
	if name == "" {
		name = code.Code(e.Status).String()
	}
	return name + ": " + e.Message
}

// Is tells whether target is the context error that the status stands for.
func (e *Error) Is(target error) bool {
	switch e.Status {
	case codes.Canceled:
		return target == context.Canceled
	case codes.DeadlineExceeded:
		return target == context.DeadlineExceeded
	default:
		return false
	}
}

// GRPCStatus returns the status as it came, for gRPC's own functions such as
// [status.FromError].
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Status, e.Message)
	}
	return e.status
}

// newError reads what rides on a status. A detail that cannot be read is left out,
// since the status is true without it, and GRPCStatus still has it.
func newError(err error) *Error {
	came := sent(err)
	e := &Error{Status: came.Code(), Message: came.Message(), status: came}
	var requestID string
	for _, detail := range came.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				e.Reason = detail.GetReason()
				e.Metadata = detail.GetMetadata()
			}
		case *errdetails.RequestInfo:
			requestID = detail.GetRequestId()
		case *errdetails.RetryInfo:
			// Nobody can wait for less than nothing.
			if told := detail.GetRetryDelay(); told.CheckValid() == nil && told.AsDuration() >= 0 {
				delay := told.AsDuration()
				e.RetryDelay = &delay
			}
		case *errdetails.BadRequest:
			for _, it := range detail.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{it.GetField(), it.GetDescription()})
			}
		case *errdetails.QuotaFailure:
			for _, it := range detail.GetViolations() {
				e.QuotaViolations = append(e.QuotaViolations,
					QuotaViolation{it.GetSubject(), it.GetDescription()})
			}
		}
	}
	if e.Reason != "" {
		e.GenerationID = requestID
	}
	return e
}

// sent returns the status as it was sent. [status.Convert] would put what the library
// wrapped around it, such as that it tried five times, into its message.
func sent(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) {
		return carrier.GRPCStatus()
	}
	return status.Convert(err)
}

// truncated is the end of a stream that was neither completed nor failed.
func truncated() *Error {
	return &Error{
		Status:  codes.Unavailable,
		Reason:  "STREAM_TRUNCATED",
		Message: "The stream ended without Completed; the answer is not whole.",
	}
}
