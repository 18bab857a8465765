package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// normalise checks one of AWS's shared files as strictly as the AWS CLI reads it, and returns it as
// the SDK must be given it to read the same. The SDK passes over a line that it does not know, so
// that what is under a header without its bracket would go to the profile above it; and it knows no
// quotes in headers. Whatever the two read alike is left as it is, inline comments and quoted
// values included.
func normalise(text string, credentials bool) (string, error) {
	if err := checkText(text); err != nil {
		return "", err
	}
	lines := linesOf(text)
	changed := strings.Count(text, "\r") > strings.Count(text, "\r\n")
	p := parser{credentials: credentials, sections: map[string]int{}}
	for i, line := range lines {
		p.line = i + 1
		now, err := p.read(line)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", p.line, err)
		}
		changed = changed || now != line
		lines[i] = now
	}
	if !changed {
		return text, nil
	}
	return strings.Join(lines, "\n"), nil
}

// linesOf splits at Python's ends of lines; the SDK knows a lone \r for none.
func linesOf(text string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
}

// sections are the names of the sections, up to the first line that cannot be read.
func sections(text string, credentials bool) []string {
	p := parser{credentials: credentials, sections: map[string]int{}}
	for i, line := range linesOf(text) {
		p.line = i + 1
		if _, err := p.read(line); err != nil {
			break
		}
	}
	return slices.Sorted(maps.Keys(p.sections))
}

// checkText refuses what is no text in UTF-8.
func checkText(text string) error {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return fmt.Errorf("line 1: it is UTF-16: save it as UTF-8")
	case strings.HasPrefix(text, "\ufeff"):
		return fmt.Errorf("line 1: it begins with a byte order mark: save it as UTF-8 without one")
	}
	line := 0
	for part := range strings.Lines(text) {
		line++
		if !utf8.ValidString(part) || strings.Contains(part, "\x00") {
			return fmt.Errorf("line %d: it is no text in UTF-8", line)
		}
	}
	return nil
}

// A parser knows where in a file it is.
type parser struct {
	credentials bool
	line        int
	sections    map[string]int // where each began
	keys        map[string]int // of this section; nil before the first
	dropped     bool           // this section is none that the SDK could find

	open   bool // a property has begun, which a line that is indented further is a part of
	nested bool // its value is in those lines
	indent int  // how far it is indented itself
}

// read returns the line as the SDK is to read it.
func (p *parser) read(line string) (string, error) {
	text := strings.TrimSpace(line)
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case text == "" || text[0] == '#' || text[0] == ';':
		return line, nil
	case text[0] == '[':
		return p.header(line, text)
	case p.keys == nil:
		return "", fmt.Errorf("it stands before the first [section]")
	}
	within := p.open && indent > p.indent
	if !within {
		text = beforeComment(text)
	}
	key, value, found := property(text)
	switch {
	case within && !found && !p.nested: // the value goes on
	case !found, within && p.nested && !strings.Contains(text, "="):
		return "", fmt.Errorf("it is neither a [section] nor a key = value")
	case key == "":
		return "", fmt.Errorf("there is nothing before its =")
	case within && (p.nested || key != "credential_process"):
		// a part of the value above it, or for the SDK as good as a property
	default:
		if first, again := p.keys[key]; again {
			return "", fmt.Errorf("%s is there twice in a section: it is in line %d, too", key, first)
		}
		if indent > 0 && p.open {
			line = text // which the SDK would take for a part of the value above it
		}
		value = beforeComment(value)
		p.keys[key], p.open, p.nested, p.indent = p.line, true, value == "", indent
		if key == "credential_process" {
			line = process(line, value)
		}
	}
	if p.dropped {
		return "", nil
	}
	return line, nil
}

// header begins a section.
func (p *parser) header(line, text string) (string, error) {
	inside, after, found := cutBracket(text[1:])
	switch {
	case !found:
		return "", fmt.Errorf("the section's name does not end with a ]")
	case inside == "":
		return "", fmt.Errorf("the section has no name")
	case after != "" && after[0] != '#' && after[0] != ';':
		return "", fmt.Errorf("there is something behind the section's ]")
	}
	name := inside
	if i := strings.IndexAny(inside, " \t"); i > 0 && !p.credentials {
		if kind := inside[:i]; kind == "profile" || kind == "sso-session" || kind == "services" {
			name = kind + " " + unquote(strings.TrimSpace(inside[i:]))
		}
	}
	if first, again := p.sections[name]; again {
		return "", fmt.Errorf("the section [%s] is there twice: it is in line %d, too", name, first)
	}
	p.sections[name], p.keys = p.line, map[string]int{}
	p.open, p.nested, p.indent = false, false, 0
	// The SDK takes these for the begin of a comment, and the section for a part of the one above.
	if p.dropped = strings.ContainsAny(name, "#;"); p.dropped {
		return "", nil
	}
	if name == inside {
		return line, nil
	}
	return "[" + name + "]", nil
}

// process keeps the quotes of a command whose first and last characters are quotes: the SDK takes
// them off.
func process(line, command string) string {
	if len(command) > 1 && strings.ContainsRune(`"'`, rune(command[0])) && command[len(command)-1] == command[0] {
		return `credential_process = "` + command + `"`
	}
	return line
}

// property splits a line at the first = or :, as both the AWS CLI and the SDK do.
func property(text string) (key, value string, found bool) {
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		return "", "", false
	}
	return strings.ToLower(strings.TrimSpace(text[:i])), strings.TrimSpace(text[i+1:]), true
}

// cutBracket splits behind the bracket that ends a header; one in quotes does not.
func cutBracket(text string) (inside, after string, found bool) {
	quote := rune(0)
	for i, c := range text {
		switch {
		case quote == 0 && c == ']':
			return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\'') && strings.ContainsRune(text[i+1:], c):
			quote = c
		}
	}
	return "", "", false
}

// unquote takes the quotes off a name that stands in them.
func unquote(name string) string {
	for _, quote := range []string{`"`, "'"} {
		inner, left := strings.CutPrefix(name, quote)
		inner, right := strings.CutSuffix(inner, quote)
		if left && right && inner != "" && !strings.Contains(inner, quote) {
			return inner
		}
	}
	return name
}

// beforeComment drops an inline comment, as the SDK does.
func beforeComment(text string) string {
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		text, _, _ = strings.Cut(text, mark)
	}
	return strings.TrimSpace(text)
}
