package wire

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Scan asks for one page of a segment.
type Scan struct {
	Segment, Segments int
	Index             string      // of which to read the entries; "" for the table's items
	From              item.Cursor // nil for the beginning
	// eventually consistent, at half the cost; a global index has nothing else
	Eventual bool
	KeysOnly bool // primary keys instead of items; not together with Expressions
	Expressions
	Limit   int // most items to look at, before the filter; 0 for as many as fit in 1 MB
	Attempt int // for the log, from 1
}

// Scan fills page with the next page of a segment. On an error the page holds
// nothing to be used. The errors are [*Error] or the context's.
func (t *Table) Scan(ctx context.Context, s Scan, page *item.Page) error {
	return t.page(ctx, call{op: "Scan", attempt: s.Attempt, body: t.scanBody(s)}, s.Segment, s.From, page)
}

// page makes the call for the page that follows from.
func (t *Table) page(ctx context.Context, c call, segment int, from item.Cursor, page *item.Page) error {
	page.Reset()
	buf, err := t.do(ctx, c, page.Buf, func(reply []byte) error {
		page.Buf = reply
		if err := t.parsePage(page); err != nil {
			return err
		}
		if page.Next != nil && string(page.Next) == string(from) || t.circles.closed(segment, from, page.Next) {
			return &Error{Kind: Fatal, Code: "RepeatedCursor", Message: "the answer's LastEvaluatedKey is one that was sent; going on would never end"}
		}
		return nil
	}, func() []slog.Attr { return []slog.Attr{slog.Int("items", len(page.Items))} })
	page.Buf = buf
	if err != nil {
		page.Reset()
	}
	return err
}

// scanBody has its members in the order that the typed client sends them.
func (t *Table) scanBody(s Scan) []byte {
	if s.KeysOnly {
		s.Expressions = t.keysOnly()
	}
	b := s.begin(s.Eventual, s.From)
	b = member(b, "FilterExpression", s.Filter)
	b = member(b, "IndexName", s.Index)
	if s.Limit > 0 {
		b = strconv.AppendInt(append(b, `,"Limit":`...), int64(s.Limit), 10)
	}
	b = member(b, "ProjectionExpression", s.Projection)
	b = append(b, `,"ReturnConsumedCapacity":"TOTAL"`...)
	if s.Segments > 0 {
		b = strconv.AppendInt(append(b, `,"Segment":`...), int64(s.Segment), 10)
	}
	b = append(append(b, `,"TableName":`...), t.quoted...)
	if s.Segments > 0 {
		b = strconv.AppendInt(append(b, `,"TotalSegments":`...), int64(s.Segments), 10)
	}
	return append(b, '}')
}

// keysOnly asks for the primary key. Names are always aliased: any of them may
// be a reserved word.
func (t *Table) keysOnly() Expressions {
	e := Expressions{Projection: "#k0", Names: []string{t.schema.Partition.Name}}
	if t.schema.HasSort() {
		e.Projection, e.Names = "#k0,#k1", append(e.Names, t.schema.Sort.Name)
	}
	return e
}

// parsePage finds the items, their keys and the cursor in page.Buf.
func (t *Table) parsePage(page *item.Page) error {
	count, found := -1, false
	err := members(page.Buf, func(s *item.Scanner, i int, name []byte) (next int, err error) {
		switch string(name) {
		case "Items":
			if found {
				return i, garbled("answer has Items twice")
			}
			found = true
			return t.parseItems(s, i, page)
		case "Count":
			var text []byte
			if text, i, err = s.Number(i); err == nil {
				count, err = strconv.Atoi(string(text))
			}
			return i, err
		case "ScannedCount":
			var text []byte
			if text, i, err = s.Number(i); err == nil {
				page.Scanned, err = strconv.Atoi(string(text))
			}
			return i, err
		case "LastEvaluatedKey":
			return t.parseCursor(s, i, page)
		case "ConsumedCapacity":
			page.Units, i, err = capacity(s, i)
			return i, err
		}
		return s.Any(i)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return garbled("answer has no Items")
	case count != len(page.Items):
		return garbled("answer counts %d items and has %d", count, len(page.Items))
	}
	return nil
}

func (t *Table) parseItems(s *item.Scanner, i int, page *item.Page) (int, error) {
	return s.Elements(i, func(i int) (int, error) {
		f, i, err := s.Item(i, t.schema)
		if err != nil {
			return i, err
		}
		key, err := f.Hash(t.schema)
		page.Items, page.Keys = append(page.Items, f.Item), append(page.Keys, key)
		return i, err
	})
}

// parseCursor keeps the LastEvaluatedKey in memory of its own: it outlives the page.
func (t *Table) parseCursor(s *item.Scanner, i int, page *item.Page) (int, error) {
	if next, err := s.Word(i, "null"); err == nil {
		return next, nil
	}
	f, i, err := s.Item(i, t.schema)
	if err == nil {
		page.Next = item.Cursor(f.Item.Clone())
	}
	return i, err
}
