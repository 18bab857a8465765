package table

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// CompareOptions choose how to compare. The zero value works.
type CompareOptions struct {
	Detail bool         // say which attributes differ
	Slice  *query.Query // the part of both tables to compare, as in [CopyOptions]; nil is everything

	Segments    int           // of both scans; 0 chooses from the source's size
	ReadUnits   Budget        // most read capacity units per second, for each table
	Eventual    bool          // eventually consistent scans, at half the cost; what looks different is read again consistently
	SkipExpired bool          // as if the source did not have items whose TTL has passed
	Memory      int64         // what the join may hold before it spills to disk, in bytes; 0 means 256 MB
	Stall       time.Duration // give up after so long without any progress; 0 means 15 minutes
	Shape       copier.Shape  // changes or drops source items before they are compared
	RunDir      string        // where a dump is kept while it is compared, in files without a name; "" means as in [CopyOptions]

	Watch func(Phase) // told when reading begins; nil for none
}

// A DifferenceKind says how two tables differ at one key.
type DifferenceKind string

// The kinds of difference.
const (
	OnlySource DifferenceKind = "only_source" // the target lacks the item
	OnlyTarget DifferenceKind = "only_target" // the source lacks the item
	Differs    DifferenceKind = "differs"     // both have it, with different values
)

// A Difference is one key at which two tables differ.
type Difference struct {
	Kind       DifferenceKind
	Key        item.Item // the primary key, as DynamoDB JSON
	Attributes []string  // the top-level attributes that differ, sorted; with CompareOptions.Detail only
	Hidden     bool      // the source has the item, but a slice's filter does not let it through: a copy does not write it
}

// Values are the key's values as texts, the partition key first: a string's own, a number's,
// a binary's base64.
func (d Difference) Values() []string {
	var list []string
	dec := json.NewDecoder(bytes.NewReader(d.Key))
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return list
		}
		switch v := token.(type) {
		case json.Delim:
			depth += map[json.Delim]int{'{': 1, '}': -1}[v]
		case string:
			if depth == 2 { // the type, and then the value
				if token, err = dec.Token(); err != nil {
					return list
				}
				list = append(list, fmt.Sprint(token))
			}
		}
	}
}

// detailed says a difference in this package's words, and names the attributes
// where that is asked for.
func detailed(d *copier.Difference, detail bool) (out Difference, err error) {
	out = Difference{Kind: DifferenceKind(d.Kind.String()), Key: item.Item(d.Key).Clone(), Hidden: d.Hidden}
	if detail && out.Kind == Differs {
		if out.Attributes, err = item.Differing(d.Source, d.Target); err != nil {
			return out, fmt.Errorf("compare: %w", err)
		}
	}
	return out, nil
}

// A Comparison is a comparison of two tables, or dumps, to be read with [Comparison.All].
type Comparison struct {
	CompareOptions
	sides          [2]Side
	source, target origin // once they are open
	plan           Plan
	began          time.Time
	joined         copier.JoinStats
	read, held     copier.Stats

	lapsed  func(*copier.Difference) (bool, error) // tells which differences do not count; nil where all do
	expired atomic.Int64                           // how many did not
}

// Compare joins the table with the target by key and compares by value: numbers as
// decimals, sets without order, maps by key. It writes nothing. Nothing is read before the first
// difference is asked for.
//
// Tables that change meanwhile are compared as they were when each item was read; what only one of
// them seems to have is asked for by its key before it is told, and with Eventual what differs is read again.
func (t *Table) Compare(target *Table, o CompareOptions) *Comparison { return Compare(t, target, o) }

// Compare is [Table.Compare] for any two sides. A dump is checked as a whole before the comparison, as
// [Table.Restore] does: checksums, counts and each line; what is compared is a private copy of what was checked, about as
// large as the dump. The key is the table's; of two dumps one must have been made by [Table.Dump], which
// keeps it. Slice is for tables only; so are ReadUnits and Eventual, and SkipExpired for a source that is one.
func Compare(source, target Side, o CompareOptions) *Comparison {
	if o.Watch == nil {
		o.Watch = func(Phase) {}
	}
	return &Comparison{CompareOptions: o, sides: [2]Side{source, target}}
}

// errStopped is why a comparison ends whose caller wants no more.
var errStopped = errors.New("nobody wants more")

