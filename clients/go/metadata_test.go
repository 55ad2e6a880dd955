package sluice_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"go.sluice.dev/sluice"
)

const providerKey = "cHJvdmlkZXI"

func TestMetadataIsForTheGatewayAlone(t *testing.T) {
	g := &gateway{turns: []turn{calling(call("1", "a")), answering("Done."), answering("Hi.")}}
	client := g.connect(t, sluice.WithToken(secret))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "sluice-provider-key", providerKey)
	run := client.RunTools(ctx, sluice.Prompt("m", "Hi"), []sluice.Function{
		function("a", func(ctx context.Context) (string, error) {
			if sent, _ := metadata.FromOutgoingContext(ctx); len(sent) > 0 {
				t.Errorf("calls of the function would send %v", sent)
			}
			return "of a", nil
		}),
	})
	nothingShown(t, map[string]any{"client": client, "value of client": *client, "run": run, "value of run": *run})
	if _, err := run.Collect(); err != nil {
		t.Fatal(err)
	}
	stream := client.Generate(ctx, sluice.Prompt("m", "Hi"))
	nothingShown(t, map[string]any{"stream": stream, "value of stream": *stream, "run at its end": run})
	if _, err := stream.Collect(); err != nil {
		t.Fatal(err)
	}

	for i, header := range g.headers {
		if !slices.Equal(header.Get("sluice-provider-key"), []string{providerKey}) ||
			!slices.Equal(header.Get("authorization"), []string{"Bearer " + secret}) {
			t.Errorf("call %d: got %v", i, header)
		}
	}
	if len(g.headers) != 3 {
		t.Errorf("heard %d calls", len(g.headers))
	}
}

// nothingShown fails where printing a value shows the token or the provider's key.
func nothingShown(t *testing.T, values map[string]any) {
	t.Helper()
	for name, value := range values {
		got := shown(t, value)
		for _, words := range slices.Concat(forms(secret), forms(providerKey)) {
			if strings.Contains(got, words) {
				t.Errorf("%s shows %q: %s", name, words, got)
			}
		}
	}
}
