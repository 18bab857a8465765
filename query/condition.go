package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/dynamo-cmdline/dynamo/item"
)

// An Operator compares a sort key.
type Operator string

// The operators that DynamoDB has for sort keys.
const (
	BeginsWith   Operator = "begins_with"
	Equal        Operator = "="
	Less         Operator = "<"
	LessEqual    Operator = "<="
	Greater      Operator = ">"
	GreaterEqual Operator = ">="
	Between      Operator = "between"
)

// A Condition is what a sort key must be.
type Condition struct {
	Operator Operator // "" where only a value is given: begins_with, but = on a number
	Value    string   // as in [Query]
	Upper    string   // the other end of between, included
}

var (
	symbols = []Operator{LessEqual, GreaterEqual, Less, Greater, Equal} // the longer first
	and     = regexp.MustCompile(`(?i)\s+and\s+`)
)

const jsonHint = `an operator's value can be a JSON string: 'between "a and b" and "c"'; a plain value that begins like an operator is written 'begins_with …'`

// ParseSort reads a condition on a sort key: a value, or an operator and its
// value, as '>= 10', 'between a and b' or 'begins_with v'. After an operator a value may be a
// JSON string; a plain one is what is left without white space at its ends. The errors are an
// [*Error].
func ParseSort(text string) (Condition, error) {
	for _, op := range symbols {
		rest, ok := strings.CutPrefix(text, string(op))
		if !ok {
			continue
		}
		if strings.IndexAny(rest, "<>=") == 0 {
			return Condition{}, wrong(jsonHint, "%q begins with no operator of a sort key", text)
		}
		value, err := operand(rest)
		return Condition{Operator: op, Value: value}, err
	}
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.EqualFold(word, string(BeginsWith)):
		value, err := operand(rest)
		return Condition{Operator: BeginsWith, Value: value}, err
	case strings.EqualFold(word, string(Between)):
		return parseBetween(rest)
	}
	return Condition{Value: text}, nil
}

// operand reads the one value behind an operator.
func operand(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", wrong(jsonHint, "the operator has no value")
	}
	if text[0] != '"' {
		return text, nil
	}
	value, rest, err := jsonString(text)
	if err == nil && rest != "" {
		err = wrong(jsonHint, "%q stands behind the value", rest)
	}
	return value, err
}

func parseBetween(text string) (Condition, error) {
	text = strings.TrimSpace(text)
	c := Condition{Operator: Between}
	var rest string
	var err error
	if strings.HasPrefix(text, `"`) {
		if c.Value, rest, err = jsonString(text); err != nil {
			return c, err
		}
		at := and.FindStringIndex(" " + rest)
		if at == nil || at[0] != 0 {
			return c, wrong(jsonHint, "between needs two values: between a and b")
		}
		rest = (" " + rest)[at[1]:]
	} else {
		at := and.FindStringIndex(text)
		if at == nil || at[0] == 0 {
			return c, wrong(jsonHint, "between needs two values: between a and b")
		}
		c.Value, rest = text[:at[0]], text[at[1]:]
	}
	if !strings.HasPrefix(strings.TrimSpace(rest), `"`) && and.MatchString(rest) {
		return c, wrong(jsonHint, "%q can be read in more than one way", "between "+text)
	}
	c.Upper, err = operand(rest)
	return c, err
}

// jsonString reads the JSON string that text begins with, and returns what is
// behind it, without white space.
func jsonString(text string) (value, rest string, err error) {
	bad := wrong(jsonHint, "%q begins with no JSON string", text)
	s, err := item.NewScanner([]byte(text))
	if err != nil {
		return "", "", bad
	}
	_, end, err := s.Text(0) // refuses lone surrogates, which encoding/json replaces
	if err != nil || json.Unmarshal([]byte(text[:end]), &value) != nil {
		return "", "", bad
	}
	return value, strings.TrimSpace(text[end:]), nil
}

// on is the condition with the operator that a bare value has on a key of that type.
func (c Condition) on(kind item.Type) Condition {
	switch {
	case c.Operator != "":
	case kind == item.Number:
		c.Operator = Equal
	default:
		c.Operator = BeginsWith
	}
	return c
}

// compile makes the condition's text for a sort key, which has an operator.
func (c Condition) compile(e *expressions, attr item.Attr) (string, error) {
	op := c.Operator
	if op == BeginsWith && attr.Type == item.Number {
		return "", wrong("use =, <, <=, >, >= or between", "begins_with does not work on the number %q", attr.Name)
	}
	value, err := keyValue(c.Value, attr, "sort", item.MaxSort)
	if err != nil {
		return "", err
	}
	name := e.name(attr.Name)
	switch op {
	case BeginsWith:
		return "begins_with(" + name + ", " + e.value(value) + ")", nil
	case Between:
		upper, err := keyValue(c.Upper, attr, "sort", item.MaxSort)
		if err != nil {
			return "", err
		}
		if compareKeys(c.Value, c.Upper, attr.Type) > 0 {
			return "", wrong("the smaller one comes first", "between %s and %s: there is nothing between", c.Value, c.Upper)
		}
		return name + " BETWEEN " + e.value(value) + " AND " + e.value(upper), nil
	}
	return name + " " + string(op) + " " + e.value(value), nil
}

// keyValue makes the typed value of a key attribute.
func keyValue(text string, attr item.Attr, role string, most int) ([]byte, error) {
	if text == "" {
		return nil, wrong("", "the %s key is empty", role)
	}
	size := len(text)
	switch attr.Type {
	case item.Number:
		if err := item.CheckNumber([]byte(text)); err != nil {
			return nil, wrong("", "the %s key %q is a number, and %q is none that DynamoDB takes: %w", role, attr.Name, text, err)
		}
		text = strings.TrimPrefix(text, "+")
	case item.Binary:
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, wrong("printf … | base64", "the %s key %q is binary, and %q is not base64", role, attr.Name, text)
		}
		if size = len(raw); size == 0 {
			return nil, wrong("", "the %s key is empty", role)
		}
	default:
		if !utf8.ValidString(text) {
			return nil, wrong("", "the %s key is not valid UTF-8", role)
		}
	}
	if size > most {
		return nil, wrong("", "the %s key has %d bytes; DynamoDB takes %d", role, size, most)
	}
	return []byte(`{"` + attr.Type.String() + `":` + quoted(text) + `}`), nil
}

// rational is the value of a number that was checked.
func rational(text string) *big.Rat {
	canonical, err := item.AppendDecimal(nil, []byte(text))
	if err != nil {
		return new(big.Rat)
	}
	r, _ := new(big.Rat).SetString(string(canonical)) // the canonical form is one that it takes
	return r
}

// compareKeys orders two valid key values as DynamoDB does.
func compareKeys(a, b string, kind item.Type) int {
	switch kind {
	case item.Number:
		return rational(a).Cmp(rational(b))
	case item.Binary:
		x, _ := base64.StdEncoding.DecodeString(a) // both were checked
		y, _ := base64.StdEncoding.DecodeString(b)
		return bytes.Compare(x, y)
	}
	return strings.Compare(a, b)
}
