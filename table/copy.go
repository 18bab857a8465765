package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
	"github.com/dynamo-cmdline/dynamo/query"
)

// A Mode says what a copy does with what is in the target.
type Mode string

// The modes of a copy.
const (
	Sync    Mode = "sync"    // reads both tables, puts what differs, deletes what the source lacks last
	Replace Mode = "replace" // backs the target up, deletes everything in it, copies
	Merge   Mode = "merge"   // puts every source item, deletes nothing
)

// CopyOptions choose how to copy. The zero value syncs, with a journal. What
// has a name in JSON is kept in the run's directory, for [Resume].
type CopyOptions struct {
	Mode Mode `json:"mode"` // "" means Sync

	// Slice selects a part of both tables: what is under a key, of the table or of an index, and what
	// of that a filter lets through. With a key, replace does what sync does. With a filter nothing
	// is deleted, nor is an item overwritten with one that the filter hides. Nil is everything.
	// Only its keys, index and filter count.
	Slice *query.Query `json:"slice,omitempty"`

	Backup       bool          `json:"backup,omitempty"`        // an AWS backup of the target also before a sync
	NoBackup     bool          `json:"no_backup,omitempty"`     // do without the AWS backup of the target, or a sync's journal
	BackupSettle time.Duration `json:"backup_settle,omitempty"` // age a backup must have before the first change; 0 means 60 s

	Segments   int           `json:"segments,omitempty"`   // of the source scan; 0 chooses from the table's size
	Workers    int           `json:"workers,omitempty"`    // most batches in flight; 0 means 64 a core, at most 256
	ReadUnits  Budget        `json:"read_units,omitzero"`  // most read capacity units per second, for each table
	WriteUnits Budget        `json:"write_units,omitzero"` // most write capacity units per second, for each table
	Eventual   bool          `json:"eventual,omitempty"`   // eventually consistent scans, at half the cost; what a sync finds to differ is read again consistently
	Stall      time.Duration `json:"stall,omitempty"`      // give up after so long without any progress; 0 means 15 minutes
	Memory     int64         `json:"memory,omitempty"`     // bytes that a sync's join may hold before it spills to disk; 0 means 256 MB
	Shape      copier.Shape  `json:"-"`                    // changes or drops items on their way; nil copies them as they are

	Protected        Guard  `json:"protected,omitzero"`           // what else is protected, beside the words in names and deletion protection
	AllowProtected   string `json:"allow_protected,omitempty"`    // "PROFILE/TABLE" of a protected target that may be written to after all
	AllowEmptySource bool   `json:"allow_empty_source,omitempty"` // believe a source that reads as empty although AWS counts items in it
	SkipExpired      bool   `json:"skip_expired,omitempty"`       // as if the source did not have items whose TTL has passed
	MaxDelete        *Share `json:"max_delete,omitempty"`         // a sync deletes nothing if the source lacks more of the target's items; nil means no limit
	Verify           bool   `json:"verify,omitempty"`             // compare afterwards: a difference is an error of kind Unequal

	RunDir     string `json:"-"`                    // where runs are kept; "" means $XDG_STATE_HOME/dynamo, else ~/.local/state/dynamo
	Resume     bool   `json:"-"`                    // go on with the latest unfinished run of this very copy, if there is one
	Unattended bool   `json:"unattended,omitempty"` // for Plan.Unattended, also when the run is resumed

	Confirm func(Plan) error `json:"-"` // called before the first change; an error stops the copy. Nil goes on
	Found   func(Difference) `json:"-"` // told of each difference that a sync finds, one at a time, before it is written; nil for none
	Detail  bool             `json:"-"` // tell Found which attributes differ
	Watch   func(Phase)      `json:"-"` // told of each phase as it begins; nil for none
}

// A Phase is a part of a run that takes a while. Stats may be read until the run ends.
type Phase struct {
	Name  string        // "backup", "truncate", "wait", "copy", "sync", "compare", "undo", "remove", "count", "restore" or "settings"
	Items int64         // how many there will be, as AWS last counted; 0 for unknown
	Bytes int64         // likewise
	Stats *copier.Stats // nil for a phase that moves nothing

	// Joined counts what a sync or a comparison reads, and what it finds; nil for other phases.
	Joined *copier.JoinStats
	Reads  []*copier.Stats // and what the reading of the two tables costs

	// Until is when the first credentials end that the phase needs, and Profile
	// whose they are; see [Description]. Zero for unknown.
	Until   time.Time
	Profile string
}

