package query

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A value is a typed value, taken apart to be written in another form. Sets
// are sorted, and so are the members of maps.
type value struct {
	tag   string // S, N, B, BOOL, NULL, M, L, SS, NS, BS
	text  string // of S, N, B (base64), BOOL
	names []string
	// the members of M, by names; the elements of L; the members of a set, as S, N or B
	list []value
}

// decode takes an item apart: a value of tag M whose members are the
// attributes, those of first in their order and then the rest by name.
func decode(it item.Item, first []string) (value, error) {
	s, err := item.NewScanner(it)
	if err != nil {
		return value{}, err
	}
	v, end, err := attributesAt(&s, 0)
	if err != nil {
		return v, err
	}
	if s.Space(end) != len(it) {
		return v, fmt.Errorf("an item has trailing bytes")
	}
	v.order(first)
	return v, nil
}

// attributesAt reads the object of names and typed values at i.
func attributesAt(s *item.Scanner, i int) (value, int, error) {
	v := value{tag: "M"}
	i, err := s.Members(i, func(i int, raw []byte) (int, error) {
		name, err := unescape(raw)
		if err != nil {
			return i, err
		}
		member, i, err := typedAt(s, i)
		v.names, v.list = append(v.names, name), append(v.list, member)
		return i, err
	})
	return v, i, err
}

// typedAt reads the typed value at i, as {"S":"a"}.
func typedAt(s *item.Scanner, i int) (v value, next int, err error) {
	found := false
	next, err = s.Members(i, func(i int, tag []byte) (int, error) {
		if found {
			return i, fmt.Errorf("a value has two types")
		}
		found = true
		v, i, err = contentAt(s, i, string(tag))
		return i, err
	})
	if err == nil && !found {
		err = fmt.Errorf("a value has no type")
	}
	return v, next, err
}

func contentAt(s *item.Scanner, i int, tag string) (v value, next int, err error) {
	switch tag {
	case "M":
		v, next, err = attributesAt(s, i)
		v.order(nil)
		return v, next, err
	case "S", "N", "B":
		var raw []byte
		if raw, next, err = s.Text(i); err == nil {
			v.text, err = unescape(raw)
		}
	case "BOOL", "NULL":
		v.text = "true"
		if next, err = s.Word(i, v.text); err != nil && tag == "BOOL" {
			v.text = "false"
			next, err = s.Word(i, v.text)
		}
	case "L":
		next, err = s.Elements(i, func(i int) (int, error) {
			element, i, err := typedAt(s, i)
			v.list = append(v.list, element)
			return i, err
		})
	case "SS", "NS", "BS":
		next, err = s.Elements(i, func(i int) (int, error) {
			raw, i, err := s.Text(i)
			if err != nil {
				return i, err
			}
			text, err := unescape(raw)
			v.list = append(v.list, value{tag: tag[:1], text: text})
			return i, err
		})
		slices.SortFunc(v.list, func(a, b value) int {
			return cmp.Or(compareKeys(a.text, b.text, item.Type(tag[0])), strings.Compare(a.text, b.text))
		})
	default:
		return v, i, fmt.Errorf("unknown type %q", tag)
	}
	v.tag = tag
	return v, next, err
}

// unescape resolves the escapes in what stands between two quotes.
func unescape(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), nil
	}
	var text string
	err := json.Unmarshal([]byte(`"`+string(raw)+`"`), &text)
	return text, err
}

// order sorts the members of a map: first those named, in that order.
func (v *value) order(first []string) {
	type place struct{ rank, from int }
	sorted := make([]place, len(v.names))
	for i, name := range v.names {
		sorted[i] = place{len(first), i}
		if at := slices.Index(first, name); at >= 0 {
			sorted[i].rank = at
		}
	}
	slices.SortFunc(sorted, func(a, b place) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(v.names[a.from], v.names[b.from])
	})
	names, list := make([]string, len(sorted)), make([]value, len(sorted))
	for i, p := range sorted {
		names[i], list[i] = v.names[p.from], v.list[p.from]
	}
	v.names, v.list = names, list
}

// member returns the value of a name.
func (v value) member(name string) (value, bool) {
	if i := slices.Index(v.names, name); i >= 0 {
		return v.list[i], true
	}
	return value{}, false
}

// appendJSON writes the value as plain JSON: a set is an array, a binary its base64.
func (v value) appendJSON(b []byte) []byte {
	switch v.tag {
	case "S", "B":
		return appendQuoted(b, v.text)
	case "N":
		return appendNumber(b, v.text)
	case "BOOL":
		return append(b, v.text...)
	case "NULL":
		return append(b, "null"...)
	case "M":
		b = append(b, '{')
		for i, name := range v.names {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.list[i].appendJSON(append(appendQuoted(b, name), ':'))
		}
		return append(b, '}')
	}
	b = append(b, '[')
	for i, element := range v.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = element.appendJSON(b)
	}
	return append(b, ']')
}

// appendTyped writes the value as DynamoDB JSON.
func (v value) appendTyped(b []byte) []byte {
	b = append(append(append(b, `{"`...), v.tag...), `":`...)
	switch v.tag {
	case "S", "B", "N":
		b = appendQuoted(b, v.text)
	case "BOOL", "NULL":
		b = append(b, v.text...)
	case "M":
		b = v.appendAttributes(b)
	case "L":
		b = append(b, '[')
		for i, element := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = element.appendTyped(b)
		}
		b = append(b, ']')
	default:
		b = append(b, '[')
		for i, element := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, element.text)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendAttributes writes the members of a map with their types: an item.
func (v value) appendAttributes(b []byte) []byte {
	b = append(b, '{')
	for i, name := range v.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.list[i].appendTyped(append(appendQuoted(b, name), ':'))
	}
	return append(b, '}')
}

// plain is the value as a text for people: what exact says, with nothing hidden in it.
func (v value) plain() string { return Visible(v.exact()) }

// exact is the value as a text: a scalar's own, and JSON for the rest.
func (v value) exact() string {
	switch v.tag {
	case "S", "N", "B", "BOOL":
		return v.text
	}
	return string(v.appendJSON(nil))
}
