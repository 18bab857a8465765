package item

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth bounds how deeply values may nest. DynamoDB allows 32 levels; what
// comes from a file is anybody's.
const maxDepth = 64

// A SyntaxError says what is wrong with a piece of DynamoDB JSON, and where.
// The text never holds an attribute's value.
type SyntaxError struct {
	Offset    int
	Attribute string // the top-level attribute it lies in, where known
	Reason    string
}

func (e *SyntaxError) Error() string {
	if e.Attribute != "" {
		return fmt.Sprintf("attribute %q: %s at byte %d", e.Attribute, e.Reason, e.Offset)
	}
	return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset)
}

// A Scanner walks over JSON that must be well formed and, for items, DynamoDB
// JSON with known type tags, valid UTF-8 and no lone surrogate. It allocates nothing. Make one
// with [NewScanner] for each body.
type Scanner struct {
	b        []byte
	escapes  bool // some byte of the body is a backslash; else the next quote ends a string
	controls bool // some byte is a control character: white space, or a mistake
}

// NewScanner looks over the whole body once, for what lets it go fast later.
// It refuses a body that is not UTF-8.
func NewScanner(body []byte) (Scanner, error) {
	controls, escapes, high := survey(body)
	if high && !validUTF8(body) {
		return Scanner{}, &SyntaxError{Reason: "invalid UTF-8"}
	}
	return Scanner{b: body, escapes: escapes, controls: controls}, nil
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// survey reports whether any byte is a control character, whether any is a
// backslash, and whether any is not ASCII, eight bytes at a time. It may find a control character
// where there is none, beside a byte beyond ASCII; that costs time only.
func survey(b []byte) (controls, escapes, high bool) {
	const (
		limit = 0x20 * ones
		slash = '\\' * ones
	)
	var controlled, slashed, highs uint64
	for len(b) >= 32 {
		for i := 0; i < 32; i += 8 {
			w := binary.LittleEndian.Uint64(b[i : i+8])
			x := w ^ slash
			highs |= w
			controlled |= (w - limit) &^ w
			slashed |= (x - ones) &^ x
		}
		b = b[32:]
	}
	controls, escapes, high = controlled&tops != 0, slashed&tops != 0, highs&tops != 0
	for _, c := range b {
		controls = controls || c < 0x20
		escapes = escapes || c == '\\'
		high = high || c >= utf8.RuneSelf
	}
	return controls, escapes, high
}

// validUTF8 is utf8.Valid for text that is mostly ASCII: it goes back to eight
// bytes at a time after each letter beyond.
func validUTF8(b []byte) bool {
	for len(b) > 0 {
		if len(b) >= 8 && binary.LittleEndian.Uint64(b)&tops == 0 {
			b = b[8:]
			continue
		}
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return false
		}
		b = b[size:]
	}
	return true
}

func (s *Scanner) fail(i int, reason string) error {
	if i >= len(s.b) {
		reason, i = "unexpected end", len(s.b)
	}
	return &SyntaxError{Offset: i, Reason: reason}
}

// Space returns the index of the first byte from i on that is not white space.
func (s *Scanner) Space(i int) int {
	for i < len(s.b) && s.b[i] <= ' ' && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		i++
	}
	return i
}

// Expect passes white space and the byte c.
func (s *Scanner) Expect(i int, c byte) (int, error) {
	if i < len(s.b) && s.b[i] == c {
		return i + 1, nil
	}
	i = s.Space(i)
	if i < len(s.b) && s.b[i] == c {
		return i + 1, nil
	}
	return i, s.fail(i, "expected "+string(rune(c)))
}

// More is for the end of a member of an object or array that closes with end:
// it passes a comma (and reports true) or the end (and reports false).
func (s *Scanner) More(i int, end byte) (int, bool, error) {
	if i < len(s.b) && s.b[i] == ',' {
		return i + 1, true, nil
	}
	i = s.Space(i)
	if i < len(s.b) {
		switch s.b[i] {
		case ',':
			return i + 1, true, nil
		case end:
			return i + 1, false, nil
		}
	}
	return i, false, s.fail(i, "expected , or "+string(rune(end)))
}

// Empty passes the end of an object or array that has no members.
func (s *Scanner) Empty(i int, end byte) (int, bool) {
	i = s.Space(i)
	if i < len(s.b) && s.b[i] == end {
		return i + 1, true
	}
	return i, false
}

// Text passes a string and returns it as it stands between the quotes, escapes
// and all.
func (s *Scanner) Text(i int) (text []byte, next int, err error) {
	if i < len(s.b) && s.b[i] == '"' {
		i++
	} else if i, err = s.Expect(i, '"'); err != nil {
		return nil, i, err
	}
	end, err := s.quote(i)
	if err != nil {
		return nil, i, err
	}
	return s.b[i:end], end + 1, nil
}

// quote finds the closing quote of the string whose content begins at i.
func (s *Scanner) quote(i int) (int, error) {
	if s.controls {
		return s.careful(i)
	}
	if n, ok := s.near(i); ok {
		return i + n, nil
	}
	for end := i - 1; ; {
		// else the quote that was found is still ahead: looking again after
		// each escape would be quadratic
		if end < i {
			n := bytes.IndexByte(s.b[i:], '"')
			if n < 0 {
				return i, s.fail(len(s.b), "")
			}
			end = i + n
		}
		if !s.escapes {
			return end, nil
		}
		at := bytes.IndexByte(s.b[i:end], '\\')
		if at < 0 {
			return end, nil
		}
		n, err := s.escape(i + at)
		if err != nil {
			return i, err
		}
		i += at + n
	}
}

