package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"unicode"

	"github.com/urfave/cli/v2"

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

func compareCommand(s streams) *cli.Command {
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
		}, compareFlags(), repairFlags(), commonFlags(), everyFlags()),
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

func runCompare(ctx context.Context, o compareOptions, s streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.copy.Protected = table.Guard(conf.Protected)
	log := o.display.logger(s)
	if err := o.open(ctx, log, s); err != nil {
		return err
	}
	names, err := o.names(ctx, conf, s)
	if err != nil {
		return err
	}
	if o.targetTable != "" && len(names) > 1 {
		return badUsage("", "--target-table names one table, and %d are to be compared", len(names))
	}
	if isTerminal(s.out) {
		o.display.progress = false // a bar would run into the lines
	}
	defer s.data()()
	if len(names) == 1 {
		return interrupted(ctx, compareOne(ctx, o, names[0], s, "\n", ""))
	}
	var worst error
	failed := 0
	for i, name := range names {
		if o.display.json {
			say(s.out, "%s", []string{`{"command":"compare","tables":[`, ","}[min(i, 1)])
		} else if !o.display.quiet {
			say(s.err, "%s:\n", name)
		}
		err := interrupted(ctx, compareOne(ctx, o, name, s, "", fmt.Sprintf("],\"failed\":%d}\n", failed+1)))
		if err != nil {
			s.report(fmt.Errorf("table %s: %w", name, err))
		}
		worst = worse(worst, err)
		if hasFailed(err) {
			failed++
		}
	}
	if o.display.json {
		say(s.out, "],\"failed\":%d}\n", failed)
	}
	if worst == nil {
		return nil
	}
	return told{worst}
}

// compareOne compares one table and prints what it finds. Behind its object comes end, and if all ends with it, last.
func compareOne(ctx context.Context, o compareOptions, name string, s streams, end, last string) error {
	p := &printer{s: s, json: o.display.json, end: end, last: last}
	p.begin()
	if ctx.Err() != nil {
		return p.close(table.CompareSummary{Command: "compare"}, fmt.Errorf("not begun: %w", context.Cause(ctx)))
	}
	source, target, from, to, err := o.sides(name)
	if err != nil {
		return p.close(table.CompareSummary{Command: "compare"}, err)
	}
	show := newProgress(s, o.display, o.display.logger(s))
	defer show.stop()
	if o.repair {
		return repairOne(ctx, o, from, to, p, show)
	}
	o.compare.Watch = show.phase
	c := table.Compare(source, target, o.compare)
	for d, err := range c.All(ctx) {
		if err != nil {
			show.stop()
			return p.close(c.Summary(), err)
		}
		if err := p.print(d); err != nil {
			if errors.Is(err, syscall.EPIPE) { // whoever read it has seen enough
				return nil
			}
			return fmt.Errorf("write the result: %w", err)
		}
	}
	show.stop()
	sum := c.Summary()
	if !sum.Same() {
		err = &table.Error{Kind: table.Unequal, Err: fmt.Errorf("%s: %s only in the source, %s only in the target, %s differ, %s equal",
			name, count(sum.OnlySource), count(sum.OnlyTarget), count(sum.Differs), count(sum.Equal))}
	} else if !o.display.quiet && !o.display.json {
		say(s.err, "%s: %s items, all equal\n", name, count(sum.Equal))
	}
	return p.close(sum, err)
}

