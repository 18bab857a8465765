package table

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/item"
)

// What a run can be, as its directory names it.
const (
	commandCopy     = "copy"
	commandRestore  = "restore"
	commandTruncate = "truncate"
	commandUndo     = "undo"
)

// TruncateOptions choose how to truncate. The zero value backs the table up first.
type TruncateOptions struct {
	NoBackup     bool          // do without the AWS backup of the table
	BackupSettle time.Duration // age the backup must have before the first delete; 0 means 60 s

	Segments   int           // of the scan for keys; 0 chooses from the table's size
	Workers    int           // most batches in flight; 0 means 64 a core, at most 256
	ReadUnits  Budget        // most read capacity units per second
	WriteUnits Budget        // most write capacity units per second
	Stall      time.Duration // give up after so long without any progress; 0 means 15 minutes

	Protected      Guard  // what else is protected, as in [CopyOptions]
	AllowProtected string // "PROFILE/TABLE" of a protected table that may be emptied after all

	RunDir     string // where runs are kept, as in [CopyOptions]
	Resume     bool   // go on with the latest unfinished truncate of this table, if there is one
	Unattended bool   // for Plan.Unattended, also when the run is resumed

	Confirm func(Plan) error // called before the first change; an error stops the truncate. Nil goes on
	Watch   func(Phase)      // told of each phase as it begins; nil for none
}

// copyOptions are the same in a copy's words: a truncate is the first half of a
// Replace.
func (o TruncateOptions) copyOptions() CopyOptions {
	return CopyOptions{
		Mode: Replace, NoBackup: o.NoBackup, BackupSettle: o.BackupSettle,
		Segments: o.Segments, Workers: o.Workers, ReadUnits: o.ReadUnits, WriteUnits: o.WriteUnits, Stall: o.Stall,
		Protected: o.Protected, AllowProtected: o.AllowProtected,
		RunDir: o.RunDir, Resume: o.Resume, Unattended: o.Unattended, Confirm: o.Confirm, Watch: o.Watch,
	}.defaults()
}

// Truncate deletes every item of the table; the table and its settings stay. It makes an AWS backup first and
// waits until that can be relied on, scans for keys and deletes them, and scans again until it finds none.
// Of the Summary only the target and what is about deletes has a meaning.
//
// What it has done is kept in a directory below RunDir, from which [Resume] goes on; no two runs write to one
// table at once. The errors are those of [Table.Copy]; before the backup is AVAILABLE nothing is deleted.
func (t *Table) Truncate(ctx context.Context, o TruncateOptions) (Summary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	c := &copying{command: commandTruncate, CopyOptions: o.copyOptions(), target: t, began: time.Now()}
	return c.attempt(ctx, "")
}

// PlanTruncate says what Truncate would do. It changes nothing. The errors are those by which Truncate would
// refuse. With count it also scans the keys, which costs as much as reading the table, and the Plan has an Estimate.
func (t *Table) PlanTruncate(ctx context.Context, o TruncateOptions, count bool) (Plan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	options := o.copyOptions()
	p, err := t.planTruncate(ctx, options)
	if err == nil && count {
		p.Estimate, err = t.estimate(ctx, p, options)
	}
	return p, err
}

func (t *Table) planTruncate(ctx context.Context, o CopyOptions) (Plan, error) {
	p := Plan{Command: commandTruncate, Unattended: o.Unattended, Backup: !o.NoBackup, Deletes: true}
	if err := o.check(); err != nil {
		return p, err
	}
	if err := t.planTarget(ctx, &p, o); err != nil {
		return p, err
	}
	var err error
	if p.TargetReadUnits, err = o.ReadUnits.of(p.Target, p.Target.ReadCapacity, "read"); err != nil {
		return p, err
	}
	// A permission that is missing is found before the backup is asked for.
	_, err = t.empty(ctx, p.Target, scanOptions{keysOnly: true, side: targetSide})
	return p, err
}

// planTarget is what a plan without a source says of its target.
func (t *Table) planTarget(ctx context.Context, p *Plan, o CopyOptions) (err error) {
	if p.Target, err = t.ready(ctx); err != nil {
		return err
	}
	if err := o.allowed(p.Target); err != nil {
		return err
	}
	p.TargetItems, p.TargetBytes = p.Target.Items, p.Target.Bytes
	p.spread(o, p.Target)
	if p.WriteUnits, err = o.WriteUnits.of(p.Target, p.Target.WriteCapacity, "write"); err != nil {
		return err
	}
	p.Warnings = append(warnings(nil, t, *p), o.Protected.strangers()...)
	return nil
}

