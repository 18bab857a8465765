package table

import (
	"bytes"
	"context"
	"errors"
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
	slice.Attributes, slice.KeysOnly = s.Keys, false
	keys, err := slice.Compile(queryTable(d))
	if err != nil {
		return nil, queryError(err)
	}
	return &fetched{
		keys: t.selected(d, keys, o.segments, o.side), getter: t.getter(d, o.side), side: o.side, schema: d.Schema, selection: s,
		at: make([]fetching, max(1, o.segments)),
	}, nil
}

func local(d Description, index string) bool {
	return slices.ContainsFunc(d.Indexes, func(i Index) bool { return i.Name == index && i.Local })
}

// fetched is a source that finds keys in an index and gets their items from the table itself, consistently. What is
// gone by then, or has left the selection, is left out.
//
// Each Read makes one BatchGetItem request, so that what was got is never lost by what fails afterwards.
type fetched struct {
	keys      copier.Source
	getter    copier.Getter
	side      string
	schema    item.Schema
	selection query.Selection
	at        []fetching // by segment
}

// A fetching is where a segment is: in a page of keys, of which some items were not got yet.
type fetching struct {
	keys  item.Page
	from  item.Cursor // by which the engine goes on with it
	began item.Cursor // by which the keys were read
	left  []int       // indexes of keys whose items are to be got, in order
	paid  float64     // units of the keys, not reported yet
	read  int         // entries of the index that were looked at for the keys, likewise
	most  int         // keys to ask for at once
}

const (
	// fetchBytes is what a page of items should hold. One answer can hold 16 MB, and a slice many of them.
	fetchBytes = 1 << 20
	// firstFetch is how many items are asked for before their size is known.
	firstFetch = 8
)

// fetchAgain stands for the beginning of a segment some of whose items were got out of order.
var fetchAgain = item.Cursor("{}")

func (f *fetched) Segments() int { return f.keys.Segments() }

// Holds reports whether the item is in the slice.
func (f *fetched) Holds(it item.Item) (bool, error) { return f.selection.Holds(it) }

func (f *fetched) Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error {
	page.Reset()
	at := &f.at[segment]
	if len(at.left) == 0 || !bytes.Equal(at.from, from) {
		if err := f.find(ctx, segment, from, attempt, page.Limit); err != nil {
			return err
		}
	}
	if len(at.left) > 0 {
		if err := f.get(ctx, at, attempt, page); err != nil {
			return err
		}
	}
	page.Units, page.Scanned = page.Units+at.paid, max(page.Scanned, at.read)
	at.paid, at.read = 0, 0
	if page.Next = at.next(); page.Next == nil {
		*at = fetching{}
	}
	at.from = page.Next
	return nil
}

// find reads a page of keys.
func (f *fetched) find(ctx context.Context, segment int, from item.Cursor, attempt, limit int) error {
	at := &f.at[segment]
	at.left, at.keys.Limit = at.left[:0], limit
	began := from
	if bytes.Equal(began, fetchAgain) {
		began = nil
	}
	if err := f.keys.Read(ctx, segment, began, attempt, &at.keys); err != nil {
		return err
	}
	at.from, at.began, at.paid, at.read = from, began, at.keys.Units, at.keys.Scanned
	seen := make(map[uint64]bool, len(at.keys.Keys)) // an index may show an item in its old place, too
	for i, key := range at.keys.Keys {
		if !seen[key] {
			seen[key] = true
			at.left = append(at.left, i)
		}
	}
	return nil
}

// get makes one request for items. That the table got to none is an error, so that the engine waits.
func (f *fetched) get(ctx context.Context, at *fetching, attempt int, page *item.Page) error {
	if at.most == 0 {
		at.most = firstFetch
	}
	n := min(len(at.left), at.most, copier.MaxGet)
	if page.Limit > 0 {
		n = min(n, page.Limit)
	}
	wanted := make([][]byte, n)
	for i, which := range at.left[:n] {
		found, err := item.Parse(at.keys.Items[which], f.schema)
		if err != nil {
			return err
		}
		wanted[i] = found.AppendKey(nil, f.schema)
	}
	unprocessed, err := f.getter.Get(ctx, wanted, attempt, page)
	if err == nil && len(unprocessed) == n {
		err = &copier.Fault{Class: copier.Throttled, Side: f.side, Err: errNothingRead}
	}
	if err != nil {
		page.Reset()
		if f := (*copier.Fault)(nil); !errors.As(err, &f) || f.Class != copier.Throttled {
			at.most = max(1, at.most/2) // an answer may fail because it is large
		}
		return err
	}
	page.Scanned = n - len(unprocessed)
	each := len(page.Buf)/page.Scanned + 1
	at.most = max(1, min(2*at.most, fetchBytes/each))
	for i, which := range unprocessed {
		unprocessed[i] = at.left[which]
	}
	at.left = append(unprocessed, at.left[n:]...)
	return f.keep(page)
}

// keep leaves out what is not in the slice any more.
func (f *fetched) keep(page *item.Page) error {
	n := 0
	for i, it := range page.Items {
		in, err := f.selection.Holds(it)
		if err != nil {
			return err
		}
		if in {
			page.Items[n], page.Keys[n] = it, page.Keys[i]
			n++
		}
	}
	page.Items, page.Keys = page.Items[:n], page.Keys[:n]
	return nil
}

// next is a cursor behind what was got without a gap: whoever begins there, in another process, gets all that is left.
// DynamoDB itself says such places by the keys of an item.
func (at *fetching) next() item.Cursor {
	switch {
	case len(at.left) == 0:
		return at.keys.Next
	case at.left[0] > 0:
		return item.Cursor(at.keys.Items[at.left[0]-1].Clone())
	case at.began != nil:
		return at.began
	}
	return fetchAgain
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
