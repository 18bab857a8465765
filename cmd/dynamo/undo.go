package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// undoOptions are the flags of undo.
type undoOptions struct {
	run         string // "" for the latest that changed something
	config      string
	undo        table.UndoOptions
	yes, dryRun bool
}

func undoCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "undo", Usage: "put back what a run has changed", ArgsUsage: "[RUN]",
		UsageText: `dynamo undo                                        # the latest run that changed something
dynamo undo --dry-run
dynamo undo 20261120T101112Z-orders --yes
dynamo runs                                        # lists them`,
		Description: `Puts back what a run has overwritten or deleted, and removes what it has added, by the old images in its
journal; the run may be finished or not. Profile and table are in the run's directory, and the table must be the same one.
An item that has changed since the run is left alone and noted in the dead-letter file (exit 3), unless --force.
A journal that is damaged, or that has lost a part, undoes nothing (exit 7), unless --incomplete goes on with what is left of it.
An undo is itself a run with a journal: undoing it does the thing again, and dynamo resume goes on with it.
A run of --mode replace or merge and a truncate keep no journal, but an AWS backup: the table is restored from that, as a whole.
What has changed since cannot be told apart then, so that takes --force, but after a truncate whose table is still empty.

Exit codes: 0 done, 1 failed, 2 usage or configuration, or nothing to go back to; 3 done but for items that have changed since,
5 refused by a guard and nothing changed, 6 credentials or permission, 7 journal damaged, not whole or gone, or another table,
8 another run has the table, 130 interrupted, 143 terminated.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "put back, or remove, also what has changed since the run", DisableDefaultText: true},
			&cli.BoolFlag{Name: "incomplete", Usage: "go on with what is left of a journal that is damaged or not whole", DisableDefaultText: true},
			&cli.StringFlag{Name: "write-units", Usage: "most write capacity units per second, `N` or P% of the table's own"},
			&cli.IntFlag{Name: "workers", Usage: "most batches in flight, `N`", DefaultText: "64 a core, at most 256"},
		}, writeFlags(), outputFlags(s)),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := undoFlags(c)
			if err != nil {
				return err
			}
			return runUndo(c.Context, o, s)
		},
	}
}

func undoFlags(c *cli.Context) (undoOptions, error) {
	var o undoOptions
	if c.NArg() > 1 {
		return o, badUsage("see: dynamo undo --help", "unexpected argument %q", c.Args().Get(1))
	}
	for _, check := range []func(*cli.Context) error{noEmptyValues, checkAmounts} {
		if err := check(c); err != nil {
			return o, err
		}
	}
	if c.NArg() == 1 && c.Args().First() == "" { // the latest is not what a variable that is not set means
		return o, badUsage("is a variable not set?", "the run has an empty name")
	}
	o = undoOptions{
		run: c.Args().First(), config: c.String("config"), yes: c.Bool("yes"), dryRun: c.Bool("dry-run"),
		undo: table.UndoOptions{
			RunDir: c.String("run-dir"), Force: c.Bool("force"), Incomplete: c.Bool("incomplete"), Workers: c.Int("workers"), Stall: c.Duration("max-retry-time"),
			AllowProtected: c.String("allow-protected"), Unattended: c.Bool("yes"),
		},
	}
	var err error
	o.undo.WriteUnits, err = budgetFlag(c, "write-units")
	return o, err
}

func runUndo(ctx context.Context, o undoOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.undo.Protected = table.Guard(conf.Protected)
	o.undo.Account = reach(ctx, table.AccountOptions{Stall: o.undo.Stall}, s)
	if o.dryRun {
		progress := s.Progress()
		o.undo.Watch = progress.Phase
		plan, err := table.PlanUndo(ctx, o.run, o.undo)
		progress.Stop()
		return s.Results("undo", []show.Outcome{show.Planned(plan.Target.Table, plan, interrupted(ctx, err))})
	}
	done := attend(ctx, "", o.yes, o.undo.RunDir, s, func(a attendance) (table.Summary, error) {
		o.undo.Confirm, o.undo.Watch = a.confirm, a.watch
		return table.Undo(ctx, o.run, o.undo)
	})
	return s.Results("undo", []show.Outcome{done})
}