// All yields the differences, in no order. After an error, an [*Error] or the context's cause,
// there is nothing more. It may be called once.
func (c *Comparison) All(ctx context.Context) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		c.began = time.Now()
		ctx := account.WithStall(ctx, c.Stall)
		options, err := c.prepare(ctx)
		defer c.close()
		if err != nil {
			yield(Difference{}, err)
			return
		}
		inner, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		list := make(chan Difference)
		var g errgroup.Group
		g.Go(func() error {
			defer close(list)
			defer crash.Guard(ctx)
			options.Found = func(ctx context.Context, found []copier.Difference) error { return c.tell(ctx, found, list) }
			from, err := c.half(c.source, c.plan.Source, sourceSide)
			if err != nil {
				return err
			}
			to, err := c.half(c.target, c.plan.Target, targetSide)
			if err != nil {
				return err
			}
			return copier.Join(inner, from, to, options)
		})
		for d := range list {
			if !yield(d, nil) {
				stop(errStopped)
				_ = g.Wait()
				return
			}
		}
		if err := g.Wait(); err != nil {
			yield(Difference{}, c.explain(err))
		}
	}
}

// explain explains an error; what a dump meets is no fault of a table's.
func (c *Comparison) explain(err error) error {
	source, target := c.source.table(), c.target.table()
	if source == nil && target == nil {
		return err
	}
	return runError(err, cmp.Or(source, target), cmp.Or(target, source))
}

// close gives back what dumps were kept in. Nobody is told of an error: nothing depends on what was there.
func (c *Comparison) close() {
	for _, o := range []origin{c.source, c.target} {
		if s, ok := o.(*stored); ok {
			_ = s.checked.Close()
		}
	}
}

// prepare looks at both sides.
func (c *Comparison) prepare(ctx context.Context) (none copier.JoinOptions, err error) {
	if c.Segments < 0 || c.Segments > 1_000_000 {
		return none, usage("DynamoDB takes 1 to 1,000,000", "%d segments", c.Segments)
	}
	if err := c.checkDumps(); err != nil {
		return none, err
	}
	p := Plan{Command: "compare"}
	for i, d := range []*Description{&p.Source, &p.Target} {
		if *d, err = c.sides[i].described(ctx); err != nil {
			return none, err
		}
	}
	for _, known := range []struct{ of, by *Description }{{&p.Source, &p.Target}, {&p.Target, &p.Source}} {
		if known.of.Schema.Partition.Name == "" {
			known.of.Schema = known.by.Schema
		}
	}
	c.plan = p
	switch {
	case p.Source.same(p.Target):
		return none, refused("check the profiles, their endpoints, and the AWS_ variables in the environment",
			"source and target are the same table: %s", p.Source)
	case p.Source.Schema.Partition.Name == "":
		return none, usage("compare one of them with a table", "neither dump says what the key of its table is")
	case p.Source.Schema != p.Target.Schema:
		return none, mismatch("", "the keys do not fit: source has %s, target has %s", p.Source.Schema, p.Target.Schema)
	}
	if p.ReadUnits, err = c.budget(p.Source); err != nil {
		return none, err
	}
	if p.TargetReadUnits, err = c.budget(p.Target); err != nil {
		return none, err
	}
	if err := c.open(ctx, &p); err != nil {
		return none, err
	}
	p.SourceItems, p.SourceBytes = p.Source.Items, p.Source.Bytes
	p.Readers = compareReaders
	p.Segments = or0(c.Segments, segments(p.Source, p.Readers))
	if c.Slice != nil {
		if err := checkSlice(c.Slice, p.Source, p.Target); err != nil {
			return none, err
		}
		if p.SourceItems, p.SourceBytes = 0, 0; !c.Slice.All {
			p.Segments = 1
		}
	}
	shape, err := c.source.shape(ctx, c.Shape, c.SkipExpired)
	if err != nil {
		return none, err
	}
	c.plan = p
	c.Watch(Phase{Name: phaseCompare, Items: p.SourceItems, Bytes: p.SourceBytes, Joined: &c.joined, Reads: []*copier.Stats{&c.read, &c.held}})
	return copier.JoinOptions{
		Schema: p.Source.Schema, Shape: shape, Items: c.Detail || c.lapsed != nil, Partial: c.Slice != nil, Eventual: c.Eventual,
		Readers: p.Readers, Memory: c.Memory, Dir: os.TempDir(), Stall: c.Stall, Stats: &c.joined,
	}, nil
}

