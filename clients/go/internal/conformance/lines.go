package main

import (
	"encoding/json"
	"io"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"go.sluice.dev/sluice"
)

// lines writes objects, one per line and at once. Functions of a turn write at the
// same time.
type lines struct {
	mutex sync.Mutex
	to    io.Writer
	err   error // the first one
}

type object map[string]any

func (l *lines) write(kind string, value any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	line, err := json.Marshal(object{kind: value})
	if err == nil {
		_, err = l.to.Write(append(line, '\n'))
	}
	if l.err == nil {
		l.err = err
	}
}

// message is written in protobuf's JSON.
type message struct{ proto.Message }

func (m message) MarshalJSON() ([]byte, error) {
	if !m.ProtoReflect().IsValid() {
		return []byte("null"), nil
	}
	return protojson.Marshal(m.Message)
}

func messages[Message proto.Message](of []Message) []message {
	told := make([]message, len(of))
	for i, it := range of {
		told[i] = message{it}
	}
	return told
}

func answer(a *sluice.Answer) object {
	return object{
		"message":       message{a.Message},
		"text":          a.Text,
		"refusal":       a.Refusal,
		"reasoning":     a.Reasoning,
		"tool_calls":    messages(a.ToolCalls),
		"finish_reason": int32(a.FinishReason),
		"usage":         message{a.Usage},
		"cost":          message{a.Cost},
		"upstream":      message{a.Upstream},
		"generation_id": a.GenerationID,
	}
}

func failure(e *sluice.Error) object {
	violations := make([]object, len(e.Violations))
	for i, it := range e.Violations {
		violations[i] = object{"field": it.Field, "description": it.Description}
	}
	quota := make([]object, len(e.QuotaViolations))
	for i, it := range e.QuotaViolations {
		quota[i] = object{"subject": it.Subject, "description": it.Description}
	}
	metadata := e.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	var delay any
	if e.RetryDelay != nil {
		delay = e.RetryDelay.Milliseconds()
	}
	return object{
		"status":           code.Code(e.Status).String(),
		"reason":           e.Reason,
		"message":          e.Message,
		"retry_delay_ms":   delay,
		"violations":       violations,
		"quota_violations": quota,
		"metadata":         metadata,
		"generation_id":    e.GenerationID,
	}
}
