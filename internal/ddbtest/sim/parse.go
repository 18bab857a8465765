package sim

import (
	"bytes"
	"errors"
)

// A write is one element of a BatchWriteItem request.
type write struct {
	from, to int // the element's bytes in the body
	place    uint64
	units    float64
	known    bool // the key is one of ours
	right    bool // the item is byte for byte the expected one
	remove   bool
	take     bool
}

// A batch is a parsed BatchWriteItem request.
type batch struct {
	table      []byte // as it was sent: a name or an ARN
	writes     []write
	wantsUnits bool
}

// maxWrites is DynamoDB's limit per request.
const maxWrites = 25

var (
	errSyntax  = errors.New("the request is not JSON of the expected form")
	errTooMany = errors.New("more than 25 writes")
	errTables  = errors.New("writes for more than one table are not simulated")
)

// parseBatch reads a request body. Items that are as expected, which is all of
// them in a good copy, are passed by comparing them.
func (s *generator) parseBatch(body []byte, out *batch) error {
	out.table, out.writes, out.wantsUnits = nil, out.writes[:0], false
	p := parser{b: body}
	err := p.object(func(name []byte) error {
		switch string(name) {
		case "RequestItems":
			return p.object(func(table []byte) error {
				if out.table != nil {
					return errTables
				}
				out.table = table
				return p.array(func() error { return s.parseWrite(&p, out) })
			})
		case "ReturnConsumedCapacity":
			mode, err := p.text()
			out.wantsUnits = string(mode) == "TOTAL" || string(mode) == "INDEXES"
			return err
		}
		return p.skip()
	})
	if err != nil {
		return err
	}
	if p.space(); p.i != len(body) || len(out.writes) == 0 {
		return errSyntax
	}
	return nil
}

func (s *generator) parseWrite(p *parser, out *batch) error {
	if len(out.writes) == maxWrites {
		return errTooMany
	}
	p.space()
	w := write{from: p.i, take: true, units: 1}
	kinds := 0
	err := p.object(func(kind []byte) error {
		kinds++
		switch string(kind) {
		case "PutRequest":
			return p.member("Item", func() error { return s.parseItem(p, &w) })
		case "DeleteRequest":
			w.remove = true
			return p.member("Key", func() error { return s.parseKey(p, &w) })
		}
		return errSyntax
	})
	if err != nil || kinds != 1 {
		return errSyntax
	}
	w.to = p.i
	out.writes = append(out.writes, w)
	return nil
}

func (s *generator) parseItem(p *parser, w *write) error {
	p.space()
	rest := p.b[p.i:]
	// The key stands near the beginning of the items that we made.
	if at := bytes.Index(rest[:min(len(rest), 256)], []byte(keyMarker)); at > 0 {
		if key, ok := hexAt(rest, at+len(keyMarker), 16); ok {
			place := s.place(key)
			if n := s.match(rest, place); n > 0 {
				p.i += n
				w.place, w.known, w.right = place, true, true
				w.units = s.form(place).units
				return nil
			}
		}
	}
	from := p.i
	if err := s.parseKey(p, w); err != nil {
		return err
	}
	w.units = float64((p.i - from + 1023) / 1024)
	return nil
}

// parseKey passes an object and takes the key from its members.
func (s *generator) parseKey(p *parser, w *write) error {
	var partition, sort []byte
	err := p.object(func(name []byte) error {
		switch string(name) {
		case "pk":
			return p.member("S", func() (err error) { partition, err = p.text(); return err })
		case "sk":
			if s.sortKey {
				return p.member("S", func() (err error) { sort, err = p.text(); return err })
			}
		}
		return p.skip()
	})
	if err != nil {
		return err
	}
	w.place, w.known = s.keyPlace(partition, sort)
	return nil
}

// keyPlace returns the place of the item with this key.
func (s *generator) keyPlace(partition, sort []byte) (uint64, bool) {
	if len(partition) != len(keyPrefix)+16 || string(partition[:len(keyPrefix)]) != keyPrefix {
		return 0, false
	}
	key, ok := parseHex(partition[len(keyPrefix):])
	if !ok {
		return 0, false
	}
	place := s.place(key)
	if !s.sortKey {
		return place, true
	}
	want := make([]byte, 8, 16)
	s.values(place, false).put(want, spotSort)
	return place, len(sort) == len(sortPrefix)+8 && string(sort[:len(sortPrefix)]) == sortPrefix &&
		bytes.Equal(sort[len(sortPrefix):], want)
}

func hexAt(b []byte, at, n int) (uint64, bool) {
	if at+n > len(b) {
		return 0, false
	}
	return parseHex(b[at : at+n])
}

// A parser walks over JSON. It shares nothing with the product's scanner, on
// purpose: it judges what that one makes.
type parser struct {
	b []byte
	i int
}

func (p *parser) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\n' || p.b[p.i] == '\r' || p.b[p.i] == '\t') {
		p.i++
	}
}

func (p *parser) passes(c byte) bool {
	p.space()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) object(member func(name []byte) error) error {
	if !p.passes('{') {
		return errSyntax
	}
	if p.passes('}') {
		return nil
	}
	for {
		name, err := p.text()
		if err != nil || !p.passes(':') {
			return errSyntax
		}
		if err := member(name); err != nil {
			return err
		}
		if p.passes('}') {
			return nil
		}
		if !p.passes(',') {
			return errSyntax
		}
	}
}

// member passes an object with exactly one member, of this name.
func (p *parser) member(name string, value func() error) error {
	n := 0
	err := p.object(func(got []byte) error {
		if n++; string(got) != name {
			return errSyntax
		}
		return value()
	})
	if err == nil && n != 1 {
		return errSyntax
	}
	return err
}

func (p *parser) array(element func() error) error {
	if !p.passes('[') {
		return errSyntax
	}
	if p.passes(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.passes(']') {
			return nil
		}
		if !p.passes(',') {
			return errSyntax
		}
	}
}

// text passes a string and returns what is between its quotes, escapes and all.
func (p *parser) text() ([]byte, error) {
	if !p.passes('"') {
		return nil, errSyntax
	}
	from := p.i
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case '\\':
			p.i++
		case '"':
			p.i++
			return p.b[from : p.i-1], nil
		}
		p.i++
	}
	return nil, errSyntax
}

// skip passes any value.
func (p *parser) skip() error {
	p.space()
	if p.i >= len(p.b) {
		return errSyntax
	}
	switch p.b[p.i] {
	case '{':
		return p.object(func([]byte) error { return p.skip() })
	case '[':
		return p.array(p.skip)
	case '"':
		_, err := p.text()
		return err
	}
	from := p.i
	for p.i < len(p.b) && bytes.IndexByte([]byte(",}] \n\r\t"), p.b[p.i]) < 0 {
		p.i++
	}
	if p.i == from {
		return errSyntax
	}
	return nil
}
