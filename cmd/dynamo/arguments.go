package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's arguments behind its flags: the flag library
// takes everything behind the first argument for one.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 2 || args[len(args)-1] == "--generate-bash-completion" {
		return args
	}
	i := slices.IndexFunc(app.Commands, func(c *cli.Command) bool { return c.HasName(args[1]) })
	if i < 0 {
		return args
	}
	flags, rest := slices.Clone(args[:2]), []string(nil)
	for list := args[2:]; len(list) > 0; list = list[1:] {
		arg := list[0]
		if arg == "--" {
			rest = append(rest, list[1:]...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		flags = append(flags, arg)
		if len(list) > 1 && takesValue(app.Commands[i], arg) {
			list = list[1:]
			flags = append(flags, list[0])
		}
	}
	if rest == nil {
		return flags
	}
	return append(append(flags, "--"), rest...)
}

// takesValue reports whether the value of the flag is the next argument.
func takesValue(c *cli.Command, arg string) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	for _, flag := range c.Flags {
		if slices.Contains(flag.Names(), name) {
			f, ok := flag.(cli.DocGenerationFlag)
			return ok && f.TakesValue()
		}
	}
	return false
}