// near finds a closing quote within the eight bytes from i, where most names and
// many values end, if no backslash stands before it.
func (s *Scanner) near(i int) (n int, ok bool) {
	if i+8 > len(s.b) {
		return 0, false
	}
	w := binary.LittleEndian.Uint64(s.b[i : i+8])
	quotes, slashes := w^('"'*ones), w^('\\'*ones)
	quotes = (quotes - ones) &^ quotes & tops
	slashes = (slashes - ones) &^ slashes & tops
	return bits.TrailingZeros64(quotes) / 8, quotes != 0 && quotes&-quotes < slashes&-slashes-1
}

// careful is quote where control characters are about.
func (s *Scanner) careful(i int) (int, error) {
	for i < len(s.b) {
		switch c := s.b[i]; {
		case c == '"':
			return i, nil
		case c < 0x20:
			return i, s.fail(i, "control character in a string")
		case c != '\\':
			i++
		default:
			n, err := s.escape(i)
			if err != nil {
				return i, err
			}
			i += n
		}
	}
	return i, s.fail(i, "")
}

// escape returns the length of the escape at i, a surrogate pair being one.
func (s *Scanner) escape(i int) (int, error) {
	if i+1 >= len(s.b) {
		return 0, s.fail(len(s.b), "")
	}
	if s.b[i+1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), s.b[i+1]) < 0 {
			return 0, s.fail(i, "unknown escape")
		}
		return 2, nil
	}
	r, ok := hex4(s.b, i+2)
	if !ok {
		return 0, s.fail(i, "bad \\u escape")
	}
	if r < 0xd800 || r > 0xdfff {
		return 6, nil
	}
	if r < 0xdc00 && i+7 < len(s.b) && s.b[i+6] == '\\' && s.b[i+7] == 'u' {
		if low, ok := hex4(s.b, i+8); ok && low >= 0xdc00 && low <= 0xdfff {
			return 12, nil
		}
	}
	return 0, s.fail(i, "lone surrogate")
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// Members passes an object and calls visit at the value of each member; visit
// returns where that value ends.
func (s *Scanner) Members(i int, visit func(i int, name []byte) (int, error)) (int, error) {
	i, err := s.Expect(i, '{')
	if err != nil {
		return i, err
	}
	i, empty := s.Empty(i, '}')
	for more := !empty; more; {
		var name []byte
		if name, i, err = s.name(i); err != nil {
			return i, err
		}
		if i, err = visit(i, name); err != nil {
			return i, err
		}
		if i, more, err = s.More(i, '}'); err != nil {
			return i, err
		}
	}
	return i, nil
}

// Elements passes an array and calls visit at each element; visit returns where
// that element ends.
func (s *Scanner) Elements(i int, visit func(i int) (int, error)) (int, error) {
	i, err := s.Expect(i, '[')
	if err != nil {
		return i, err
	}
	i, empty := s.Empty(i, ']')
	for more := !empty; more; {
		if i, err = visit(i); err != nil {
			return i, err
		}
		if i, more, err = s.More(i, ']'); err != nil {
			return i, err
		}
	}
	return i, nil
}

// Word passes the literal word.
func (s *Scanner) Word(i int, word string) (int, error) {
	i = s.Space(i)
	if len(s.b)-i >= len(word) && string(s.b[i:i+len(word)]) == word {
		return i + len(word), nil
	}
	return i, s.fail(i, "expected "+word)
}

// Any passes one JSON value of any shape: a member that we do not know.
func (s *Scanner) Any(i int) (int, error) { return s.anyAt(i, 0) }

func (s *Scanner) anyAt(i, depth int) (int, error) {
	i = s.Space(i)
	if i >= len(s.b) || depth > maxDepth {
		return i, s.fail(i, "nested too deeply")
	}
	switch s.b[i] {
	case '"':
		_, i, err := s.Text(i)
		return i, err
	case 't':
		return s.Word(i, "true")
	case 'f':
		return s.Word(i, "false")
	case 'n':
		return s.Word(i, "null")
	case '{':
		return s.Members(i, func(i int, _ []byte) (int, error) { return s.anyAt(i, depth+1) })
	case '[':
		return s.Elements(i, func(i int) (int, error) { return s.anyAt(i, depth+1) })
	}
	_, i, err := s.Number(i)
	return i, err
}

// Number passes a JSON number and returns its text.
func (s *Scanner) Number(i int) ([]byte, int, error) {
	i = s.Space(i)
	start := i
	digits := func() bool {
		from := i
		for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s.b) && s.b[i] == '-' {
		i++
	}
	first := i
	ok := digits() && (s.b[first] != '0' || i == first+1)
	if ok && i < len(s.b) && s.b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(s.b) && (s.b[i] == 'e' || s.b[i] == 'E') {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		return nil, i, s.fail(i, "expected a JSON value")
	}
	return s.b[start:i], i, nil
}
