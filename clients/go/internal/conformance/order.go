package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice"
)

// order is one line of standard input.
type order struct {
	Connect     connection        `json:"connect"`
	Call        string            `json:"call"`
	Request     json.RawMessage   `json:"request"`
	Metadata    map[string]string `json:"metadata"`
	TimeoutMS   *int64            `json:"timeout_ms"`
	CancelAfter *int              `json:"cancel_after"`
	PauseAfter  *int              `json:"pause_after"`
	Functions   []function        `json:"functions"`
	MaxTurns    *int              `json:"max_turns"`
	Service     string            `json:"service"`
}

type connection struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	TLS     *files `json:"tls"`
}

// files are paths of PEM files.
type files struct {
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

type function struct {
	Name            string  `json:"name"`
	Description     string  `json:"description"`
	InputSchemaJSON string  `json:"input_schema_json"`
	Strict          bool    `json:"strict"`
	Returns         *string `json:"returns"`
	Fails           *string `json:"fails"`
	Breaks          *string `json:"breaks"`
}

func parseOrder(line []byte) (*order, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	o := &order{}
	if err := decoder.Decode(o); err != nil {
		return nil, fmt.Errorf("order not understood: %w", err)
	}
	return o, nil
}

// request reads the order's request as a message of this kind; an absent one is empty.
func request[Request any, Message interface {
	*Request
	proto.Message
}](o *order) (Message, error) {
	message := Message(new(Request))
	if len(o.Request) == 0 {
		return message, nil
	}
	if err := protojson.Unmarshal(o.Request, message); err != nil {
		return nil, fmt.Errorf("request not understood: %w", err)
	}
	return message, nil
}

func (c connection) open() (*sluice.Client, error) {
	options := []sluice.Option{sluice.WithToken(c.Token)}
	if c.TLS != nil {
		read, err := c.TLS.read()
		if err != nil {
			return nil, err
		}
		options = append(options, sluice.WithTLS(read))
	}
	return sluice.Connect(c.Address, options...)
}

func (f files) read() (read sluice.TLS, err error) {
	for _, it := range []struct {
		path string
		into *[]byte
	}{{f.CA, &read.CA}, {f.Cert, &read.Cert}, {f.Key, &read.Key}} {
		if it.path == "" {
			continue
		}
		if *it.into, err = os.ReadFile(it.path); err != nil {
			return read, err
		}
	}
	return read, nil
}
