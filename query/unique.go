package query

import (
	"crypto/sha256"
	"io"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Values write the distinct values of one attribute, each when it is first
// seen: of any type, numbers by value, and nothing for an item that lacks it. They keep 16 bytes
// for each value.
type Values struct {
	w         io.Writer
	attribute string
	array     bool
	seen      map[[16]byte]bool
}

// NewValues returns a writer of an attribute's values, one a line: a string as
// it is, in JSON's quotes where it has something hidden in it. With array it is one JSON array.
func NewValues(w io.Writer, attribute string, array bool) *Values {
	return &Values{w: w, attribute: attribute, array: array, seen: make(map[[16]byte]bool)}
}

// Write looks at one more item.
func (u *Values) Write(it item.Item) error {
	all, err := decode(it, nil)
	if err != nil {
		return err
	}
	v, ok := all.member(u.attribute)
	if !ok {
		return nil
	}
	sum := sha256.Sum256(v.canonical().appendTyped(nil))
	digest := [16]byte(sum[:])
	if u.seen[digest] {
		return nil
	}
	u.seen[digest] = true
	var b []byte
	switch {
	case u.array && len(u.seen) == 1:
		b = v.appendJSON([]byte("[\n"))
	case u.array:
		b = v.appendJSON([]byte(",\n"))
	case v.tag == "S" && strings.IndexFunc(v.text, hidden) < 0:
		b = append([]byte(v.text), '\n')
	case v.tag == "B":
		b = append([]byte(Visible(v.text)), '\n')
	default:
		b = append(v.appendJSON(nil), '\n')
	}
	_, err = u.w.Write(b)
	return err
}

// Abandon ends the writer where the items broke off.
func (u *Values) Abandon() {}

// Close writes the end.
func (u *Values) Close() error {
	end := ""
	switch {
	case u.array && len(u.seen) == 0:
		end = "[]\n"
	case u.array:
		end = "\n]\n"
	}
	_, err := io.WriteString(u.w, end)
	return err
}

// canonical is the value with its numbers in one form.
func (v value) canonical() value {
	if v.tag == "N" {
		if text, err := item.AppendDecimal(nil, []byte(v.text)); err == nil {
			v.text = string(text)
		}
		return v
	}
	list := make([]value, len(v.list))
	for i, element := range v.list {
		list[i] = element.canonical()
	}
	v.list = list
	return v
}
