// Package item has the nouns that every other package speaks in.
//
// An [Item] is the DynamoDB JSON that it arrived in, as bytes. A [Scanner]
// finds the items of a page and checks them while it does; a [Page] is one Scan
// or Query response; a [Write] is a put or a delete. Typed access to an item is a view that
// package table offers, never a second path.
//
// An item shares memory with its page: nobody edits one in place, and nobody
// keeps one past its page without [Item.Clone].
package item

import (
	"bytes"
	"encoding/json"
)

// An Item is one item as DynamoDB JSON, `{"pk":{"S":"a"},"n":{"N":"1"}}`.
type Item []byte

// Clone returns a copy that does not share memory with a page.
func (it Item) Clone() Item { return bytes.Clone(it) }

// A Cursor is a LastEvaluatedKey as DynamoDB JSON: where a segment goes on. It
// is opaque, and valid for the segment and the segment count that it came from only. Nil is
// the beginning of a segment, or its end.
type Cursor []byte

// A Type is the type of a key attribute: 'S', 'N' or 'B'.
type Type byte

// NumberOf returns the number of the top-level attribute of that name as it
// is written, or "" where there is none or it is no number.
func (it Item) NumberOf(name string) (string, error) {
	s, err := NewScanner(it)
	if err != nil {
		return "", err
	}
	number := ""
	_, err = s.Members(0, func(i int, member []byte) (int, error) {
		from := s.Space(i)
		i, err := s.Any(i)
		if err != nil || string(appendUnescaped(nil, member)) != name {
			return i, err
		}
		var value struct{ N string }
		if json.Unmarshal(s.b[from:i], &value) == nil {
			number = value.N
		}
		return i, nil
	})
	return number, err
}

// The types that a key attribute can have.
const (
	String Type = 'S'
	Number Type = 'N'
	Binary Type = 'B'
)

func (t Type) String() string { return string(rune(t)) }

// An Attr is a key attribute of a table or index.
type Attr struct {
	Name string
	Type Type
}

// A Schema is a table's primary key. Sort.Name is empty where the table has a
// partition key only.
type Schema struct {
	Partition Attr
	Sort      Attr
}

// HasSort reports whether the primary key has a sort key.
func (s Schema) HasSort() bool { return s.Sort.Name != "" }

// String is the key in words, as `pk (S), sk (N)`.
func (s Schema) String() string {
	text := s.Partition.Name + " (" + s.Partition.Type.String() + ")"
	if s.HasSort() {
		text += ", " + s.Sort.Name + " (" + s.Sort.Type.String() + ")"
	}
	return text
}

// A Page is one Scan or Query response. Its items lie in Buf; a page can be
// filled again once nobody reads them.
type Page struct {
	Buf   []byte   // the response body
	Items []Item   // in the order of the response
	Keys  []uint64 // the key hash of each item, see [Found.Hash]
	Next  Cursor   // where the segment goes on; nil at its end; not in Buf
	Units float64  // read capacity units consumed
	Limit int      // most items to ask for; 0 means as many as fit in 1 MB

	// items that were looked at for it, which a filter may have left out; 0 where that is not known
	Scanned int
}

// Reset empties the page and keeps its memory and its Limit.
func (p *Page) Reset() {
	p.Buf, p.Items, p.Keys = p.Buf[:0], p.Items[:0], p.Keys[:0]
	p.Next, p.Units, p.Scanned = nil, 0, 0
}

// A Write is one put or delete of a batch.
type Write struct {
	Raw    []byte // the item to put, or the key to delete, as DynamoDB JSON
	Delete bool
	Key    uint64 // the key hash: two writes with equal hashes never share a batch
}
