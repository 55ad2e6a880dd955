package sluice

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice/sluicev1"
)

// Client calls one gateway, or the replicas behind one name. It is made by
// [Connect], and safe for use by many goroutines.
//
// Every call sends the outgoing metadata of its context, such as sluice-priority,
// sluice-provider-key and traceparent; [metadata.AppendToOutgoingContext] adds to it.
type Client struct {
	address string
	conn    *grpc.ClientConn
	gateway sluicev1.GatewayServiceClient
	health  healthpb.HealthClient
}

// String names the address, and no secret.
func (c *Client) String() string { return "sluice.Client(" + c.address + ")" }

// Close ends the connection. Calls that run, and those begun later, end with
// [context.Canceled]. It may be called again, which does nothing.
func (c *Client) Close() error {
	if err := c.conn.Close(); status.Code(err) != codes.Canceled {
		return err
	}
	return nil
}

// Generate starts a turn. It returns when a connection has taken the request, or none
// could be had, which the stream then tells to its reader.
//
// The turn runs until the stream was read to its end, its loop was left,
// [Stream.Close] was called or ctx is done.
func (c *Client) Generate(ctx context.Context, request *sluicev1.GenerateRequest) *Stream {
	return &Stream{source: c.startTurn(ctx, request)}
}

// Collect runs a turn and returns its whole answer.
func (c *Client) Collect(ctx context.Context, request *sluicev1.GenerateRequest) (*Answer, error) {
	return c.Generate(ctx, request).Collect()
}

// ListModels returns one page of the models that can be called now; [Client.Models]
// goes through all pages. A nil request asks for the first page of all models.
func (c *Client) ListModels(
	ctx context.Context, request *sluicev1.ListModelsRequest,
) (*sluicev1.ListModelsResponse, error) {
	return told(c.gateway.ListModels(ctx, request))
}

// GetRateLimits returns how much room is left upstream. It costs no upstream call.
func (c *Client) GetRateLimits(
	ctx context.Context, request *sluicev1.GetRateLimitsRequest,
) (*sluicev1.GetRateLimitsResponse, error) {
	return told(c.gateway.GetRateLimits(ctx, request))
}

// GetMetrics returns counters, latencies and health of the replica that answers.
func (c *Client) GetMetrics(
	ctx context.Context, request *sluicev1.GetMetricsRequest,
) (*sluicev1.GetMetricsResponse, error) {
	return told(c.gateway.GetMetrics(ctx, request))
}

// Health asks gRPC's health service about a service; empty means the gateway as a
// whole. A service that the gateway does not know is an [*Error] of status NotFound.
func (c *Client) Health(
	ctx context.Context, service string,
) (healthpb.HealthCheckResponse_ServingStatus, error) {
	response, err := told(c.health.Check(ctx, &healthpb.HealthCheckRequest{Service: service}))
	return response.GetStatus(), err
}

// ModelsOption is a setting of [Client.Models].
type ModelsOption func(*sluicev1.ListModelsRequest)

// WithPageSize asks for pages of this many models, instead of what the gateway takes.
func WithPageSize(models int32) ModelsOption {
	return func(request *sluicev1.ListModelsRequest) { request.PageSize = models }
}

// Models goes through all models that match, ordered by name; a nil filter matches
// all. A page is asked for when its first model is. An error is the last thing that
// it gives.
func (c *Client) Models(
	ctx context.Context, filter *sluicev1.ModelFilter, options ...ModelsOption,
) iter.Seq2[*sluicev1.Model, error] {
	first := &sluicev1.ListModelsRequest{Filter: filter}
	for _, option := range options {
		option(first)
	}
	return func(yield func(*sluicev1.Model, error) bool) {
		request := proto.CloneOf(first)
		for {
			page, err := c.ListModels(ctx, request)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, model := range page.GetModels() {
				if !yield(model, nil) {
					return
				}
			}
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				return
			}
		}
	}
}

// told returns what an RPC returned, with its error as an [*Error].
func told[Response any](response *Response, err error) (*Response, error) {
	if err != nil {
		return nil, newError(err)
	}
	return response, nil
}
