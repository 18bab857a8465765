package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/table"
)

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, s streams) int { return runApp(ctx, newApp(s), args, s) }

func runApp(ctx context.Context, app *cli.App, args []string, s streams) int {
	done := make(chan struct{})
	defer context.AfterFunc(ctx, func() { excuse(s, done) })()
	defer s.guard()
	err := app.RunContext(table.OnPanic(ctx, s.crashed), argumentsLast(app, args))
	close(done)
	return s.end(err)
}

// end says what has not been said yet of how a command ended, and returns its exit code.
func (s streams) end(err error) int {
	if err != nil && s.json {
		_ = s.object(named{Command: s.command}, nil, err) // if stdout is closed, the error below is all that is left
	}
	s.report(err)
	return exitCode(err)
}

// guard is what every goroutine defers, last of all: a panic ends the program as an error does, with an exit code and an
// object that say so.
func (s streams) guard() {
	if v := recover(); v != nil {
		s.crashed(v, debug.Stack())
	}
}

// crashed ends the program after a panic, at once: nothing that it had in hand can be relied on.
func (s streams) crashed(value any, stack []byte) {
	s.abandon(&table.Error{
		Kind: table.Failed, Hint: "what was done so far is in the run's directory: dynamo runs",
		Err: fmt.Errorf("a bug in dynamo: %v (%s)", value, place(stack)),
	})
}

// abandon ends the program at once, whatever it is doing, and says why.
func (s streams) abandon(err error) {
	s.mu.Lock()
	unfinished := s.unfinished
	s.mu.Unlock()
	if unfinished != nil {
		unfinished(err)
	}
	s.exit(s.end(err))
}

// place is where a panic was, among the lines of its stack.
func place(stack []byte) string {
	_, rest, _ := strings.Cut(string(stack), "\npanic(")
	for line := range strings.Lines(rest) {
		file, ok := strings.CutPrefix(line, "\t")
		if file, _, _ = strings.Cut(strings.TrimSpace(file), " "); ok && !strings.Contains(file, "runtime/") {
			return file[strings.LastIndexByte(file, '/')+1:]
		}
	}
	return "somewhere"
}

func newApp(s streams) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
	app := &cli.App{
		Name: "dynamo", Version: version,
		Usage:           "copy DynamoDB tables between AWS accounts, and look into them",
		UsageText:       examples,
		HideHelpCommand: true,
		Reader:          s.in, Writer: s.out, ErrWriter: s.err,
		Commands: []*cli.Command{
			copyCommand(s), compareCommand(s), truncateCommand(s), undoCommand(s), resumeCommand(s), runsCommand(s),
			backupCommand(s), restoreCommand(s),
			queryCommand(s), tablesCommand(s), describeCommand(s), scaleCommand(s), completionCommand(s),
		},
		OnUsageError:              usageError,
		ExitErrHandler:            func(*cli.Context, error) {},
		DisableSliceFlagSeparator: true,
		EnableBashCompletion:      true,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return badUsage("see: dynamo --help", "unknown command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	return app
}

const examples = `dynamo copy --table orders --source prod --target dev
dynamo copy --table orders --source prod --target dev --mode merge --dry-run
dynamo copy --source prod --target dev             # the tables of dynamo.yaml
dynamo compare --table orders --source prod --target dev
dynamo truncate --table orders --env dev           # deletes every item, after a backup
dynamo undo                                        # puts back what the latest run has changed
dynamo resume                                      # goes on with the latest unfinished run
dynamo backup --table orders --env prod
dynamo restore --table orders --env dev            # from a backup, a point in time, or a dump
dynamo query --table orders customer#42 --env prod
dynamo describe --table orders --env prod
dynamo scale --table orders --env prod --read-mode ondemand`

// usageError makes every complaint of the flag library one of ours.
func usageError(c *cli.Context, err error, _ bool) error {
	hint := "see: dynamo --help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "dynamo" {
		hint = "see: dynamo " + c.Command.Name + " --help"
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: "); ok {
		text = "unknown flag -" + strings.TrimPrefix(name, "-")
		if len(name) > 2 {
			text = "unknown flag --" + strings.TrimLeft(name, "-")
		}
	}
	return badUsage(hint, "%s", text)
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

func badUsage(hint, format string, args ...any) error {
	return &table.Error{Kind: table.Usage, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// noArguments refuses stray arguments, after which the flag library would
// silently ignore every flag.
func noArguments(c *cli.Context) error {
	if c.NArg() == 0 {
		return nil
	}
	hint := "see: dynamo " + c.Command.Name + " --help"
	if !strings.HasPrefix(c.Args().First(), "-") && !c.IsSet("table") {
		hint = "did you mean: --table " + c.Args().First()
	}
	return badUsage(hint, "unexpected argument %q", c.Args().First())
}

// noEmptyValues refuses a --max-retry-time of nothing, and flags that were given an empty value, as a variable
// that is not set gives them.
func noEmptyValues(c *cli.Context) error {
	for _, flag := range c.Command.Flags {
		if err := emptyValue(c, flag.Names()[0]); err != nil {
			return err
		}
	}
	return checkRetryTime(c)
}

// emptyValue refuses one such flag.
func emptyValue(c *cli.Context, name string) error {
	if !c.IsSet(name) {
		return nil
	}
	values := []string{"x"}
	switch v := c.Value(name).(type) {
	case string:
		values = []string{v}
	case cli.StringSlice:
		values = v.Value()
	}
	for _, v := range values {
		if name != "pk" { // which is taken verbatim
			v = strings.TrimSpace(v)
		}
		if v == "" {
			return badUsage("is a variable not set?", "--%s has an empty value", name)
		}
	}
	return nil
}

// exitCode turns what a command returned into CLI.md's exit codes.
func exitCode(err error) int {
	var signal stopped
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

// excuse says why a run that was told to stop still goes on, if it does.
func excuse(s streams, done chan struct{}) {
	const text = "stopping: what is under way is finished first; a second signal ends it at once"
	select {
	case <-done:
		return
	case <-time.After(time.Second):
	}
	if s.json {
		display{json: true}.logger(s).Info(text)
		return
	}
	say(s.err, "\n%s\n", text)
}

// report tells people what went wrong: the error, then what to do about it.
func (s streams) report(err error) {
	if err == nil || errors.As(err, new(told)) {
		return
	}
	prefix, hintPrefix := "error: ", "hint: "
	if s.color {
		prefix, hintPrefix = "\x1b[1;31merror:\x1b[0m ", "\x1b[1mhint:\x1b[0m "
	}
	hint := hintOf(err)
	switch {
	case s.json:
		display{json: true}.logger(s).Error(err.Error(), "hint", hint)
		return
	case onGitHub():
		annotate(s.err, "error", err.Error())
	default:
		say(s.err, prefix+"%s\n", err)
	}
	if hint != "" {
		say(s.err, hintPrefix+"%s\n", hint)
	}
}

// A told is an error that people have been told of already.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

func hintOf(err error) string {
	var known *table.Error
	if errors.As(err, &known) {
		return known.Hint
	}
	return ""
}
