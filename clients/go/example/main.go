// Command example asks for a sentence as a stream of events, and then runs a tool.
//
//	example [ADDRESS [MODEL]]
//
// The token, if there is one, is in SLUICE_TOKEN.
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

func main() {
	address, model := "127.0.0.1:50051", "local/smollm2-135m-instruct"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if len(os.Args) > 2 {
		model = os.Args[2]
	}
	if err := talk(context.Background(), address, model); err != nil {
		tell(err)
		os.Exit(1)
	}
}

func talk(ctx context.Context, address, model string) error {
	client, err := sluice.Connect(address, sluice.WithToken(os.Getenv("SLUICE_TOKEN")))
	if err != nil {
		return err
	}
	defer client.Close()

	question := "Write one sentence about rivers."
	fmt.Println(">", question)
	stream := client.Generate(ctx, sluice.Prompt(model, question))
	if err := show(stream.Events()); err != nil {
		return err
	}

	weather := sluice.Function{
		Name:            "get_weather",
		Description:     "Current weather of a city.",
		InputSchemaJSON: `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`,
		Call: func(context.Context, *sluicev1.ToolCall) (string, error) {
			return "21 °C, sunny", nil
		},
	}
	question = "What is the weather in Paris?"
	fmt.Println(">", question)
	run := client.RunTools(ctx, sluice.Prompt(model, question), []sluice.Function{weather})
	return show(run.Events())
}

// show prints text as it comes, finished tool calls, and what a turn took.
func show(events iter.Seq2[*sluicev1.Event, error]) error {
	for event, err := range events {
		if err != nil {
			return err
		}
		switch kind := event.GetKind().(type) {
		case *sluicev1.Event_TextDelta:
			fmt.Print(kind.TextDelta.GetText())
		case *sluicev1.Event_PartFinished:
			if call := kind.PartFinished.GetToolCall(); call != nil {
				fmt.Printf("%s(%s)", call.GetName(), call.GetArgumentsJson())
			}
			fmt.Println()
		case *sluicev1.Event_Completed:
			fmt.Println(price(kind.Completed))
		}
	}
	return nil
}

func price(completed *sluicev1.Completed) string {
	tokens := func(count *uint64) string {
		if count == nil {
			return "?"
		}
		return fmt.Sprint(*count)
	}
	cost := "cost unknown"
	if known := completed.GetCost(); known != nil {
		cost = fmt.Sprintf("$%.6f", float64(known.GetUsdNanos())/1e9)
	}
	usage := completed.GetUsage()
	if usage == nil {
		usage = &sluicev1.Usage{}
	}
	return fmt.Sprintf("[%s tokens in, %s out, %s]",
		tokens(usage.InputTokens), tokens(usage.OutputTokens), cost)
}

func tell(err error) {
	fmt.Fprint(os.Stderr, err)
	var failed *sluice.Error
	if errors.As(err, &failed) && failed.RetryDelay != nil {
		fmt.Fprintf(os.Stderr, "; try again in %g s", failed.RetryDelay.Seconds())
	}
	fmt.Fprintln(os.Stderr)
}
