package table

import (
	"context"
	"fmt"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
)

// A Mode says what a copy does with what is in the target.
type Mode string

// The modes of a copy.
const (
	Replace Mode = "replace" // backs the target up, deletes everything in it, copies
	Merge   Mode = "merge"   // puts every source item, deletes nothing
)

// CopyOptions choose how to copy. The zero value replaces, with a backup.
type CopyOptions struct {
	Mode Mode // "" means Replace

	NoBackup     bool          // do without the AWS backup of the target
	BackupSettle time.Duration // age a backup must have before the first change; 0 means 60 s

	Segments int           // of the source scan; 0 chooses from the table's size
	Workers  int           // most batches in flight; 0 means 64 a core, at most 256
	Eventual bool          // eventually consistent reads, at half the cost
	Stall    time.Duration // give up after so long without any progress; 0 means 15 minutes
	Shape    copier.Shape  // changes or drops items on their way; nil copies them as they are

	Protected        Guard  // what else is protected, beside the words in names and deletion protection
	AllowProtected   string // "PROFILE/TABLE" of a protected target that may be written to after all
	AllowEmptySource bool   // believe a source that reads as empty although AWS counts items in it

	Confirm func(Plan) error // called before the first change; an error stops the copy. Nil goes on
	Watch   func(Phase)      // told of each phase as it begins; nil for none
}

// A Phase is a part of a run that takes a while. Stats may be read until the run ends.
type Phase struct {
	Name  string        // "backup", "truncate", "wait" or "copy"
	Items int64         // how many there will be, as AWS last counted; 0 for unknown
	Bytes int64         // likewise
	Stats *copier.Stats // nil for a phase that moves nothing
}

const (
	backupSettle   = 60 * time.Second // AWS guarantees a backup's content to a minute
	settleAfterAll = 15 * time.Second // a request is given up after 10 s without a byte; one that was may still be applied for a while
)

func (o CopyOptions) defaults() CopyOptions {
	if o.Mode == "" {
		o.Mode = Replace
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
	case o.Mode != Replace && o.Mode != Merge:
		return usage("the modes are replace and merge", "unknown mode %q", o.Mode)
	case o.Segments < 0 || o.Segments > 1_000_000:
		return usage("DynamoDB takes 1 to 1,000,000", "%d segments", o.Segments)
	case o.Workers < 0 || o.Workers > 1024:
		return usage("from 1 to 1024", "%d workers", o.Workers)
	}
	return nil
}

// Copy makes the target's items equal to the source's (Replace), or puts the
// source's items over them (Merge). It returns when every item is acknowledged. The Summary
// is true after an error, too: it says what was done until then.
//
// A scan is no snapshot: items that are written to the source while Copy runs may come
// in either version. The errors are an [*Error], what Confirm or the Shape returned,
// or the context's cause; then no new write was started.
func (t *Table) Copy(ctx context.Context, target *Table, o CopyOptions) (Summary, error) {
	began := time.Now()
	o = o.defaults()
	plan, err := t.PlanCopy(ctx, target, o)
	c := &copying{CopyOptions: o, source: t, target: target, plan: plan, began: began}
	if err == nil && o.Confirm != nil {
		err = o.Confirm(plan)
	}
	if err == nil {
		err = c.run(ctx)
	}
	return c.summary(), err
}

// copying is one Copy under way.
type copying struct {
	CopyOptions
	source, target *Table
	plan           Plan
	began          time.Time
	backup         string
	removed        copier.Stats // the truncate's counters
	moved          copier.Stats // the copy's
}

// run has the order of safety: what is kept for undo is in place, and the
// tables are still the same, before each change.
func (c *copying) run(ctx context.Context) error {
	if c.plan.Backup {
		c.Watch(Phase{Name: "backup"})
		var err error
		if c.backup, err = c.target.backup(ctx, c.plan.Target, c.BackupSettle); err != nil {
			return err
		}
	}
	if c.plan.Deletes {
		if err := c.truncate(ctx); err != nil {
			return c.changed(err)
		}
	}
	if err := c.still(ctx); err != nil {
		return c.changed(err)
	}
	c.Watch(Phase{Name: "copy", Items: c.plan.SourceItems, Bytes: c.plan.SourceBytes, Stats: &c.moved})
	src := c.source.reader(c.plan.Source, scanOptions{segments: c.plan.Segments, eventual: c.Eventual})
	err := copier.Run(ctx, src, c.target.writer(c.plan.Target), copier.Options{
		Readers: c.plan.Readers, Workers: c.plan.Workers, Stall: c.Stall,
		Shape: c.Shape, Schema: c.plan.Target.Schema, Stats: &c.moved,
	})
	if err == nil {
		err = c.still(ctx)
	}
	return c.changed(err)
}

