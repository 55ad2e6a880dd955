package sluice_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// turn is what the gateway of a test does in one call of Generate.
type turn func(grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error

// gateway serves its turns one after the other, and keeps what it was asked.
type gateway struct {
	sluicev1.UnimplementedGatewayServiceServer

	turns []turn
	pages map[string]*sluicev1.ListModelsResponse // by token

	mutex    sync.Mutex
	requests []*sluicev1.GenerateRequest
	headers  []metadata.MD
	listed   []*sluicev1.ListModelsRequest
}

func (g *gateway) Generate(
	request *sluicev1.GenerateRequest, stream grpc.ServerStreamingServer[sluicev1.GenerateResponse],
) error {
	g.mutex.Lock()
	next := g.turns[len(g.requests)]
	g.requests = append(g.requests, request)
	g.mutex.Unlock()
	return next(stream)
}

func (g *gateway) ListModels(
	_ context.Context, request *sluicev1.ListModelsRequest,
) (*sluicev1.ListModelsResponse, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.listed = append(g.listed, request)
	return g.pages[request.GetPageToken()], nil
}

func (g *gateway) asked() []*sluicev1.GenerateRequest {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.requests
}

func (g *gateway) heard(ctx context.Context) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	header, _ := metadata.FromIncomingContext(ctx)
	g.headers = append(g.headers, header)
}

// connect serves the gateway in memory and returns a client of it.
func (g *gateway) connect(t *testing.T, options ...sluice.Option) *sluice.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(
		grpc.UnaryInterceptor(func(
			ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
		) (any, error) {
			g.heard(ctx)
			return handler(ctx, request)
		}),
		grpc.StreamInterceptor(func(
			service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
		) error {
			if info.FullMethod == sluicev1.GatewayService_Generate_FullMethodName {
				g.heard(stream.Context())
			}
			return handler(service, stream)
		}),
	)
	sluicev1.RegisterGatewayServiceServer(server, g)
	healthpb.RegisterHealthServer(server, health.NewServer())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	options = append(options, sluice.WithDialOptions(grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) },
	)))
	client, err := sluice.Connect("passthrough:///gateway", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		serving.Wait()
	})
	return client
}

// say sends these events in one message and ends the turn well.
func say(events ...*sluicev1.Event) turn {
	return func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		return stream.Send(&sluicev1.GenerateResponse{Events: events})
	}
}

// fail ends the turn with an error after these events; without any nothing is sent.
func fail(err error, events ...*sluicev1.Event) turn {
	return func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		if len(events) > 0 {
			if err := say(events...)(stream); err != nil {
				return err
			}
		}
		return err
	}
}

func started() *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_Started{
		Started: &sluicev1.Started{GenerationId: "gen_1"},
	}}
}

func text(part uint32, text string) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_TextDelta{
		TextDelta: &sluicev1.TextDelta{Part: part, Text: text},
	}}
}

func finished(part uint32, call *sluicev1.ToolCall) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_PartFinished{
		PartFinished: &sluicev1.PartFinished{Part: part, ToolCall: call},
	}}
}

func completed(reason sluicev1.FinishReason, message *sluicev1.Message) *sluicev1.Event {
	return &sluicev1.Event{Kind: &sluicev1.Event_Completed{
		Completed: &sluicev1.Completed{FinishReason: reason, Message: message},
	}}
}

// words is the message of a model that says this.
func words(text string) *sluicev1.Message {
	message := sluice.User(text)
	message.Role = sluicev1.Role_ROLE_ASSISTANT
	return message
}

// answering ends a turn with a text.
func answering(text string) turn {
	return say(started(), completed(sluicev1.FinishReason_FINISH_REASON_STOP, words(text)))
}

// calling ends a turn with calls of tools.
func calling(calls ...*sluicev1.ToolCall) turn {
	message := &sluicev1.Message{Role: sluicev1.Role_ROLE_ASSISTANT}
	for _, call := range calls {
		message.Parts = append(message.Parts, &sluicev1.Part{
			Kind: &sluicev1.Part_ToolCall{ToolCall: call},
		})
	}
	return say(started(), completed(sluicev1.FinishReason_FINISH_REASON_TOOL_CALLS, message))
}
