package item

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A Found is one item of a body and the raw values of its key attributes, as
// `{"S":"a"}`.
type Found struct {
	Item      Item
	Partition []byte
	Sort      []byte // nil where the schema has none
}

// Item passes the item that begins at i: an object of attribute names and
// typed values. It is an error if a key attribute of the schema is missing.
func (s *Scanner) Item(i int, schema Schema) (Found, int, error) {
	var f Found
	i = s.Space(i)
	start := i
	i, err := s.Expect(i, '{')
	if err != nil {
		return f, i, err
	}
	i, empty := s.Empty(i, '}')
	for more := !empty; more; {
		name, next, ok := s.member(i)
		from := i + len(name) + len(`"":`)
		if ok {
			i = next
		} else {
			if name, from, err = s.name(i); err != nil {
				return f, i, err
			}
			if i, err = s.value(from, 0); err != nil {
				return f, i, inAttribute(err, name)
			}
		}
		switch slot := f.slot(s, name, schema); {
		case slot == nil:
		case *slot != nil:
			return f, i, inAttribute(s.fail(from, "key attribute stands twice"), name)
		default:
			*slot = s.b[s.Space(from):i]
		}
		if i < len(s.b) && s.b[i] == ',' {
			i++
			continue
		}
		if i, more, err = s.More(i, '}'); err != nil {
			return f, i, err
		}
	}
	f.Item = s.b[start:i:i]
	if f.Partition == nil {
		return f, i, inAttribute(s.fail(start, "key attribute is missing"), []byte(schema.Partition.Name))
	}
	if schema.HasSort() && f.Sort == nil {
		return f, i, inAttribute(s.fail(start, "key attribute is missing"), []byte(schema.Sort.Name))
	}
	return f, i, nil
}

// name passes the name of a member and the colon.
func (s *Scanner) name(i int) (name []byte, next int, err error) {
	if i < len(s.b) && s.b[i] == '"' && !s.controls {
		if n, ok := s.near(i + 1); ok && i+n+2 < len(s.b) && s.b[i+n+2] == ':' {
			return s.b[i+1 : i+1+n], i + n + 3, nil
		}
	}
	if name, i, err = s.Text(i); err != nil {
		return nil, i, err
	}
	i, err = s.Expect(i, ':')
	return name, i, err
}

// slot says where the value of the named attribute belongs, if it is a key.
func (f *Found) slot(s *Scanner, name []byte, schema Schema) *[]byte {
	if s.escapes && bytes.IndexByte(name, '\\') >= 0 {
		if plain, ok := unescape(name); ok {
			name = plain
		}
	}
	switch {
	case string(name) == schema.Partition.Name:
		return &f.Partition
	case schema.HasSort() && string(name) == schema.Sort.Name:
		return &f.Sort
	}
	return nil
}

func inAttribute(err error, name []byte) error {
	if e, ok := err.(*SyntaxError); ok && e.Attribute == "" { //nolint:errorlint // made just above, never wrapped
		e.Attribute = string(name)
	}
	return err
}

// member passes "name":{"S":"…"}, or the same with N or B, as services write it,
// to the byte. It reports false where anything is different, and name and value
// have to look.
func (s *Scanner) member(i int) (name []byte, next int, ok bool) {
	b := s.b
	if s.controls || i >= len(b) || b[i] != '"' {
		return nil, i, false
	}
	n, ok := s.near(i + 1)
	if !ok {
		n = bytes.IndexByte(b[i+1:], '"')
		if n < 0 || s.escapes && bytes.IndexByte(b[i+1:i+1+n], '\\') >= 0 {
			return nil, i, false
		}
	}
	name = b[i+1 : i+1+n]
	i += n + 1 // at the name's closing quote
	if i+8 > len(b) {
		return nil, i, false
	}
	// All of `":{"S":"` at once, whatever the tag.
	const around, tag = '"' | ':'<<8 | '{'<<16 | '"'<<24 | '"'<<40 | ':'<<48 | '"'<<56, 0xff << 32
	if w := binary.LittleEndian.Uint64(b[i : i+8]); w&^tag != around || !plainTag[byte(w>>32)] {
		return nil, i, false
	}
	next, ok = s.text(i + 8)
	return name, next, ok
}

// plainTag has the types whose value is one string.
var plainTag = [256]bool{String: true, Number: true, Binary: true}

// text passes the rest of a string and the brace behind it.
func (s *Scanner) text(i int) (next int, ok bool) {
	n, ok := s.near(i)
	if !ok {
		n = bytes.IndexByte(s.b[i:], '"')
		if n < 0 || s.escapes && bytes.IndexByte(s.b[i:i+n], '\\') >= 0 {
			return i, false
		}
	}
	i += n + 2
	return i, i <= len(s.b) && s.b[i-1] == '}'
}

// scalar passes {"S":"…"}, {"N":"…"} or {"B":"…"} as services write them, to the
// byte. It reports false where anything is different, and value has to look.
func (s *Scanner) scalar(i int) (int, bool) {
	b := s.b
	if s.controls || i+8 > len(b) || string(b[i:i+2]) != `{"` || string(b[i+3:i+6]) != `":"` {
		return i, false
	}
	if !plainTag[b[i+2]] {
		return i, false
	}
	return s.text(i + 6)
}

