package sluice_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"go.sluice.dev/sluice"
)

const secret = "c2VjcmV0" // without what a printer could escape

// shown lists everything that the standard library makes of a value.
func shown(t *testing.T, value any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", value)
	}
	fmt.Fprintln(&out, value)
	slog.New(slog.NewTextHandler(&out, nil)).Info("shown", "value", value)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("shown", "value", value)
	encoded, err := json.Marshal(value)
	if err == nil { // a function has no JSON
		out.Write(encoded)
	}
	return out.String()
}

// forms are the ways in which a printer may write a secret.
func forms(secret string) []string {
	return []string{
		secret,
		fmt.Sprintf("%x", secret),
		strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
		strings.Trim(string(must(json.Marshal([]byte(secret)))), `"`),
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	options := sluice.TLS{Key: []byte(secret)}
	token := sluice.WithToken(secret)
	client := (&gateway{}).connect(t, token)
	for name, value := range map[string]any{
		"tls": options, "pointer to tls": &options, "in a struct": struct{ TLS sluice.TLS }{options},
		"token": token, "client": client, "value of client": *client,
	} {
		for _, words := range forms(secret) {
			if got := shown(t, value); strings.Contains(got, words) {
				t.Errorf("%s shows %q: %s", name, words, got)
			}
		}
	}
}

func must[Value any](value Value, err error) Value {
	if err != nil {
		panic(err)
	}
	return value
}

func TestTokenIsSentWithEveryCall(t *testing.T) {
	g := &gateway{turns: []turn{answering("Hi.")}}
	client := g.connect(t, sluice.WithToken(secret))
	if _, err := client.Collect(t.Context(), sluice.Prompt("m", "Hi")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Health(t.Context(), ""); err != nil {
		t.Fatal(err)
	}

	for _, header := range g.headers {
		if got := header.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+secret {
			t.Errorf("got %q", got)
		}
		if got := header.Get("user-agent"); !strings.HasPrefix(got[0], "sluice-go/"+sluice.Version+" ") {
			t.Errorf("got %q", got)
		}
	}
	if len(g.headers) != 2 {
		t.Errorf("heard %d calls", len(g.headers))
	}
}

func TestAuthorizationOfACallTakesTheTokensPlace(t *testing.T) {
	g := &gateway{}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "Authorization", "Bearer another")

	if _, err := g.connect(t, sluice.WithToken(secret)).Health(ctx, ""); err != nil {
		t.Fatal(err)
	}

	if got := g.headers[0].Get("authorization"); !slices.Equal(got, []string{"Bearer another"}) {
		t.Errorf("got %q", got)
	}
}

func TestTokenThatNoHeaderCarriesIsToldAtOnce(t *testing.T) {
	for _, wrong := range []string{"\n", "\r\n", " ", "é", "\x00", "\x7f", "\xff"} {
		for _, token := range []string{secret + wrong, wrong + secret, wrong} {
			client, err := sluice.Connect("localhost:1", sluice.WithToken(token))
			if client != nil || err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%q: got %v, %v", token, client, err)
			}
		}
	}
}

func TestEmptyTokenIsNone(t *testing.T) {
	g := &gateway{}
	if _, err := g.connect(t, sluice.WithToken("")).Health(t.Context(), ""); err != nil {
		t.Fatal(err)
	}

	if got := g.headers[0].Get("authorization"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestWrongCertificatesAreToldAtOnce(t *testing.T) {
	for _, options := range []sluice.TLS{
		{CA: []byte("nothing")},
		{CA: []byte{}}, // an empty file
		{Cert: []byte{}, Key: []byte{}},
		{Cert: []byte(secret)},
		{Cert: []byte("nothing"), Key: []byte(secret)},
		{Key: []byte(secret)},
	} {
		client, err := sluice.Connect("localhost:1", sluice.WithTLS(options))
		if client != nil || err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v, %v", client, err)
		}
	}
}
