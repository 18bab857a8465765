package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
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
	over    *tally        // what there is to count, where all that is left to do counts nothing
	killed  time.Time     // when the attempt before may last have sent a delete that it did not see answered; zero for never
}

// savedOptions is what a run's state says of how it was asked for.
type savedOptions struct {
	CopyOptions
	Shaped bool   `json:"shaped,omitempty"`
	Undoes string `json:"undoes,omitempty"` // the run that an undo undoes
	Force  bool   `json:"force,omitempty"`  // UndoOptions.Force
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
		if err = c.undone.survey(ctx, c.plan.Target.Schema); err != nil {
			return err
		}
	}
	switch {
	case name != "":
		err = c.load(name)
	case c.Resume:
		err = c.find()
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

// place is the table as a run remembers it.
func (t *Table) place(d Description) runs.Place {
	return runs.Place{
		Profile: t.profile, Account: d.Account, Region: d.Region, Table: d.Table, ID: d.ID,
		Name: t.name, Asked: t.asked.Region, Endpoint: t.asked.Endpoint,
	}
}

// begin makes the directory of a new run.
func (c *copying) begin() error {
	saved := savedOptions{CopyOptions: c.CopyOptions, Shaped: c.Shape != nil}
	if c.undone != nil {
		saved.Undoes, saved.Force = c.undone.Undoes, c.undone.Force
	}
	options, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("keep the options: %w", err)
	}
	c.state = &runs.State{
		Program: c.target.agent, Command: c.command, Mode: string(c.mode()),
		Source: c.from(), Target: c.target.place(c.plan.Target),
		Options: options, Began: c.began.UTC(), Phase: c.firstPhase(), Segments: c.plan.Segments,
		Settings: c.settings,
	}
	if b, ok := c.source.(*beside); ok {
		c.state.Made, c.state.Phase = &runs.Made{Name: c.plan.Temporary}, phaseRestore
		b.note = c.state.Made
	}
	if c.dir, err = c.store.New(c.plan.Target.Table, c.began); err != nil {
		return err
	}
	return c.write()
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

// find looks for the latest run on this target, and takes it if it is this very
// copy and not finished.
func (c *copying) find() error {
	list, err := c.store.List()
	if err != nil {
		return err
	}
	for _, info := range list {
		if info.State == nil {
			if strings.HasSuffix(info.Name, "-"+c.plan.Target.Table) {
				return c.misfit(info.Name, info.Err)
			}
			continue
		}
		if !sameTarget(info.State.Target, c.target.place(c.plan.Target)) || unchanged(info.State) {
			continue
		}
		s := info.State
		if source := c.from(); s.Done() || s.Command != c.command || s.Mode != string(c.mode()) ||
			s.Source.Profile != source.Profile || s.Source.Name != source.Name || s.Source.Path != source.Path || s.Source.Backup != source.Backup ||
			s.Target.Profile != c.target.profile || s.Target.Name != c.target.name || !sameSlice(sliceOf(s), c.Slice) {
			break
		}
		c.target.log.Info("going on with a run", "run", info.Name)
		return c.load(info.Name)
	}
	c.target.log.Info("there is no unfinished run of this " + c.command + ": beginning one")
	return nil
}

// sliceOf is the part of the table that a run is about.
func sliceOf(s *runs.State) *query.Query {
	var o savedOptions
	if json.Unmarshal(s.Options, &o) != nil {
		return nil // load says so
	}
	return o.Slice
}

// sameTarget reports whether two runs are about one table, be it made anew.
func sameTarget(a, b runs.Place) bool {
	return a.Account == b.Account && a.Region == b.Region && a.Table == b.Table
}

// unchanged reports whether the run ended before it changed anything.
func unchanged(s *runs.State) bool { return s.Ended != nil && s.Ended.Code == int(Refused) }

// load takes up a run where it was left, if all fits.
func (c *copying) load(name string) error {
	dir, state, err := c.store.Load(name)
	if err != nil {
		return c.misfit(name, err)
	}
	if err := c.fits(dir, state); err != nil {
		return c.misfit(name, err)
	}
	c.dir, c.state = dir, state
	if state.Counts != nil {
		if err := json.Unmarshal(state.Counts, &c.before); err != nil {
			return c.misfit(name, err)
		}
	}
	c.earlier = time.Duration(state.Spent * float64(time.Second))
	switch {
	case state.Ended == nil:
		c.killed = c.began // its last requests may still be applied
	case state.Phase == phaseTruncate:
		c.killed = state.Ended.Time // so may those that were cut off when it was stopped
	}
	state.Ended = nil
	if state.Phase == phaseDrop {
		over := c.before
		c.over = &over
	}
	c.start, c.before.Read, c.before.Skipped, c.before.Rejected = c.before, 0, 0, 0
	if state.Phase != phaseSync && state.Phase != phaseUndo { // which reads again, and finds equal what was written
		c.before.Written = 0
	}
	c.plan.Resumes, c.plan.Segments = name, state.Segments
	c.plan.Backup = c.plan.Backup && (state.Phase == phaseBackup || state.Phase == phaseRestore)
	c.plan.Deletes = c.plan.Deletes && state.Phase != phaseCopy && state.Phase != phaseDrop
	if b, ok := c.source.(*beside); ok {
		if state.Made == nil {
			return c.misfit(name, errors.New("it does not say which temporary table it has"))
		}
		b.note, c.plan.Temporary = state.Made, state.Made.Name
	}
	var options savedOptions
	if err := json.Unmarshal(state.Options, &options); err != nil {
		return c.misfit(name, err)
	}
	c.plan.Unattended = c.plan.Unattended || options.Unattended
	if options.Shaped != (c.Shape != nil) {
		return c.misfit(name, errors.New("it changes items on their way by a function of its program: go on with it there"))
	}
	return nil
}

// misfit is the refusal to go on with a run.
func (c *copying) misfit(name string, err error) error {
	hint := "nothing was changed; to begin anew, leave --resume out"
	if errors.Is(err, fs.ErrNotExist) {
		return usage("see: dynamo runs", "%w", err)
	}
	return mismatch(hint, "go on with run %s: %w", name, err)
}

// fits checks a run's state against the tables as they are.
func (c *copying) fits(dir *runs.Run, s *runs.State) error {
	for _, side := range []struct {
		name string
		was  runs.Place
		now  Description
	}{{"source", s.Source, c.plan.Source}, {"target", s.Target, c.plan.Target}} {
		switch {
		case !sameTarget(side.was, runs.Place{Account: side.now.Account, Region: side.now.Region, Table: side.now.Table}):
			return fmt.Errorf("its %s is table %s in account %s, %s, and this is %s", side.name, side.was.Table, side.was.Account, side.was.Region, side.now)
		case side.was.ID != side.now.ID:
			return fmt.Errorf("its %s %s was replaced by another table of the same name", side.name, side.now)
		}
	}
	switch {
	case !sameSlice(sliceOf(s), c.Slice):
		return errors.New("it is about another part of the table")
	case s.Command != c.command || s.Mode != string(c.mode()):
		return fmt.Errorf("it is a %s of mode %q", s.Command, s.Mode)
	case s.Done():
		return errors.New("it is finished")
	case !slices.Contains([]string{phaseRestore, phaseBackup, phaseTruncate, phaseCopy, phaseSync, phaseUndo, phaseDrop}, s.Phase):
		return fmt.Errorf("its phase %q is not known", s.Phase)
	case s.Segments < 1, len(s.Position) != 0 && len(s.Position) != s.Segments:
		return fmt.Errorf("it has %d positions for %d segments", len(s.Position), s.Segments)
	case c.Segments != 0 && c.Segments != s.Segments:
		return fmt.Errorf("it has %d segments, and %d are asked for", s.Segments, c.Segments)
	}
	list, err := c.store.List()
	if err != nil {
		return err
	}
	for _, later := range list {
		if later.Name == dir.Name {
			break
		}
		if later.State != nil && sameTarget(later.State.Target, s.Target) && !unchanged(later.State) {
			return fmt.Errorf("run %s has written to the same table since", later.Name)
		}
	}
	return nil
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
	c.state.Spent = c.spent().Seconds()
	return c.dir.Save(c.state)
}

// spent is the time of all attempts.
func (c *copying) spent() time.Duration { return c.earlier + time.Since(c.began) }

// late is when a delete was last sent that may be applied after all.
func (c *copying) late() time.Time {
	last := c.before.Late
	for _, t := range []time.Time{c.removed.Count().Late, c.killed} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

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
	kind := kindOf(err)
	c.state.Ended = &runs.End{Time: time.Now().UTC(), Done: err == nil || kind == Rejected || kind == Refused || hintOf(err) == BeginAnew, Code: int(kind)}
	if err != nil {
		c.state.Ended.Message = err.Error()
	}
	if err == nil || kind == Rejected {
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
		return &Error{kind, hintOf(err), errors.Join(err, failed)}
	}
	return err
}
