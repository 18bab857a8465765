package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/query"
	"github.com/dynamo-cmdline/dynamo/table"
)

// copyOptions are the flags of copy, and of what every command shares.
type copyOptions struct {
	source, target end
	tables         []string // names and globs; empty for those of the configuration
	targetTable    string
	config         string
	copy           table.CopyOptions
	yes, dryRun    bool
}

func copyCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "copy", Usage: "copy tables from one account to another",
		UsageText: `dynamo copy --table orders --source prod --target dev
dynamo copy --table orders --pk customer#42 --source prod --target dev
dynamo copy --table orders --source prod --target dev --max-delete 5% --yes
dynamo copy --table orders --source prod --target dev --mode merge --no-backup --yes
dynamo copy --table orders --source prod --target dev --dry-run
dynamo copy --source prod --target dev             # the tables of dynamo.yaml, or of DYNAMO_TABLE`,
		Description: `Makes the target's items equal to the source's. --mode sync, the default, reads both tables, writes
only what differs, and deletes what the source lacks, last of all; old images are kept in the run's journal.
--mode replace backs the target up, waits until the backup can be relied on, deletes all items of the
target and copies. --mode merge puts every source item over what is there. Shows what it is about to do, and asks.

A copy that was interrupted, or died, goes on with: dynamo resume. An item that the target refuses
is kept in the run's dead-letter file, and all others are copied.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 done but for rejected items, 4 --verify found
differences, 5 refused by a guard and nothing changed (--max-delete: nothing deleted), 6 credentials or
permission, 7 table missing or of another schema, or a run that does not fit, 8 another run has the
target, 130 interrupted, 143 terminated.`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t"}, Usage: "copy `NAME`; repeatable, and a glob like 'orders-*'"},
			&cli.StringFlag{Name: "source", Aliases: []string{"src"}, Usage: "`PROFILE` to read from"},
			&cli.StringFlag{Name: "target", Aliases: []string{"tgt"}, Usage: "`PROFILE` to write to"},
			&cli.StringFlag{Name: "target-table", Usage: "`NAME` of the table in the target, where it is another"},
			&cli.StringFlag{Name: "mode", Value: string(table.Sync), Usage: "`MODE`: sync, replace or merge"},
			&cli.DurationFlag{Name: "backup-settle", Value: time.Minute, Usage: "`AGE` that the backup must have before the first change"},
			&cli.BoolFlag{Name: "verify", Usage: "compare afterwards; exit 4 on a difference", DisableDefaultText: true},
			&cli.BoolFlag{Name: "resume", Usage: "go on with the latest unfinished run of this very copy; begin one where there is none", DisableDefaultText: true},
		}, slices.Concat(compareFlags(), repairFlags(), commonFlags(), everyFlags(s))...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := copyFlags(c)
			if err != nil {
				return err
			}
			return runCopy(c.Context, o, s)
		},
	}
}

// compareFlags say what of two tables is read, and how.
func compareFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "pk", Usage: "only what is under the partition key `V`, verbatim"},
		&cli.StringFlag{Name: "sk", Usage: "and whose sort key begins with `V`, or an operator and its value: '>= v', 'between a and b', …"},
		&cli.StringFlag{Name: "index", Aliases: []string{"i"}, Usage: "the keys of the secondary index `NAME`"},
		&cli.StringFlag{Name: "filter", Usage: "only what the DynamoDB filter `EXPRESSION` lets through; nothing is deleted then"},
		&cli.StringSliceFlag{Name: "name", Usage: "`#n=attribute` of the filter; repeatable"},
		&cli.StringSliceFlag{Name: "value", Usage: "`:v=JSON` of the filter, DynamoDB JSON or a plain scalar; repeatable"},
		&cli.BoolFlag{Name: "skip-expired", Usage: "as if the source did not have items whose TTL has passed", DisableDefaultText: true},
		&cli.StringFlag{Name: "memory", Usage: "what a join may hold before it spills to disk, `SIZE`", DefaultText: "256MB"},
		&cli.IntFlag{Name: "segments", Usage: "`N` segments to scan the source in", DefaultText: "from its size"},
		&cli.StringFlag{Name: "read-units", Usage: "most read capacity units per second, `N` or P% of the table's own, for each table"},
		&cli.BoolFlag{Name: "eventual", Usage: "eventually consistent reads: half the read cost; what differs is read again", DisableDefaultText: true},
	}
}

