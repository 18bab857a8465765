package show

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// This file is about GitHub Actions, which takes lines of a step's output for commands: ::NAME VALUE at a line's begin,
// and ##[NAME]VALUE anywhere.

func onGitHub() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// inert is a text for people in which a runner finds no command.
func inert(text string) string {
	if !onGitHub() {
		return text
	}
	text = strings.ReplaceAll(text, "##[", `##\[`)
	if strings.HasPrefix(strings.TrimSpace(text), "::") {
		text = strings.Replace(text, "::", `:\:`, 1)
	}
	return text
}

// annotate has the runner show a text beside the step.
func annotate(w io.Writer, kind, text string) {
	// What a command gives a meaning to is escaped behind visible, which would show it.
	text = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(Visible(text))
	_, _ = fmt.Fprintf(w, "::%s::%s\n", kind, text)
}

// Data begins data on stdout, and returns what ends it. Between, a runner takes no line for a command: it is told so
// on stderr, so that stdout is nothing but the data. With --json stderr has another form, and JSON can be escaped.
func (s *Streams) Data() (end func()) {
	if !onGitHub() || s.JSON {
		return func() {}
	}
	token := rand.Text()
	s.Say("::stop-commands::%s\n", token)
	return func() { s.Say("::%s::\n", token) }
}

// DataTo is where data goes to.
func (s *Streams) DataTo() io.Writer {
	if !onGitHub() || !s.JSON {
		return s.Out
	}
	return &inertJSON{w: s.Out}
}

// inertJSON takes JSON, and writes it so that a runner finds no command in it.
type inertJSON struct {
	w    io.Writer
	held []byte // the # at the end, of which there may be more to come; JSON does not end with one
}

func (j *inertJSON) Write(b []byte) (int, error) {
	text := slices.Concat(j.held, b)
	end := len(bytes.TrimRight(text, "#"))
	text, j.held = text[:end], bytes.Clone(text[end:])
	if _, err := j.w.Write(bytes.ReplaceAll(text, []byte("##["), []byte(`##\u005b`))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// cell escapes a text for a cell of a table in Markdown: no mark-up, no image, no link, not even one that GitHub makes
// by itself.
func cell(text string) string {
	var b strings.Builder
	text = Visible(text)
	for i, c := range text {
		switch {
		case strings.ContainsRune("\\`*_[]()#!|~@$^", c):
			b.WriteRune('\\')
			b.WriteRune(c)
		case c == '<', c == '>', c == '&', c == ':' && strings.HasPrefix(text[i+1:], "//"), c == '.' && strings.HasSuffix(strings.ToLower(text[:i]), "www"):
			fmt.Fprintf(&b, "&#%d;", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// page is the results as Markdown.
func page(command string, list []Outcome) string {
	var b strings.Builder
	for _, o := range list {
		fmt.Fprintf(&b, "### dynamo %s: %s\n\n| | |\n|---|---|\n", command, cell(o.Name))
		for _, row := range o.rows() {
			cells := make([]string, max(2, len(row)))
			for i, text := range row {
				cells[i] = cell(text)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		}
		if o.Err != nil {
			fmt.Fprintf(&b, "| **error** | %s |\n", cell(wording(o.Err)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// addToPage adds to the page that GitHub Actions shows for a job.
func (s *Streams) addToPage(text string) {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if !onGitHub() || path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	switch {
	case err == nil:
	case s.JSON:
		s.Log().Warn(fmt.Sprintf("append to the job summary: %v", err))
	default:
		annotate(s.Err, "warning", fmt.Sprintf("append to the job summary: %v", err))
	}
}
