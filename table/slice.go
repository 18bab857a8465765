package table

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/item"
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
	keys := slice
	switch keys.KeysOnly, keys.Attributes = false, s.Keys; {
	case s.Unseen: // the filter is the table's to apply
		keys.Filter, keys.Names, keys.Values = "", nil, nil
	case slice.Filter != "":
		keys.Attributes = nil // what the filter has seen is of interest
	}
	unseen := s.Unseen
	if s, err = keys.Compile(queryTable(d)); err != nil {
		return nil, queryError(err)
	}
	return &fetched{
		keys: t.selected(d, s, o.segments, o.side), getter: t.getter(d, o.side), table: t, about: d, side: o.side,
		slice: slice, unseen: unseen, selection: s, at: make([]fetching, max(1, o.segments)),
	}, nil
}

// shown is what a join is to ask whether the slice's filter lets an item through; nil where it has none.
func shown(from origin, d Description, q *query.Query, side string) func(key []byte) (copier.Source, error) {
	t := from.table()
	if t == nil || !filtered(q) {
		return nil
	}
	return func(key []byte) (copier.Source, error) { return t.only(d, *q, key, side) }
}

// only makes a source of one item, by its primary key, as the slice's filter lets it through: it is read consistently.
func (t *Table) only(d Description, slice query.Query, key item.Item, side string) (copier.Source, error) {
	found, err := item.Parse(key, d.Schema)
	if err != nil {
		return nil, err
	}
	one := query.Query{Filter: slice.Filter, Names: slice.Names, Values: slice.Values}
	if one.Partition, err = keyText(found.Partition); err != nil {
		return nil, err
	}
	if d.Schema.HasSort() {
		text, err := keyText(found.Sort)
		if err != nil {
			return nil, err
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		one.Sort = "= " + string(quoted)
	}
	s, err := one.Compile(queryTable(d))
	if err != nil {
		return nil, queryError(err)
	}
	return t.selected(d, s, 0, side), nil
}

// keyText is a key value without its type.
func keyText(raw []byte) (text string, err error) {
	var typed map[string]string
	err = json.Unmarshal(raw, &typed)
	for _, text = range typed {
	}
	return text, err
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
