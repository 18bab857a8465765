package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
)

// UndoOptions choose how to undo. The zero value leaves alone what has changed since the run.
type UndoOptions struct {
	RunDir string // where runs are kept, as in [CopyOptions]
	Force  bool   // put back, or remove, also what has changed since the run

	// Incomplete goes on with what is left of a journal that is damaged, or that has lost a part; what is missing stays as it is.
	Incomplete bool

	Workers    int           // most batches in flight; 0 means 64 a core, at most 256
	WriteUnits Budget        // most write capacity units per second
	Stall      time.Duration // give up after so long without any progress; 0 means 15 minutes

	Protected      Guard  // what else is protected, as in [CopyOptions]
	AllowProtected string // "PROFILE/TABLE" of a protected table that may be written to after all
	Unattended     bool   // for Plan.Unattended, also when the undo is resumed

	Account AccountOptions   // as in [ResumeOptions]
	Confirm func(Plan) error // called before the first change; an error stops the undo. Nil goes on
	Watch   func(Phase)      // told of each phase as it begins; nil for none
}

// An UndoPlan is what an undo would do.
type UndoPlan struct {
	Undoes string `json:"undoes,omitempty"` // the run
	Force  bool   `json:"force,omitempty"`

	Incomplete bool  `json:"incomplete,omitempty"` // what is left of the journal is believed to be all
	Lost       int64 `json:"lost,omitempty"`       // how many entries of it are missing

	Keys  int64 `json:"keys"`  // that the run has changed, or was about to, by its journal
	Added int64 `json:"added"` // of these: there was no item before

	// What the table says to that; only from [PlanUndo].
	Written   int64 `json:"written"`   // items to put back
	Deleted   int64 `json:"deleted"`   // items to remove
	Unchanged int64 `json:"unchanged"` // items that are what they were
	Rejected  int64 `json:"rejected"`  // items that have changed since the run, and are left alone
}

// Undo puts back what a run has overwritten or deleted, and removes what it has added, by the run's journal. With an
// empty name it is the latest run that changed something, finished or not. The table must be the very same one.
//
// Of each key that the journal has, the item is read, consistently. Where it is what the run has made of it, what was there
// before is put back, and where there was nothing it is deleted; what already is as it was needs nothing. An item that
// is anything else has changed since: it is left alone and noted in the dead-letter file, unless Force.
// Between the reading and the write of an item there is a moment in which a change by somebody else is lost.
//
// A run of [Replace] or [Merge] and a truncate keep no journal, but an AWS backup. Then the table is restored from that,
// as [Table.Restore] does in [Sync]: what differs is put, what the backup lacks is deleted. What has changed since cannot be told
// from what the run has changed, so this takes Force, except after a truncate whose table is still empty.
//
// An undo is itself a run, with a journal: undoing it does the thing again, and [Resume] goes on with it.
//
// The memory: some megabytes, a bit for each entry of the journal, some 100 bytes for each that is not the first of its key, and the
// old and the present images of a few hundred items.
//
// The errors are those of [Table.Copy]; an [*Error] of kind [Usage] where the run kept neither a journal nor a backup, or there is none;
// [Mismatch] where the journal is damaged or the table is another one, and then nothing was changed.
func Undo(ctx context.Context, run string, o UndoOptions) (Summary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	c, err := beginUndo(ctx, run, o)
	if err != nil {
		return Summary{}, err
	}
	if c.undone.backup != "" {
		return c.goBack(ctx)
	}
	return c.attempt(ctx, "")
}

// PlanUndo says what Undo would do; it reads the journal and the items, and changes nothing.
// The errors are those by which Undo would refuse.
func PlanUndo(ctx context.Context, run string, o UndoOptions) (Plan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	c, err := beginUndo(ctx, run, o)
	if err != nil {
		return Plan{Command: commandUndo}, err
	}
	if c.undone.backup != "" {
		return c.planGoBack(ctx)
	}
	if c.plan, err = c.planUndo(ctx); err != nil {
		return c.plan, err
	}
	if err := c.survey(ctx); err != nil {
		return c.plan, err
	}
	c.Watch(Phase{Name: "count", Items: c.undone.Keys, Stats: &c.moved})
	for _, deletes := range []bool{false, true} {
		src := c.rewind(deletes)
		err := copier.Run(ctx, src, nowhere{}, copier.Options{Workers: 1, Stall: c.Stall, Delete: deletes, Stats: c.statsOf(deletes)})
		src.stop()
		if err != nil {
			return c.plan, c.damage(runError(err, c.target, c.target))
		}
	}
	p := c.plan.UndoPlan
	p.Written, p.Deleted = c.moved.Count().Written, c.removed.Count().Deleted
	p.Unchanged, p.Rejected = c.undone.unchanged.Load(), c.undone.left.Load()
	return c.plan, nil
}

