package show

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
)

// A Result is something that a command has to say. A row is a line of cells,
// which stand below those of its neighbours; a row of one cell is just a line.
type Result interface {
	JSON() any        // an object
	Rows() [][]string // nil where people are told nothing
}

// An Outcome is how a command ended for one table.
type Outcome struct {
	Name     string   // the table
	Result   Result   // nil where nothing but the name is known
	Err      error    // nil for a good end
	Warnings []string // for the object
	tell     bool     // people have not read them in a plan
}

// named is the object of an outcome without a result.
type named struct {
	Command string `json:"command"`
	Table   string `json:"table,omitempty"`
}

func (o Outcome) about(command string) any {
	if o.Result == nil {
		return named{command, o.Name}
	}
	return o.Result.JSON()
}

func (o Outcome) rows() [][]string {
	if o.Result == nil {
		return nil
	}
	return o.Result.Rows()
}

// Show prints a result that is about no one table, or the only one.
func (s *Streams) Show(r Result) error {
	if s.JSON {
		return s.Object(r.JSON(), nil, nil)
	}
	if err := printRows(s.Out, r.Rows()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Results prints what came of all tables and returns the worst error.
func (s *Streams) Results(command string, list []Outcome) error {
	return s.ResultsTo(s.Out, command, list)
}

// ResultsTo is Results, for people, on another stream.
func (s *Streams) ResultsTo(out io.Writer, command string, list []Outcome) error {
	s.addToPage(page(command, list))
	var worst error
	for _, o := range list {
		worst = Worse(worst, o.Err)
		for _, warning := range o.Warnings {
			if o.tell {
				s.noteOf(o.Name, warning)
			}
		}
	}
	if err := s.print(out, command, list, worst); err != nil && worst == nil {
		return err
	}
	if len(list) == 1 || worst == nil {
		return worst
	}
	for _, o := range list {
		if o.Err != nil {
			s.Report(fmt.Errorf("table %s: %w", o.Name, o.Err))
		}
	}
	return Reported{worst}
}

// print prints the one object, or all rows.
func (s *Streams) print(out io.Writer, command string, list []Outcome, worst error) error {
	if s.JSON && len(list) == 1 {
		return s.Object(list[0].about(command), list[0].Warnings, worst)
	}
	if s.JSON {
		return s.many(command, list)
	}
	for _, o := range list {
		if err := printRows(out, o.rows()); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return nil
}

// many prints the object of several tables.
func (s *Streams) many(command string, list []Outcome) error {
	all := struct {
		Command string            `json:"command"`
		Tables  []json.RawMessage `json:"tables"`
		Failed  int               `json:"failed"`
	}{Command: command}
	for _, o := range list {
		raw, err := members(o.about(command), extra{o.Warnings, failureOf(o.Err)})
		if err != nil {
			return err
		}
		all.Tables = append(all.Tables, raw)
		if Failed(o.Err) {
			all.Failed++
		}
	}
	return s.Object(all, nil, nil)
}

// noteOf tells of a surprise with a table.
func (s *Streams) noteOf(table, note string) {
	switch {
	case s.JSON:
		slog.New(s.handler()).Warn(note, "table", table) // its object has it already
	case !s.Quiet:
		s.Say("note: %s: %s\n", table, note)
	}
}

// printRows prints rows for people.
func printRows(w io.Writer, rows [][]string) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Visible(cell)
		}
		if _, err := fmt.Fprintln(tab, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return tab.Flush()
}

// lines are rows of a name and a text.
type lines [][]string

func (l *lines) add(name, format string, args ...any) {
	*l = append(*l, []string{name, fmt.Sprintf(format, args...)})
}

// number adds a number that is not 0.
func (l *lines) number(name string, n int64) {
	if n != 0 {
		l.add(name, "%s", Count(n))
	}
}
