package main

import (
	"cmp"
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// resumeOptions are the flags of resume.
type resumeOptions struct {
	run, runDir string // run is "" for the latest
	config      string
	allow       string
	yes         bool
	stall       time.Duration
}

func resumeCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "go on with an interrupted run", ArgsUsage: "[RUN]",
		UsageText: `dynamo resume                                      # the latest unfinished run
dynamo resume 20261120T101112Z-orders
dynamo runs                                        # lists them`,
		Description: `Goes on with a run from its directory: profiles, tables, options and how far it came are in there.
The tables must be the same ones. What dynamo.yaml protects by now is protected. A run that was started with --yes asks nothing; another asks on
a terminal, and elsewhere needs --yes.

The exit codes are those of the run's own command; 7 where the directory is damaged or does not fit.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question", DisableDefaultText: true},
			&cli.StringFlag{Name: "allow-protected", Usage: "`PROFILE/TABLE` of a protected target that may be written to"},
			&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory"},
		}, everyFlags(s)...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return badUsage("see: dynamo resume --help", "unexpected argument %q", c.Args().Get(1))
			}
			if err := noEmptyValues(c); err != nil {
				return err
			}
			stall := time.Duration(0) // the run's own
			if c.IsSet("max-retry-time") {
				stall = c.Duration("max-retry-time")
			}
			return runResume(c.Context, resumeOptions{
				run: c.Args().First(), runDir: c.String("run-dir"), config: c.String("config"), allow: c.String("allow-protected"), yes: c.Bool("yes"), stall: stall,
			}, s)
		},
	}
}

func runResume(ctx context.Context, o resumeOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	command := "resume"
	done := attend(ctx, "", o.yes, o.runDir, s, func(a attendance) (table.Summary, error) {
		m, err := table.Resume(ctx, o.run, table.ResumeOptions{
			RunDir: o.runDir, Stall: o.stall, Protected: table.Guard(conf.Protected), AllowProtected: o.allow,
			Account: reach(ctx, table.AccountOptions{Stall: o.stall}, s), Confirm: a.confirm, Watch: a.watch,
		})
		command = cmp.Or(m.Command, command)
		return m, err
	})
	return s.Results(command, []show.Outcome{done})
}

func runsCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "runs", Usage: "list runs: when, what, how far, how they ended",
		UsageText: `dynamo runs
dynamo runs --json`,
		Description: `Lists the runs in the directory of runs, the latest first. Exit codes: 0 done, 1 failed, 2 usage.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run-dir", Usage: "`DIR` where runs are kept", DefaultText: "$XDG_STATE_HOME/dynamo"},
			&cli.BoolFlag{Name: "json", Usage: "one JSON object on stdout", DisableDefaultText: true},
		},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			list, err := table.Runs(c.String("run-dir"))
			if err != nil {
				return err
			}
			if len(list) == 0 && !s.JSON {
				s.Say("There are no runs.\n")
				return nil
			}
			return s.Show(show.Runs(list))
		},
	}
}
