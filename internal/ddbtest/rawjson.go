package ddbtest

import (
	"encoding/json"
	"iter"
)

// members yields the members of the JSON object in b: names decoded, values as
// the bytes they arrived in. It stops early at anything that is not JSON; who
// must know calls json.Valid first.
func members(b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := space(b, 0)
		if i >= len(b) || b[i] != '{' {
			return
		}
		i = space(b, i+1)
		for i < len(b) && b[i] == '"' {
			nameEnd := valueEnd(b, i)
			name := unquote(b[i:nameEnd])
			i = space(b, nameEnd)
			if i >= len(b) || b[i] != ':' {
				return
			}
			i = space(b, i+1)
			end := valueEnd(b, i)
			if end <= i || !yield(name, b[i:end]) {
				return
			}
			i = space(b, end)
			if i >= len(b) || b[i] != ',' {
				return
			}
			i = space(b, i+1)
		}
	}
}

// elements yields the elements of the JSON array in b.
func elements(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := space(b, 0)
		if i >= len(b) || b[i] != '[' {
			return
		}
		i = space(b, i+1)
		for i < len(b) && b[i] != ']' {
			end := valueEnd(b, i)
			if end <= i || !yield(b[i:end]) {
				return
			}
			i = space(b, end)
			if i >= len(b) || b[i] != ',' {
				return
			}
			i = space(b, i+1)
		}
	}
}

// member returns the value of one member of an object, nil if it has none.
func member(b []byte, name string) []byte {
	for n, v := range members(b) {
		if n == name {
			return v
		}
	}
	return nil
}

// memberString returns a member that is a string, "" if there is none.
func memberString(b []byte, name string) string {
	return unquote(member(b, name))
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at b[i] ends. It looks at each byte that passes a
// proxy: the race detector would be told of each, and that took a fifth of all tests' time.
//
//go:norace
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = stringEnd(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

//go:norace
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func unquote(b []byte) string {
	if len(b) < 2 || b[0] != '"' {
		return ""
	}
	for _, c := range b {
		if c == '\\' || c >= 0x80 {
			var s string
			if json.Unmarshal(b, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(b[1 : len(b)-1])
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}
