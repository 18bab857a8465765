package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

var (
	errUnconfirmed = errors.New("not confirmed: there is no terminal to ask on, and no --yes; nothing was changed")
	errDeclined    = errors.New("not confirmed; nothing was changed")
)

// A display says how a command tells what it does.
type display struct{ json, quiet, verbose, progress bool }

// logger writes to stderr what is not the result: JSON lines with --json, else
// plain ones.
func (d display) logger(s streams) *slog.Logger {
	level := slog.LevelInfo
	switch {
	case d.verbose:
		level = slog.LevelDebug
	case d.quiet:
		level = slog.LevelError
	}
	options := &slog.HandlerOptions{Level: level}
	if d.json {
		return slog.New(collector{slog.NewJSONHandler(lines{s.err, true}, options), s.voice})
	}
	return slog.New(slog.NewTextHandler(lines{s.err, false}, options))
}

// A result is what came of one table.
type result struct {
	name    string
	summary *table.Summary
	plan    *table.Plan
	err     error

	warnings []string // of the plan that was carried out
}

func (r result) with(err error) result { r.err = err; return r }

// named is the object of a result of which nothing else is known.
type named struct {
	Command string `json:"command"`
	Table   string `json:"table,omitempty"`
}

// object is what the result is about as CLI.md's JSON, and what a person would be warned of.
func (r result) object(command string) (about any, warnings []string) {
	m := r.summary
	switch {
	case r.plan != nil && r.err == nil:
		plan := *r.plan
		plan.Warnings = nil
		if plan.Source.Account == "" {
			return onePlan{Plan: &plan, DryRun: true}, warned(*r.plan)
		}
		return struct {
			*table.Plan
			DryRun bool `json:"dry_run"`
		}{&plan, true}, warned(*r.plan)
	case m == nil || m.Target.Account == "":
	case m.Command == "truncate":
		return truncateSummary{Summary: m}, r.warnings
	case m.Command == "undo":
		return undoSummary{Summary: m}, r.warnings
	case m.Source.Account != "" || m.Source.Path != "":
		return m, r.warnings
	}
	return named{command, r.name}, r.warnings
}

// manyTables is the object of several tables.
type manyTables struct {
	Command string            `json:"command"`
	Tables  []json.RawMessage `json:"tables"`
	Failed  int               `json:"failed"`
}

// results prints what came of all tables and returns the worst error.
func (d display) results(s streams, command string, list []result) error {
	d.addToPage(s, stepSummary(command, list))
	var worst error
	all := manyTables{Command: command}
	for _, r := range list {
		worst = worse(worst, r.err)
		if hasFailed(r.err) {
			all.Failed++
		}
	}
	if d.json {
		if len(list) == 1 {
			about, warnings := list[0].object(command)
			return s.object(about, warnings, worst)
		}
		for _, r := range list {
			about, warnings := r.object(command)
			raw, err := members(about, extra{warnings, failureOf(r.err)})
			if err != nil {
				return err
			}
			all.Tables = append(all.Tables, raw)
		}
		if err := s.object(all, nil, nil); err != nil {
			return worse(worst, err)
		}
	} else {
		for _, r := range list {
			if err := r.print(s.out); err != nil && worst == nil {
				return fmt.Errorf("write the result: %w", err)
			}
		}
	}
	if len(list) == 1 || worst == nil {
		return worst
	}
	for _, r := range list {
		if r.err != nil {
			s.report(fmt.Errorf("table %s: %w", r.name, r.err))
		}
	}
	return told{worst}
}

