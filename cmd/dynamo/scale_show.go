package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dynamo-cmdline/dynamo/scaling"
	"github.com/dynamo-cmdline/dynamo/table"
)

// A scaleResult is what came of one table.
type scaleResult struct {
	name          string
	summary       *table.ScaleSummary
	plan          *table.ScalePlan
	saved         *table.SavedScaling // where it was saved to a file
	file, profile string
	err           error
}

// object is the result as CLI.md's JSON.
func (r scaleResult) object() any {
	type errorOf struct {
		Error *failure `json:"error,omitempty"`
		Saved string   `json:"saved,omitempty"`
	}
	more := errorOf{failureOf(r.err), r.file}
	switch {
	case r.plan != nil && r.err == nil:
		return struct {
			*table.ScalePlan
			errorOf
			DryRun bool `json:"dry_run"`
		}{r.plan, more, true}
	case r.summary != nil && r.summary.Target.Account != "":
		return struct {
			*table.ScaleSummary
			errorOf
		}{r.summary, more}
	case r.saved != nil && r.err == nil:
		t := r.saved
		return struct {
			*table.ScaleSummary
			errorOf
		}{&table.ScaleSummary{
			Command: "scale", Table: t.Table, Before: t.State, After: t.State, Steps: []scaling.Step{},
			Target: table.Description{Profile: r.profile, Account: t.Account, Region: t.Region, Table: t.Table},
		}, more}
	}
	return struct {
		Command string   `json:"command"`
		Table   string   `json:"table"`
		Error   *failure `json:"error,omitempty"`
	}{"scale", r.name, more.Error}
}

// notes are what the user should hear of, beside the result.
func (r scaleResult) notes() []string {
	switch {
	case r.plan != nil:
		return r.plan.Notes
	case r.summary != nil:
		return r.summary.Notes
	}
	return nil
}

// line is the result in one line; a table that failed has it in its error.
func (r scaleResult) line() string {
	switch {
	case r.err != nil:
		return ""
	case r.plan != nil && len(r.plan.Steps) == 0:
		return "nothing to do: " + r.plan.Before.String()
	case r.plan != nil:
		return fmt.Sprintf("%d steps would make it %s; it is %s", len(r.plan.Steps), r.plan.After, r.plan.Before)
	case r.summary != nil && !r.summary.Changed:
		return "nothing to do: " + r.summary.After.String()
	case r.summary != nil:
		return fmt.Sprintf("now %s; before %s; kept in %s", r.summary.After, r.summary.Before, r.summary.Record)
	}
	if r.file == "" {
		return fmt.Sprintf("it would be saved: %s", r.saved.State)
	}
	return fmt.Sprintf("saved to %s: %s", r.file, r.saved.State)
}

func (r scaleResult) print(w io.Writer) error {
	line := r.line()
	if line == "" {
		return nil
	}
	if _, err := fmt.Fprintf(w, "%s: %s\n", visible(r.name), visible(line)); err != nil {
		return err
	}
	if r.plan == nil {
		return nil
	}
	say(w, "  %s\n", visible(r.plan.Target.String()))
	for _, step := range r.plan.Steps {
		say(w, "  %s\n", visible(step.String()))
	}
	_, err := fmt.Fprintf(w, "Dry run: nothing was changed.\n")
	return err
}

// scaled prints what came of all tables and returns the worst error.
func (d display) scaled(s streams, list []scaleResult, show *doings) error {
	show.stop()
	var worst error
	n := 0
	for _, r := range list {
		show.notes(r)
		if r.err == nil {
			continue
		}
		if n++; n == 1 || exitCode(r.err) > exitCode(worst) {
			worst = r.err
		}
	}
	if d.json {
		out := list[0].object()
		if len(list) > 1 {
			objects := make([]any, len(list))
			for i, r := range list {
				objects[i] = r.object()
			}
			out = struct {
				Command string `json:"command"`
				Tables  []any  `json:"tables"`
				Failed  int    `json:"failed"`
			}{"scale", objects, n}
		}
		err := json.NewEncoder(s.out).Encode(out)
		switch {
		case worst != nil:
			worst = shown{worst}
		case err != nil:
			return shown{fmt.Errorf("write the result: %w", err)}
		}
	} else {
		for _, r := range list {
			if err := r.print(s.out); err != nil && worst == nil {
				return fmt.Errorf("write the result: %w", err)
			}
		}
	}
	if err := appendSummary(scaleSummary(list)); err != nil {
		say(s.err, "::warning::%s\n", annotation(visible(err.Error())))
	}
	if len(list) == 1 || worst == nil {
		return worst
	}
	for _, r := range list {
		if r.err != nil {
			report(s, fmt.Errorf("table %s: %w", r.name, r.err), os.Args)
		}
	}
	return told{worst}
}

// scaleSummary is the results as Markdown, for the job's page.
func scaleSummary(list []scaleResult) string {
	var b strings.Builder
	b.WriteString("### dynamo scale\n\n| table | |\n|---|---|\n")
	for _, r := range list {
		text := r.line()
		if r.err != nil {
			text = "**error** " + r.err.Error()
		}
		fmt.Fprintf(&b, "| %s | %s |\n", cell(visible(r.name)), cell(visible(text)))
	}
	return b.String() + "\n"
}

// doings shows what is being done to which table: a line as it begins, and one
// every ten seconds while it lasts.
type doings struct {
	s       streams
	display display
	log     *slog.Logger

	mu    sync.Mutex
	under map[string]doing // by table
	quit  chan struct{}
	done  sync.WaitGroup
	ended sync.Once
}

type doing struct {
	text  string
	since time.Time
}

func newDoings(s streams, d display, log *slog.Logger) *doings {
	p := &doings{s: s, display: d, log: log, under: map[string]doing{}, quit: make(chan struct{})}
	if d.quiet || !d.progress {
		return p
	}
	p.done.Go(func() {
		tick := time.NewTicker(lineEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.still()
			case <-p.quit:
				return
			}
		}
	})
	return p
}

// watch returns what is told of the table's steps and waits.
func (p *doings) watch(name string) func(string) {
	return func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.under[name] = doing{text, time.Now()}
		p.tell(name, text)
	}
}

// end says that nothing more is done to the table.
func (p *doings) end(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.under, name)
}

// still tells what takes its time.
func (p *doings) still() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.under {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d := p.under[name]
		p.tell(name, d.text, "so_far", time.Since(d.since).Round(time.Second).String())
	}
}

func (p *doings) tell(name, text string, more ...any) {
	switch {
	case p.display.quiet || !p.display.progress:
	case p.display.json:
		p.log.Info(text, append([]any{"table", name}, more...)...)
	case len(more) > 0:
		say(p.s.err, "%s: %s, %s so far\n", visible(name), visible(text), more[1])
	default:
		say(p.s.err, "%s: %s\n", visible(name), visible(text))
	}
}

// notes shows a result's notes.
func (p *doings) notes(r scaleResult) {
	for _, note := range r.notes() {
		switch {
		case p.display.json:
			p.log.Warn(note, "table", r.name)
		case !p.display.quiet:
			say(p.s.err, "note: %s: %s\n", visible(r.name), visible(note))
		}
	}
}

func (p *doings) stop() {
	p.ended.Do(func() { close(p.quit) })
	p.done.Wait()
}
