package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"google.golang.org/grpc/metadata"

	"go.sluice.dev/sluice"
	"go.sluice.dev/sluice/sluicev1"
)

// call is one order while it is carried out.
type call struct {
	*order
	client *sluice.Client
	ctx    context.Context
	cancel context.CancelFunc
	input  *bufio.Reader
	output *lines
}

// carryOut fails for what the order has wrong; what the client tells is written.
func carryOut(o *order, input *bufio.Reader, output *lines) (err error) {
	client, err := o.Connect.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ctx := metadata.NewOutgoingContext(context.Background(), metadata.New(o.Metadata))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.TimeoutMS != nil {
		timeout := time.Duration(*o.TimeoutMS) * time.Millisecond
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	c := &call{order: o, client: client, ctx: ctx, cancel: cancel, input: input, output: output}
	switch o.Call {
	case "generate", "text", "collect", "run_tools":
		return c.turns()
	}
	if o.CancelAfter != nil || o.PauseAfter != nil {
		return fmt.Errorf("%q can be neither cancelled nor paused", o.Call)
	}
	var told *sluice.Error
	if err := c.other(); !errors.As(err, &told) {
		return err
	}
	output.write("error", failure(told))
	return nil
}

// turns carries out what is a stream.
func (c *call) turns() error {
	r, err := request[sluicev1.GenerateRequest](c.order)
	if err != nil {
		return err
	}
	switch c.Call {
	case "generate":
		stream := c.client.Generate(c.ctx, r)
		return c.ended(each(c, stream.Events(), c.event))
	case "text":
		stream := c.client.Generate(c.ctx, r)
		return c.ended(each(c, stream.Text(), func(text string) { c.output.write("text", text) }))
	case "collect":
		stream := c.client.Generate(c.ctx, r)
		if err := c.between(0); err != nil {
			return err
		}
		whole, err := stream.Collect()
		if err == nil {
			c.output.write("answer", answer(whole))
		}
		return c.ended(err)
	default:
		return c.runTools(r)
	}
}

func (c *call) event(event *sluicev1.Event) { c.output.write("event", message{event}) }

// each writes what a stream gives, and pauses and cancels where the order says so.
func each[Item any](c *call, stream iter.Seq2[Item, error], write func(Item)) error {
	if err := c.between(0); err != nil {
		return err
	}
	written := 0
	for item, err := range stream {
		if err != nil {
			return err
		}
		write(item)
		written++
		if err := c.between(written); err != nil {
			return err
		}
	}
	return nil
}

// between is called when so many lines of a stream were written.
func (c *call) between(written int) error {
	if c.PauseAfter != nil && *c.PauseAfter == written {
		c.output.write("paused", true)
		if _, err := c.input.ReadBytes('\n'); err != nil {
			return fmt.Errorf("paused for good: %w", err)
		}
	}
	if c.CancelAfter != nil && *c.CancelAfter == written {
		c.cancel()
	}
	return nil
}

// ended writes how a stream ended. An error that the client is not known for is
// returned.
func (c *call) ended(err error) error {
	var told *sluice.Error
	switch {
	case c.CancelAfter != nil && errors.Is(c.ctx.Err(), context.Canceled):
		c.output.write("cancelled", true)
	case errors.As(err, &told):
		c.output.write("error", failure(told))
	default:
		return err
	}
	return nil
}

// other carries out what is no stream.
func (c *call) other() error {
	switch c.Call {
	case "models":
		return c.models()
	case "get_rate_limits":
		r, err := request[sluicev1.GetRateLimitsRequest](c.order)
		if err != nil {
			return err
		}
		response, err := c.client.GetRateLimits(c.ctx, r)
		if err == nil {
			c.output.write("response", message{response})
		}
		return err
	case "get_metrics":
		r, err := request[sluicev1.GetMetricsRequest](c.order)
		if err != nil {
			return err
		}
		response, err := c.client.GetMetrics(c.ctx, r)
		if err == nil {
			c.output.write("response", message{response})
		}
		return err
	case "health":
		health, err := c.client.Health(c.ctx, c.Service)
		if err == nil {
			c.output.write("health", health.String())
		}
		return err
	default:
		return fmt.Errorf("call not understood: %q", c.Call)
	}
}

func (c *call) models() error {
	r, err := request[sluicev1.ListModelsRequest](c.order)
	if err != nil {
		return err
	}
	names := []string{}
	for model, err := range c.client.Models(c.ctx, r.GetFilter(), sluice.WithPageSize(r.GetPageSize())) {
		if err != nil {
			return err
		}
		names = append(names, model.GetName())
	}
	c.output.write("models", names)
	return nil
}
