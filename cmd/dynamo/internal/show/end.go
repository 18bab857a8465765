package show

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/dynamo-cmdline/dynamo/table"
)

// This file says how a command ended: its exit code, its error, and what to do about it.

// Stopped is the cause of a context that a signal ended.
type Stopped struct{ Signal os.Signal }

func (s Stopped) Error() string {
	if s.Signal == syscall.SIGTERM {
		return "terminated"
	}
	return "interrupted"
}

// ExitCode is the one that an error stands for.
func ExitCode(err error) int {
	var signal Stopped
	var known *table.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &signal):
		if signal.Error() == "terminated" {
			return 143
		}
		return 130
	case errors.As(err, &known):
		return int(known.Kind)
	}
	return int(table.Failed)
}

// Hint is what to do about an error; "" where that is not known.
func Hint(err error) string {
	var known *table.Error
	if errors.As(err, &known) {
		return known.Hint
	}
	return ""
}

// severity are the exit codes, the worst first: whether the others were finished is not known after the first two.
var severity = []int{130, 143, 1, 6, 7, 8, 2, 5, 3, 4}

// Worse is the worse of two ends.
func Worse(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || slices.Index(severity, ExitCode(a)) <= slices.Index(severity, ExitCode(b)):
		return a
	}
	return b
}

// Failed reports whether a table counts as one that failed. One of which items were rejected is finished.
func Failed(err error) bool { return err != nil && ExitCode(err) != int(table.Rejected) }

// End says what has not been said yet of how the command ended, and returns its exit code.
func (s *Streams) End(err error) int {
	if err != nil && s.JSON {
		_ = s.Object(named{Command: s.Command}, nil, err) // if Out is closed, the error below is all that is left
	}
	s.Report(err)
	return ExitCode(err)
}

// Guard is what every goroutine defers, last of all: a panic ends the program as an error does, with an exit code and an
// object that say so.
func (s *Streams) Guard() {
	if v := recover(); v != nil {
		s.Crashed(v, debug.Stack())
	}
}

// Crashed ends the program after a panic, at once: nothing that it had in hand can be relied on.
func (s *Streams) Crashed(value any, stack []byte) {
	s.Abandon(&table.Error{
		Kind: table.Failed, Hint: "what was done so far is in the run's directory: dynamo runs",
		Err: fmt.Errorf("a bug in dynamo: %v (%s)", value, panicPlace(stack)),
	})
}

// Abandon ends the program at once, whatever it is doing, and says why.
func (s *Streams) Abandon(err error) {
	s.mu.Lock()
	unfinished := s.unfinished
	s.mu.Unlock()
	if unfinished != nil {
		unfinished(err)
	}
	s.Exit(s.End(err))
}

// panicPlace is where a panic was, among the lines of its stack.
func panicPlace(stack []byte) string {
	_, rest, _ := strings.Cut(string(stack), "\npanic(")
	for line := range strings.Lines(rest) {
		file, ok := strings.CutPrefix(line, "\t")
		if file, _, _ = strings.Cut(strings.TrimSpace(file), " "); ok && !strings.Contains(file, "runtime/") {
			return file[strings.LastIndexByte(file, '/')+1:]
		}
	}
	return "somewhere"
}

// Report tells people what went wrong: the error, then what to do about it.
func (s *Streams) Report(err error) {
	if err == nil || errors.As(err, new(Reported)) {
		return
	}
	prefix, hintPrefix := "error: ", "hint: "
	if s.Color {
		prefix, hintPrefix = "\x1b[1;31merror:\x1b[0m ", "\x1b[1mhint:\x1b[0m "
	}
	hint := Hint(err)
	switch {
	case s.JSON:
		s.Log().Error(wording(err), "hint", hint)
		return
	case onGitHub():
		annotate(s.Err, "error", wording(err))
	default:
		s.Say(prefix+"%s\n", err)
	}
	if hint != "" {
		s.Say(hintPrefix+"%s\n", hint)
	}
}

// Reported marks an error that people have been told of already.
type Reported struct{ Err error }

func (r Reported) Error() string { return r.Err.Error() }
func (r Reported) Unwrap() error { return r.Err }

func usage(hint, format string, args ...any) error {
	return &table.Error{Kind: table.Usage, Hint: hint, Err: fmt.Errorf(format, args...)}
}