// rows are a summary's lines, for the terminal and for the job's page.
func rows(m *table.Summary) [][2]string {
	var list [][2]string
	add := func(name string, n int64) {
		if n != 0 {
			list = append(list, [2]string{name, count(n)})
		}
	}
	switch {
	case m.Command == "truncate":
		list = append(list, [2]string{"table", m.Target.String()}, [2]string{"deleted", count(m.Deleted)})
	case m.Command == "undo":
		list = append(list, [2]string{"table", m.Target.String()}, [2]string{"undone run", m.Undoes},
			[2]string{"put back", count(m.Written)}, [2]string{"removed", count(m.Deleted)}, [2]string{"unchanged", count(m.Unchanged)})
	case m.Command == "restore" && m.Mode == "": // to a new table, by AWS
		list = append(list, [2]string{"source", m.Source.String()}, [2]string{"target", m.Target.String()})
		return append(append(list, settingRows(m)...), [2]string{"time", fmt.Sprintf("%.1f s", m.Seconds)}, [2]string{"run", m.Run})
	default:
		list = append(list, [2]string{"source", m.Source.String()}, [2]string{"target", m.Target.String()},
			[2]string{"read", count(m.Read)}, [2]string{"written", count(m.Written)})
		if m.Mode != table.Sync && m.Slice == "" {
			add("deleted before", m.Deleted)
			break
		}
		list = append(list, [2]string{"unchanged", count(m.Unchanged)})
		add("deleted", m.Deleted)
		add("not deleted", m.Extras)
	}
	done := m.Written + m.Unchanged
	if m.Mode == "" {
		done += m.Deleted
	}
	add("skipped", m.Skipped)
	add("rejected", m.Rejected)
	add("throttled", m.Throttled)
	add("retried", m.Retried)
	list = append(list,
		[2]string{"units", fmt.Sprintf("%s read, %s written", count(int64(m.ReadUnits)), count(int64(m.WriteUnits)))},
		[2]string{"time", fmt.Sprintf("%.1f s, %s items/s, %s", m.Seconds, count(int64(float64(done)/max(m.Seconds, 1e-9))), size(m.Bytes))})
	if m.Verified != nil && *m.Verified {
		text := "the tables are equal"
		if m.Expired > 0 {
			text += ", but for " + count(m.Expired) + " items that have expired"
		}
		list = append(list, [2]string{"verified", text})
	}
	if m.Journal != "" {
		list = append(list, [2]string{"journal", m.Journal + ", " + size(m.JournalSize)})
	}
	for _, reason := range slices.Sorted(maps.Keys(m.Reasons)) {
		list = append(list, [2]string{"throttled by", reason + ", " + count(m.Reasons[reason])})
	}
	list = append(list, settingRows(m)...)
	for _, row := range [][2]string{{"temporary table", m.Temporary}, {"backup", m.Backup}, {"dead letters", m.DeadLetters}, {"run", m.Run}} {
		if row[1] != "" {
			list = append(list, row)
		}
	}
	return list
}

func (r result) print(w io.Writer) error {
	if r.plan != nil && r.err == nil {
		describePlan(w, *r.plan)
		say(w, "Dry run: nothing was changed.\n")
		return nil
	}
	if r.summary == nil || r.summary.Read+r.summary.Written+r.summary.Deleted+r.summary.Rejected == 0 && r.err != nil {
		return nil
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	title := map[string]string{"truncate": "truncated", "undo": "undone", "restore": "restored"}[r.summary.Command]
	if title == "" {
		title = "copied"
	}
	if r.err != nil {
		title = "not finished"
	}
	what := string(r.summary.Mode)
	if what == "" {
		what = r.summary.Command
	}
	say(tab, "%s\t%s (%s)\n", title, r.name, what)
	for _, row := range rows(r.summary) {
		say(tab, "%s\t%s\n", row[0], row[1])
	}
	return tab.Flush()
}

// describePlan shows what a run is about to do.
func describePlan(w io.Writer, p table.Plan) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer tab.Flush() //nolint:errcheck // like say
	switch p.Command {
	case "truncate":
		describeTruncate(tab, p)
	case "undo":
		describeUndo(tab, p)
	case "restore":
		describeRestore(tab, p)
	default:
		describeCopy(tab, p)
	}
	for _, warning := range p.Warnings {
		say(tab, "note\t%s\n", warning)
	}
}

