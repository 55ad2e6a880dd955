package sluice_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

func threeModels() *gateway {
	return &gateway{pages: map[string]*sluicev1.ListModelsResponse{
		"":     {Models: []*sluicev1.Model{{Name: "a"}, {Name: "b"}}, NextPageToken: "more"},
		"more": {Models: []*sluicev1.Model{{Name: "c"}}},
	}}
}

func TestModelsGoesThroughAllPages(t *testing.T) {
	g := threeModels()
	models := g.connect(t).Models(t.Context(), &sluicev1.ModelFilter{Query: "q"}, sluice.WithPageSize(2))

	for range 2 { // an iterator may be used again
		var names []string
		for model, err := range models {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, model.GetName())
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
			t.Errorf("got %q, want %q", names, want)
		}
	}

	for i, request := range g.listed {
		token := []string{"", "more"}[i%2]
		if request.GetFilter().GetQuery() != "q" || request.GetPageSize() != 2 || request.GetPageToken() != token {
			t.Errorf("request %d: %v", i, request)
		}
	}
}

func TestModelsAsksForNoPageThatNobodyWants(t *testing.T) {
	g := threeModels()
	seen := 0
	for range g.connect(t).Models(t.Context(), nil) {
		if seen++; seen == 2 {
			break
		}
	}

	if len(g.listed) != 1 {
		t.Errorf("asked for %d pages", len(g.listed))
	}
}

func TestOtherCallsFailAlike(t *testing.T) {
	client := (&gateway{}).connect(t)
	_, rates := client.GetRateLimits(t.Context(), nil)
	_, metrics := client.GetMetrics(t.Context(), nil)
	for name, err := range map[string]error{"rates": rates, "metrics": metrics} {
		var failed *sluice.Error
		if !errors.As(err, &failed) || failed.Status != codes.Unimplemented {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCloseEndsWhatRunsAndWhatIsBegunLater(t *testing.T) {
	g := &gateway{turns: []turn{func(stream grpc.ServerStreamingServer[sluicev1.GenerateResponse]) error {
		if err := say(started())(stream); err != nil {
			return err
		}
		<-stream.Context().Done()
		return nil
	}}}
	client := g.connect(t)

	var running error
	for _, err := range client.Generate(t.Context(), sluice.Prompt("up/m", "Hi")).Events() {
		if running = err; err == nil {
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, later := client.Collect(t.Context(), sluice.Prompt("up/m", "Hi"))
	_, health := client.Health(t.Context(), "")
	for name, err := range map[string]error{"running": running, "later": later, "health": health} {
		var failed *sluice.Error
		if !errors.As(err, &failed) || failed.Status != codes.Canceled {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHealth(t *testing.T) {
	client := (&gateway{}).connect(t)

	if got, err := client.Health(t.Context(), ""); err != nil || got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("got %v, %v", got, err)
	}
	var failed *sluice.Error
	if _, err := client.Health(t.Context(), "none"); !errors.As(err, &failed) || failed.Status != codes.NotFound {
		t.Errorf("got %v", err)
	}
}