// checkDumps refuses, before a dump is read, what does not go with one.
func (c *Comparison) checkDumps() error {
	for i, s := range c.sides {
		if _, ok := s.(*Dump); !ok {
			continue
		}
		if c.Slice != nil {
			return usage("compare all of it", "a dump has no keys to find a slice by")
		}
		if c.SkipExpired && i == 0 {
			return errNoTTL
		}
	}
	return nil
}

// open has both sides ready to be read: a dump is checked.
func (c *Comparison) open(ctx context.Context, p *Plan) error {
	tmp := ""
	for i, side := range []struct {
		origin *origin
		about  *Description
	}{{&c.source, &p.Source}, {&c.target, &p.Target}} {
		if side.about.Path != "" && tmp == "" {
			store, err := openRuns(c.RunDir)
			if err != nil {
				return err
			}
			tmp = store.Dir()
			c.Watch(Phase{Name: phaseCheck})
		}
		var err error
		if *side.origin, err = c.sides[i].opened(ctx, *side.about, tmp); err != nil {
			return err
		}
		if s, ok := (*side.origin).(*stored); ok {
			*side.about = s.about
		}
	}
	return nil
}

// budget is for a table: reading a dump consumes nothing.
func (c *Comparison) budget(d Description) (float64, error) {
	if d.Path != "" {
		return 0, nil
	}
	return c.ReadUnits.of(d, d.ReadCapacity, "read")
}

const phaseCompare = "compare"

// compareReaders is how many pairs of segments a comparison reads at once: nothing is
// written that could be throttled by it.
const compareReaders = 8

func or0(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func (c *Comparison) half(from origin, d Description, side string) (copier.Half, error) {
	src, err := from.part(d, c.Slice, scanOptions{segments: c.plan.Segments, eventual: c.Eventual, side: side})
	h := copier.Half{Source: src, Getter: from.getter(d, side), Shown: shown(from, d, c.Slice, side), Stats: &c.read, ReadUnits: c.plan.ReadUnits}
	if side == targetSide {
		h.Stats, h.ReadUnits = &c.held, c.plan.TargetReadUnits
	}
	return h, err
}

// tell hands differences to whoever ranges over them.
func (c *Comparison) tell(ctx context.Context, found []copier.Difference, list chan<- Difference) error {
	for i := range found {
		if c.lapsed != nil {
			gone, err := c.lapsed(&found[i])
			if err != nil {
				return err
			}
			if gone {
				c.expired.Add(1)
				continue
			}
		}
		d, err := detailed(&found[i], c.Detail)
		if err != nil {
			return err
		}
		select {
		case list <- d:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// A CompareSummary says what a comparison has found. The JSON is the command's contract.
type CompareSummary struct {
	Command string      `json:"command"`
	Source  Description `json:"source"`
	Target  Description `json:"target"`

	Read       int64 `json:"read"` // source items
	Equal      int64 `json:"equal"`
	OnlySource int64 `json:"only_source"`
	OnlyTarget int64 `json:"only_target"`
	Differs    int64 `json:"differs"`
	Skipped    int64 `json:"skipped"` // source items that were left out

	Throttled int64            `json:"throttled"`
	Retried   int64            `json:"retried"`
	Reasons   map[string]int64 `json:"throttle_reasons,omitempty"`
	ReadUnits float64          `json:"read_units"` // consumed, both tables
	Seconds   float64          `json:"seconds"`
}

// Same reports that there is no difference.
func (s CompareSummary) Same() bool { return s.OnlySource+s.OnlyTarget+s.Differs == 0 }

// Summary is what is known so far; all of it when All has ended without an error.
func (c *Comparison) Summary() CompareSummary {
	n := c.joined.Count()
	var t tally
	t.add(c.read.Count())
	t.add(c.held.Count())
	return CompareSummary{
		Command: "compare", Source: c.plan.Source, Target: c.plan.Target,
		Read: n.Equal + n.Differs + n.OnlySource + n.Skipped - n.Hidden, Equal: n.Equal, OnlySource: n.OnlySource, OnlyTarget: n.OnlyTarget, Differs: n.Differs, Skipped: n.Skipped,
		Throttled: t.Throttled, Retried: t.Retried, Reasons: t.Reasons, ReadUnits: t.ReadUnits, Seconds: time.Since(c.began).Seconds(),
	}
}
