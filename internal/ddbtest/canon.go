package ddbtest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An Item is an item as the SDK types it.
type Item = map[string]types.AttributeValue

// DigestOf is the digest of an item's value: equal items have equal digests,
// whatever the order of attributes and set members and the form of numbers.
func DigestOf(item Item) string {
	return digest(appendValue(nil, &types.AttributeValueMemberM{Value: item}))
}

// KeyOf writes the named key attributes of an item in one form for equal
// values: S"abc" N"12", binary as B"base64".
func KeyOf(item Item, names ...string) string {
	var parts []string
	for _, name := range names {
		parts = append(parts, keyText(item[name]))
	}
	return strings.Join(parts, " ")
}

func keyText(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return "S" + strconv.Quote(v.Value)
	case *types.AttributeValueMemberN:
		return "N" + strconv.Quote(decimal(v.Value))
	case *types.AttributeValueMemberB:
		return "B" + strconv.Quote(base64.StdEncoding.EncodeToString(v.Value))
	}
	return "?"
}

func digest(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:12])
}

// RawKeyOf is KeyOf for an item in DynamoDB JSON.
func RawKeyOf(item []byte, names ...string) string { return rawKey(item, names) }

// RawDigestOf is DigestOf for an item in DynamoDB JSON.
func RawDigestOf(item []byte) string { return digest(appendRawMap(nil, item)) }

// appendValue appends the canonical form: a tag, then lengths before contents,
// so that no two values share a form.
func appendValue(b []byte, v types.AttributeValue) []byte {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return appendText(append(b, 'S'), v.Value)
	case *types.AttributeValueMemberN:
		return appendText(append(b, 'N'), decimal(v.Value))
	case *types.AttributeValueMemberB:
		return appendText(append(b, 'B'), string(v.Value))
	case *types.AttributeValueMemberBOOL:
		if v.Value {
			return append(b, 't')
		}
		return append(b, 'f')
	case *types.AttributeValueMemberNULL:
		if v.Value {
			return append(b, '0')
		}
		return append(b, '1') // NULL:false does not exist; it must not pass for NULL
	case *types.AttributeValueMemberSS:
		return appendSet(append(b, 's'), slices.Clone(v.Value))
	case *types.AttributeValueMemberNS:
		numbers := make([]string, len(v.Value))
		for i, n := range v.Value {
			numbers[i] = decimal(n)
		}
		return appendSet(append(b, 'n'), numbers)
	case *types.AttributeValueMemberBS:
		texts := make([]string, len(v.Value))
		for i, t := range v.Value {
			texts[i] = string(t)
		}
		return appendSet(append(b, 'b'), texts)
	case *types.AttributeValueMemberL:
		b = binary.AppendUvarint(append(b, 'L'), uint64(len(v.Value)))
		for _, e := range v.Value {
			b = appendValue(b, e)
		}
		return b
	case *types.AttributeValueMemberM:
		b = binary.AppendUvarint(append(b, 'M'), uint64(len(v.Value)))
		for _, name := range slices.Sorted(maps.Keys(v.Value)) {
			b = appendValue(appendText(b, name), v.Value[name])
		}
		return b
	}
	return append(b, fmt.Sprintf("?%T", v)...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendSet(b []byte, members []string) []byte {
	slices.Sort(members)
	b = binary.AppendUvarint(b, uint64(len(members)))
	for _, m := range members {
		b = appendText(b, m)
	}
	return b
}

// appendRaw appends the canonical form of an attribute value in DynamoDB JSON.
func appendRaw(b, raw []byte) []byte {
	for tag, v := range members(raw) {
		switch tag {
		case "S":
			return appendText(append(b, 'S'), unquote(v))
		case "N":
			return appendText(append(b, 'N'), decimal(unquote(v)))
		case "B":
			return appendText(append(b, 'B'), unbase64(v))
		case "BOOL":
			return append(b, v[0])
		case "NULL":
			if v[0] == 't' {
				return append(b, '0')
			}
			return append(b, '1')
		case "SS":
			return appendSet(append(b, 's'), texts(v, unquote))
		case "NS":
			return appendSet(append(b, 'n'), texts(v, func(e []byte) string { return decimal(unquote(e)) }))
		case "BS":
			return appendSet(append(b, 'b'), texts(v, unbase64))
		case "L":
			all := slices.Collect(elements(v))
			b = binary.AppendUvarint(append(b, 'L'), uint64(len(all)))
			for _, e := range all {
				b = appendRaw(b, e)
			}
			return b
		case "M":
			return appendRawMap(b, v)
		}
		return append(b, "?"+tag...)
	}
	return append(b, "?"...)
}

func appendRawMap(b, raw []byte) []byte {
	type named struct {
		name  string
		value []byte
	}
	var all []named
	for n, v := range members(raw) {
		all = append(all, named{n, v})
	}
	slices.SortFunc(all, func(x, y named) int { return cmp.Compare(x.name, y.name) })
	b = binary.AppendUvarint(append(b, 'M'), uint64(len(all)))
	for _, m := range all {
		b = appendRaw(appendText(b, m.name), m.value)
	}
	return b
}

func texts(raw []byte, decode func([]byte) string) []string {
	var all []string
	for e := range elements(raw) {
		all = append(all, decode(e))
	}
	return all
}

func unbase64(raw []byte) string {
	b, err := base64.StdEncoding.DecodeString(unquote(raw))
	if err != nil {
		return "?" + string(raw)
	}
	return string(b)
}

// rawKey writes key attributes in DynamoDB JSON as KeyOf does.
func rawKey(item []byte, names []string) string {
	var b bytes.Buffer
	for i, name := range names {
		if i > 0 {
			b.WriteByte(' ')
		}
		text := "?"
		for tag, v := range members(member(item, name)) {
			switch tag {
			case "S":
				text = "S" + strconv.Quote(unquote(v))
			case "N":
				text = "N" + strconv.Quote(decimal(unquote(v)))
			case "B":
				text = "B" + strconv.Quote(base64.StdEncoding.EncodeToString([]byte(unbase64(v))))
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// decimal writes a number in one form for equal values: an integer without
// trailing zeros and, where it is not 0, an exponent. 1, 1.0 and 1E0 are "1",
// 150 is "15E1", -0 is "0". What is not a number stays as it is.
func decimal(s string) string {
	rest, negative := strings.CutPrefix(s, "-")
	rest = strings.TrimPrefix(rest, "+")
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.Atoi(rest[i+1:])
		if err != nil {
			return s
		}
		mantissa, exponent = rest[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return s
	}
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	trimmed = strings.TrimLeft(trimmed, "0")
	if trimmed == "" {
		return "0"
	}
	if negative {
		trimmed = "-" + trimmed
	}
	if exponent == 0 {
		return trimmed
	}
	return trimmed + "E" + strconv.Itoa(exponent)
}
