package table

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// A Plan is what a copy, or another run, would do, or is about to do.
type Plan struct {
	Command string      `json:"command"`
	Mode    Mode        `json:"mode,omitempty"`
	Source  Description `json:"source,omitzero"`
	Target  Description `json:"target"`
	Slice   string      `json:"slice,omitempty"` // in words; "" for the whole table

	SourceItems int64 `json:"source_items"` // as AWS last counted
	SourceBytes int64 `json:"source_bytes"`
	TargetItems int64 `json:"target_items"` // what the copy deletes or may overwrite
	TargetBytes int64 `json:"target_bytes"`

	Backup   bool     `json:"backup"`  // of the target, before anything is changed
	Journal  bool     `json:"journal"` // of each item, before it is overwritten or deleted
	Deletes  bool     `json:"deletes"` // all items of the target, before the copy
	Segments int      `json:"segments"`
	Readers  int      `json:"readers"`
	Workers  int      `json:"workers"`
	Warnings []string `json:"warnings,omitempty"`

	// The most capacity units per second, for each table; 0 means no limit.
	ReadUnits       float64 `json:"read_units,omitempty"`        // of the source
	TargetReadUnits float64 `json:"target_read_units,omitempty"` // of the target, when it is emptied
	WriteUnits      float64 `json:"write_units,omitempty"`       // of the target

	*Estimate // of a truncate, where it was asked for
	*UndoPlan // of an undo

	// Temporary is the table that AWS restores a backup to, for its items to be read; it is deleted
	// in the end.
	Temporary string   `json:"temporary_table,omitempty"`
	Creates   bool     `json:"creates,omitempty"`   // the target, which is not there yet
	PutsBack  []string `json:"puts_back,omitempty"` // the settings that the target gets in the end, in words

	Resumes    string `json:"resumes,omitempty"` // the run that this goes on with
	Joined     bool   `json:"-"`                 // both tables are read, and only what differs is written
	Keeps      bool   `json:"-"`                 // nothing is deleted
	Unattended bool   `json:"-"`                 // CopyOptions.Unattended, of the run that this goes on with where there is one
}

// PlanCopy looks at both tables and says what Copy would do. It changes
// nothing. The errors are those by which Copy would refuse: an [*Error] of kind [Usage],
// [Refused], [Denied] or [Mismatch].
func (t *Table) PlanCopy(ctx context.Context, target *Table, o CopyOptions) (Plan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	return planCopy(ctx, t, target, o)
}

func planCopy(ctx context.Context, source origin, target *Table, o CopyOptions) (Plan, error) {
	o = o.defaults()
	p := Plan{Command: copyCommand(source), Mode: o.Mode, Unattended: o.Unattended}
	if err := o.check(); err != nil {
		return p, err
	}
	var err error
	if p.Source, err = source.ready(ctx); err != nil {
		return p, err
	}
	if p.Target, err = target.ready(ctx); err != nil {
		return p, err
	}
	if err := p.guard(o); err != nil {
		return p, err
	}
	if err := checkSlice(o.Slice, p.Source, p.Target); err != nil {
		return p, err
	}
	p.Slice, p.Joined, p.Keeps = sliceText(o.Slice), o.joined(), o.keepsExtras()
	p.SourceItems, p.SourceBytes = p.Source.Items, p.Source.Bytes
	p.TargetItems, p.TargetBytes = p.Target.Items, p.Target.Bytes
	p.Backup, p.Deletes, p.Journal = !o.NoBackup, o.Mode == Replace && !o.sliced(), o.joined() && !o.NoBackup
	if o.joined() {
		p.Backup = o.Backup
	}
	if o.Slice != nil { // how much that is nobody has counted
		p.SourceItems, p.SourceBytes, p.TargetItems, p.TargetBytes = 0, 0, 0, 0
	}
	p.spread(o, p.Source)
	if o.sliced() {
		p.Segments = 1
	}
	if err := p.budgets(o); err != nil {
		return p, err
	}
	if b, ok := source.(*beside); ok {
		p.Temporary = b.name
	}
	p.Warnings = append(warnings(source.table(), target, p), o.Protected.strangers()...)
	if err := source.preflight(ctx, p.Source, o); err != nil {
		return p, err
	}
	return p, nil
}

