package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/table"
)

// This file holds what --json promises: stdout is one JSON object, or data, on every way out; stderr is JSON log lines.

// A voice is how a command speaks, and what of it cannot be said twice. All copies of its streams share it.
type voice struct {
	json, color bool
	command     string    // as it was called
	exit        func(int) // ends the program

	mu         sync.Mutex
	spoken     bool        // the one JSON object, or data, is on stdout or on its way
	unfinished func(error) // completes an object that was begun; nil for none
	warnings   []string    // that were logged, for the object
}

// speak reports whether nothing has been said on stdout yet; from now on something has.
func (v *voice) speak() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	first := !v.spoken
	v.spoken = true
	return first
}

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
	return &failure{exitCode(err), err.Error(), hintOf(err)}
}

// object prints the command's one JSON object: the members of what it is about, then warnings and the error. It returns
// that error, or what kept it from printing.
func (s streams) object(about any, warnings []string, err error) error {
	if !s.speak() {
		return err
	}
	s.mu.Lock()
	warnings = append(slices.Clone(warnings), s.warnings...)
	s.mu.Unlock()
	raw, failed := members(about, extra{warnings, failureOf(err)})
	if failed == nil {
		_, failed = fmt.Fprintf(s.out, "%s\n", raw)
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
		if c >= unicode.MaxASCII && visible(string(c)) != string(c) || c == '[' && onGitHub() && strings.HasSuffix(text[:i], "##") {
			for _, u := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// asksJSON reports whether the arguments ask for JSON, however it is spelled, and even where they cannot be read further.
func asksJSON(app *cli.App, args []string) bool {
	valued, asked := valuedFlags(commandIn(app, args)), false
	for i := 1; i < len(args) && args[i] != "--"; i++ {
		name, value, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		switch {
		case len(args[i]) < 2 || args[i][0] != '-':
		case name == "json":
			yes, err := strconv.ParseBool(value)
			asked = !given || err != nil || yes
		case valued[name] && !given:
			i++
		}
	}
	return asked
}

// commandIn is the command, or its own, that the arguments name; nil for none.
func commandIn(app *cli.App, args []string) *cli.Command {
	if len(args) < 2 {
		return nil
	}
	c := app.Command(args[1])
	if c != nil && len(args) > 2 {
		for _, sub := range c.Subcommands {
			if sub.HasName(args[2]) {
				return sub
			}
		}
	}
	return c
}

// valuedFlags are the flags that take the next word.
func valuedFlags(c *cli.Command) map[string]bool {
	valued := map[string]bool{}
	if c == nil {
		return valued
	}
	for _, f := range c.Flags {
		_, isBool := f.(*cli.BoolFlag)
		for _, name := range f.Names() {
			valued[name] = !isBool
		}
	}
	return valued
}

// commandOf is the command's name as the arguments have it.
func commandOf(args []string) string {
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		return args[1]
	}
	return "dynamo"
}

// severity are the exit codes, the worst first: whether the others were finished is not known after the first two.
var severity = []int{130, 143, 1, 6, 7, 8, 2, 5, 3, 4}

// worse is the worse of two ends.
func worse(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || slices.Index(severity, exitCode(a)) <= slices.Index(severity, exitCode(b)):
		return a
	}
	return b
}

// hasFailed reports whether a table counts as one that failed. One of which items were rejected is finished.
func hasFailed(err error) bool { return err != nil && exitCode(err) != int(table.Rejected) }

// A collector is a log handler that also keeps the warnings, for the object.
type collector struct {
	slog.Handler
	voice *voice
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
		c.voice.mu.Lock()
		c.voice.warnings = append(c.voice.warnings, text)
		c.voice.mu.Unlock()
	}
	if !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}

func (c collector) WithAttrs(attrs []slog.Attr) slog.Handler {
	return collector{c.Handler.WithAttrs(attrs), c.voice}
}

func (c collector) WithGroup(name string) slog.Handler {
	return collector{c.Handler.WithGroup(name), c.voice}
}
