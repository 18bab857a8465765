package query

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dynamo-cmdline/dynamo/item"
)

// hidden reports whether c could steer a terminal, or make it show text in
// another order than it has: control and format characters, and line ends.
func hidden(c rune) bool {
	if c < utf8.RuneSelf { // most are
		return c < ' ' || c == 0x7f
	}
	return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029'
}

// Visible escapes what could steer a terminal, or make it show text in another
// order than it has, line ends included. What comes of it is for people to look at: there is no
// way back.
func Visible(text string) string {
	if strings.IndexFunc(text, hidden) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if hidden(c) {
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// quoted is the text as a JSON string in which nothing is hidden.
func quoted(text string) string { return string(appendQuoted(nil, text)) }

func appendQuoted(b []byte, text string) []byte {
	return appendEscaped(b, text, func(b []byte, c rune) []byte {
		high, low := utf16.EncodeRune(c)
		return appendUnit(appendUnit(b, high), low)
	})
}

// appendEscaped writes a string in double quotes, with beyond for what is
// hidden beyond the 16 bits of a \u.
func appendEscaped(b []byte, text string, beyond func([]byte, rune) []byte) []byte {
	b = append(b, '"')
	plain := 0 // of text is in b
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, text[plain:i]...)
		c, size := utf8.DecodeRuneInString(text[i:])
		i += size
		plain = i
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case !hidden(c):
			b = utf8.AppendRune(b, c)
		case c > 0xffff:
			b = beyond(b, c)
		default:
			b = appendUnit(b, c)
		}
	}
	return append(append(b, text[plain:]...), '"')
}

func appendUnit(b []byte, c rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[c>>12&15], digits[c>>8&15], digits[c>>4&15], digits[c&15])
}

// appendNumber writes a number as JSON does, digit for digit where JSON can.
func appendNumber(b []byte, text string) []byte {
	s, err := item.NewScanner([]byte(text))
	if err == nil {
		if _, end, err := s.Number(0); err == nil && end == len(text) && s.Space(0) == 0 {
			return append(b, text...)
		}
	}
	canonical, err := item.AppendDecimal(nil, []byte(text))
	if err != nil {
		return appendQuoted(b, text) // no service sends that
	}
	return append(b, canonical...)
}