// spread chooses how parallel the run is that reads this table.
func (p *Plan) spread(o CopyOptions, read Description) {
	p.Readers, p.Workers = readers(p.Target), o.Workers
	if p.Workers == 0 {
		p.Workers = min(256, 64*runtime.GOMAXPROCS(0))
	}
	p.Readers = min(p.Readers, max(2, p.Workers))
	p.Segments = o.Segments
	if p.Segments == 0 {
		p.Segments = segments(read, p.Readers)
	}
}

// guard is what must hold before anything may be changed.
func (p Plan) guard(o CopyOptions) error {
	if p.Source.same(p.Target) {
		return refused("check the profiles, their endpoints, and the AWS_ variables in the environment",
			"source and target are the same table: %s", p.Source)
	}
	if p.Source.live() && p.Source.replicates(p.Target) {
		return refused("what is done to the one is done to the other; to look at their differences: dynamo compare",
			"source and target are replicas of one global table: %s and %s", p.Source, p.Target)
	}
	if p.Source.Schema != p.Target.Schema {
		return mismatch("", "the keys do not fit: source has %s, target has %s", p.Source.Schema, p.Target.Schema)
	}
	return o.allowed(p.Target)
}

// warnings are what the user should know of the tables; source is nil where there is none.
func warnings(source, target *Table, p Plan) []string {
	var list []string
	for _, t := range []*Table{source, target} {
		for _, notice := range t.notices() {
			if !slices.Contains(list, notice) {
				list = append(list, notice)
			}
		}
	}
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if p.Source.live() && p.Source.Account == p.Target.Account {
		add("source and target are in the same account, %s", p.Target.Account)
	}
	events := p.SourceItems
	if p.Deletes {
		events += p.TargetItems
	}
	if p.Target.Stream != "" && (p.Mode == Sync || p.Slice != "" || p.Command == commandUndo) {
		add("the target has a stream (%s): whatever reads it gets an event for each item that differs", p.Target.Stream)
	} else if p.Target.Stream != "" {
		add("the target has a stream (%s): whatever reads it gets about %d events", p.Target.Stream, events)
	}
	if of := p.Source.otherThan(p.Target.Table); of != "" {
		list = append(list, of)
	}
	if n := len(p.Target.Replicas); n > 0 {
		add("the target is a global table: each write goes to its %d replicas too, and is billed there", n)
	}
	for _, i := range p.Target.Indexes {
		if source != nil && !slices.ContainsFunc(p.Source.Indexes, func(j Index) bool { return i.Schema == j.Schema }) {
			add("the target's index %s (%s) has no equal in the source: an item whose attribute has another type will be refused", i.Name, i.Schema)
		}
	}
	return list
}

// readers is how many segments to read at once. A scan walks the table in hash
// order, so what one segment yields goes to one target partition, which takes
// 1,000 units a second: many segments, each read slowly, keep many partitions busy.
func readers(target Description) int {
	units := target.WriteCapacity
	if target.OnDemand && units == 0 {
		units = 4000 // what a new on-demand table takes at once
	}
	return min(64, max(2, int(units)/500))
}

// maxSegments bounds what is chosen; DynamoDB takes up to 1,000,000.
const maxSegments = 4096

// segments is a power of two: one for each 128 MiB of the table, and enough
// that all readers have one.
func segments(source Description, readers int) int {
	n := max(int(source.Bytes/(128<<20)), readers, 1)
	return min(maxSegments, 1<<bits.Len(uint(n-1)))
}

// preflight reads one item of the source, so that a permission that is missing, or a source
// that is empty by surprise, is found before the target is touched.
func (t *Table) preflight(ctx context.Context, d Description, o CopyOptions) error {
	empty, err := t.empty(ctx, d, scanOptions{})
	if err != nil || !empty {
		return err
	}
	if d.Items > 0 && !o.AllowEmptySource {
		return refused("if the source really is empty: --allow-empty-source",
			"source %s reads as empty, but AWS counts %d items in it", d, d.Items)
	}
	return nil
}

// empty reads one item, consistently unless o says otherwise, and reports whether there is none.
func (t *Table) empty(ctx context.Context, d Description, o scanOptions) (bool, error) {
	o.limit = 1
	for page, err := range copier.Pages(ctx, t.reader(d, o), copier.ReadOptions{Stall: t.account.patience.Limit(ctx)}) {
		if err != nil {
			return false, runError(err, t, t)
		}
		if len(page.Items) > 0 {
			return false, nil
		}
	}
	return true, nil
}
