package main

import (
	"context"
	"errors"
	"fmt"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// broken is what a function returns that breaks.
type broken string

func (b broken) Error() string { return string(b) }

func (c *call) runTools(r *sluicev1.GenerateRequest) error {
	functions := make([]sluice.Function, len(c.Functions))
	for i, f := range c.Functions {
		run, err := f.run()
		if err != nil {
			return err
		}
		functions[i] = sluice.Function{
			Name:            f.Name,
			Description:     f.Description,
			InputSchemaJSON: f.InputSchemaJSON,
			Strict:          f.Strict,
			Call: func(_ context.Context, made *sluicev1.ToolCall) (string, error) {
				c.output.write("called", message{made})
				return run()
			},
		}
	}
	var options []sluice.RunOption
	if c.MaxTurns != nil {
		options = append(options, sluice.WithMaxTurns(*c.MaxTurns))
	}
	run := c.client.RunTools(c.ctx, r, functions, options...)
	if err := c.runEnded(each(c, run.Events(), c.event)); err != nil {
		return err
	}
	answers := []object{}
	for _, it := range run.Answers() {
		answers = append(answers, answer(it))
	}
	c.output.write("run", object{"messages": messages(run.Messages()), "answers": answers})
	return nil
}

func (c *call) runEnded(err error) error {
	var limit *sluice.TurnLimitError
	var function broken
	switch {
	case errors.As(err, &limit):
		c.output.write("turn_limit", true)
	case errors.As(err, &function):
		c.output.write("broken", function.Error())
	default:
		return c.ended(err)
	}
	return nil
}

// run returns what the function does when it is called.
func (f function) run() (func() (string, error), error) {
	switch {
	case f.Returns != nil:
		return func() (string, error) { return *f.Returns, nil }, nil
	case f.Fails != nil:
		return func() (string, error) { return "", &sluice.ToolError{Message: *f.Fails} }, nil
	case f.Breaks != nil:
		return func() (string, error) { return "", broken(*f.Breaks) }, nil
	default:
		return nil, fmt.Errorf("function %q does nothing", f.Name)
	}
}
