package show

import (
	"fmt"

	"github.com/dynamo-cmdline/dynamo/scaling"
	"github.com/dynamo-cmdline/dynamo/table"
)

// A Scaled is what came of scaling one table: of Plan, Summary and Saved the one that is not nil.
type Scaled struct {
	Name    string
	Plan    *table.ScalePlan // of a dry run
	Summary *table.ScaleSummary
	Saved   *table.SavedScaling // where it was read to be saved
	Profile string              // that read it
	File    string              // it was saved to; "" for none
	Err     error
}

// Outcome is the result, to be printed.
func (r Scaled) Outcome() Outcome {
	o := Outcome{Name: r.Name, Err: r.Err, tell: true}
	switch {
	case r.Plan != nil:
		o.Warnings = r.Plan.Notes
	case r.Summary != nil:
		o.Warnings = r.Summary.Notes
	}
	if r.Summary != nil && r.Summary.Target.Account != "" || r.Err == nil {
		o.Result = r
	}
	return o
}

// JSON is the result as CLI.md has it.
func (r Scaled) JSON() any {
	type savedTo struct {
		*table.ScaleSummary
		Saved string `json:"saved,omitempty"`
	}
	switch {
	case r.Plan != nil:
		return struct {
			*table.ScalePlan
			Saved  string `json:"saved,omitempty"`
			DryRun bool   `json:"dry_run"`
		}{r.Plan, r.File, true}
	case r.Summary != nil:
		return savedTo{r.Summary, r.File}
	}
	t := r.Saved
	return savedTo{&table.ScaleSummary{
		Command: "scale", Table: t.Table, Before: t.State, After: t.State, Steps: []scaling.Step{},
		Target: table.Description{Profile: r.Profile, Account: t.Account, Region: t.Region, Table: t.Table},
	}, r.File}
}

// Rows are one line, and of a dry run the steps.
func (r Scaled) Rows() [][]string {
	if r.Err != nil {
		return nil
	}
	rows := [][]string{{r.Name + ": " + r.line()}}
	if r.Plan == nil {
		return rows
	}
	rows = append(rows, []string{"  " + r.Plan.Target.String()})
	for _, step := range r.Plan.Steps {
		rows = append(rows, []string{"  " + step.String()})
	}
	return append(rows, []string{"Dry run: nothing was changed."})
}

func (r Scaled) line() string {
	switch {
	case r.Plan != nil && len(r.Plan.Steps) == 0:
		return "nothing to do: " + r.Plan.Before.String()
	case r.Plan != nil:
		return fmt.Sprintf("%d steps would make it %s; it is %s", len(r.Plan.Steps), r.Plan.After, r.Plan.Before)
	case r.Summary != nil && !r.Summary.Changed:
		return "nothing to do: " + r.Summary.After.String()
	case r.Summary != nil:
		return fmt.Sprintf("now %s; before %s; kept in %s", r.Summary.After, r.Summary.Before, r.Summary.Record)
	case r.File == "":
		return fmt.Sprintf("it would be saved: %s", r.Saved.State)
	}
	return fmt.Sprintf("saved to %s: %s", r.File, r.Saved.State)
}
