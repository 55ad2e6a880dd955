package sluice_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
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

	draining bool

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

// checker is a health service of our own: by importing the library's one a test could
// not tell whether the client does.
type checker struct {
	healthpb.UnimplementedHealthServer

	draining bool
}

func (c *checker) Check(
	_ context.Context, request *healthpb.HealthCheckRequest,
) (*healthpb.HealthCheckResponse, error) {
	if request.GetService() != "" {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	if c.draining {
		return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}, nil
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (c *checker) Watch(
	request *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse],
) error {
	response, err := c.Check(stream.Context(), request)
	if err != nil {
		return err
	}
	if err := stream.Send(response); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
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
	healthpb.RegisterHealthServer(server, &checker{draining: g.draining})
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