// value passes one typed value, `{"S":"a"}`.
func (s *Scanner) value(i, depth int) (int, error) {
	if next, ok := s.scalar(i); ok {
		return next, nil
	}
	if i+6 < len(s.b) && depth < maxDepth {
		switch string(s.b[i : i+6]) {
		case `{"M":{`:
			return s.closed(s.attributes(i+6, depth+1))
		case `{"L":[`:
			return s.closed(s.list(i+6, depth+1))
		}
	}
	i, err := s.Expect(i, '{')
	if err != nil {
		return i, s.unlike(i, "{", untyped, err)
	}
	if depth > maxDepth {
		return i, s.fail(i, "nested too deeply")
	}
	tag, i, err := s.Text(i)
	if err != nil {
		return i, s.unlike(i, `"`, untyped, err)
	}
	if i, err = s.Expect(i, ':'); err != nil {
		return i, err
	}
	from := i
	switch string(tag) {
	case "S", "N", "B":
		_, i, err = s.Text(i)
	case "BOOL":
		if i = s.Space(i); i < len(s.b) && s.b[i] == 't' {
			i, err = s.Word(i, "true")
		} else {
			i, err = s.Word(i, "false")
		}
	case "NULL":
		i, err = s.Word(i, "true")
	case "M":
		if i, err = s.Expect(i, '{'); err == nil {
			i, err = s.attributes(i, depth+1)
		}
	case "L":
		if i, err = s.Expect(i, '['); err == nil {
			i, err = s.list(i, depth+1)
		}
	case "SS", "NS", "BS":
		i, err = s.Elements(i, func(i int) (int, error) {
			_, next, err := s.Text(i)
			if err != nil {
				err = s.unlike(i, `"`, "what is in a set must stand in quotes", err)
			}
			return next, err
		})
	default:
		return i, s.fail(i, "unknown type tag")
	}
	if err != nil {
		like := shapes[string(tag)]
		return i, s.unlike(from, like.first, like.words, err)
	}
	return s.closed(i, nil)
}

const untyped = `a value must say its type, as {"S":"x"}`

// shapes are what the value of each type begins with, and what is said of one that does not.
var shapes = map[string]struct{ first, words string }{
	"S":    {`"`, `a text must stand in quotes, as {"S":"x"}`},
	"N":    {`"`, `a number must stand in quotes, as {"N":"5"}`},
	"B":    {`"`, `a binary must be base64 in quotes, as {"B":"AP8="}`},
	"BOOL": {"tf", "a BOOL must be true or false, without quotes"},
	"NULL": {"t", "a NULL must be true, without quotes"},
	"M":    {"{", "a map must be in braces"},
	"L":    {"[", "a list must be in brackets"},
	"SS":   {"[", "a set must be a list in brackets"},
	"NS":   {"[", "a set must be a list in brackets"},
	"BS":   {"[", "a set must be a list in brackets"},
}

// unlike is the error about what begins at i: in those words, where it
// does not even begin as it should.
func (s *Scanner) unlike(i int, first, words string, err error) error {
	if i = s.Space(i); i < len(s.b) && strings.IndexByte(first, s.b[i]) < 0 {
		return s.fail(i, words)
	}
	return err
}

// closed passes the brace behind a typed value.
func (s *Scanner) closed(i int, err error) (int, error) {
	if err != nil {
		return i, err
	}
	next, err := s.Expect(i, '}')
	if at := s.Space(i); err != nil && at < len(s.b) && s.b[at] == ',' {
		err = s.fail(at, "a value must have one type")
	}
	return next, err
}

// attributes passes the members of a map from behind its opening brace.
func (s *Scanner) attributes(i, depth int) (int, error) {
	i, empty := s.Empty(i, '}')
	for more := !empty; more; {
		var err error
		if _, next, ok := s.member(i); ok {
			i = next
		} else {
			if _, i, err = s.name(i); err != nil {
				return i, err
			}
			if i, err = s.value(i, depth); err != nil {
				return i, err
			}
		}
		if i < len(s.b) && s.b[i] == ',' {
			i++
			continue
		}
		if i, more, err = s.More(i, '}'); err != nil {
			return i, err
		}
	}
	return i, nil
}

// list passes the elements of a list from behind its opening bracket.
func (s *Scanner) list(i, depth int) (int, error) {
	i, empty := s.Empty(i, ']')
	for more := !empty; more; {
		var err error
		if i, err = s.value(i, depth); err != nil {
			return i, err
		}
		if i, more, err = s.More(i, ']'); err != nil {
			return i, err
		}
	}
	return i, nil
}

// Parse checks that raw is exactly one item and finds its key.
func Parse(raw []byte, schema Schema) (Found, error) {
	s, err := NewScanner(raw)
	if err != nil {
		return Found{}, err
	}
	f, i, err := s.Item(0, schema)
	if err != nil {
		return f, err
	}
	if i = s.Space(i); i != len(raw) {
		return f, s.fail(i, "trailing bytes")
	}
	return f, nil
}
