package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

// Planned is the outcome of a dry run.
func Planned(name string, p table.Plan, err error) Outcome {
	if err != nil {
		return Outcome{Name: name, Err: err}
	}
	return Outcome{Name: name, Result: dryRun{p}, Warnings: Warnings(p)}
}

// Plan shows people what a run is about to do.
func (s *Streams) Plan(p table.Plan) { _ = printRows(s.Err, planRows(p)) }

// DryRun is the object of a plan that is not carried out.
func DryRun(p table.Plan) any { return dryRun{p}.JSON() }

// Warnings are those of a plan, for the JSON: there the rows that a person reads are numbers.
func Warnings(p table.Plan) []string {
	if text := emptying(p); text != "" {
		return append(slices.Clone(p.Warnings), text)
	}
	return p.Warnings
}

// A dryRun is a plan that is not carried out.
type dryRun struct{ table.Plan }

func (d dryRun) JSON() any {
	p := d.Plan
	p.Warnings = nil // they are the outcome's
	if p.Source.Account == "" {
		return onePlan{Plan: &p, DryRun: true}
	}
	return struct {
		*table.Plan
		DryRun bool `json:"dry_run"`
	}{&p, true}
}

// onePlan is the plan of a verb with one side as JSON. What it has of a source means nothing there, and is hidden.
type onePlan struct {
	*table.Plan
	SourceItems *int64 `json:"source_items,omitempty"`
	SourceBytes *int64 `json:"source_bytes,omitempty"`
	DryRun      bool   `json:"dry_run"`
}

func (d dryRun) Rows() [][]string {
	return append(planRows(d.Plan), []string{"Dry run: nothing was changed."})
}

// planRows show what a run is about to do.
func planRows(p table.Plan) [][]string {
	var rows lines
	switch {
	case p.Command == "truncate":
		rows = truncateRows(p)
	case p.Command == "undo":
		rows = undoRows(p)
	case p.Creates:
		rows = newTableRows(p)
	default:
		rows = copyRows(p)
	}
	for _, warning := range p.Warnings {
		rows.add("note", "%s", warning)
	}
	return rows
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
	return fmt.Sprintf("%sdeletes ALL %s items of %s", why, Count(n), of)
}

func copyRows(p table.Plan) lines {
	var rows lines
	rows.add("source", "%s", p.Source)
	if p.Slice == "" {
		rows.add("", "about %s items, %s", Count(p.SourceItems), Size(p.SourceBytes))
	}
	rows.credentials(p.Source)
	rows.add("target", "%s", p.Target)
	if p.Slice == "" {
		rows.add("", "about %s items, %s", Count(p.TargetItems), Size(p.TargetBytes))
	}
	rows.credentials(p.Target)
	if p.Slice != "" {
		rows.add("slice", "%s", p.Slice)
	}
	rows.resumes(p)
	switch {
	case p.Resumes != "" && p.Mode == table.Replace && !p.Deletes:
		rows.add("mode", "replace: the target was emptied, the rest of the source's items are put")
	case p.Joined && p.Keeps:
		rows.add("mode", "%s: what differs is put, nothing is deleted", p.Mode)
	case p.Joined && emptying(p) != "":
		rows.add("mode", "%s: %s", p.Mode, emptying(p))
	case p.Joined:
		rows.add("mode", "%s: what differs is put, what the source lacks is deleted from the target, last of all", p.Mode)
	case p.Deletes:
		rows.add("mode", "replace: %s, then puts the source's", emptying(p))
	default:
		rows.add("mode", "merge: the source's items are put over the target's, nothing is deleted")
	}
	rows.budgets(p)
	if p.Journal {
		rows.add("undo", "the old image of each item is kept in the run's journal")
	}
	switch {
	case !p.Backup && (p.Resumes != "" || p.Journal):
	case p.Backup:
		rows.add("undo", "an AWS backup of the target is made first, and waited for")
	default:
		rows.add("undo", "NO backup: what is overwritten or deleted is gone")
	}
	if p.Temporary != "" {
		rows.add("beside", "AWS restores to the temporary table %s first, which is deleted in the end", p.Temporary)
	}
	return rows
}