// emptying says of a plan that deletes everything that it does, and how much that is; "" of others.
func emptying(p table.Plan) string {
	n, of, why := p.TargetItems, "the target", ""
	switch {
	case p.Command == "truncate":
		of = "the table"
		if p.Estimate != nil {
			n = p.Items
		}
	case p.Deletes:
	case p.Joined && !p.Keeps && p.Slice == "" && p.SourceItems == 0 && n > 0:
		why = "the source has no items, as AWS last counted: "
		if p.Source.Path != "" {
			why = "the dump has no items: "
		}
	default:
		return ""
	}
	if n == 0 { // AWS counts every six hours
		return why + "deletes ALL items of " + of
	}
	return fmt.Sprintf("%sdeletes ALL %s items of %s", why, count(n), of)
}

// warned are the warnings of a plan, for the JSON: there the rows that a person reads are numbers.
func warned(p table.Plan) []string {
	if text := emptying(p); text != "" {
		return append(slices.Clone(p.Warnings), text)
	}
	return p.Warnings
}

func describeCopy(tab io.Writer, p table.Plan) {
	say(tab, "source\t%s\n", p.Source.String())
	if p.Slice == "" {
		say(tab, "\tabout %s items, %s\n", count(p.SourceItems), size(p.SourceBytes))
	}
	describeCredentials(tab, p.Source)
	say(tab, "target\t%s\n", p.Target.String())
	if p.Slice == "" {
		say(tab, "\tabout %s items, %s\n", count(p.TargetItems), size(p.TargetBytes))
	}
	describeCredentials(tab, p.Target)
	if p.Slice != "" {
		say(tab, "slice\t%s\n", p.Slice)
	}
	if p.Resumes != "" {
		say(tab, "run\t%s is gone on with\n", p.Resumes)
	}
	switch {
	case p.Resumes != "" && p.Mode == table.Replace && !p.Deletes:
		say(tab, "mode\treplace: the target was emptied, the rest of the source's items are put\n")
	case p.Joined && p.Keeps:
		say(tab, "mode\t%s: what differs is put, nothing is deleted\n", p.Mode)
	case p.Joined && emptying(p) != "":
		say(tab, "mode\t%s: %s\n", p.Mode, emptying(p))
	case p.Joined:
		say(tab, "mode\t%s: what differs is put, what the source lacks is deleted from the target, last of all\n", p.Mode)
	case p.Deletes:
		say(tab, "mode\treplace: %s, then puts the source's\n", emptying(p))
	default:
		say(tab, "mode\tmerge: the source's items are put over the target's, nothing is deleted\n")
	}
	describeBudgets(tab, p)
	if p.Journal {
		say(tab, "undo\tthe old image of each item is kept in the run's journal\n")
	}
	switch {
	case !p.Backup && (p.Resumes != "" || p.Journal):
	case p.Backup:
		say(tab, "undo\tan AWS backup of the target is made first, and waited for\n")
	default:
		say(tab, "undo\tNO backup: what is overwritten or deleted is gone\n")
	}
}

// describeCredentials says when credentials end, where they tell.
func describeCredentials(w io.Writer, d table.Description) {
	if !d.Expires.IsZero() {
		say(w, "\tcredentials until %s, %s from now\n", d.Expires.Local().Format("2006-01-02 15:04"), time.Until(d.Expires).Round(time.Minute))
	}
}

func describeBudgets(w io.Writer, p table.Plan) {
	for _, budget := range []struct {
		units float64
		what  string
	}{{p.ReadUnits, "read units of the source"}, {p.TargetReadUnits, "read units of the target"}, {p.WriteUnits, "write units of the target"}} {
		if budget.units > 0 {
			say(w, "budget\tat most %g %s per second\n", budget.units, budget.what)
		}
	}
}

// count writes a number with its thousands apart.
func count(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// size writes bytes as people read them.
func size(n int64) string {
	for _, u := range []struct {
		unit int64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.unit {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
