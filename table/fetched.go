package table

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// fetched is a source that finds keys in an index and gets their items from the table itself, consistently. What is
// gone by then, or has left the selection, is left out.
//
// Each Read makes one BatchGetItem request, so that what was got is never lost by what fails afterwards.
type fetched struct {
	keys      copier.Source
	getter    copier.Getter
	table     *Table
	about     Description
	side      string
	slice     query.Query
	unseen    bool // the index does not show what the slice's filter is about
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
		get := f.get
		if f.unseen {
			get = f.getOne
		}
		if err := get(ctx, at, attempt, page); err != nil {
			return err
		}
	}
	page.Units, page.Scanned = page.Units+at.paid, max(page.Scanned, at.read)
	at.paid, at.read = 0, 0
	next, err := f.next(at)
	if err != nil {
		return err
	}
	if next == nil {
		*at = fetching{}
	}
	at.from, page.Next = next, next
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
	wanted, shown := make([][]byte, n), make(map[uint64]item.Item, n)
	for i, which := range at.left[:n] {
		found, err := item.Parse(at.keys.Items[which], f.about.Schema)
		if err != nil {
			return err
		}
		wanted[i] = found.AppendKey(nil, f.about.Schema)
		shown[at.keys.Keys[which]] = at.keys.Items[which]
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
	if err := f.keep(ctx, shown, attempt, page); err != nil {
		page.Reset()
		at.most = max(1, at.most/2) // what was got goes with it
		return err
	}
	page.Scanned = n - len(unprocessed)
	each := len(page.Buf)/page.Scanned + 1
	at.most = max(1, min(2*at.most, fetchBytes/each))
	for i, which := range unprocessed {
		unprocessed[i] = at.left[which]
	}
	at.left = append(unprocessed, at.left[n:]...)
	return nil
}

// getOne makes one request for an item, behind the filter.
func (f *fetched) getOne(ctx context.Context, at *fetching, attempt int, page *item.Page) error {
	src, err := f.table.only(f.about, f.slice, at.keys.Items[at.left[0]], f.side)
	if err == nil {
		err = src.Read(ctx, 0, nil, attempt, page)
	}
	if err == nil {
		err = f.keep(ctx, nil, attempt, page)
	}
	if err != nil {
		page.Reset()
		return err
	}
	at.left = at.left[1:]
	return nil
}

// keep leaves out what is not in the slice any more. What the index has shown is nil where the filter was applied by the table.
func (f *fetched) keep(ctx context.Context, shown map[uint64]item.Item, attempt int, page *item.Page) error {
	n := 0
	for i, it := range page.Items {
		key := page.Keys[i]
		if f.slice.Filter != "" && shown != nil {
			var err error
			if it, err = f.pass(ctx, shown[key], it, attempt, page); err != nil {
				return err
			}
			if it == nil {
				continue
			}
		}
		in, err := f.selection.Holds(it)
		if err != nil {
			return err
		}
		if in {
			page.Items[n], page.Keys[n] = it, key
			n++
		}
	}
	page.Items, page.Keys = page.Items[:n], page.Keys[:n]
	return nil
}

// pass is the item if the filter lets it through as it is now; else nil. The table itself is asked where the item is not
// what the index has shown.
func (f *fetched) pass(ctx context.Context, shown, it item.Item, attempt int, page *item.Page) (item.Item, error) {
	names, err := item.Differing(shown, it)
	if err != nil || !slices.ContainsFunc(names, f.shows) {
		return it, err
	}
	src, err := f.table.only(f.about, f.slice, it, f.side)
	if err != nil {
		return nil, err
	}
	var now item.Page
	if err := src.Read(ctx, 0, nil, attempt, &now); err != nil {
		return nil, err
	}
	page.Units += now.Units
	if len(now.Items) == 0 {
		return nil, nil
	}
	return now.Items[0], nil
}

// shows reports whether the index has the attribute, where an item has it.
func (f *fetched) shows(name string) bool {
	i := slices.IndexFunc(f.about.Indexes, func(i Index) bool { return i.Name == f.slice.Index })
	return i < 0 || f.about.Indexes[i].Projection == string(types.ProjectionTypeAll) ||
		slices.Contains(f.selection.Keys, name) || slices.Contains(f.about.Indexes[i].Attributes, name)
}

// next is a cursor behind what was got without a gap: whoever begins there, in another process, gets all that is left.
// DynamoDB itself says such places by the keys of an item.
func (f *fetched) next(at *fetching) (item.Cursor, error) {
	switch {
	case len(at.left) == 0:
		return at.keys.Next, nil
	case at.left[0] > 0:
		keys, err := query.Selection{Only: f.selection.Keys}.Show(at.keys.Items[at.left[0]-1])
		return item.Cursor(keys.Clone()), err
	case at.began != nil:
		return at.began, nil
	}
	return fetchAgain, nil
}

var errNothingRead = errors.New("the table does not read more at the moment")