// watch tells of a phase, and until when its credentials last.
func (o CopyOptions) watch(ph Phase, sides ...Description) {
	for _, d := range sides {
		if !d.Expires.IsZero() && (ph.Until.IsZero() || d.Expires.Before(ph.Until)) {
			ph.Until, ph.Profile = d.Expires, d.Profile
		}
	}
	o.Watch(ph)
}

const (
	backupSettle = 60 * time.Second // AWS guarantees a backup's content to a minute
)

func (o CopyOptions) defaults() CopyOptions {
	if o.Mode == "" {
		o.Mode = Sync
	}
	if o.BackupSettle == 0 {
		o.BackupSettle = backupSettle
	}
	if o.Watch == nil {
		o.Watch = func(Phase) {}
	}
	return o
}

func (o CopyOptions) check() error {
	switch {
	case o.Mode != Sync && o.Mode != Replace && o.Mode != Merge:
		return usage("the modes are sync, replace and merge", "unknown mode %q", o.Mode)
	case o.Slice != nil && o.Slice.All && o.Mode == Replace:
		return usage("--mode sync or merge, or name a key", "a filter does not go with a mode that first deletes everything")
	case o.Backup && o.NoBackup:
		return usage("", "a backup is asked for, and to be left out")
	case o.MaxDelete != nil && !o.joined():
		return usage("only a sync knows beforehand what it deletes", "a limit of deletes does not go with mode %s", o.Mode)
	case o.Memory < 0:
		return usage("", "%d bytes of memory", o.Memory)
	case o.Segments < 0 || o.Segments > 1_000_000:
		return usage("DynamoDB takes 1 to 1,000,000", "%d segments", o.Segments)
	case o.Workers < 0 || o.Workers > 1024:
		return usage("from 1 to 1024", "%d workers", o.Workers)
	}
	if o.Slice != nil {
		if err := o.Slice.Check(); err != nil {
			return queryError(err)
		}
	}
	return o.Protected.Check()
}

// Copy makes the target's items equal to the source's (Sync, Replace), or puts the
// source's items over them (Merge). It returns when every item is acknowledged, or noted in the dead-letter file
// because the target refuses it. The Summary is true after an error, too: it says what was done until then.
//
// What it has done is kept in a directory below RunDir, from which [Resume] goes on. No two runs
// write to one target at once, if they have the same RunDir.
//
// A scan is no snapshot: items that are written to the source while Copy runs may come
// in either version. The errors are an [*Error], what Confirm or the Shape returned,
// or the context's cause; then no new write was started.
func (t *Table) Copy(ctx context.Context, target *Table, o CopyOptions) (Summary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	return copyFrom(ctx, t, target, o, "")
}

// copyFrom goes on with the run of that name; with "" it begins one, unless Resume finds one.
func copyFrom(ctx context.Context, source origin, target *Table, o CopyOptions, run string) (Summary, error) {
	c := &copying{command: copyCommand(source), CopyOptions: o.defaults(), source: source, target: target, began: time.Now()}
	return c.attempt(ctx, run)
}

// copyCommand is what a copy from there is called.
func copyCommand(source origin) string {
	if source.table() == nil {
		return commandRestore
	}
	return commandCopy
}

// attempt goes on with the run of that name; with "" it begins one, unless Resume finds one.
func (c *copying) attempt(ctx context.Context, run string) (Summary, error) {
	err := c.prepare(ctx, run)
	if err == nil {
		err = c.run(ctx)
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = context.Cause(ctx) // a typed call says only that it was cancelled
		}
		err = c.end(err)
	}
	if c.lock != nil {
		if e := c.lock.Release(); e != nil {
			err = errors.Join(err, e)
		}
	}
	return c.summary(), err
}

// copying is one Copy under way, or one of the commands that only change a target.
type copying struct {
	CopyOptions
	command  string
	source   origin // nil for a command that has none
	target   *Table
	plan     Plan
	began    time.Time
	removed  copier.Stats // the truncate's counters
	passed   int64        // what the truncate's passes before this one have deleted
	moved    copier.Stats // the copy's
	syncing  *syncing     // nil for another mode
	undone   *undone      // nil for what is no undo
	shape    copier.Shape // CopyOptions.Shape, and what SkipExpired asks for
	verified *bool
	expired  int64           // items that were missing when it was verified, because they have expired
	failed   []string        // settings that could not be put back, and why
	settings json.RawMessage // to put onto the target at the end, of a run that begins; nil for none

	kept
}

// run does what is left of a run.
func (c *copying) run(ctx context.Context) error {
	var err error
	if b, ok := c.source.(*beside); ok {
		err = c.runBeside(ctx, b)
	} else {
		err = c.work(ctx)
	}
	if outcome, _ := c.outcome(err); c.state.Settings == nil || outcome != runs.Done {
		return err
	}
	if e := c.enter(phaseSettings); e != nil { // after which the target may be protected
		return e
	}
	return c.putBack(ctx, err)
}