func beginUndo(ctx context.Context, run string, o UndoOptions) (*copying, error) {
	store, err := openRuns(o.RunDir)
	if err != nil {
		return nil, err
	}
	if run == "" {
		if run, err = latestChange(store); err != nil {
			return nil, err
		}
	}
	c := &copying{command: commandUndo, began: time.Now(), CopyOptions: CopyOptions{
		Workers: o.Workers, WriteUnits: o.WriteUnits, Stall: o.Stall, Protected: o.Protected, AllowProtected: o.AllowProtected,
		Segments: 1, RunDir: o.RunDir, Unattended: o.Unattended, Confirm: o.Confirm, Watch: o.Watch,
	}.defaults()}
	if c.undone, err = findUndone(store, run, o.Incomplete); err != nil {
		return nil, err
	}
	c.undone.Force = o.Force
	c.target, err = reopen(ctx, c.undone.target, o.Account)
	return c, err
}

// latestChange is the name of the latest run that changed something.
func latestChange(store *runs.Store) (string, error) {
	list, err := store.List()
	if err != nil {
		return "", err
	}
	for _, info := range list {
		if info.State == nil {
			return "", mismatch("name a run: dynamo undo RUN", "undo run %s: %w", info.Name, info.Err)
		}
		changed, err := mayHaveChanged(info.Run, info.State)
		if err != nil {
			return "", mismatch("name a run: dynamo undo RUN", "undo run %s: %w", info.Name, err)
		}
		if changed {
			return info.Name, nil
		}
	}
	return "", usage("see: dynamo runs", "no run in %s has changed anything", store.Dir())
}

// undone is the run that an undo undoes.
type undone struct {
	UndoPlan
	target runs.Place
	dir    string                // of its journal
	record archive.JournalRecord // what is known of that
	backup string                // what to go back to where it has no journal
	what   string                // the run's command
	own    *archive.Journal      // the undo's; nil for none
	late   time.Time             // when the run last sent something that may be applied after all; zero for never

	repeats *archive.Repeats // lines of the journal that are not the first of their keys

	// later are the digests of keys that have more than one line: a run that went on has
	// perhaps put something else than it was about to at first. "" stands for a delete.
	later map[item.KeyHash][]string

	unchanged, left atomic.Int64
}

// findUndone finds the run, and what it has kept. Incomplete takes what is left of a journal.
func findUndone(store *runs.Store, name string, incomplete bool) (*undone, error) {
	dir, s, err := store.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("see: dynamo runs", "%w", err)
	}
	if err != nil {
		return nil, mismatch("nothing was changed", "undo run %s: %w", name, err)
	}
	u := &undone{UndoPlan: UndoPlan{Undoes: name, Incomplete: incomplete}, what: s.Command, target: s.Target, dir: journalIn(dir), late: lateWrite(s, true)}
	changed, err := mayHaveChanged(dir, s)
	var saved savedOptions
	if err == nil {
		err = json.Unmarshal(s.Options, &saved)
	}
	if err == nil {
		u.record, err = journalOf(s)
	}
	if err != nil {
		return nil, mismatch("nothing was changed", "undo run %s: %w", name, err)
	}
	u.record.Incomplete = incomplete
	switch {
	case !changed:
		return nil, usage("see: dynamo runs", "run %s has changed nothing: there is nothing to undo", name)
	case keepsJournal(s.Command, saved.CopyOptions):
		if _, err := os.Lstat(u.dir); errors.Is(err, fs.ErrNotExist) {
			hint := "nothing was changed"
			if s.Backup != "" {
				hint += "; what was there before is in the backup " + s.Backup
			}
			return nil, mismatch(hint, "undo run %s: its journal %s is gone", name, u.dir)
		}
	case s.Backup == "":
		return nil, usage("", "run %s kept neither a journal nor a backup: there is nothing to go back to", name)
	default:
		u.backup = s.Backup
	}
	return u, nil
}

// planUndo looks at the table.
func (c *copying) planUndo(ctx context.Context) (Plan, error) {
	u := c.undone
	p := Plan{Command: commandUndo, Unattended: c.Unattended, Journal: true, UndoPlan: &u.UndoPlan}
	if err := c.check(); err != nil {
		return p, err
	}
	if err := c.target.planTarget(ctx, &p, c.CopyOptions); err != nil {
		return p, err
	}
	now := c.target.place(p.Target)
	switch {
	case !sameTarget(u.target, now):
		return p, mismatch("nothing was changed", "undo run %s: its table is %s, and this is %s", u.Undoes, u.target, p.Target)
	case u.target.ID != now.ID:
		return p, mismatch("nothing was changed", "undo run %s: its table %s was replaced by another of the same name", u.Undoes, p.Target)
	}
	return p, nil
}

