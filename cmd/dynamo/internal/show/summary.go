package show

import (
	"maps"
	"slices"

	"github.com/dynamo-cmdline/dynamo/table"
)

// Done is the outcome of a run, and the warnings of the plan that it carried out.
func Done(name string, m table.Summary, warnings []string, err error) Outcome {
	if name == "" {
		name = m.Target.Table
		if m.Command == "copy" {
			name = m.Source.Table
		}
	}
	o := Outcome{Name: name, Err: err, Warnings: warnings}
	if m.Target.Account != "" {
		o.Result = summary{name, m, err}
	}
	return o
}

// A summary is what a run has done.
type summary struct {
	name string
	m    table.Summary
	err  error
}

func (s summary) JSON() any {
	m := &s.m
	switch {
	case m.Command == "truncate":
		return truncateSummary{Summary: m}
	case m.Command == "undo":
		return undoSummary{Summary: m}
	case m.Source.Account != "" || m.Source.Path != "":
		return m
	}
	return named{m.Command, s.name}
}

// truncateSummary is the summary of a truncate as JSON, which reads and puts nothing.
type truncateSummary struct {
	*table.Summary
	Read      *int64 `json:"read,omitempty"`
	Written   *int64 `json:"written,omitempty"`
	Unchanged *int64 `json:"unchanged,omitempty"`
	Skipped   *int64 `json:"skipped,omitempty"`
	Bytes     *int64 `json:"bytes,omitempty"`
}

// undoSummary is the summary of an undo as JSON. What it has of a source means nothing there, and is hidden.
type undoSummary struct {
	*table.Summary
	Read    *int64 `json:"read,omitempty"`
	Skipped *int64 `json:"skipped,omitempty"`
}

func (s summary) Rows() [][]string {
	m := s.m
	if s.err != nil && m.Read+m.Written+m.Deleted+m.Rejected == 0 {
		return nil
	}
	title := map[string]string{"truncate": "truncated", "undo": "undone", "restore": "restored"}[m.Command]
	if title == "" {
		title = "copied"
	}
	if s.err != nil {
		title = "not finished"
	}
	what := string(m.Mode)
	if what == "" {
		what = m.Command
	}
	rows := lines{{title, s.name + " (" + what + ")"}}
	return append(rows, s.body()...)
}

// body are the rows below the title.
func (s summary) body() [][]string {
	m := s.m
	var rows lines
	switch {
	case m.Command == "truncate":
		rows.add("table", "%s", m.Target)
		rows.add("deleted", "%s", Count(m.Deleted))
	case m.Command == "undo":
		rows.add("table", "%s", m.Target)
		rows.add("undone run", "%s", m.Undoes)
		rows.add("put back", "%s", Count(m.Written))
		rows.add("removed", "%s", Count(m.Deleted))
		rows.add("unchanged", "%s", Count(m.Unchanged))
	case m.Command == "restore" && m.Mode == "": // to a new table, by AWS
		rows.add("source", "%s", m.Source)
		rows.add("target", "%s", m.Target)
		rows = append(rows, settingRows(m)...)
		rows.add("time", "%.1f s", m.Seconds)
		rows.add("run", "%s", m.Run)
		return rows
	default:
		rows.add("source", "%s", m.Source)
		rows.add("target", "%s", m.Target)
		rows.add("read", "%s", Count(m.Read))
		rows.add("written", "%s", Count(m.Written))
		if m.Mode != table.Sync && m.Slice == "" {
			rows.number("deleted before", m.Deleted)
			break
		}
		rows.add("unchanged", "%s", Count(m.Unchanged))
		rows.number("deleted", m.Deleted)
		rows.number("not deleted", m.Extras)
	}
	return append(append(rows, costRows(m)...), keptRows(m)...)
}

// costRows say what a run took.
func costRows(m table.Summary) [][]string {
	done := m.Written + m.Unchanged
	if m.Mode == "" {
		done += m.Deleted
	}
	var rows lines
	rows.number("skipped", m.Skipped)
	rows.number("rejected", m.Rejected)
	rows.number("throttled", m.Throttled)
	rows.number("retried", m.Retried)
	rows.add("units", "%s read, %s written", Count(int64(m.ReadUnits)), Count(int64(m.WriteUnits)))
	rows.add("time", "%.1f s, %s items/s, %s", m.Seconds, Count(int64(float64(done)/max(m.Seconds, 1e-9))), Size(m.Bytes))
	return rows
}

// keptRows say what is to be known afterwards, and where it is.
func keptRows(m table.Summary) [][]string {
	var rows lines
	if m.Verified != nil && *m.Verified {
		text := "the tables are equal"
		if m.Expired > 0 {
			text += ", but for " + Count(m.Expired) + " items that have expired"
		}
		rows.add("verified", "%s", text)
	}
	if m.Journal != "" {
		rows.add("journal", "%s, %s", m.Journal, Size(m.JournalSize))
	}
	for _, reason := range slices.Sorted(maps.Keys(m.Reasons)) {
		rows.add("throttled by", "%s, %s", reason, Count(m.Reasons[reason]))
	}
	rows = append(rows, settingRows(m)...)
	for _, row := range [][]string{{"temporary table", m.Temporary}, {"backup", m.Backup}, {"dead letters", m.DeadLetters}, {"run", m.Run}} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// settingRows are about what a new table has not got.
func settingRows(m table.Summary) [][]string {
	var rows lines
	for _, what := range m.NotPutBack {
		rows.add("not put back", "%s", what)
	}
	return rows
}
