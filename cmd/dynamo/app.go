package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, s *show.Streams) int {
	return runApp(ctx, newApp(s), args, s)
}

func runApp(ctx context.Context, app *cli.App, args []string, s *show.Streams) int {
	done := make(chan struct{})
	defer context.AfterFunc(ctx, func() { excuse(s, done) })()
	defer s.Guard()
	err := app.RunContext(table.OnPanic(ctx, s.Crashed), argumentsLast(app, args))
	close(done)
	return s.End(err)
}

func newApp(s *show.Streams) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
	app := &cli.App{
		Name: "dynamo", Version: version,
		Usage:           "copy DynamoDB tables between AWS accounts, and look into them",
		UsageText:       examples,
		HideHelpCommand: true,
		Reader:          s.In, Writer: s.Out, ErrWriter: s.Err,
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

// excuse says why a run that was told to stop still goes on, if it does.
func excuse(s *show.Streams, done chan struct{}) {
	const text = "stopping: what is under way is finished first; a second signal ends it at once"
	select {
	case <-done:
		return
	case <-time.After(time.Second):
	}
	if s.JSON {
		s.Log().Info(text)
		return
	}
	s.Say("\n%s\n", text)
}
