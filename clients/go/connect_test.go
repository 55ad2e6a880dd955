package sluice_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"go.sluice.dev/sluice"
)

func TestLargeAnswersAreTaken(t *testing.T) {
	g := &gateway{turns: []turn{answering(strings.Repeat("r", 32<<20))}}

	answer, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", "Hi"))

	if err != nil || len(answer.Text) != 32<<20 {
		t.Errorf("got %v", err)
	}
}

func TestLargeRequestsAreTriedAgain(t *testing.T) {
	g := &gateway{turns: []turn{fail(status.Error(codes.Unavailable, "gone")), answering("Hi.")}}

	_, err := g.connect(t).Collect(t.Context(), sluice.Prompt("m", strings.Repeat("r", 1<<20)))

	if err != nil || len(g.asked()) != 2 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}

func TestReplicaThatDrainsIsLeftAlone(t *testing.T) {
	g := &gateway{turns: []turn{answering("Hi.")}, draining: true}
	client := g.connect(t, sluice.WithDialOptions(grpc.WithDisableRetry()))

	_, err := client.Collect(t.Context(), sluice.Prompt("m", "Hi"))

	if status.Code(err) != codes.Unavailable || len(g.asked()) != 0 {
		t.Errorf("got %v after %d calls", err, len(g.asked()))
	}
}

func TestAddressThatIsNoneIsToldAtOnce(t *testing.T) {
	for _, address := range []string{"", "%zz", "http://127.0.0.1:50051", "HTTPS://sluice.example.com"} {
		client, err := sluice.Connect(address)
		if client != nil || err == nil {
			t.Errorf("%q: got %v, %v", address, client, err)
		}
	}
}
