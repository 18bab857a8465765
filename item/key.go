package item

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"strings"
)

// seed makes key hashes unforgeable and different in every process.
var seed = maphash.MakeSeed()

// Hash returns a 64-bit hash of the found item's primary key by value. Equal
// keys have equal hashes; the seed is the process's own.
func (f Found) Hash(schema Schema) (uint64, error) {
	h, err := hashKeyValue(f.Partition, schema.Partition)
	if err != nil || !schema.HasSort() {
		return h, err
	}
	g, err := hashKeyValue(f.Sort, schema.Sort)
	return bits.RotateLeft64(h, 31)*0x9e3779b97f4a7c15 + g, err
}

func hashKeyValue(raw []byte, attr Attr) (uint64, error) {
	// A compact string or binary without escapes is its own canonical form.
	if attr.Type != Number && compact(raw, attr.Type) {
		return maphash.Bytes(seed, raw[6:len(raw)-2]), nil
	}
	var stack [128]byte
	text, err := keyText(stack[:0], raw, attr)
	return maphash.Bytes(seed, text), err
}

// compact reports whether raw is {"T":"…"} to the byte, with no escape in it.
func compact(raw []byte, t Type) bool {
	if len(raw) < 8 || string(raw[:2]) != `{"` || raw[2] != byte(t) || string(raw[3:6]) != `":"` || string(raw[len(raw)-2:]) != `"}` {
		return false
	}
	return bytes.IndexByte(raw[6:len(raw)-2], '\\') < 0
}

// keyText appends the canonical text of a key value: a string's own bytes, a
// binary's base64, a number's canonical decimal.
func keyText(buf, raw []byte, attr Attr) ([]byte, error) {
	if compact(raw, attr.Type) {
		raw = raw[6 : len(raw)-2]
	} else {
		var typed map[string]string
		if err := json.Unmarshal(raw, &typed); err != nil || len(typed) != 1 {
			return buf, fmt.Errorf("key attribute %q: not a key value", attr.Name)
		}
		text, ok := typed[attr.Type.String()]
		if !ok {
			return buf, fmt.Errorf("key attribute %q: not of type %s", attr.Name, attr.Type)
		}
		raw = []byte(text)
	}
	if attr.Type == Number {
		return AppendDecimal(buf, raw)
	}
	return append(buf, raw...), nil
}

// unescape resolves the JSON escapes in what stands between two quotes.
func unescape(text []byte) ([]byte, bool) {
	var s string
	if err := json.Unmarshal([]byte(`"`+string(text)+`"`), &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}

// DynamoDB's limits for the values of keys, in bytes.
const (
	MaxPartition = 2048
	MaxSort      = 1024
)

// CheckKey holds the found item's primary key to what DynamoDB takes: a request that names
// another key is refused as a whole.
func (f Found) CheckKey(schema Schema) error {
	if err := checkKeyValue(f.Partition, schema.Partition, MaxPartition); err != nil || !schema.HasSort() {
		return err
	}
	return checkKeyValue(f.Sort, schema.Sort, MaxSort)
}

func checkKeyValue(raw []byte, attr Attr, most int) error {
	if attr.Type == Number {
		var value struct{ N string }
		err := json.Unmarshal(raw, &value)
		if err == nil {
			err = CheckNumber([]byte(value.N))
		}
		if err != nil {
			return fmt.Errorf("key attribute %q: %w", attr.Name, err)
		}
		return nil
	}
	text, err := keyText(nil, raw, attr)
	if err == nil && attr.Type == Binary {
		text, err = appendBase64(nil, text)
	}
	switch {
	case err != nil:
		return err
	case len(text) == 0:
		return fmt.Errorf("key attribute %q is empty", attr.Name)
	case len(text) > most:
		return fmt.Errorf("key attribute %q has %d bytes; DynamoDB takes %d", attr.Name, len(text), most)
	}
	return nil
}

var (
	errDigits = errors.New("it has more than 38 digits")
	errRange  = errors.New("it is not between 1E-130 and 1E126")
)

// CheckNumber holds a number to what DynamoDB can keep: 38 digits, and a
// magnitude from 1E-130 to below 1E126.
func CheckNumber(text []byte) error {
	canonical, err := AppendDecimal(nil, text)
	if err != nil {
		return err
	}
	digits, exponent, found := strings.Cut(strings.TrimPrefix(string(canonical), "-"), "E")
	if !found {
		return nil // zero
	}
	e, err := strconv.Atoi(exponent)
	if err != nil {
		return err
	}
	if len(digits) > 38 {
		return errDigits
	}
	if first := e + len(digits) - 1; first < -130 || first > 125 {
		return errRange
	}
	return nil
}

// mostExponent is far beyond what DynamoDB stores, 125, and far from where sums
// of exponents overflow.
const mostExponent = 1_000_000

// AppendDecimal appends the canonical form of a decimal number: an optional
// minus, the significant digits without zeros at either end, E and the exponent
// of the last digit. Numbers equal by value have one form; zero is "0".
func AppendDecimal(buf, text []byte) ([]byte, error) {
	bad := func() ([]byte, error) { return buf, fmt.Errorf("not a number") }
	i, negative := 0, false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	exponent, point, seen := 0, false, false
	var stack [64]byte
	digits := stack[:0]
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		if point {
			exponent--
		}
		if c != '0' || len(digits) > 0 {
			digits = append(digits, c)
		}
	}
	if !seen {
		return bad()
	}
	if i < len(text) {
		if text[i] != 'e' && text[i] != 'E' {
			return bad()
		}
		e, err := strconv.Atoi(string(text[i+1:]))
		if err != nil || e < -mostExponent || e > mostExponent {
			return bad()
		}
		exponent += e
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exponent++
	}
	if len(digits) == 0 {
		return append(buf, '0'), nil
	}
	if negative {
		buf = append(buf, '-')
	}
	buf = append(buf, digits...)
	return strconv.AppendInt(append(buf, 'E'), int64(exponent), 10), nil
}
