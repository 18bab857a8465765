package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// This file is about what all verbs that are runs have in common.

// eachTable does something to each table. One that fails does not stop the others; a signal does.
func eachTable(ctx context.Context, command string, names []string, s *show.Streams, do func(name string) show.Outcome) error {
	var outcomes []show.Outcome
	for _, name := range names {
		if ctx.Err() != nil {
			outcomes = append(outcomes, show.Outcome{Name: name, Err: fmt.Errorf("not begun: %w", context.Cause(ctx))})
			continue
		}
		outcomes = append(outcomes, do(name))
	}
	return s.Results(command, outcomes)
}

// An attendance is what a run is given, so that people see what it does.
type attendance struct {
	confirm func(table.Plan) error
	watch   func(table.Phase)
}

// attend carries a run out: shows its plan, asks, shows how it gets on, and says what came of it.
func attend(ctx context.Context, name string, yes bool, runDir string, s *show.Streams, do func(attendance) (table.Summary, error)) show.Outcome {
	progress := s.Progress()
	defer progress.Stop()
	var warnings []string
	m, err := do(attendance{
		confirm: func(p table.Plan) error {
			progress.Stop()
			warnings = show.Warnings(p)
			return s.Confirm(ctx, p, yes)
		},
		watch: progress.Phase,
	})
	progress.Stop()
	return show.Done(name, m, warnings, left(m, runDir, interrupted(ctx, err)))
}

// interrupted prefers the signal to whatever it made fail.
func interrupted(ctx context.Context, err error) error {
	var signal show.Stopped
	if err != nil && errors.As(context.Cause(ctx), &signal) {
		return signal
	}
	return err
}

// left adds to the hint how to go on with a run that did not come to its end.
func left(m table.Summary, runDir string, err error) error {
	if err == nil || !m.Resumable {
		return err
	}
	e := &table.Error{Kind: table.Failed, Hint: show.Hint(err), Err: err}
	var known *table.Error
	if errors.As(err, &known) {
		e.Kind = known.Kind
	}
	hint := "to go on: dynamo resume " + m.Run
	if runDir != "" {
		hint += " --run-dir " + runDir
	}
	var done []string
	if m.Deleted > 0 {
		done = append(done, show.Count(m.Deleted)+" items deleted")
	}
	if m.Written > 0 {
		done = append(done, show.Count(m.Written)+" written")
	}
	if len(done) > 0 {
		hint = fmt.Sprintf("the target is not complete, with %s; %s", strings.Join(done, " and "), hint)
	}
	if m.Temporary != "" {
		hint += ", which also deletes the temporary table " + m.Temporary
	}
	if m.Backup != "" && !strings.Contains(e.Hint, m.Backup) {
		hint = "what was there before is in the backup " + m.Backup + "; " + hint
	}
	if e.Hint != "" {
		hint = e.Hint + "; " + hint
	}
	e.Hint = hint
	return e
}