// repairOne syncs, from a dump where source is nil, and prints the differences as they are found.
func repairOne(ctx context.Context, o compareOptions, source, target *table.Table, p *printer, show *progress) error {
	if o.dryRun {
		plan, err := o.planRepair(ctx, source, target)
		if err == nil && !o.display.json {
			describePlan(p.s.err, plan)
		}
		plan.Command, p.warnings, plan.Warnings = "compare", warned(plan), nil
		return p.close(struct {
			table.Plan
			DryRun bool `json:"dry_run"`
		}{plan, true}, err)
	}
	o.copy.Confirm = func(plan table.Plan) error {
		show.stop()
		p.warnings = warned(plan)
		return confirm(ctx, plan, o.yes, o.display, p.s)
	}
	o.copy.Watch = show.phase
	var broken error
	o.copy.Found = func(d table.Difference) {
		if err := p.print(d); err != nil && broken == nil {
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
	show.stop()
	summary.Command = "compare"
	err = left(summary, o.copy.RunDir, interrupted(ctx, err))
	if err == nil && broken != nil && !errors.Is(broken, syscall.EPIPE) {
		err = fmt.Errorf("write the result: %w", broken)
	}
	n := p.counts
	if !p.json && !o.display.quiet && summary.Run != "" {
		say(p.s.err, "%s: %s put, %s deleted, %s unchanged; run %s\n", target.Name(), count(summary.Written), count(summary.Deleted), count(summary.Unchanged), summary.Run)
	}
	return p.close(struct {
		table.Summary
		Equal      int64 `json:"equal"`
		OnlySource int64 `json:"only_source"`
		OnlyTarget int64 `json:"only_target"`
		Differs    int64 `json:"differs"`
	}{summary, summary.Unchanged, n[table.OnlySource], n[table.OnlyTarget] + summary.Extras, n[table.Differs]}, err)
}

func (o *compareOptions) planRepair(ctx context.Context, source, target *table.Table) (table.Plan, error) {
	if source == nil {
		return target.PlanRestore(ctx, o.sourceDump, o.copy)
	}
	return source.PlanCopy(ctx, target, o.copy)
}

// A printer writes differences as they come, as lines or as one JSON object.
type printer struct {
	s      streams
	json   bool
	end    string // what follows the object
	last   string // and what completes the one that it is in
	comma  bool
	counts map[table.DifferenceKind]int64

	warnings []string // of the plan that was carried out
}

func (p *printer) begin() {
	p.counts = map[table.DifferenceKind]int64{}
	if p.json {
		p.s.speak()
		say(p.s.out, `{"differences":[`)
		p.s.mu.Lock()
		p.s.unfinished = func(err error) {
			_ = p.close(table.CompareSummary{Command: "compare"}, err) // the error is said after it, too
			_, _ = io.WriteString(p.s.out, p.last)
		}
		p.s.mu.Unlock()
	}
}

var signs = map[table.DifferenceKind]string{table.OnlySource: "+", table.OnlyTarget: "-", table.Differs: "~"}

func (p *printer) print(d table.Difference) error {
	p.counts[d.Kind]++
	if !p.json {
		line := signs[d.Kind]
		for _, v := range d.Values() {
			line += " " + quotedWhereNeeded(v)
		}
		for i, name := range d.Attributes {
			line += []string{"\t", ","}[min(i, 1)] + quotedWhereNeeded(name)
		}
		_, err := fmt.Fprintln(p.s.out, line)
		return err
	}
	raw, err := json.Marshal(struct {
		Kind       table.DifferenceKind `json:"kind"`
		Key        json.RawMessage      `json:"key"`
		Attributes []string             `json:"attributes,omitempty"`
	}{d.Kind, json.RawMessage(d.Key), d.Attributes})
	if err != nil {
		return err
	}
	text := escaped(string(raw))
	if p.comma {
		text = "," + text
	}
	p.comma = true
	_, err = fmt.Fprint(p.s.out, text)
	return err
}

// close ends the object with the summary's fields, and passes the error on.
func (p *printer) close(summary any, err error) error {
	if !p.json {
		return err
	}
	p.s.mu.Lock()
	warnings := slices.Concat(p.warnings, p.s.warnings)
	p.s.warnings, p.s.unfinished = nil, nil // those of the next table are its own
	p.s.mu.Unlock()
	fields, e := members(summary, extra{warnings, failureOf(err)})
	if e != nil {
		return e
	}
	if _, e := fmt.Fprintf(p.s.out, "],%s%s", fields[1:], p.end); e != nil && err == nil {
		return fmt.Errorf("write the result: %w", e)
	}
	return err
}

// quotedWhereNeeded puts a text in JSON quotes if it could be taken for more,
// or less, than one word.
func quotedWhereNeeded(text string) string {
	plain := text != "" && text[0] != '"'
	for _, c := range text {
		if unicode.IsSpace(c) || c == ',' || visible(string(c)) != string(c) {
			plain = false
		}
	}
	if plain {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return escaped(string(quoted))
}
