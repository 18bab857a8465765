package table

import (
	"context"
	"errors"
	"strconv"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// An origin is where the items of a copy come from: a [Table], or the files of a dump.
type origin interface {
	// ready describes it, once it can be read.
	ready(ctx context.Context) (Description, error)
	// same checks that it is still what was described.
	same(ctx context.Context, before Description) error
	// place is how a run remembers it.
	place(d Description) runs.Place
	// part reads the items, or a slice of them, getter some of them by key.
	part(d Description, slice *query.Query, o scanOptions) (copier.Source, error)
	getter(d Description, side string) copier.Getter
	shape(ctx context.Context, own copier.Shape, skipExpired bool) (copier.Shape, error)
	// preflight refuses what reads as empty by surprise.
	preflight(ctx context.Context, d Description, o CopyOptions) error
	// table is the origin as a table; nil for another.
	table() *Table
}

func (t *Table) table() *Table { return t }

func (t *Table) getter(d Description, side string) copier.Getter {
	return getter{t.plane(d), side}
}

// A stored is a dump as the origin of a copy: what was checked, not what the files are by now.
type stored struct {
	about   Description
	checked *archive.Checked
}

func (s *stored) table() *Table { return nil }

func (s *stored) ready(context.Context) (Description, error) { return s.about, nil }

func (s *stored) same(context.Context, Description) error { return nil }

func (s *stored) place(d Description) runs.Place {
	return runs.Place{Account: d.Account, Region: d.Region, Table: d.Table, ID: d.ID, Name: d.Table, Path: d.Path}
}

func (s *stored) shape(_ context.Context, own copier.Shape, skipExpired bool) (copier.Shape, error) {
	if skipExpired {
		return nil, errNoTTL
	}
	return own, nil
}

var errNoTTL = usage("leave it out", "a dump knows no TTL: nothing in it can be skipped as expired")

// preflight has nothing to doubt: the manifest says how many items there are, and the files were held to it.
func (s *stored) preflight(context.Context, Description, CopyOptions) error { return nil }

func (s *stored) getter(Description, string) copier.Getter { return s }

func (s *stored) part(_ Description, slice *query.Query, o scanOptions) (copier.Source, error) {
	if slice != nil {
		return nil, usage("restore all of it", "a dump has no keys to find a slice by")
	}
	return pages{s.checked, int64(max(1, o.segments))}, nil
}

// Get returns the items with those keys.
func (s *stored) Get(_ context.Context, keys [][]byte, _ int, page *item.Page) ([]int, error) {
	page.Reset()
	for _, key := range keys {
		it, err := s.checked.Get(key)
		if err != nil {
			return nil, err
		}
		if it != nil {
			page.Items = append(page.Items, it)
		}
	}
	return nil, nil
}

// pages cuts a dump's lines into so many segments of equal length. A cursor is the number of a line.
type pages struct {
	*archive.Checked
	segments int64
}

func (p pages) Segments() int { return int(p.segments) }

var errCursor = errors.New("a position is not one of this dump")

func (p pages) Read(_ context.Context, segment int, from item.Cursor, _ int, page *item.Page) error {
	line, end := p.Lines*int64(segment)/p.segments, p.Lines*int64(segment+1)/p.segments
	if from != nil {
		n, err := strconv.ParseInt(string(from), 10, 64)
		if err != nil || n < line || n > end {
			return mismatch("", "%w", errCursor)
		}
		line = n
	}
	next, err := p.Checked.Read(line, end, page)
	if err == nil && next < end {
		page.Next = strconv.AppendInt(nil, next, 10)
	}
	return err
}
