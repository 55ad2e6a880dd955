package sluice

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // without it the library does not watch a replica's health
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"go.sluice.dev/sluice/sluicev1"
)

// What the library does by itself: try again, spread calls, watch health.
//
//go:embed sluicev1/service_config.json
var serviceConfig string

const (
	// Silence on a connection with calls on it after which the gateway is pinged.
	// Proxies commonly cut a connection after 60 silent seconds.
	keepaliveTime = 30 * time.Second

	// How long the answer to such a ping may take before the connection counts as lost.
	keepaliveTimeout = 20 * time.Second

	// Largest message that is taken: no gateway with default settings sends a
	// larger one. The library's own bound of 4 MiB would fail large answers
	// delivered whole.
	maxAnswerBytes = 33 << 20

	// Largest request that is kept until its first output, so that it can be sent
	// again. The library's own bound of 256 KiB would leave long conversations
	// without retries.
	maxRetriedRequestBytes = 32 << 20
)

// connectParams lets a gateway that comes back be found soon: the library's own
// bound of the waits between attempts to connect is two minutes.
func connectParams() grpc.ConnectParams {
	waits := backoff.DefaultConfig
	waits.BaseDelay = 250 * time.Millisecond
	waits.MaxDelay = 5 * time.Second
	return grpc.ConnectParams{Backoff: waits, MinConnectTimeout: 20 * time.Second}
}

// Option is a setting of [Connect].
type Option func(*settings) error

type settings struct {
	transport credentials.TransportCredentials
	dial      []grpc.DialOption
}

// WithToken sends the token with every call, as "authorization: Bearer TOKEN".
// It is also sent without TLS: a gateway may well be a neighbour in the same pod.
// An empty token is the same as none. One that no header can carry, such as a line of
// a file with its end, fails [Connect]. A call whose metadata holds an "authorization"
// sends that instead.
func WithToken(token string) Option {
	return func(s *settings) error {
		if token == "" {
			return nil
		}
		bearer, err := newBearer(token)
		if err != nil {
			return err
		}
		s.dial = append(s.dial, grpc.WithPerRPCCredentials(bearer))
		return nil
	}
}

// WithTLS speaks TLS; without it a client speaks plaintext.
func WithTLS(options TLS) Option {
	return func(s *settings) error {
		config, err := options.config()
		if err != nil {
			return err
		}
		s.transport = credentials.NewTLS(config)
		return nil
	}
}

// WithDialOptions passes options to gRPC's library. They come after those of this
// package, and so win over them.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) error {
		s.dial = append(s.dial, options...)
		return nil
	}
}

// Connect returns a client of the gateway at address: "host:port", or a target of
// gRPC's name resolution such as "dns:///sluice.default.svc:50051". A name that
// resolves to several replicas has calls spread over all of them. Nothing is sent
// before the first call, so an error is one of the options, or of an address that is
// none; one that cannot be resolved or reached fails the calls. Of a name without any
// address gRPC's library says "no children to pick from".
func Connect(address string, options ...Option) (*Client, error) {
	s := settings{
		transport: insecure.NewCredentials(),
		dial: []grpc.DialOption{
			grpc.WithUserAgent("sluice-go/" + Version),
			grpc.WithDefaultServiceConfig(serviceConfig),
			grpc.WithConnectParams(connectParams()),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{
				Time:    keepaliveTime,
				Timeout: keepaliveTimeout,
			}),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallRecvMsgSize(maxAnswerBytes),
				grpc.MaxRetryRPCBufferSize(maxRetriedRequestBytes),
			),
		},
	}
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	for _, option := range options {
		if err := option(&s); err != nil {
			return nil, err
		}
	}
	dial := append([]grpc.DialOption{grpc.WithTransportCredentials(s.transport)}, s.dial...)
	conn, err := grpc.NewClient(address, dial...)
	if err != nil {
		return nil, fmt.Errorf("sluice: connecting to %q: %w", address, err)
	}
	return &Client{
		address: address,
		conn:    conn,
		gateway: sluicev1.NewGatewayServiceClient(conn),
		health:  healthpb.NewHealthClient(conn),
	}, nil
}

// checkAddress tells of likely mistakes, which gRPC's library takes for names of hosts
// and would tell only to calls, as too many colons.
func checkAddress(address string) error {
	scheme, _, isURL := strings.Cut(strings.ToLower(address), "://")
	switch {
	case address == "":
		return errors.New(`sluice: the address is empty; "host:port" is wanted`)
	case isURL && (scheme == "http" || scheme == "https"):
		return fmt.Errorf(
			`sluice: %q is a URL; "host:port" is wanted, and WithTLS switches TLS on`, address)
	default:
		return nil
	}
}
