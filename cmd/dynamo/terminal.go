package main

import (
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/dynamo-cmdline/dynamo/query"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// colorful reports whether f may get colours.
func colorful(f *os.File, args []string) bool {
	return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" &&
		!slices.Contains(args, "--no-color") && !slices.Contains(args, "--json")
}

// visible escapes what could steer a terminal.
func visible(text string) string { return query.Visible(text) }