// survey reads the whole journal, so that damage is found before anything is written.
func (c *copying) survey(ctx context.Context) error {
	u := c.undone
	store, err := openRuns(c.RunDir)
	if err != nil {
		return err
	}
	if err := u.survey(ctx, c.plan.Target.Schema, store.Dir()); err != nil {
		return err
	}
	if u.Lost > 0 {
		if u.Keys == 0 {
			return mismatch("nothing was changed", "undo run %s: nothing is left of its journal", u.Undoes)
		}
		c.plan.Warnings = append(c.plan.Warnings, fmt.Sprintf(
			"%d of %d entries of the journal of run %s are lost: what they were for stays as it is", u.Lost, u.record.Entries, u.Undoes))
	}
	return nil
}

func (u *undone) survey(ctx context.Context, schema item.Schema, tmp string) (err error) {
	u.Keys, u.Added, u.later = 0, 0, make(map[item.KeyHash][]string)
	journal := archive.ReadJournal(u.dir, schema, u.record)
	if u.repeats, err = archive.FindRepeats(ctx, journal, tmp); err != nil {
		return u.unread(ctx, err)
	}
	entries := int64(0)
	for line, err := range journal {
		entries++
		switch {
		case err != nil:
			return u.unread(ctx, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case u.repeats.Has(line):
			u.later[line.Hash] = append(u.later[line.Hash], line.NewDigest)
			continue
		case line.Old == nil:
			u.Added++
		}
		u.Keys++
	}
	u.Lost = max(0, u.record.Entries-entries)
	return nil
}

// unread says why a journal could not be read to its end.
func (u *undone) unread(ctx context.Context, err error) error {
	if damaged := (*archive.DamageError)(nil); errors.As(err, &damaged) {
		return u.damaged(err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("undo run %s: %w", u.Undoes, err)
}

// damaged is the refusal to undo by a journal that is not what it was.
func (u *undone) damaged(err error) error {
	return mismatch("nothing was changed; to go on with what is left of it: dynamo undo "+u.Undoes+" --incomplete",
		"undo run %s: the journal is damaged: %w", u.Undoes, err)
}

const (
	phaseUndo   = "undo"
	phaseRemove = "remove"
)

// undo puts back, and then removes: as in a copy, deletes are last.
func (c *copying) undo(ctx context.Context) (err error) {
	if err := c.still(ctx); err != nil {
		return err
	}
	u := c.undone
	if u.late.After(c.lateBefore) {
		c.lateBefore = u.late
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	if u.own, err = c.openJournal(); err != nil {
		return err
	}
	for _, deletes := range []bool{false, true} {
		phase := Phase{Name: phaseUndo, Items: u.Keys - u.Added, Stats: &c.moved}
		if deletes {
			phase = Phase{Name: phaseRemove, Items: u.Added, Stats: &c.removed}
		}
		c.Watch(phase)
		src := c.rewind(deletes)
		o := c.engine()
		o.Readers, o.From, o.Save = 1, copier.Checkpoint{}, c.note
		o.Delete, o.Stats, o.Reject = deletes, phase.Stats, c.reject
		if deletes {
			if err = c.noteDeletes(); err != nil {
				break
			}
		}
		err = copier.Run(ctx, src, c.sink(), o)
		src.stop()
		if err != nil {
			break
		}
	}
	if err = both(c.damage(err), u.own.Close()); err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	return c.undoVerdict()
}

func (c *copying) statsOf(deletes bool) *copier.Stats {
	if deletes {
		return &c.removed
	}
	return &c.moved
}

// damage gives a journal that got damaged while it was read its kind.
func (c *copying) damage(err error) error {
	if damaged := (*archive.DamageError)(nil); errors.As(err, &damaged) {
		return mismatch("", "undo run %s: the journal is damaged: %w", c.undone.Undoes, err)
	}
	return err
}

// undoVerdict closes the books, and says what was left alone.
func (c *copying) undoVerdict() error {
	u, put, gone := c.undone, c.moved.Count(), c.removed.Count()
	rejected := u.left.Load() + put.Rejected + gone.Rejected
	if fates := u.unchanged.Load() + put.Written + gone.Deleted + rejected; fates != u.Keys {
		return &copier.BooksError{Detail: fmt.Sprintf("the journal has %d keys, %d have their fates", u.Keys, fates)}
	}
	if rejected == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %d items have changed since run %s, and were left alone", u.left.Load(), u.Keys, u.Undoes)
	hint := fmt.Sprintf("what and why: %s; to put back these too: dynamo undo %s --force", c.letters.Path(), u.Undoes)
	if n := put.Rejected + gone.Rejected; n > 0 {
		text = fmt.Sprintf("the table refused %d of %d items, and %d have changed since run %s and were left alone", n, u.Keys, u.left.Load(), u.Undoes)
	}
	return c.ends(runs.Done, &Error{Rejected, hint, errors.New(text)})
}