// work has the order of safety: what is kept for undo is in place, and the
// tables are still the same, before each change. A phase that is over is never entered again.
func (c *copying) work(ctx context.Context) error {
	if c.state.Phase == phaseBackup {
		c.Watch(Phase{Name: phaseBackup})
		if err := c.backup(ctx); err != nil {
			return c.guarded(err)
		}
		if err := c.enter(c.afterBackup()); err != nil {
			return err
		}
	}
	if c.state.Phase == phaseTruncate {
		if err := c.truncate(ctx); err != nil {
			return c.changed(err)
		}
		if c.command == commandTruncate {
			return nil
		}
		if err := c.enter(phaseCopy); err != nil {
			return err
		}
	}
	change := c.move
	switch c.state.Phase {
	case phaseSync:
		change = c.sync
	case phaseUndo:
		change = c.undo
	}
	if err := c.changed(change(ctx)); err != nil || !c.Verify {
		return err
	}
	return c.verify(ctx)
}

// verify compares the tables. After a merge the target may have more, and what has expired may be gone from either.
func (c *copying) verify(ctx context.Context) error {
	comparison := c.source.table().Compare(c.target, CompareOptions{
		Segments: c.plan.Segments, ReadUnits: c.ReadUnits, Eventual: c.Eventual,
		Memory: c.Memory, Stall: c.Stall, Shape: c.shape, Watch: c.Watch, Slice: c.Slice, // the shape skips what had expired when the copy began
	})
	comparison.lapsed = c.lapse(ctx)
	differences := 0
	for d, err := range comparison.All(ctx) {
		if err != nil {
			return err
		}
		if !d.Hidden && (d.Kind != OnlyTarget || !c.keepsExtras()) {
			differences++
		}
	}
	c.before.add(comparison.read.Count())
	c.before.add(comparison.held.Count())
	same := differences == 0
	c.verified, c.expired = &same, comparison.expired.Load()
	if !same {
		return c.ends(runs.Done, &Error{Unequal, "see: dynamo compare; somebody may have written to one of the tables", fmt.Errorf("%d items differ after the copy", differences)})
	}
	return nil
}

// move copies all items.
func (c *copying) move(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	c.watch(Phase{Name: phaseCopy, Items: c.plan.SourceItems, Bytes: c.plan.SourceBytes, Stats: &c.moved}, c.plan.Source, c.plan.Target)
	src, err := c.source.part(c.plan.Source, c.Slice, scanOptions{segments: c.plan.Segments, eventual: c.Eventual, side: sourceSide})
	if err != nil {
		return err
	}
	options := c.engine()
	options.ReadUnits = c.plan.ReadUnits
	options.Shape, options.Schema = c.shape, c.plan.Target.Schema
	options.Stats, options.Reject = &c.moved, c.reject
	if err := copier.Run(ctx, src, c.sink(), options); err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	if n := c.moved.Count().Rejected; n > 0 {
		return c.ends(runs.Done, &Error{Rejected, "what and why: " + c.letters.Path(),
			fmt.Errorf("the target refused %d of %d items; all others are in", n, c.moved.Count().Read)})
	}
	return nil
}

// engine is what both of the engine's runs have in common.
func (c *copying) engine() copier.Options {
	return copier.Options{
		Readers: c.plan.Readers, Workers: c.plan.Workers, Stall: c.Stall,
		WriteUnits: c.plan.WriteUnits, WriteCost: float64(1 + len(c.plan.Target.Indexes)),
		From: c.position(), Save: c.save,
	}
}

// still checks that both tables are the ones that were planned with.
func (c *copying) still(ctx context.Context) error {
	if c.source != nil {
		if err := c.source.same(ctx, c.plan.Source); err != nil {
			return err
		}
	}
	return c.target.same(ctx, c.plan.Target)
}

// changed explains an error after which the target may not be what it was.
func (c *copying) changed(err error) error {
	source := c.target // what a dump meets is no fault of a table's
	if c.source != nil {
		source = cmp.Or(c.source.table(), c.target)
	}
	err = runError(err, source, c.target)
	e, ok := err.(*Error) //nolint:errorlint // only what has just been made
	if !ok || e.Hint != "" {
		return err
	}
	if c.tally().Deleted > 0 && c.state.Backup != "" {
		e.Hint = "the target was emptied; its backup is " + c.state.Backup
	}
	return e
}

// The two packages state DynamoDB's limit each for itself; this fails to
// compile when they differ.
var _ [0]struct{} = [copier.MaxBatch - wire.MaxBatch]struct{}{}
