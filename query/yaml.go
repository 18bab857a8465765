package query

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// appendYAMLItem writes an item as an element of a sequence.
func appendYAMLItem(b []byte, v value) []byte {
	return v.appendYAML(append(b, "- "...), 2)
}

// appendYAML writes the value from where the line is, in column indent.
func (v value) appendYAML(b []byte, indent int) []byte {
	switch v.tag {
	case "S":
		return appendPlainText(b, v.text)
	case "B":
		return appendQuoted(append(b, "!!binary "...), v.text)
	case "N", "BOOL", "NULL":
		return v.appendJSON(b)
	}
	if len(v.list) == 0 {
		return v.appendJSON(b) // [] or {}
	}
	for i, element := range v.list {
		if i > 0 {
			b = newLine(b, indent)
		}
		if v.tag != "M" {
			b = element.appendYAML(append(b, "- "...), indent+2)
			continue
		}
		b = append(appendPlainText(b, v.names[i]), ':')
		if element.contains() {
			b = newLine(b, indent+2)
		} else {
			b = append(b, ' ')
		}
		b = element.appendYAML(b, indent+2)
	}
	return b
}

func newLine(b []byte, indent int) []byte {
	return append(append(b, '\n'), strings.Repeat(" ", indent)...)
}

// contains reports whether the value takes lines of its own.
func (v value) contains() bool { return len(v.list) > 0 }

var plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@#+-]*$`)

// reserved are the plain words that some reader of YAML takes for something
// else than a string.
var reserved = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}

// appendPlainText writes a string, quoted much as JSON is unless no reader could
// take it for anything else.
func appendPlainText(b []byte, text string) []byte {
	if plainText.MatchString(text) && !slices.Contains(reserved, strings.ToLower(text)) {
		return append(b, text...)
	}
	return appendEscaped(b, text, func(b []byte, c rune) []byte { return fmt.Appendf(b, `\U%08x`, c) })
}
