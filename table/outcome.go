package table

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
)

// This file is how a run ends, and whether it has changed anything: as its checkpoint says it, which nobody
// has to guess from an exit code or a message.

// A verdict is an error with which a run is over. Any other only breaks it off. It belongs to its run: what the error of another
// says, which a Shape may have returned, is not about this one.
type verdict struct {
	error
	run     *copying
	outcome runs.Outcome
}

func (v *verdict) Unwrap() error { return v.error }

// ends makes an error the end of the run: there is nothing to go on with.
func (c *copying) ends(outcome runs.Outcome, err error) error {
	return &Error{kindOf(err), hintOf(err), &verdict{err, c, outcome}}
}

// guarded makes the refusal of a guard the end of the run.
func (c *copying) guarded(err error) error {
	if kindOf(err) == Refused {
		return c.ends(runs.Refused, err)
	}
	return err
}

// outcome is how the run has ended with err, and whether that is for good.
func (c *copying) outcome(err error) (outcome runs.Outcome, over bool) {
	v := (*verdict)(nil)
	switch {
	case err == nil:
		return runs.Done, true
	case errors.As(err, &v) && v.run == c:
		return v.outcome, true
	}
	return runs.Failed, false
}

// sink is what the run writes to its target with.
func (c *copying) sink() copier.Sink { return changing{c.target.writer(c.plan.Target), c} }

// A changing has on disk that the run has changed something before it sends the first write.
type changing struct {
	copier.Sink
	run *copying
}

func (s changing) Write(ctx context.Context, batch []item.Write, attempt int) (copier.Result, error) {
	if err := s.run.change(); err != nil {
		return copier.Result{}, err
	}
	return s.Sink.Write(ctx, batch, attempt)
}

// change notes that the run is about to change something.
func (c *copying) change() error {
	if c.noted.Load() {
		return nil
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	if c.noted.Load() {
		return nil
	}
	c.state.Changed = true
	if err := c.write(); err != nil {
		return err
	}
	c.noted.Store(true)
	return nil
}

// mayHaveChanged reports whether a run has changed something, as far as its directory knows.
func mayHaveChanged(dir *runs.Run, s *runs.State) (bool, error) {
	if s.Version > 1 {
		return s.Changed, nil
	}
	// An older version did not note it.
	t, err := talliedBy(s)
	if err != nil || t.Written+t.Deleted > 0 {
		return true, err
	}
	files, err := os.ReadDir(journalIn(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return len(files) > 0 || !s.Done() && !slices.Contains([]string{phaseRestore, phaseBackup}, s.Phase), nil
}

// talliedBy are the counts of a run, as its checkpoint has them.
func talliedBy(s *runs.State) (t tally, err error) {
	if s.Counts != nil {
		err = json.Unmarshal(s.Counts, &t)
	}
	return t, err
}

func journalIn(dir *runs.Run) string { return filepath.Join(dir.Dir, "journal") }

// keepsJournal reports whether a run of that command keeps the old images of what it changes.
func keepsJournal(command string, o CopyOptions) bool {
	return command == commandUndo || o.joined() && !o.NoBackup
}

// journalOf is what is known of a run's journal.
func journalOf(s *runs.State) (archive.JournalRecord, error) {
	if s.Journal != nil {
		return archive.JournalRecord{JournalSize: archive.JournalSize(*s.Journal), Closed: s.Done()}, nil
	}
	// An older version did not note how much is in it, but what was written has a line each.
	t, err := talliedBy(s)
	return archive.JournalRecord{JournalSize: archive.JournalSize{Entries: t.Written + t.Deleted}}, err
}
