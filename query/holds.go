package query

import (
	"encoding/base64"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Holds reports whether an item has the keys that the selection is about: those under its
// condition, or, in a scan of an index, any that the index can have. What an index shows may be
// old: an item may have left the selection in the table itself. The filter is not looked at.
func (s Selection) Holds(it item.Item) (bool, error) {
	texts := make(map[string]string, 2) // of the key attributes that have the right type
	scan, err := item.NewScanner(it)
	if err != nil {
		return false, err
	}
	_, err = scan.Members(0, func(i int, raw []byte) (int, error) {
		name, err := unescape(raw)
		if err != nil || name != s.within.Partition.Name && name != s.within.Sort.Name {
			next, e := scan.Any(i)
			if err == nil {
				err = e
			}
			return next, err
		}
		v, next, err := typedAt(&scan, i)
		if attr := s.within.attr(name); v.tag == attr.Type.String() {
			texts[name] = v.text
		}
		return next, err
	})
	if err != nil {
		return false, err
	}
	partition, ok := texts[s.within.Partition.Name]
	if !ok || s.within.partition != "" && compareKeys(partition, s.within.partition, s.within.Partition.Type) != 0 {
		return false, nil
	}
	if !s.within.HasSort() {
		return true, nil
	}
	sort, ok := texts[s.within.Sort.Name]
	return ok && s.within.sort.holds(sort, s.within.Sort.Type), nil
}

// bounds are the key and the condition of a selection, for items that are at hand.
type bounds struct {
	item.Schema
	partition string    // "" for any
	sort      Condition // without an operator where any will do
}

func (b bounds) attr(name string) item.Attr {
	if name == b.Partition.Name {
		return b.Partition
	}
	return b.Sort
}

// holds reports whether a key value of that type is as the condition says.
func (c Condition) holds(text string, kind item.Type) bool {
	switch order := func() int { return compareKeys(text, c.Value, kind) }; c.Operator {
	case BeginsWith:
		if kind == item.Binary {
			text, prefix := binaryText(text), binaryText(c.Value)
			return strings.HasPrefix(text, prefix)
		}
		return strings.HasPrefix(text, c.Value)
	case Equal:
		return order() == 0
	case Less:
		return order() < 0
	case LessEqual:
		return order() <= 0
	case Greater:
		return order() > 0
	case GreaterEqual:
		return order() >= 0
	case Between:
		return order() >= 0 && compareKeys(text, c.Upper, kind) <= 0
	}
	return true
}

func binaryText(text string) string {
	raw, _ := base64.StdEncoding.DecodeString(text) // both were checked
	return string(raw)
}
