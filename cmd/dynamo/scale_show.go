package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
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

// object is what the result is about as CLI.md's JSON.
func (r scaleResult) object() any {
	type savedTo struct {
		*table.ScaleSummary
		Saved string `json:"saved,omitempty"`
	}
	switch {
	case r.plan != nil && r.err == nil:
		return struct {
			*table.ScalePlan
			Saved  string `json:"saved,omitempty"`
			DryRun bool   `json:"dry_run"`
		}{r.plan, r.file, true}
	case r.summary != nil && r.summary.Target.Account != "":
		return savedTo{r.summary, r.file}
	case r.saved != nil && r.err == nil:
		t := r.saved
		return savedTo{&table.ScaleSummary{
			Command: "scale", Table: t.Table, Before: t.State, After: t.State, Steps: []scaling.Step{},
			Target: table.Description{Profile: r.profile, Account: t.Account, Region: t.Region, Table: t.Table},
		}, r.file}
	}
	return named{"scale", r.name}
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
	if _, err := fmt.Fprintf(w, "%s: %s\n", visible(r.name), visible(line)); err != nil || r.plan == nil {
		return err
	}
	say(w, "  %s\n", r.plan.Target.String())
	for _, step := range r.plan.Steps {
		say(w, "  %s\n", step.String())
	}
	_, err := fmt.Fprintf(w, "Dry run: nothing was changed.\n")
	return err
}

// scaled prints what came of all tables and returns the worst error.
func (d display) scaled(s streams, list []scaleResult, show *doings) error {
	show.stop()
	d.addToPage(s, scaleSummary(list))
	var worst error
	all := manyTables{Command: "scale"}
	for _, r := range list {
		show.notes(r)
		worst = worse(worst, r.err)
		if hasFailed(r.err) {
			all.Failed++
		}
	}
	if d.json {
		if len(list) == 1 {
			return s.object(list[0].object(), nil, worst)
		}
		for _, r := range list {
			raw, err := members(r.object(), extra{r.notes(), failureOf(r.err)})
			if err != nil {
				return err
			}
			all.Tables = append(all.Tables, raw)
		}
		if err := s.object(all, nil, nil); err != nil {
			return worse(worst, err)
		}
	} else {
		for _, r := range list {
			if err := r.print(s.out); err != nil && worst == nil {
				return fmt.Errorf("write the result: %w", err)
			}
		}
	}
	if len(list) == 1 || worst == nil {
		return worst
	}
	for _, r := range list {
		if r.err != nil {
			s.report(fmt.Errorf("table %s: %w", r.name, r.err))
		}
	}
	return told{worst}
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
		defer s.guard()
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
		say(p.s.err, "%s: %s, %s so far\n", name, text, more[1])
	default:
		say(p.s.err, "%s: %s\n", name, text)
	}
}

// notes shows a result's notes.
func (p *doings) notes(r scaleResult) {
	for _, note := range r.notes() {
		switch {
		case p.display.json:
			p.log.Warn(note, "table", r.name)
		case !p.display.quiet:
			say(p.s.err, "note: %s: %s\n", r.name, note)
		}
	}
}

func (p *doings) stop() {
	p.ended.Do(func() { close(p.quit) })
	p.done.Wait()
}
