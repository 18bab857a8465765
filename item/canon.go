package item

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Fingerprint returns 32 hexadecimal digits that stand for the item by value,
// as [Digest] does, and are the same in every process and every version: the first half of
// the SHA-256 of the item's canonical form. It is some five times slower than Digest. The
// errors are Digest's.
//
// The canonical form of a value is a letter for its type, then: for S, N and B (a
// string's UTF-8, a number as [AppendDecimal] writes it, the bytes of a binary) the length as a
// varint, and the contents; for BOOL 1 or 0; for NULL nothing; for a list (L), a map (M) and the
// sets of S, N and B (s, n, b) a + before each member and a . at the end, a map's members being
// their names, as an S without the letter, and values. Map entries and set members are in the order
// of their bytes. An item is a map.
func (it Item) Fingerprint() (string, error) {
	form, err := it.canonical(nil)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(form)
	return hex.EncodeToString(sum[:16]), nil
}

func (it Item) canonical(buf []byte) ([]byte, error) {
	controls, escapes, _ := survey(it)
	c := canon{Scanner: Scanner{b: it, escapes: escapes, controls: controls}, out: buf}
	i, err := c.attributes(0, 0)
	if err != nil {
		return nil, err
	}
	if i = c.Space(i); i != len(it) {
		return nil, c.fail(i, "trailing bytes")
	}
	return c.out, nil
}

// A canon writes the canonical form of what it passes.
type canon struct {
	Scanner
	out     []byte
	scratch []byte
}

func (c *canon) value(i, depth int) (int, error) {
	tag, i, err := c.tag(i, depth)
	if err != nil {
		return i, err
	}
	switch string(tag) {
	case "S", "N", "B":
		i, err = c.text(i, tag[0], true)
	case "BOOL":
		word, digit := "false", byte('0')
		if i = c.Space(i); i < len(c.b) && c.b[i] == 't' {
			word, digit = "true", '1'
		}
		c.out = append(c.out, 'O', digit)
		i, err = c.Word(i, word)
	case "NULL":
		c.out = append(c.out, '0')
		i, err = c.Word(i, "true")
	case "M":
		i, err = c.attributes(i, depth+1)
	case "L":
		c.out = append(c.out, 'L')
		i, err = c.Elements(i, func(i int) (int, error) {
			c.out = append(c.out, '+')
			return c.value(i, depth+1)
		})
		c.out = append(c.out, '.')
	case "SS":
		i, err = c.set(i, 's', 'S')
	case "NS":
		i, err = c.set(i, 'n', 'N')
	case "BS":
		i, err = c.set(i, 'b', 'B')
	default:
		return i, c.fail(i, "unknown type tag")
	}
	return c.closed(i, err)
}

func (c *canon) attributes(i, depth int) (int, error) {
	c.out = append(c.out, 'M')
	var ends []int
	begin := len(c.out)
	i, err := c.Members(i, func(i int, name []byte) (int, error) {
		c.out = append(c.out, '+')
		c.contents(appendUnescaped(nil, name))
		next, err := c.value(i, depth)
		ends = append(ends, len(c.out))
		if err != nil {
			err = inAttribute(err, name)
		}
		return next, err
	})
	c.sort(begin, ends)
	c.out = append(c.out, '.')
	return i, err
}

func (c *canon) set(i int, letter, tag byte) (int, error) {
	c.out = append(c.out, letter)
	var ends []int
	begin := len(c.out)
	i, err := c.Elements(i, func(i int) (int, error) {
		c.out = append(c.out, '+')
		next, err := c.text(i, tag, false)
		ends = append(ends, len(c.out))
		return next, err
	})
	c.sort(begin, ends)
	c.out = append(c.out, '.')
	return i, err
}

// text writes a string, a number or a binary, with its letter or without.
func (c *canon) text(i int, tag byte, letter bool) (int, error) {
	raw, next, err := c.Text(i)
	if err != nil {
		return i, err
	}
	if letter {
		c.out = append(c.out, tag)
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = appendUnescaped(nil, raw)
	}
	switch Type(tag) {
	case Number:
		if raw, err = AppendDecimal(nil, raw); err != nil {
			return i, c.fail(i, badText)
		}
	case Binary:
		if raw, err = appendBase64(nil, raw); err != nil {
			return i, c.fail(i, badText)
		}
	}
	c.contents(raw)
	return next, nil
}

func (c *canon) contents(text []byte) {
	c.out = append(binary.AppendUvarint(c.out, uint64(len(text))), text...)
}

// sort puts the members that begin at begin and end at ends in the order of
// their bytes.
func (c *canon) sort(begin int, ends []int) {
	type span struct{ from, to int }
	spans := make([]span, len(ends))
	for i, end := range ends {
		spans[i] = span{begin, end}
		begin = end
	}
	order := func(x, y span) int { return bytes.Compare(c.out[x.from:x.to], c.out[y.from:y.to]) }
	if slices.IsSortedFunc(spans, order) {
		return
	}
	from := spans[0].from
	slices.SortFunc(spans, order)
	c.scratch = c.scratch[:0]
	for _, s := range spans {
		c.scratch = append(c.scratch, c.out[s.from:s.to]...)
	}
	copy(c.out[from:], c.scratch)
}

// Differing returns the names of the top-level attributes in which two items
// differ by value, those that only one of them has included, sorted.
func Differing(one, other Item) ([]string, error) {
	a, err := one.forms()
	if err != nil {
		return nil, err
	}
	b, err := other.forms()
	if err != nil {
		return nil, err
	}
	var names []string
	for name, form := range a {
		if b[name] != form {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// forms returns the canonical form of each top-level attribute.
func (it Item) forms() (map[string]string, error) {
	s, err := NewScanner(it)
	if err != nil {
		return nil, err
	}
	c := canon{Scanner: s}
	forms := make(map[string]string)
	_, err = c.Members(0, func(i int, name []byte) (int, error) {
		c.out = c.out[:0]
		i, err := c.value(i, 0)
		if err != nil {
			return i, inAttribute(err, name)
		}
		forms[string(appendUnescaped(nil, name))] = string(c.out)
		return i, nil
	})
	return forms, err
}
