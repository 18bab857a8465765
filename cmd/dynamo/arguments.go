package main

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// This file looks at arguments before the flag library does.

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

// argumentsLast moves the arguments of a command that takes some behind its
// flags: the flag library silently ignores flags that stand behind an argument.
func argumentsLast(app *cli.App, args []string) []string {
	if len(args) < 3 || args[len(args)-1] == "--generate-bash-completion" { // which has to be the last
		return args
	}
	c := app.Command(args[1])
	if c == nil || c.ArgsUsage == "" {
		return args
	}
	valued := valuedFlags(c)
	flags, rest := []string{args[0], args[1]}, []string(nil)
	for i := 2; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			rest = append(rest, word)
			continue
		}
		flags = append(flags, word)
		if valued[strings.TrimLeft(word, "-")] && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	if len(rest) == 0 {
		return flags
	}
	return append(append(flags, "--"), rest...)
}
