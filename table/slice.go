package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	return o.Mode == Merge || o.Slice != nil && o.Slice.Filter != ""
}

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
	// What a global index shows is a little old. For an old image that will not do.
	if s.Whole && (s.Index == "" || o.side != targetSide) {
		return t.selected(d, s, o.segments, o.side), nil
	}
	slice.KeysOnly = true
	if s, err = slice.Compile(queryTable(d)); err != nil {
		return nil, queryError(err)
	}
	return &fetched{Source: t.selected(d, s, o.segments, o.side), getter: getter{t.plane(d), o.side}, schema: d.Schema}, nil
}

// fetched is a source whose items have keys only, and which gets them whole
// from the table itself. An item that is gone by then is left out.
type fetched struct {
	copier.Source
	getter getter
	schema item.Schema
}

func (f *fetched) Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error {
	keys := item.Page{Limit: page.Limit}
	if err := f.Source.Read(ctx, segment, from, attempt, &keys); err != nil {
		return err
	}
	page.Reset()
	page.Next, page.Units = keys.Next, keys.Units
	var wanted [][]byte
	for _, it := range keys.Items {
		found, err := item.Parse(it, f.schema)
		if err != nil {
			return err
		}
		wanted = append(wanted, found.AppendKey(nil, f.schema))
	}
	for len(wanted) > 0 {
		n := min(len(wanted), copier.MaxGet)
		left, err := f.get(ctx, wanted[:n], attempt, page)
		if err != nil {
			page.Reset()
			return err
		}
		wanted = append(left, wanted[n:]...)
	}
	return nil
}

// get adds the items of some keys to the page, and returns the keys that the
// table did not get to. That it got to none is an error, so that the engine waits.
func (f *fetched) get(ctx context.Context, keys [][]byte, attempt int, page *item.Page) (left [][]byte, err error) {
	var got item.Page // its memory is the page's from now on
	unprocessed, err := f.getter.Get(ctx, keys, attempt, &got)
	if err != nil {
		return nil, err
	}
	if len(unprocessed) == len(keys) {
		return nil, &copier.Fault{Class: copier.Throttled, Side: f.getter.side, Err: errNothingRead}
	}
	page.Items, page.Keys = append(page.Items, got.Items...), append(page.Keys, got.Keys...)
	page.Units += got.Units
	for _, i := range unprocessed {
		left = append(left, keys[i])
	}
	return left, nil
}

var errNothingRead = errors.New("the table does not read more at the moment")

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

// sameSlice reports whether two runs are about one slice.
func sameSlice(a, b *query.Query) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}
