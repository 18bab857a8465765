package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/foreign"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
)

// The phases of a copy, in their order, as its checkpoint and [Phase] name them.
const (
	phaseBackup   = "backup"
	phaseTruncate = "truncate"
	phaseWait     = "wait"
	phaseCopy     = "copy"
	phaseSync     = "sync"
	phaseDone     = "done"
)

// lettersName is the dead-letter file's, in a run's directory.
const lettersName = "rejected.jsonl"

// kept is what of a copy outlives the process.
type kept struct {
	store   *runs.Store
	dir     *runs.Run
	state   *runs.State
	lock    *runs.Lock
	letters *archive.Letters

	before  tally         // of earlier attempts, but for what the engine starts with
	start   tally         // what the engine starts with
	earlier time.Duration // of earlier attempts
	since   string        // the run that has written to the target since this one was broken off; "" for none
	over    *tally        // what there is to count, where all that is left to do counts nothing
	saving  sync.Mutex    // of the state, while the engine is at work
	noted   atomic.Bool   // that something is about to be changed is on disk

	lateBefore time.Time // when attempts or runs before may last have sent a write that is applied later; zero for never
}

// savedOptions is what a run's state says of how it was asked for.
type savedOptions struct {
	CopyOptions
	Shaped bool   `json:"shaped,omitempty"`
	Undoes string `json:"undoes,omitempty"` // the run that an undo undoes
	Force  bool   `json:"force,omitempty"`  // UndoOptions.Force

	Incomplete bool `json:"incomplete,omitempty"` // UndoOptions.Incomplete
}

// openRuns opens the directory of runs; "" is the default.
func openRuns(dir string) (*runs.Store, error) {
	if dir == "" {
		var err error
		if dir, err = defaultRunDir(); err != nil {
			return nil, usage("name one: --run-dir DIR", "no place to keep runs in: %w", err)
		}
	}
	store, err := runs.Open(dir)
	if err != nil {
		return nil, &Error{Failed, "keep them elsewhere: --run-dir DIR", err}
	}
	return store, nil
}

// defaultRunDir is where runs are kept if nothing else is said.
func defaultRunDir() (string, error) {
	// The standard says that a relative path is none.
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "dynamo"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: give a run directory", err)
	}
	return filepath.Join(home, ".local", "state", "dynamo"), nil
}

// prepare plans the copy, takes the target's lock, asks, and has a run's
// directory when it returns without an error. Nothing of the tables is changed.
func (c *copying) prepare(ctx context.Context, name string) (err error) {
	if c.store, err = openRuns(c.RunDir); err != nil {
		return err
	}
	if c.plan, err = c.planned(ctx); err != nil {
		return err
	}
	if err := c.hold(c.target.place(c.plan.Target)); err != nil {
		return err
	}
	if c.undone != nil {
		if err = c.survey(ctx); err != nil {
			return err
		}
	}
	switch {
	case name != "":
		err = c.load(name)
	case c.Resume:
		err = c.find()
	}
	if err == nil {
		err = c.lookBack()
	}
	if err != nil {
		return err
	}
	if c.Confirm != nil {
		if err := c.Confirm(c.plan); err != nil {
			return err
		}
	}
	if c.state == nil {
		err = c.begin()
	}
	if err == nil {
		err = c.lock.Hold(c.dir.Name)
	}
	if err != nil {
		return err
	}
	c.letters, err = archive.OpenLetters(filepath.Join(c.dir.Dir, lettersName), c.state.Letters, c.plan.Target.Schema)
	return err
}

// planned looks at the tables and says what the run is about to do.
func (c *copying) planned(ctx context.Context) (p Plan, err error) {
	switch c.command {
	case commandTruncate:
		return c.target.planTruncate(ctx, c.CopyOptions)
	case commandUndo:
		return c.planUndo(ctx)
	}
	if p, err = planCopy(ctx, c.source, c.target, c.CopyOptions); err == nil {
		c.shape, err = c.source.shape(ctx, c.Shape, c.SkipExpired)
	}
	return p, err
}

// from is the source's place; none where there is no source.
func (c *copying) from() runs.Place {
	if c.source == nil {
		return runs.Place{}
	}
	return c.source.place(c.plan.Source)
}

// mode is a copy's mode; nothing else has one.
func (c *copying) mode() Mode {
	if c.command != commandCopy && c.command != commandRestore {
		return ""
	}
	return c.Mode
}

// hold takes the lock on a target, if the run does not have it yet.
func (c *copying) hold(place runs.Place) (err error) {
	if c.lock != nil {
		return nil
	}
	if c.lock, err = c.store.Lock(place); err != nil {
		if held := (*runs.HeldError)(nil); errors.As(err, &held) {
			return &Error{Held, "wait for it, or stop it; then: dynamo runs", err}
		}
	}
	return err
}

// place is the table as a run remembers it.
func (t *Table) place(d Description) runs.Place {
	asked := t.account.at.Options
	return runs.Place{
		Profile: t.account.Profile(), Account: d.Account, Region: d.Region, Table: d.Table, ID: d.mark(), Address: d.engine(),
		Name: t.name, Asked: asked.Region, Endpoint: asked.Endpoint, Unnamed: !t.account.at.Named, AllowHTTP: strings.Join(asked.AllowHTTP, ","),
	}
}