func truncateRows(p table.Plan) lines {
	var rows lines
	rows.add("table", "%s", p.Target)
	if e := p.Estimate; e != nil {
		rows.add("", "%s items, just counted, about %s", Count(e.Items), Size(e.Bytes))
		cost := "about " + Count(int64(e.WriteUnits)) + " write request units"
		if e.Basis != "" {
			cost += ": " + e.Basis
		}
		rows.add("cost", "%s", cost)
	} else {
		rows.add("", "about %s items, %s", Count(p.TargetItems), Size(p.TargetBytes))
	}
	rows.credentials(p.Target)
	rows.resumes(p)
	rows.add("truncate", "%s; the table and its settings stay", emptying(p))
	rows.budgets(p)
	switch {
	case p.Backup:
		rows.add("undo", "an AWS backup of the table is made first, and waited for")
	case p.Resumes == "":
		rows.add("undo", "NO backup: what is deleted is gone")
	}
	return rows
}

func undoRows(p table.Plan) lines {
	var rows lines
	rows.add("table", "%s", p.Target)
	rows.add("", "about %s items, %s", Count(p.TargetItems), Size(p.TargetBytes))
	rows.resumes(p)
	u := p.UndoPlan
	rows.add("undo run", "%s: by its journal it changed or deleted %s items, and added %s", u.Undoes, Count(u.Keys-u.Added), Count(u.Added))
	if u.Written+u.Deleted+u.Unchanged+u.Rejected > 0 {
		rows.add("", "%s are put back, %s removed, %s are what they were, %s have changed since",
			Count(u.Written), Count(u.Deleted), Count(u.Unchanged), Count(u.Rejected))
	}
	if u.Force {
		rows.add("force", "what has changed since is put back or removed all the same")
	} else {
		rows.add("", "an item that has changed since is left alone")
	}
	rows.budgets(p)
	rows.add("undo", "the old image of each item is kept in this run's own journal")
	return rows
}

// newTableRows are of a restore to a table that is not there yet.
func newTableRows(p table.Plan) lines {
	var rows lines
	rows.add("source", "%s", p.Source)
	rows.add("", "about %s items, %s", Count(p.SourceItems), Size(p.SourceBytes))
	place := p.Target.Table
	if p.Target.Account != "" {
		place += " in account " + p.Target.Account
	}
	place += ", " + p.Target.Region
	if p.Target.Profile != "" {
		place += ", profile " + p.Target.Profile
	}
	rows.add("new table", "%s", place)
	rows.resumes(p)
	if p.Resumes != "" {
		return rows
	}
	settings := "none that AWS drops"
	if len(p.PutsBack) > 0 {
		settings = strings.Join(p.PutsBack, ", ")
	}
	rows.add("settings", "%s", settings)
	return rows
}

func (l *lines) resumes(p table.Plan) {
	if p.Resumes != "" {
		l.add("run", "%s is gone on with", p.Resumes)
	}
}

// credentials says when credentials end, where they tell.
func (l *lines) credentials(d table.Description) {
	if !d.Expires.IsZero() {
		l.add("", "credentials until %s, %s from now", d.Expires.Local().Format("2006-01-02 15:04"), time.Until(d.Expires).Round(time.Minute))
	}
}

func (l *lines) budgets(p table.Plan) {
	for _, budget := range []struct {
		units float64
		what  string
	}{{p.ReadUnits, "read units of the source"}, {p.TargetReadUnits, "read units of the target"}, {p.WriteUnits, "write units of the target"}} {
		if budget.units > 0 {
			l.add("budget", "at most %g %s per second", budget.units, budget.what)
		}
	}
}
