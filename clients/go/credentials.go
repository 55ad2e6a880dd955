package sluice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc/metadata"
)

// TLS says whom to trust and who the client is. All of it is optional; the zero
// value trusts the authorities of the system. Printed or encoded as text or JSON it
// is a fixed word, so that the key stays where it is.
type TLS struct {
	// CA holds the authorities to trust, in PEM; nil means the system's. One without any,
	// such as an empty file, is refused rather than taken for nil.
	CA []byte
	// Cert is the client's certificate with its chain, in PEM, for mutual TLS.
	Cert []byte
	// Key is the private key of Cert, in PEM.
	Key []byte
}

const hidden = "sluice.TLS{hidden}"

// Format prints a fixed word, whatever the verb: [fmt.Stringer] alone would not do
// for %d or %#v.
func (TLS) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, hidden) // a fmt.State does not fail
}

// MarshalText returns a fixed word, also for JSON and structured logs.
func (TLS) MarshalText() ([]byte, error) {
	return []byte(hidden), nil
}

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("sluice: there is no certificate in TLS.CA")
		}
	}
	if t.Cert != nil || t.Key != nil {
		pair, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("sluice: TLS.Cert and TLS.Key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// bearer gives the token to gRPC's library, once per call. It is a function because
// fmt may look into a connection and whatever is in it, without asking for a Format
// or String, but not into a function.
type bearer func() string

// newBearer refuses what gRPC's library would not send: it would not even watch a
// replica's health, and calls without a deadline would wait for ever. The error has
// nothing of the token.
func newBearer(token string) (bearer, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New(
			"sluice: the token holds characters that no token has, such as spaces or line breaks")
	}
	return func() string { return token }, nil
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	given, _ := metadata.FromOutgoingContext(ctx)
	if len(given.Get("authorization")) > 0 {
		return nil, nil // or both would be sent
	}
	return map[string]string{"authorization": "Bearer " + b()}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
