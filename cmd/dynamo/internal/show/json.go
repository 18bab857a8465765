package show

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
)

// This file holds what --json promises: stdout is one JSON object, or data, on every way out; stderr is JSON log lines.

// extra is what every object of ours can have beside what it is about.
type extra struct {
	Warnings []string `json:"warnings,omitempty"`
	Error    *failure `json:"error,omitempty"`
}

// failure is an error in an object.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	return &failure{ExitCode(err), wording(err), Hint(err)}
}

// Object prints the command's one JSON object: the members of what it is about, then warnings and the error. It returns
// that error, or what kept it from printing.
func (s *Streams) Object(about any, warnings []string, err error) error {
	if !s.speak() {
		return err
	}
	s.mu.Lock()
	warnings = append(slices.Clone(warnings), s.warnings...)
	s.mu.Unlock()
	raw, failed := members(about, extra{warnings, failureOf(err)})
	if failed == nil {
		_, failed = fmt.Fprintf(s.Out, "%s\n", raw)
	}
	if failed != nil && err == nil {
		return fmt.Errorf("write the result: %w", failed)
	}
	return err
}

// members makes one JSON object of the members of several, in which nothing steers a terminal.
func members(objects ...any) (json.RawMessage, error) {
	var all [][]byte
	for _, o := range objects {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(o); err != nil {
			return nil, err
		}
		inner := bytes.TrimSpace(b.Bytes())
		if len(inner) < 2 || inner[0] != '{' {
			return nil, fmt.Errorf("%T is no JSON object", o)
		}
		if inner = inner[1 : len(inner)-1]; len(inner) > 0 {
			all = append(all, inner)
		}
	}
	return json.RawMessage(escaped("{" + string(bytes.Join(all, []byte(","))) + "}")), nil
}

// escaped is JSON in which nothing steers a terminal, or what reads a job's log.
func escaped(text string) string {
	var b strings.Builder
	for i, c := range text {
		if c >= unicode.MaxASCII && Visible(string(c)) != string(c) || c == '[' && onGitHub() && strings.HasSuffix(text[:i], "##") {
			for _, u := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// A collector is a log handler that also keeps the warnings, for the object.
type collector struct {
	slog.Handler
	streams *Streams
}

func (c collector) Enabled(ctx context.Context, level slog.Level) bool {
	return level == slog.LevelWarn || c.Handler.Enabled(ctx, level)
}

func (c collector) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			text += fmt.Sprintf(", %s: %v", a.Key, a.Value)
			return true
		})
		c.streams.mu.Lock()
		c.streams.warnings = append(c.streams.warnings, text)
		c.streams.mu.Unlock()
	}
	if !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}

func (c collector) WithAttrs(attrs []slog.Attr) slog.Handler {
	return collector{c.Handler.WithAttrs(attrs), c.streams}
}

func (c collector) WithGroup(name string) slog.Handler {
	return collector{c.Handler.WithGroup(name), c.streams}
}