// repairFlags say how a table is written to.
func repairFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "backup", Usage: "make an AWS backup of the target also before a sync", DisableDefaultText: true},
		&cli.BoolFlag{Name: "no-backup", Usage: "do without the AWS backup, or a sync's journal: nothing to go back to", DisableDefaultText: true},
		&cli.StringFlag{Name: "max-delete", Usage: "a sync that would delete more than `N` or P% of the target's items deletes nothing"},
		&cli.StringFlag{Name: "write-units", Usage: "most write capacity units per second, `N` or P% of the table's own"},
		&cli.IntFlag{Name: "workers", Usage: "most batches in flight, `N`", DefaultText: "64 a core, at most 256"},
		&cli.BoolFlag{Name: "allow-empty-source", Usage: "believe a source that reads as empty although AWS counts items in it", DisableDefaultText: true},
	}
}

// commonFlags are those that every verb with two sides has.
func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "region", Usage: "`REGION` of both sides, over the profiles' own"},
		&cli.StringFlag{Name: "source-region", Usage: "`REGION` of the source"},
		&cli.StringFlag{Name: "target-region", Usage: "`REGION` of the target"},
		&cli.StringFlag{Name: "endpoint-url", Usage: "`URL` of both sides' endpoint; plain http on this machine only"},
		&cli.StringFlag{Name: "source-endpoint-url", Usage: "`URL` of the source's endpoint"},
		&cli.StringFlag{Name: "target-endpoint-url", Usage: "`URL` of the target's endpoint"},
		&cli.StringSliceFlag{Name: "allow-http", Usage: "plain http to `HOST`, too, for every service's endpoint; repeatable"},
		&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question; required without a terminal", DisableDefaultText: true},
		&cli.StringFlag{Name: "allow-protected", Usage: "`PROFILE/TABLE` of a protected target that may be written to"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan, change nothing", DisableDefaultText: true},
		&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory"},
	}
}

// everyFlags are those that every verb that keeps runs has.
func everyFlags(s *show.Streams) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "run-dir", Usage: "`DIR` where runs are kept", DefaultText: "$XDG_STATE_HOME/dynamo"},
	}, outputFlags(s)...)
}

func copyFlags(c *cli.Context) (copyOptions, error) {
	var o copyOptions
	for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
		if err := check(c); err != nil {
			return o, err
		}
	}
	o.source, o.target = endFlags(c, "source"), endFlags(c, "target")
	o.tables, o.targetTable = c.StringSlice("table"), c.String("target-table")
	if err := o.runFlags(c); err != nil {
		return o, err
	}
	for _, name := range []string{"source", "target"} {
		if c.String(name) == "" {
			return o, badUsage("see: dynamo "+c.Command.Name+" --help", "--%s PROFILE is missing", name)
		}
	}
	var err error
	o.copy.Slice, err = sliceFlags(c)
	return o, err
}

// runFlags reads what says how to write to a table.
func (o *copyOptions) runFlags(c *cli.Context) (err error) {
	o.config = c.String("config")
	o.yes, o.dryRun = c.Bool("yes"), c.Bool("dry-run")
	o.copy = table.CopyOptions{
		Mode: table.Mode(c.String("mode")), NoBackup: c.Bool("no-backup"),
		Segments: c.Int("segments"), Workers: c.Int("workers"), Eventual: c.Bool("eventual"), Stall: c.Duration("max-retry-time"),
		AllowProtected: c.String("allow-protected"), AllowEmptySource: c.Bool("allow-empty-source"),
		RunDir: c.String("run-dir"), Resume: c.Bool("resume"), Unattended: o.yes,
		Backup: c.Bool("backup"), SkipExpired: c.Bool("skip-expired"), Verify: c.Bool("verify"),
	}
	if c.IsSet("max-delete") {
		share, err := table.ParseShare(c.String("max-delete"))
		if err != nil {
			return badUsage(show.Hint(err), "--max-delete: %w", err)
		}
		o.copy.MaxDelete = &share
	}
	if o.copy.Memory, err = memoryFlag(c); err != nil {
		return err
	}
	if o.copy.ReadUnits, err = budgetFlag(c, "read-units"); err != nil {
		return err
	}
	if o.copy.WriteUnits, err = budgetFlag(c, "write-units"); err != nil {
		return err
	}
	if err := checkAmounts(c); err != nil {
		return err
	}
	o.copy.BackupSettle = settleFlag(c)
	return nil
}

