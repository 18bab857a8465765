package main

import (
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// truncateOptions are the flags of truncate.
type truncateOptions struct {
	env         end
	tables      []string // names and globs
	config      string
	truncate    table.TruncateOptions
	yes, dryRun bool
}

func truncateCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "truncate", Usage: "delete every item of a table, and keep the table",
		UsageText: `dynamo truncate --table orders --env dev
dynamo truncate --table orders --env dev --dry-run
dynamo truncate --table 'tmp-*' --env dev --no-backup --yes
dynamo truncate --table orders --yes               # with the default credentials, as in a pipeline`,
		Description: `Makes an AWS backup of the table and waits until it can be relied on, then reads all keys and deletes
the items, until a scan finds none. The table, its indexes and its settings stay. Shows what it is about to do, and asks.
Nothing is deleted before the backup is there. --dry-run counts the items, which reads the table once,
and says about how many write units the deletes would take.

A truncate that was interrupted, or died, goes on with: dynamo resume.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 5 refused by a guard and nothing changed,
6 credentials or permission, 7 table missing or a run that does not fit, 8 another run has the table,
130 interrupted, 143 terminated.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t"}, Usage: "empty `NAME`; repeatable, and a glob like 'tmp-*'"},
			&cli.BoolFlag{Name: "no-backup", Usage: "do without the AWS backup: nothing to go back to", DisableDefaultText: true},
			&cli.DurationFlag{Name: "backup-settle", Value: time.Minute, Usage: "`AGE` that the backup must have before the first delete"},
			&cli.IntFlag{Name: "segments", Usage: "`N` segments to scan the keys in", DefaultText: "from the table's size"},
			&cli.StringFlag{Name: "read-units", Usage: "most read capacity units per second, `N` or P% of the table's own"},
			&cli.StringFlag{Name: "write-units", Usage: "most write capacity units per second, `N` or P% of the table's own"},
			&cli.IntFlag{Name: "workers", Usage: "most batches in flight, `N`", DefaultText: "64 a core, at most 256"},
			&cli.BoolFlag{Name: "resume", Usage: "go on with the latest unfinished truncate of this table; begin one where there is none", DisableDefaultText: true},
		}, writeFlags(), envFlags(s)),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := truncateFlags(c)
			if err != nil {
				return err
			}
			return runTruncate(c.Context, o, s)
		},
	}
}

// writeFlags are those of every verb with one side that changes items.
func writeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question; required without a terminal", DisableDefaultText: true},
		&cli.StringFlag{Name: "allow-protected", Usage: "`PROFILE/TABLE` of a protected table that may be written to"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan, change nothing", DisableDefaultText: true},
		&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory"},
		&cli.StringFlag{Name: "run-dir", Usage: "`DIR` where runs are kept", DefaultText: "$XDG_STATE_HOME/dynamo"},
	}
}

func truncateFlags(c *cli.Context) (truncateOptions, error) {
	var o truncateOptions
	for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues, checkAmounts} {
		if err := check(c); err != nil {
			return o, err
		}
	}
	o = truncateOptions{
		env: endFlags(c, "env"), tables: c.StringSlice("table"), config: c.String("config"),
		yes: c.Bool("yes"), dryRun: c.Bool("dry-run"),
		truncate: table.TruncateOptions{
			NoBackup: c.Bool("no-backup"), BackupSettle: settleFlag(c), Segments: c.Int("segments"), Workers: c.Int("workers"),
			Stall: c.Duration("max-retry-time"), AllowProtected: c.String("allow-protected"),
			RunDir: c.String("run-dir"), Resume: c.Bool("resume"), Unattended: c.Bool("yes"),
		},
	}
	if len(o.tables) == 0 {
		// Neither dynamo.yaml nor the environment names what is to be emptied.
		return o, badUsage("see: dynamo truncate --help", "--table NAME is missing")
	}
	var err error
	if o.truncate.ReadUnits, err = budgetFlag(c, "read-units"); err != nil {
		return o, err
	}
	o.truncate.WriteUnits, err = budgetFlag(c, "write-units")
	return o, err
}

// runTruncate empties each table. One that fails does not stop the others; a signal does.
func runTruncate(ctx context.Context, o truncateOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.truncate.Protected = table.Guard(conf.Protected)
	account, err := o.env.open(ctx, s)
	if err != nil {
		return err
	}
	names, err := expand(ctx, account, o.tables, "of the account")
	if err != nil {
		return interrupted(ctx, err)
	}
	return eachTable(ctx, "truncate", names, s, func(name string) show.Outcome { return truncateOne(ctx, o, account, name, s) })
}

// truncateOne empties one table and says what came of it.
func truncateOne(ctx context.Context, o truncateOptions, account *table.Account, name string, s *show.Streams) show.Outcome {
	target, err := account.Table(name)
	if err != nil {
		return show.Outcome{Name: name, Err: err}
	}
	if o.dryRun {
		progress := s.Progress()
		o.truncate.Watch = progress.Phase
		plan, err := target.PlanTruncate(ctx, o.truncate, true)
		progress.Stop()
		return show.Planned(name, plan, interrupted(ctx, err))
	}
	return attend(ctx, name, o.yes, o.truncate.RunDir, s, func(a attendance) (table.Summary, error) {
		o.truncate.Confirm, o.truncate.Watch = a.confirm, a.watch
		return target.Truncate(ctx, o.truncate)
	})
}
