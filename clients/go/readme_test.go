package sluice_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// piece is a piece of code of the README, as it stands there.
type piece func(context.Context, *sluice.Client, *sluicev1.GenerateRequest) error

func readEvents(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	for event, err := range client.Generate(ctx, request).Events() {
		if err != nil {
			return err
		}
		switch kind := event.GetKind().(type) {
		case *sluicev1.Event_TextDelta:
			fmt.Print(kind.TextDelta.GetText())
		case *sluicev1.Event_Completed:
			fmt.Printf("\n%d tokens\n", kind.Completed.GetUsage().GetOutputTokens())
		}
	}
	return nil
}

func readAnswer(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	answer, err := client.Collect(ctx, request)
	if err != nil {
		return err
	}
	fmt.Println(answer.Text)
	request.Messages = append(request.Messages, answer.Message, sluice.User("And one about lakes."))
	return nil
}

func runTools(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	weather := sluice.Function{
		Name:            "get_weather",
		Description:     "Current weather of a city.",
		InputSchemaJSON: `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`,
		Call: func(ctx context.Context, call *sluicev1.ToolCall) (string, error) {
			var arguments struct{ City string }
			if err := json.Unmarshal([]byte(call.GetArgumentsJson()), &arguments); err != nil {
				return "", err
			}
			if arguments.City != "Paris" {
				return "", &sluice.ToolError{Message: "There is no station in " + arguments.City + "."}
			}
			return "21 °C, sunny", nil
		},
	}
	run := client.RunTools(ctx, request, []sluice.Function{weather}, sluice.WithMaxTurns(5))
	for text, err := range run.Text() {
		if err != nil {
			return err
		}
		fmt.Print(text)
	}
	fmt.Printf("\n%d turns, %d messages\n", len(run.Answers()), len(run.Messages()))
	return nil
}

func readError(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	_, err := client.Collect(ctx, request)
	var failed *sluice.Error
	if errors.As(err, &failed) && failed.RetryDelay != nil {
		fmt.Printf("%s: ask again in %v\n", failed.Reason, *failed.RetryDelay)
	}
	return err
}

func setDeadline(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := client.Collect(ctx, request)
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("That took too long.")
	}
	return err
}

func sendMetadata(ctx context.Context, client *sluice.Client, request *sluicev1.GenerateRequest) error {
	ctx = metadata.AppendToOutgoingContext(ctx,
		"sluice-priority", "low",
		"sluice-provider-key", os.Getenv("PROVIDER_KEY"),
	)
	answer, err := client.Collect(ctx, request)
	if err == nil {
		fmt.Println(answer.Text)
	}
	return err
}

func useTLS(context.Context, *sluice.Client, *sluicev1.GenerateRequest) error {
	ca, err := os.ReadFile("ca.pem") // sluice.TLS{} trusts the system's authorities
	if err != nil {
		return err
	}
	client, err := sluice.Connect("dns:///sluice.example.com:50051",
		sluice.WithTLS(sluice.TLS{CA: ca}),
		sluice.WithToken(os.Getenv("SLUICE_TOKEN")),
	)
	if err != nil {
		return err
	}
	return client.Close()
}

func askHealth(ctx context.Context, client *sluice.Client, _ *sluicev1.GenerateRequest) error {
	health, err := client.Health(ctx, "")
	if err != nil {
		return err
	}
	fmt.Println(health)
	return nil
}

func TestPiecesOfTheReadmeRun(t *testing.T) {
	weather := call("1", "get_weather")
	weather.ArgumentsJson = `{"city":"Paris"}`
	for name, it := range map[string]struct {
		piece piece
		turns []turn
		ends  func(error) bool
	}{
		"events":   {piece: readEvents, turns: []turn{answering("Hi.")}},
		"answer":   {piece: readAnswer, turns: []turn{answering("Hi.")}},
		"tools":    {piece: runTools, turns: []turn{calling(weather), answering("Sunny.")}},
		"deadline": {piece: setDeadline, turns: []turn{answering("Hi.")}},
		"metadata": {piece: sendMetadata, turns: []turn{answering("Hi.")}},
		"health":   {piece: askHealth},
		"error": {
			piece: readError,
			turns: []turn{fail(status.Error(codes.Internal, "broke"))},
			ends:  func(err error) bool { return status.Code(err) == codes.Internal },
		},
		"TLS": {piece: useTLS, ends: func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gateway{turns: it.turns}
			err := it.piece(t.Context(), g.connect(t), sluice.Prompt("m", "Hi"))
			if it.ends == nil && err != nil || it.ends != nil && !it.ends(err) {
				t.Error(err)
			}
			if len(g.asked()) != len(it.turns) {
				t.Errorf("asked %d times", len(g.asked()))
			}
		})
	}
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

func TestCodeOfTheReadmeIsCompiled(t *testing.T) {
	program := strings.NewReplacer("package sluice_test", "package main", "func Example()", "func main()").
		Replace(flat(t, "example_test.go"))
	compiled := program + flat(t, "readme_test.go")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllSubmatch(readme, -1)
	if len(blocks) != 9 {
		t.Errorf("the README has %d pieces of code", len(blocks))
	}
	for _, block := range blocks {
		if code := unindented(string(block[1])); !strings.Contains(compiled, code) {
			t.Errorf("not compiled:\n%s", code)
		}
	}
}

func flat(t *testing.T, file string) string {
	t.Helper()
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return unindented(string(code))
}

// unindented is code without regard to how far it stands in.
func unindented(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, "\t")
	}
	return strings.Join(lines, "\n")
}
