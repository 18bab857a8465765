package query

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// filter writes the filter with placeholders of ours in the places of the
// user's. A # or a : means nothing else in an expression, which has no literals.
func (q Query) filter(e *expressions) (string, error) {
	values := make(map[string][]byte, len(q.Values))
	for _, name := range slices.Sorted(maps.Keys(q.Values)) {
		if !placeholder(name, ':') {
			return "", wrong(`as --value ':v={"S":"x"}'`, "%q is not a value's placeholder", name)
		}
		raw, err := ParseValue(q.Values[name])
		if err != nil {
			return "", wrong(valueHint, "value %s: %w", name, err)
		}
		values[name] = raw
	}
	for _, name := range slices.Sorted(maps.Keys(q.Names)) {
		if !placeholder(name, '#') || q.Names[name] == "" {
			return "", wrong("as --name '#n=attribute'", "%q is not a name's placeholder with an attribute", name)
		}
	}
	used := make(map[string]string)
	var b strings.Builder
	for rest := q.Filter; rest != ""; {
		at := strings.IndexAny(rest, "#:")
		if at < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:at])
		name := rest[at : at+1+wordLength(rest[at+1:])]
		rest = rest[at+len(name):]
		if used[name] == "" {
			raw, isValue := values[name]
			attribute, isName := q.Names[name]
			switch {
			case isValue:
				used[name] = e.value(raw)
			case isName:
				used[name] = e.name(attribute)
			case name[0] == ':':
				return "", wrong("give --value '"+name+`="…"'`, "the filter's %s has no value", name)
			default:
				return "", wrong("give --name '"+name+"=attribute'", "the filter's %s has no name", name)
			}
		}
		b.WriteString(used[name])
	}
	for _, name := range append(slices.Sorted(maps.Keys(q.Names)), slices.Sorted(maps.Keys(q.Values))...) {
		if used[name] == "" {
			return "", wrong("", "%s is not in the filter", name)
		}
	}
	return b.String(), nil
}

// words are those of a filter that name no attribute; DynamoDB takes the first few in any case of
// letters.
var words = []string{"and", "or", "not", "between", "in", "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"}

// filtered are the top-level attributes that the filter names.
func (q Query) filtered() (names []string) {
	inside := false // an attribute: behind a dot
	for rest := q.Filter; rest != ""; {
		n := wordLength(rest)
		switch {
		case n > 0:
			if word := rest[:n]; !inside && !slices.Contains(words, strings.ToLower(word)) && (word[0] < '0' || word[0] > '9') {
				names = append(names, word)
			}
			inside = false
		case rest[0] == '#', rest[0] == ':':
			n = 1 + wordLength(rest[1:])
			if !inside && rest[0] == '#' {
				names = append(names, q.Names[rest[:n]])
			}
			inside = false
		default:
			n = 1
			if c := rest[0]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				inside = c == '.'
			}
		}
		rest = rest[n:]
	}
	return names
}

func placeholder(name string, sign byte) bool {
	return len(name) > 1 && name[0] == sign && wordLength(name[1:]) == len(name)-1
}

func wordLength(text string) int {
	for i, c := range text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return i
		}
	}
	return len(text)
}

const valueHint = `a value is DynamoDB JSON, {"S":"x"}, or a plain JSON scalar: "x", 1, true, null`

var (
	errNotJSON  = errors.New("it is not JSON")
	errNotTyped = errors.New("it is neither a typed value nor a scalar")
)

// ParseValue makes the typed value of text, which is DynamoDB JSON or a plain
// JSON scalar.
func ParseValue(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	s, err := item.NewScanner([]byte(text))
	if err != nil {
		return nil, errNotJSON
	}
	if end, err := s.Any(0); err != nil || s.Space(end) != len(text) {
		return nil, errNotJSON
	}
	switch text[0] {
	case '"':
		return []byte(`{"S":` + text + `}`), nil
	case 't', 'f':
		return []byte(`{"BOOL":` + text + `}`), nil
	case 'n':
		return []byte(`{"NULL":true}`), nil
	case '{':
		found, err := item.Parse([]byte(`{"v":`+text+`}`), item.Schema{Partition: item.Attr{Name: "v", Type: item.String}})
		if err != nil {
			return nil, errNotTyped
		}
		var number struct{ N *string }
		if json.Unmarshal(found.Partition, &number) == nil && number.N != nil {
			if err := item.CheckNumber([]byte(*number.N)); err != nil {
				return nil, err
			}
		}
		return found.Partition, nil
	case '[':
		return nil, errNotTyped
	}
	if err := item.CheckNumber([]byte(text)); err != nil {
		return nil, err
	}
	return []byte(`{"N":"` + text + `"}`), nil
}
