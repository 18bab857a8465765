package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/dynamo-cmdline/dynamo/query"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// colorful reports whether f may get colours.
func colorful(f *os.File) bool {
	return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// lines takes log lines, and lets nothing of them steer a terminal.
type lines struct {
	w    io.Writer
	json bool
}

func (l lines) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if l.json {
		text = escaped(text)
	} else {
		text = visible(text)
	}
	_, err := fmt.Fprintf(l.w, "%s\n", text)
	return len(line), err
}

// visible escapes what could steer a terminal, or what reads a job's log.
func visible(text string) string { return inert(query.Visible(text)) }
