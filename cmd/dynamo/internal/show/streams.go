package show

import (
	"log/slog"
	"os"
	"sync"
)

// Streams are the command's ends to the world, and how it speaks to it. They
// are files, because what is done depends on whether they are terminals.
type Streams struct {
	In       *os.File
	Out, Err *os.File

	Command    string // as it was called
	JSON       bool   // one JSON object, or JSON data, on Out, and JSON log lines on Err
	Color      bool
	Quiet      bool // errors only on Err
	Verbose    bool // a line a request on Err
	NoProgress bool

	Exit func(int) // ends the program

	mu         sync.Mutex
	spoken     bool        // the one JSON object, or data, is on Out or on its way
	unfinished func(error) // completes an object that was begun; nil for none
	warnings   []string    // that were logged, for the object
	codes      codes
}

// New are the streams of a command before its flags are read. Colours are for terminals only.
func New(in, out, err *os.File, command string, json, noColor bool) *Streams {
	return &Streams{
		In: in, Out: out, Err: err, Command: command, JSON: json, Exit: os.Exit,
		Color: !json && !noColor && isTerminal(err) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
}

// Say writes a line, or a part of one, to people.
func (s *Streams) Say(format string, args ...any) { Say(s.Err, format, args...) }

// Note says something that is neither the result nor an error.
func (s *Streams) Note(text string) {
	switch {
	case s.JSON:
		s.Log().Info(text)
	case !s.Quiet:
		s.Say("%s\n", text)
	}
}

// Interactive reports whether somebody can be asked.
func (s *Streams) Interactive() bool { return isTerminal(s.In) && isTerminal(s.Err) }

// Log writes to Err what is not the result: JSON lines with JSON, else plain ones. Of JSON the object has the warnings, too.
func (s *Streams) Log() *slog.Logger {
	if s.JSON {
		return slog.New(collector{s.handler(), s})
	}
	return slog.New(s.handler())
}

func (s *Streams) handler() slog.Handler {
	level := slog.LevelInfo
	switch {
	case s.Verbose:
		level = slog.LevelDebug
	case s.Quiet:
		level = slog.LevelError
	}
	options := &slog.HandlerOptions{Level: level}
	if s.JSON {
		return slog.NewJSONHandler(logLines{s.Err, true}, options)
	}
	return slog.NewTextHandler(logLines{s.Err, false}, options)
}

// speak reports whether nothing has been said on Out yet; from now on something has.
func (s *Streams) speak() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.spoken
	s.spoken = true
	return first
}

// Spoken says that data is on Out: no object comes behind it.
func (s *Streams) Spoken() { s.speak() }