// checkAmounts refuses times and numbers that mean nothing.
func checkAmounts(c *cli.Context) error {
	for _, name := range []string{"max-retry-time", "backup-settle"} {
		if c.Duration(name) < 0 || name == "max-retry-time" && c.Duration(name) == 0 {
			return badUsage("", "--%s %s: want more than nothing", name, c.Duration(name))
		}
	}
	for _, name := range []string{"segments", "workers"} {
		if c.IsSet(name) && c.Int(name) < 1 {
			return badUsage("", "--%s %d: want 1 or more", name, c.Int(name))
		}
	}
	return nil
}

// settleFlag reads --backup-settle.
func settleFlag(c *cli.Context) time.Duration {
	if c.IsSet("backup-settle") && c.Duration("backup-settle") == 0 {
		return time.Nanosecond // as good as no wait; zero means the default
	}
	return c.Duration("backup-settle")
}

// sliceFlags reads which part of the tables is meant; nil is all of them.
func sliceFlags(c *cli.Context) (*query.Query, error) {
	given := false
	for _, name := range []string{"pk", "sk", "index", "filter", "name", "value"} {
		given = given || c.IsSet(name)
	}
	if !given {
		return nil, nil
	}
	q := &query.Query{Partition: c.String("pk"), All: !c.IsSet("pk"), Sort: c.String("sk"), Index: c.String("index"), Filter: c.String("filter")}
	var err error
	if q.Names, err = pairs(c.StringSlice("name"), "--name '#n=attribute'"); err != nil {
		return nil, err
	}
	if q.Values, err = pairs(c.StringSlice("value"), `--value ':v="text"'`); err != nil {
		return nil, err
	}
	switch {
	case q.All && q.Sort != "":
		return nil, badUsage("give --pk as well", "--sk without --pk")
	case q.All && q.Index != "":
		return nil, badUsage("give --pk as well", "--index without --pk")
	}
	if err := q.Check(); err != nil {
		var bad *query.Error
		if errors.As(err, &bad) {
			return nil, badUsage(bad.Hint, "%w", err)
		}
		return nil, err
	}
	return q, nil
}

// budgetFlag reads N or P%.
func budgetFlag(c *cli.Context, name string) (table.Budget, error) {
	if !c.IsSet(name) {
		return table.Budget{}, nil
	}
	b, err := table.ParseBudget(c.String(name))
	if err != nil {
		return b, badUsage(show.Hint(err), "--%s: %w", name, err)
	}
	return b, nil
}

// memoryFlag reads --memory, like 512MB: 1 MB is a million bytes.
func memoryFlag(c *cli.Context) (int64, error) {
	if !c.IsSet("memory") {
		return 0, nil
	}
	text := strings.ToUpper(strings.TrimSpace(c.String("memory")))
	unit := int64(1)
	for _, u := range []struct {
		name string
		size int64
	}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 1e15/unit || n*unit < 1e6 {
		return 0, badUsage("like 512MB, at least 1MB", "--memory: %q is no size", c.String("memory"))
	}
	return n * unit, nil
}

// runCopy copies each table. One that fails does not stop the others; a signal does.
func runCopy(ctx context.Context, o copyOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.copy.Protected = table.Guard(conf.Protected)
	source, err := o.source.open(ctx, s)
	if err != nil {
		return err
	}
	target, err := o.target.open(ctx, s)
	if err != nil {
		return err
	}
	names, err := chooseTables(ctx, source, o.tables, conf, s)
	if err != nil {
		return interrupted(ctx, err)
	}
	if o.targetTable != "" && len(names) > 1 {
		return badUsage("", "--target-table names one table, and %d are to be copied", len(names))
	}
	return eachTable(ctx, "copy", names, s, func(name string) show.Outcome { return copyOne(ctx, o, source, target, name, s) })
}

// copyOne copies one table and says what came of it.
func copyOne(ctx context.Context, o copyOptions, from, to *table.Account, name string, s *show.Streams) show.Outcome {
	targetName := name
	if o.targetTable != "" {
		targetName = o.targetTable
	}
	source, err := from.Table(name)
	if err != nil {
		return show.Outcome{Name: name, Err: err}
	}
	target, err := to.Table(targetName)
	if err != nil {
		return show.Outcome{Name: name, Err: err}
	}
	if o.dryRun {
		plan, err := source.PlanCopy(ctx, target, o.copy)
		return show.Planned(name, plan, err)
	}
	return attend(ctx, name, o.yes, o.copy.RunDir, s, func(a attendance) (table.Summary, error) {
		o.copy.Confirm, o.copy.Watch = a.confirm, a.watch
		return source.Copy(ctx, target, o.copy)
	})
}
