package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// compareOptions are the flags of compare. Those of copy are for --repair.
type compareOptions struct {
	copyOptions
	detail, repair         bool
	sourceDump, targetDump string // where it is; "" for a side that is a table
	compare                table.CompareOptions
	from, to               *table.Account // of the sides that are tables, once they are open
}

func compareCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "say in which items two tables differ",
		UsageText: `dynamo compare --table orders --source prod --target dev
dynamo compare --table orders --source prod --target dev --detail
dynamo compare --table orders --source prod --target dev --json
dynamo compare --table orders --source prod --target dev --repair
dynamo compare --table orders --source prod --target file:dumps`,
		Description: `Reads both tables and prints a line for each item in which they differ: + and its key where only the
source has it, - where only the target has it, ~ where it differs by value. Key values are separated by a
blank; binary is in base64, and what holds blanks or control characters in JSON quotes. --detail adds, behind
a tab, the attributes that differ. --repair then writes what differs, as dynamo copy does.

A side may be a dump, or an export of AWS's: file:DIR or s3://BUCKET/PREFIX, its own folder or one that holds just one;
a bucket is read with the other side's profile. All of it is checked first, as dynamo restore does. --repair with a
dump as the source restores it; a dump is not written to.

Exit codes: 0 equal, or repaired; 1 failed, 2 usage or configuration, 3 repaired but for rejected items,
4 they differ, 5 refused by a guard, 6 credentials or permission, 7 table missing or of another schema, a dump
that is damaged or does not fit; 8 another run has the target, 130 interrupted, 143 terminated.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t"}, Usage: "compare `NAME`; repeatable, and a glob like 'orders-*'"},
			&cli.StringFlag{Name: "source", Aliases: []string{"src"}, Usage: "`PROFILE` of one side; or a dump, file:DIR or s3://BUCKET/PREFIX"},
			&cli.StringFlag{Name: "target", Aliases: []string{"tgt"}, Usage: "`PROFILE` of the other side, or a dump"},
			&cli.StringFlag{Name: "target-table", Usage: "`NAME` of the table in the target, where it is another"},
			&cli.BoolFlag{Name: "detail", Usage: "say which attributes differ", DisableDefaultText: true},
			&cli.BoolFlag{Name: "repair", Usage: "then make the target equal: asks, and keeps a journal", DisableDefaultText: true},
		}, compareFlags(), repairFlags(), commonFlags(), everyFlags(s)),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := compareFlagsOf(c)
			if err != nil {
				return err
			}
			return runCompare(c.Context, o, s)
		},
	}
}

// repairOnly are the flags that mean nothing where nothing is written.
var repairOnly = []string{"yes", "allow-protected", "dry-run", "run-dir", "write-units", "workers", "max-delete", "backup", "no-backup", "allow-empty-source"}

func compareFlagsOf(c *cli.Context) (compareOptions, error) {
	base, err := copyFlags(c)
	o := compareOptions{copyOptions: base, detail: c.Bool("detail"), repair: c.Bool("repair")}
	if err != nil {
		return o, err
	}
	if err := o.dumps(c); err != nil {
		return o, err
	}
	for _, name := range repairOnly {
		if c.IsSet(name) && !o.repair && (name != "run-dir" || !o.ofDump()) {
			return o, badUsage("add --repair to write", "--%s means nothing where nothing is written", name)
		}
	}
	o.compare = table.CompareOptions{
		Detail: o.detail, Segments: o.copy.Segments, ReadUnits: o.copy.ReadUnits, Eventual: o.copy.Eventual,
		Slice: o.copy.Slice, SkipExpired: o.copy.SkipExpired, Memory: o.copy.Memory, Stall: o.copy.Stall,
		RunDir: o.copy.RunDir,
	}
	o.copy.Mode, o.copy.Detail = table.Sync, o.detail
	return o, nil
}

func runCompare(ctx context.Context, o compareOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.copy.Protected = table.Guard(conf.Protected)
	if err := o.open(ctx, s); err != nil {
		return err
	}
	names, err := o.names(ctx, conf, s)
	if err != nil {
		return err
	}
	if o.targetTable != "" && len(names) > 1 {
		return badUsage("", "--target-table names one table, and %d are to be compared", len(names))
	}
	if show.IsTerminal(s.Out) {
		s.NoProgress = true // a bar would run into the lines
	}
	defer s.Data()()
	if len(names) == 1 {
		return interrupted(ctx, compareOne(ctx, o, names[0], s, "\n", ""))
	}
	var worst error
	failed := 0
	for i, name := range names {
		if s.JSON {
			show.Say(s.Out, "%s", []string{`{"command":"compare","tables":[`, ","}[min(i, 1)])
		} else if !s.Quiet {
			s.Say("%s:\n", name)
		}
		err := interrupted(ctx, compareOne(ctx, o, name, s, "", fmt.Sprintf("],\"failed\":%d}\n", failed+1)))
		if err != nil {
			s.Report(fmt.Errorf("table %s: %w", name, err))
		}
		worst = show.Worse(worst, err)
		if show.Failed(err) {
			failed++
		}
	}
	if s.JSON {
		show.Say(s.Out, "],\"failed\":%d}\n", failed)
	}
	if worst == nil {
		return nil
	}
	return show.Reported{Err: worst}
}

// compareOne compares one table and prints what it finds. Behind its object comes end, and if all ends with it, last.
func compareOne(ctx context.Context, o compareOptions, name string, s *show.Streams, end, last string) error {
	p := s.Differences(end, last)
	if ctx.Err() != nil {
		return p.Close(table.CompareSummary{Command: "compare"}, nil, fmt.Errorf("not begun: %w", context.Cause(ctx)))
	}
	source, target, from, to, err := o.sides(name)
	if err != nil {
		return p.Close(table.CompareSummary{Command: "compare"}, nil, err)
	}
	if o.repair {
		return repairOne(ctx, o, from, to, p, s)
	}
	progress := s.Progress()
	defer progress.Stop()
	o.compare.Watch = progress.Phase
	c := table.Compare(source, target, o.compare)
	for d, err := range c.All(ctx) {
		if err != nil {
			progress.Stop()
			return p.Close(c.Summary(), nil, err)
		}
		if err := p.Print(d); err != nil {
			if errors.Is(err, syscall.EPIPE) { // whoever read it has seen enough
				return nil
			}
			return fmt.Errorf("write the result: %w", err)
		}
	}
	progress.Stop()
	sum := c.Summary()
	if !sum.Same() {
		err = &table.Error{Kind: table.Unequal, Err: fmt.Errorf("%s: %s only in the source, %s only in the target, %s differ, %s equal",
			name, show.Count(sum.OnlySource), show.Count(sum.OnlyTarget), show.Count(sum.Differs), show.Count(sum.Equal))}
	} else if !s.Quiet && !s.JSON {
		s.Say("%s: %s items, all equal\n", name, show.Count(sum.Equal))
	}
	return p.Close(sum, nil, err)
}

// repairOne syncs, from a dump where source is nil, and prints the differences as they are found.
func repairOne(ctx context.Context, o compareOptions, source, target *table.Table, p *show.Differences, s *show.Streams) error {
	if o.dryRun {
		plan, err := o.planRepair(ctx, source, target)
		if err == nil && !s.JSON {
			s.Plan(plan)
		}
		plan.Command = "compare"
		return p.Close(show.DryRun(plan), show.Warnings(plan), err)
	}
	var warnings []string
	progress := s.Progress()
	defer progress.Stop()
	o.copy.Confirm = func(plan table.Plan) error {
		progress.Stop()
		warnings = show.Warnings(plan)
		return s.Confirm(ctx, plan, o.yes)
	}
	o.copy.Watch = progress.Phase
	var broken error
	o.copy.Found = func(d table.Difference) {
		if err := p.Print(d); err != nil && broken == nil {
			broken = err // the repair goes on
		}
	}
	var summary table.Summary
	var err error
	if source == nil {
		summary, err = target.Restore(ctx, o.sourceDump, o.copy)
	} else {
		summary, err = source.Copy(ctx, target, o.copy)
	}
	progress.Stop()
	summary.Command = "compare"
	err = left(summary, o.copy.RunDir, interrupted(ctx, err))
	if err == nil && broken != nil && !errors.Is(broken, syscall.EPIPE) {
		err = fmt.Errorf("write the result: %w", broken)
	}
	n := p.Counts
	if !s.JSON && !s.Quiet && summary.Run != "" {
		s.Say("%s: %s put, %s deleted, %s unchanged; run %s\n", target.Name(), show.Count(summary.Written), show.Count(summary.Deleted), show.Count(summary.Unchanged), summary.Run)
	}
	return p.Close(struct {
		table.Summary
		Equal      int64 `json:"equal"`
		OnlySource int64 `json:"only_source"`
		OnlyTarget int64 `json:"only_target"`
		Differs    int64 `json:"differs"`
	}{summary, summary.Unchanged, n[table.OnlySource], n[table.OnlyTarget] + summary.Extras, n[table.Differs]}, warnings, err)
}

func (o *compareOptions) planRepair(ctx context.Context, source, target *table.Table) (table.Plan, error) {
	if source == nil {
		return target.PlanRestore(ctx, o.sourceDump, o.copy)
	}
	return source.PlanCopy(ctx, target, o.copy)
}
