package item

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnescaped appends what a JSON string stands for. The text is what a
// [Scanner] has passed between two quotes.
func appendUnescaped(buf, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			buf = append(buf, text[i])
			i++
			continue
		}
		n := 0
		buf, n = appendEscape(buf, text[i:])
		i += n
	}
	return buf
}

// plainEscapes has what the one-letter escapes stand for.
var plainEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendEscape appends what the escape that text begins with stands for, and
// returns the escape's length, a surrogate pair being one.
func appendEscape(buf, text []byte) ([]byte, int) {
	if text[1] != 'u' {
		return append(buf, plainEscapes[text[1]]), 2
	}
	// the scanner has seen that these are digits, and that no surrogate is alone
	r, _ := hex4(text, 2)
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(buf, r), 6
	}
	low, _ := hex4(text, 8)
	return utf8.AppendRune(buf, utf16.DecodeRune(r, low)), 12
}

// strictBase64 reports whether text is base64 in the one form that its bytes
// have: RFC 4648's alphabet, padded, and no bits beyond the last byte.
func strictBase64(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	if len(text)%4 != 0 {
		return false
	}
	loose := byte(0) // bits of the last digit that belong to no byte
	switch {
	case text[len(text)-2] == '=':
		if text[len(text)-1] != '=' {
			return false
		}
		loose = 0x0f
		text = text[:len(text)-2]
	case text[len(text)-1] == '=':
		loose = 0x03
		text = text[:len(text)-1]
	}
	var bad byte
	for _, c := range text {
		bad |= base64Digit[c]
	}
	return bad&noDigit == 0 && base64Digit[text[len(text)-1]]&loose == 0
}

// appendBase64 appends the bytes that text stands for.
func appendBase64(buf, text []byte) ([]byte, error) {
	if !strictBase64(text) {
		return buf, base64.CorruptInputError(0)
	}
	return base64.StdEncoding.AppendDecode(buf, text)
}

const noDigit = 0x80

var base64Digit = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = noDigit
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		digits[c] = byte(i)
	}
	return digits
}()

// AppendKey appends the found item's primary key as DynamoDB JSON,
// `{"pk":{"S":"a"},"sk":{"N":"1"}}`, the values as they stand in the item.
func (f Found) AppendKey(buf []byte, schema Schema) []byte {
	buf = append(appendName(append(buf, '{'), schema.Partition.Name), f.Partition...)
	if schema.HasSort() {
		buf = append(appendName(append(buf, ','), schema.Sort.Name), f.Sort...)
	}
	return append(buf, '}')
}

// appendName appends a member's name and the colon.
func appendName(buf []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, err := json.Marshal(name)
			if err != nil {
				panic(err) // a string always marshals
			}
			return append(append(buf, quoted...), ':')
		}
	}
	buf = append(append(buf, '"'), name...)
	return append(buf, '"', ':')
}
