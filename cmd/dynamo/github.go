package main

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
	text = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(visible(text))
	_, _ = fmt.Fprintf(w, "::%s::%s\n", kind, text)
}

// data begins data on stdout, and returns what ends it. Between, a runner takes no line for a command: it is told so
// on stderr, so that stdout is nothing but the data. With --json stderr has another form, and JSON can be escaped.
func (s streams) data() (end func()) {
	if !onGitHub() || s.json {
		return func() {}
	}
	token := rand.Text()
	say(s.err, "::stop-commands::%s\n", token)
	return func() { say(s.err, "::%s::\n", token) }
}

// dataTo is where data goes to.
func (s streams) dataTo() io.Writer {
	if !onGitHub() || !s.json {
		return s.out
	}
	return &inertJSON{w: s.out}
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
	text = visible(text)
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

// stepSummary is the results as Markdown.
func stepSummary(command string, list []result) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "### dynamo %s: %s\n\n| | |\n|---|---|\n", command, cell(r.name))
		if r.summary != nil && r.summary.Target.Account != "" {
			for _, row := range rows(r.summary) {
				fmt.Fprintf(&b, "| %s | %s |\n", row[0], cell(row[1]))
			}
		}
		if r.err != nil {
			fmt.Fprintf(&b, "| **error** | %s |\n", cell(r.err.Error()))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// scaleSummary is the results as Markdown, for the job's page.
func scaleSummary(list []scaleResult) string {
	var b strings.Builder
	b.WriteString("### dynamo scale\n\n| table | |\n|---|---|\n")
	for _, r := range list {
		text := cell(r.line())
		if r.err != nil {
			text = "**error** " + cell(r.err.Error())
		}
		fmt.Fprintf(&b, "| %s | %s |\n", cell(r.name), text)
	}
	return b.String() + "\n"
}

// addToPage adds to the page that GitHub Actions shows for a job.
func (d display) addToPage(s streams, text string) {
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
	case d.json:
		d.logger(s).Warn(fmt.Sprintf("append to the job summary: %v", err))
	default:
		annotate(s.err, "warning", fmt.Sprintf("append to the job summary: %v", err))
	}
}