// begin makes the directory of a new run.
func (c *copying) begin() error {
	saved := savedOptions{CopyOptions: c.CopyOptions, Shaped: c.Shape != nil}
	if c.undone != nil {
		saved.Undoes, saved.Force, saved.Incomplete = c.undone.Undoes, c.undone.Force, c.undone.Incomplete
	}
	options, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("keep the options: %w", err)
	}
	made := c.dir != nil // its target
	c.state = &runs.State{
		Program: c.target.account.agent, Command: c.command, Mode: string(c.mode()),
		Source: c.from(), Target: c.target.place(c.plan.Target),
		Options: options, Phase: c.firstPhase(), Segments: c.plan.Segments,
		Settings: c.settings, Changed: made,
	}
	if b, ok := c.source.(*beside); ok {
		c.state.Made, c.state.Phase = &runs.Made{Name: c.plan.Temporary}, phaseRestore
		b.note = c.state.Made
	}
	if made {
		c.state.Began = c.dir.Began
		return c.write()
	}
	c.complete()
	c.dir, err = c.store.New(c.plan.Target.Table, time.Now(), c.state)
	return err
}

// firstPhase is the one that a run begins with, once what it reads is there.
func (c *copying) firstPhase() string {
	if c.plan.Backup {
		return phaseBackup
	}
	return c.afterBackup()
}

func (c *copying) afterBackup() string {
	switch {
	case c.undone != nil:
		return phaseUndo
	case c.plan.Deletes:
		return phaseTruncate
	case c.joined():
		return phaseSync
	}
	return phaseCopy
}

// enter begins a phase: what comes before it is over for good.
func (c *copying) enter(phase string) error {
	counts, err := json.Marshal(c.tally())
	if err != nil {
		return err
	}
	c.state.Phase, c.state.Position, c.state.Counts = phase, nil, counts
	return c.write()
}

// position is where the engine goes on in this phase.
func (c *copying) position() copier.Checkpoint {
	var at copier.Checkpoint
	for _, p := range c.state.Position {
		at.Positions = append(at.Positions, copier.Position(p))
	}
	if len(at.Positions) == 0 || c.state.Phase != phaseCopy {
		return at
	}
	at.Written, at.Skipped, at.Rejected = c.start.Written, c.start.Skipped, c.start.Rejected
	return at
}

// save keeps a checkpoint of the engine's. What is behind it is in the target
// or in the dead-letter file.
func (c *copying) save(at copier.Checkpoint) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	sure, err := c.letters.Sync()
	if err != nil {
		return err
	}
	t := c.tally()
	switch c.state.Phase {
	case phaseSync, phaseUndo:
	case phaseTruncate:
		t.Deleted = c.before.Deleted + c.passed + at.Deleted
	default:
		t.Read = at.Written + at.Skipped + at.Rejected
		t.Written, t.Skipped, t.Rejected = at.Written, at.Skipped, at.Rejected
	}
	if c.state.Counts, err = json.Marshal(t); err != nil {
		return err
	}
	c.state.Letters, c.state.Position = sure, make([]runs.Position, len(at.Positions))
	for i, p := range at.Positions {
		c.state.Position[i] = runs.Position(p)
	}
	return c.write()
}

// write puts the state on disk.
func (c *copying) write() error {
	c.complete()
	return c.dir.Save(c.state)
}

// complete has the state say what changes by itself.
func (c *copying) complete() {
	c.state.Spent, c.state.Late = c.spent().Seconds(), c.late()
	if j := c.journal(); j != nil {
		size := runs.Journal(j.Size())
		c.state.Journal = &size
	}
}

// spent is the time of all attempts.
func (c *copying) spent() time.Duration { return c.earlier + time.Since(c.began) }

// reject notes an item that the target refuses for good.
func (c *copying) reject(w item.Write, f *copier.Fault) error {
	letter := archive.Letter{Item: json.RawMessage(w.Raw), Error: ownWords(f)}
	if w.Delete {
		letter.Item, letter.Key = nil, letter.Item
	}
	return c.letters.Add(letter)
}

// end writes down how the run ended, and returns why it did not end well.
func (c *copying) end(err error) error {
	// What is acknowledged counts also behind the last checkpoint: a sync and an undo read again anyway.
	if c.syncing != nil || c.journal() != nil {
		if counts, e := json.Marshal(c.tally()); e == nil {
			c.state.Counts = counts
		}
	}
	outcome, over := c.outcome(err)
	c.state.Ended = &runs.End{Time: time.Now().UTC(), Outcome: outcome, Done: over, Code: int(kindOf(err))}
	if err != nil {
		c.state.Ended.Message = foreign.Text(err.Error())
	}
	if outcome == runs.Done {
		c.state.Phase = phaseDone
	}
	failed := c.write()
	if c.letters != nil {
		failed = errors.Join(failed, c.letters.Close())
	}
	if err == nil {
		return failed
	}
	if failed != nil {
		return &Error{kindOf(err), hintOf(err), errors.Join(err, failed)}
	}
	return err
}
