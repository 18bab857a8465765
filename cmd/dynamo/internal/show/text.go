package show

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"golang.org/x/term"

	"github.com/dynamo-cmdline/dynamo/query"
)

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// IsTerminal reports whether f is one.
func IsTerminal(f *os.File) bool { return isTerminal(f) }

// Say writes a line for people; a stream that is closed is no error. It is the one way to them, and nothing in its
// arguments steers a terminal, or what reads a job's log.
func Say(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		switch v := arg.(type) {
		case error:
			args[i] = Visible(wording(v))
		case fmt.Stringer:
			args[i] = Visible(v.String())
		default:
			if reflect.ValueOf(arg).Kind() == reflect.String {
				args[i] = Visible(fmt.Sprint(arg))
			}
		}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}

// Visible escapes what could steer a terminal, or what reads a job's log.
func Visible(text string) string { return inert(query.Visible(text)) }

// logLines takes log lines, and lets nothing of them steer a terminal.
type logLines struct {
	w    io.Writer
	json bool
}

func (l logLines) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if l.json {
		text = escaped(text)
	} else {
		text = Visible(text)
	}
	_, err := fmt.Fprintf(l.w, "%s\n", text)
	return len(line), err
}

// Count writes a number with its thousands apart.
func Count(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Size writes bytes as people read them.
func Size(n int64) string {
	for _, u := range []struct {
		unit int64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.unit {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// List writes the first few names.
func List(names []string, most int) string {
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

// wording is what an error says, on one line also where several were joined.
func wording(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
