package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/query"
)

// A slice is the part of a table that a query selects. Both tables are read
// through the same query.

// joined reports whether the copy reads both tables.
func (o CopyOptions) joined() bool { return o.Mode == Sync || o.sliced() }

// sliced reports whether only what is under a key is copied.
func (o CopyOptions) sliced() bool { return o.Slice != nil && !o.Slice.All }

// keepsExtras reports whether what only the target has stays: always in a merge, and
// where a filter hides what the source has.
func (o CopyOptions) keepsExtras() bool {
	return o.Mode == Merge || filtered(o.Slice)
}

// filtered reports whether the slice is without what a filter hides.
func filtered(q *query.Query) bool { return q != nil && q.Filter != "" }

// checkSlice holds the slice against both tables. The errors are an [*Error] of kind [Usage].
func checkSlice(q *query.Query, tables ...Description) error {
	if q == nil {
		return nil
	}
	for _, d := range tables {
		if _, err := q.Compile(queryTable(d)); err != nil {
			return queryError(err)
		}
	}
	return nil
}

// part makes a source of the table, or of the slice of it.
func (t *Table) part(d Description, q *query.Query, o scanOptions) (copier.Source, error) {
	if q == nil {
		return t.reader(d, o), nil
	}
	slice := *q
	slice.Eventual = o.eventual
	s, err := slice.Compile(queryTable(d))
	if err != nil {
		return nil, queryError(err)
	}
	if s.Whole && (s.Index == "" || local(d, s.Index)) {
		return t.selected(d, s, o.segments, o.side), nil
	}
	// What a global index shows is a little old, and other indexes do not show all: that there are such items.
	slice.KeysOnly, slice.Attributes = false, s.Keys
	if slice.Filter != "" {
		slice.Attributes = nil // what the filter has seen is of interest
	}
	if s, err = slice.Compile(queryTable(d)); err != nil {
		return nil, queryError(err)
	}
	return &fetched{
		keys: t.selected(d, s, o.segments, o.side), getter: t.getter(d, o.side), table: t, about: d, side: o.side,
		slice: slice, selection: s, at: make([]fetching, max(1, o.segments)),
	}, nil
}

func local(d Description, index string) bool {
	return slices.ContainsFunc(d.Indexes, func(i Index) bool { return i.Name == index && i.Local })
}

// sliceText says a slice in words.
func sliceText(q *query.Query) string {
	if q == nil {
		return ""
	}
	var parts []string
	for _, p := range []struct{ name, value string }{{"pk", q.Partition}, {"sk", q.Sort}, {"index", q.Index}, {"filter", q.Filter}} {
		if p.value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", p.name, p.value))
		}
	}
	return strings.Join(parts, ", ")
}
