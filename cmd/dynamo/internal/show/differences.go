package show

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode"

	"github.com/dynamo-cmdline/dynamo/table"
)

// Differences are written as they come: as lines, or as one JSON object.
type Differences struct {
	Counts map[table.DifferenceKind]int64 // of those printed

	s     *Streams
	end   string // what follows the object
	last  string // and what completes the one that it is in
	comma bool
}

// Differences begins those of one table. Behind their object comes end and, if all ends with it, last.
func (s *Streams) Differences(end, last string) *Differences {
	d := &Differences{s: s, end: end, last: last, Counts: map[table.DifferenceKind]int64{}}
	if s.JSON {
		s.speak()
		Say(s.Out, `{"differences":[`)
		s.mu.Lock()
		s.unfinished = func(err error) {
			_ = d.Close(table.CompareSummary{Command: "compare"}, nil, err) // the error is said after it, too
			_, _ = io.WriteString(s.Out, d.last)
		}
		s.mu.Unlock()
	}
	return d
}

var signs = map[table.DifferenceKind]string{table.OnlySource: "+", table.OnlyTarget: "-", table.Differs: "~"}

// Print writes one.
func (d *Differences) Print(one table.Difference) error {
	d.Counts[one.Kind]++
	if !d.s.JSON {
		line := signs[one.Kind]
		for _, v := range one.Values() {
			line += " " + quotedWhereNeeded(v)
		}
		for i, name := range one.Attributes {
			line += []string{"\t", ","}[min(i, 1)] + quotedWhereNeeded(name)
		}
		_, err := fmt.Fprintln(d.s.Out, line)
		return err
	}
	raw, err := json.Marshal(struct {
		Kind       table.DifferenceKind `json:"kind"`
		Key        json.RawMessage      `json:"key"`
		Attributes []string             `json:"attributes,omitempty"`
	}{one.Kind, json.RawMessage(one.Key), one.Attributes})
	if err != nil {
		return err
	}
	text := escaped(string(raw))
	if d.comma {
		text = "," + text
	}
	d.comma = true
	_, err = fmt.Fprint(d.s.Out, text)
	return err
}

// Close ends the object with the summary's fields and the warnings, and passes the error on.
func (d *Differences) Close(summary any, warnings []string, err error) error {
	if !d.s.JSON {
		return err
	}
	d.s.mu.Lock()
	warnings = slices.Concat(warnings, d.s.warnings)
	d.s.warnings, d.s.unfinished = nil, nil // those of the next table are its own
	d.s.mu.Unlock()
	fields, e := members(summary, extra{warnings, failureOf(err)})
	if e != nil {
		return e
	}
	if _, e := fmt.Fprintf(d.s.Out, "],%s%s", fields[1:], d.end); e != nil && err == nil {
		return fmt.Errorf("write the result: %w", e)
	}
	return err
}

// quotedWhereNeeded puts a text in JSON quotes if it could be taken for more,
// or less, than one word.
func quotedWhereNeeded(text string) string {
	plain := text != "" && text[0] != '"'
	for _, c := range text {
		if unicode.IsSpace(c) || c == ',' || Visible(string(c)) != string(c) {
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