// truncate deletes every item of the target, and makes sure that no delete is
// still on its way when the first put is sent.
func (c *copying) truncate(ctx context.Context) error {
	if err := c.still(ctx); err != nil {
		return err
	}
	c.Watch(Phase{Name: "truncate", Items: c.plan.TargetItems, Stats: &c.removed})
	d := c.plan.Target
	src := c.target.reader(d, scanOptions{segments: segments(d, c.plan.Readers), keysOnly: true, side: targetSide})
	err := copier.Run(ctx, src, c.target.writer(d), copier.Options{
		Readers: c.plan.Readers, Workers: c.plan.Workers, Stall: c.Stall, Delete: true, Stats: &c.removed,
	})
	if err != nil {
		return err
	}
	late := c.removed.Count().Late
	if late.IsZero() {
		return nil
	}
	wait := time.Until(late.Add(settleAfterAll))
	c.Watch(Phase{Name: "wait"})
	c.target.log.InfoContext(ctx, "a delete broke off without an answer: waiting until it cannot be applied any more", "seconds", wait.Seconds())
	return pause(ctx, wait)
}

// still checks that both tables are the ones that were planned with.
func (c *copying) still(ctx context.Context) error {
	if err := c.source.same(ctx, c.plan.Source); err != nil {
		return err
	}
	return c.target.same(ctx, c.plan.Target)
}

// changed explains an error after which the target may not be what it was.
func (c *copying) changed(err error) error {
	err = runError(err, c.source, c.target)
	e, ok := err.(*Error) //nolint:errorlint // only what has just been made
	if !ok || e.Hint != "" {
		return err
	}
	if c.removed.Count().Deleted > 0 && c.backup != "" {
		e.Hint = "the target was emptied; its backup is " + c.backup
	}
	return e
}

// A Summary says what a copy did. The JSON is the command's contract.
type Summary struct {
	Command string      `json:"command"`
	Mode    Mode        `json:"mode"`
	Source  Description `json:"source"`
	Target  Description `json:"target"`

	Read      int64 `json:"read"` // source items
	Written   int64 `json:"written"`
	Unchanged int64 `json:"unchanged"`
	Deleted   int64 `json:"deleted"`
	Skipped   int64 `json:"skipped"` // dropped by the Shape
	Rejected  int64 `json:"rejected"`

	Throttled int64            `json:"throttled"` // requests of which not all was taken
	Retried   int64            `json:"retried"`   // requests sent again after another failure
	Reasons   map[string]int64 `json:"throttle_reasons,omitempty"`

	ReadUnits  float64 `json:"read_units"` // consumed, both tables, indexes included
	WriteUnits float64 `json:"write_units"`
	Bytes      int64   `json:"bytes"` // of item JSON written
	Seconds    float64 `json:"seconds"`
	Backup     string  `json:"backup,omitempty"` // ARN
}

func (c *copying) summary() Summary {
	moved, removed := c.moved.Count(), c.removed.Count()
	s := Summary{
		Command: "copy", Mode: c.Mode, Source: c.plan.Source, Target: c.plan.Target,
		Read: moved.Read, Written: moved.Written, Deleted: removed.Deleted, Skipped: moved.Skipped,
		Throttled: moved.Throttled + removed.Throttled, Retried: moved.Retried + removed.Retried,
		ReadUnits: moved.ReadUnits + removed.ReadUnits, WriteUnits: moved.WriteUnits + removed.WriteUnits,
		Bytes: moved.Bytes, Seconds: time.Since(c.began).Seconds(), Backup: c.backup,
	}
	for _, reasons := range []map[copier.Reason]int64{moved.Reasons, removed.Reasons} {
		for r, n := range reasons {
			if s.Reasons == nil {
				s.Reasons = make(map[string]int64)
			}
			s.Reasons[fmt.Sprintf("%s %s", r.Reason, r.Resource)] += n
		}
	}
	return s
}

// The two packages state DynamoDB's limit each for itself; this fails to
// compile when they differ.
var _ [0]struct{} = [copier.MaxBatch - wire.MaxBatch]struct{}{}
