package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
	"github.com/dynamo-cmdline/dynamo/item"
)

// members calls visit for each member of the JSON object that body must be, and
// refuses anything after it. Whatever is wrong makes the answer garbled.
func members(body []byte, visit func(s *item.Scanner, i int, name []byte) (int, error)) error {
	if len(body) == 0 {
		return garbled("answer is empty")
	}
	s, err := item.NewScanner(body)
	if err != nil {
		return asGarbled(err)
	}
	i, err := s.Members(0, func(i int, name []byte) (int, error) { return visit(&s, i, name) })
	if err != nil {
		return asGarbled(err)
	}
	if s.Space(i) != len(body) {
		return garbled("answer has trailing bytes")
	}
	return nil
}

func asGarbled(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return garbled("answer is not DynamoDB JSON: %v", err)
}

// capacity passes a ConsumedCapacity and returns its total.
func capacity(s *item.Scanner, i int) (units float64, next int, err error) {
	next, err = s.Members(i, func(i int, name []byte) (int, error) {
		if string(name) != "CapacityUnits" {
			return s.Any(i)
		}
		text, i, err := s.Number(i)
		if err == nil {
			units, err = strconv.ParseFloat(string(text), 64)
		}
		return i, err
	})
	return units, next, err
}

// quote writes a JSON string as the typed client does: <, > and & stay.
func quote(text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string always marshals
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// record writes one debug line about a request: never its content.
func (t *Table) record(ctx context.Context, c call, received int, id string, took time.Duration, err error, counts []slog.Attr) {
	attrs := append([]slog.Attr{slog.String("operation", c.op), slog.String("table", t.name)}, counts...)
	attrs = append(attrs, slog.Int("attempt", c.attempt), slog.Int("sent", len(c.body)), slog.Int("received", received), slog.Duration("took", took))
	if id != "" {
		attrs = append(attrs, slog.String("request", foreign.Text(id)))
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // one inside another error is not this call's
		attrs = append(attrs, slog.String("error", e.Code), slog.Int("status", e.Status))
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
}