// mostPasses bounds how often a target is scanned for items to delete. Two are
// usual; more means that somebody writes to it.
const mostPasses = 10

// truncate deletes every item of the target, until a scan finds none, and makes sure that
// no put is still on its way then, and no delete when the first put is sent.
func (c *copying) truncate(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	c.watch(Phase{Name: phaseTruncate, Items: c.plan.TargetItems, Stats: &c.removed}, c.plan.Target)
	for range mostPasses {
		begun := len(c.state.Position) > 0
		found, err := c.sweep(ctx)
		if err != nil {
			return err
		}
		if found == 0 && !begun {
			return c.settle(ctx)
		}
	}
	return &Error{Failed, "is something writing to it?", fmt.Errorf("the target %s still had items after it was emptied %d times", c.plan.Target, mostPasses)}
}

// sweep deletes what one scan of the target finds, and says how much that was.
func (c *copying) sweep(ctx context.Context) (found int64, err error) {
	d := c.plan.Target
	c.passed = c.removed.Count().Deleted
	src := c.target.reader(d, scanOptions{segments: c.state.Segments, keysOnly: true, side: targetSide})
	options := c.engine()
	options.ReadUnits = c.plan.TargetReadUnits
	options.Delete, options.Stats = true, &c.removed
	if err := copier.Run(ctx, src, c.sink(), options); err != nil {
		return 0, err
	}
	c.state.Position = nil
	return c.removed.Count().Deleted - c.passed, nil
}

// An Estimate is what a truncate would delete, and what that would cost.
type Estimate struct {
	Items      int64   `json:"items"`               // as just counted
	Bytes      int64   `json:"bytes"`               // about
	WriteUnits float64 `json:"write_request_units"` // about; what the deletes of an on-demand table are billed by
	ReadUnits  float64 `json:"consumed_read_units"` // by the counting
	Basis      string  `json:"basis"`               // of what is only about right, in words
}

// estimate scans the keys.
func (t *Table) estimate(ctx context.Context, p Plan, o CopyOptions) (*Estimate, error) {
	src := &counted{reader: t.reader(p.Target, scanOptions{segments: p.Segments, keysOnly: true, side: targetSide})}
	var stats copier.Stats
	o.Watch(Phase{Name: "count", Items: p.TargetItems, Stats: &stats})
	err := copier.Run(ctx, src, nowhere{}, copier.Options{
		Readers: p.Readers, Workers: 1, Stall: o.Stall, ReadUnits: p.TargetReadUnits, Delete: true, Stats: &stats,
	})
	if err != nil {
		return nil, runError(err, t, t)
	}
	n := stats.Count()
	e := &Estimate{Items: n.Read, ReadUnits: n.ReadUnits}
	if e.Items > 0 {
		e.price(src.full.Load(), 1+len(p.Target.Indexes))
	}
	return e, nil
}

const (
	readUnit  = 4096 // bytes that a read unit pays for, consistently read
	writeUnit = 1024 // bytes that a write unit pays for
)

// price says what the deletes take. A delete costs a unit for each KB begun of the item, in the table and again in each index
// that has it; the keys do not tell the size, but the scan was billed for whole items.
func (e *Estimate) price(pages int64, copies int) {
	// Each page was rounded up to a unit, by half of one on average.
	e.Bytes = max(int64((e.ReadUnits-float64(pages)/2)*readUnit), 0)
	each := max(1, math.Ceil(float64(e.Bytes)/float64(e.Items)/writeUnit))
	e.WriteUnits = float64(e.Items) * each * float64(copies)
	e.Basis = fmt.Sprintf("the scan of the keys consumed %g read units, so an item has about %d bytes: %g write units each",
		e.ReadUnits, e.Bytes/e.Items, each)
	if copies > 1 {
		e.Basis += fmt.Sprintf(", and as many again in each of %d indexes, as if each had every item in full", copies-1)
	}
}

// nowhere takes everything and does nothing with it.
type nowhere struct{}

func (nowhere) Write(context.Context, []item.Write, int) (copier.Result, error) {
	return copier.Result{}, nil
}

// counted counts the pages that have items.
type counted struct {
	*reader
	full atomic.Int64
}

func (c *counted) Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error {
	err := c.reader.Read(ctx, segment, from, attempt, page)
	if err == nil && len(page.Items) > 0 {
		c.full.Add(1)
	}
	return err
}
