package copier

import (
	"context"
	"fmt"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Half is one of the two tables of a [Join]. Where an item can leave what its Source reads and stay in the
// table, the Source has a method Holds(item.Item) (bool, error) that reports whether an item is in there: what only the
// target has is given to Found only while it is.
type Half struct {
	Source Source
	Getter Getter // reads items back; nil where nothing can, as in a dump
	// Shown makes a source of the one item of a key as Source would show it now, read consistently. It is for a source behind
	// a filter: what that did not show is given to Found as Hidden. Nil where all is shown.
	Shown     func(key []byte) (Source, error)
	Stats     *Stats  // where its reads are counted; nil for nowhere. Each half has its own
	ReadUnits float64 // most read capacity units to consume per second; 0 means no limit
}

// A Getter reads items back by their primary keys, consistently. Get may be
// called from many goroutines. It is given at most 100 keys as DynamoDB JSON, no two of them equal, and fills page
// with those items that the table has, in any order; the keys that it did not get to it returns as
// ascending indexes. It makes one attempt, the attempt's number being for the log.
type Getter interface {
	Get(ctx context.Context, keys [][]byte, attempt int, page *item.Page) (unprocessed []int, err error)
}

// MaxGet is DynamoDB's limit of keys in one BatchGetItem request.
const MaxGet = 100

// A Kind says how the halves of a join differ at one key.
type Kind int

// The kinds of difference.
const (
	Differs    Kind = iota // both have the item, and it differs by value
	OnlySource             // only the source has it
	OnlyTarget             // only the target has it
)

func (k Kind) String() string { return [...]string{"differs", "only_source", "only_target"}[k] }

// A Difference is what a join found at one key.
type Difference struct {
	Kind Kind
	Key  []byte // the primary key as DynamoDB JSON
	// The items as last seen. Where an item exists it is here if JoinOptions.Items
	// says so and its half has a Getter; else it may be nil.
	Source, Target item.Item
	// Hidden says that the source has the item, but that its filter did not let it through.
	Hidden bool
}

// JoinOptions choose how to join. Schema and Found are needed; else the zero
// value works.
type JoinOptions struct {
	Schema item.Schema // the primary key of both tables
	// Found is given differences, at most 100 at once and no key twice among
	// them. They, and all in them, are valid until it returns. Many goroutines call it: while it
	// blocks, the one that found them reads nothing. An error ends the join. Every OnlyTarget comes after all
	// other differences, and only when both tables were read to their ends.
	Found func(ctx context.Context, found []Difference) error
	// Extras is asked once, when all else was given to Found, whether the n items
	// that only the target has are to be given to it, too. Nil means yes.
	Extras func(ctx context.Context, n int64) (bool, error)

	// Shape changes source items before they are compared, or drops them. It must not change the key where
	// the source has a Getter. Nil leaves items as they are.
	Shape Shape
	// Partial says that the sources are parts of their tables: what one of them lacks its table may have
	// all the same, so it is asked for even where the source was empty.
	Partial bool
	// Eventual says that what the sources show may be old: both items are read again, by key, before a
	// difference is believed, and also a table that seems to be empty is asked.
	Eventual bool
	Items    bool // give Found both items: read back by key what is no longer in memory

	Readers int           // pairs of segments read at once; 0 means 8
	Pages   int           // pages in memory; 0 means four a reader, and two
	Memory  int64         // bytes that items may hold which wait for their other half outside of pages; 0 means 256 MB
	Dir     string        // where to spill what is beyond Memory; must exist; "" means os.TempDir
	Stall   time.Duration // how long a read may make no progress; 0 means 15 minutes
	Stats   *JoinStats    // counters to count in, for a progress display; nil for none

	spillFile func(dir string) (spillFile, error) // nil for a file in dir
	reused    func(*item.Page)                    // told of a page that is about to be read into again; nil for none
}

func (o *JoinOptions) defaults(lanes int) {
	if o.Readers <= 0 {
		o.Readers = 8
	}
	o.Readers = min(o.Readers, max(lanes, 1))
	if o.Pages <= 0 {
		o.Pages = 4*o.Readers + 2
	}
	o.Pages = max(o.Pages, 2*o.Readers+1) // or readers that hold one each could wait for a second for ever
	if o.Memory <= 0 {
		o.Memory = 256 << 20
	}
	if o.Stall <= 0 {
		o.Stall = retryTime
	}
	if o.Stats == nil {
		o.Stats = new(JoinStats)
	}
}

// Join reads two tables at once and says in what they differ by value.
//
// Segment by segment it reads both, always the one that is behind, and drops
// a pair as soon as both halves were seen. So tables that return their items in the same order, as real ones do, keep
// about two pages a reader waiting; but the result is exact in any order, and for any number of segments.
// An item waits in its page while that is in memory, then as a copy, then as its digest and its key, and
// when these outgrow Memory, in a sorted file that nobody else can read and that is gone when Join returns, or the process ends.
//
// What was seen in one table only is asked for by its key, consistently, before it is believed, and with Eventual so is
// what differs (a half without a Getter is believed as it was read): a table that changes while it is read
// may show an item twice, or late. An item seen twice counts as it was seen last. A half without a Getter should hold no key twice.
//
// Memory is bounded by 2 MB for each of Pages, the Memory option, and, where it spilled, 32 KB for each
// Memory/16 bytes that were; nothing queues.
//
// Reads are retried as those of [Run]. After any error, of either table, of the disk, of Found or of ctx, no
// OnlyTarget is given out any more. The errors are a [*Fault], the context's cause, an error of the
// disk, an [*item.SyntaxError] about an item, what the callbacks returned, or a [*BooksError].
func Join(ctx context.Context, source, target Half, opts JoinOptions) (err error) {
	lanes := max(1, min(source.Source.Segments(), target.Source.Segments()))
	opts.defaults(lanes)
	j := &join{JoinOptions: opts, pages: make(chan *joinPage, opts.Pages)}
	j.halves[sourceHalf] = newHalf(source, opts)
	j.halves[targetHalf] = newHalf(target, opts)
	j.window = newWindow(j)
	defer func() {
		if e := j.window.spill.close(); err == nil {
			err = e
		}
	}()
	for i := range opts.Pages {
		p := &joinPage{number: uint32(i)}
		p.refs.Store(1)
		j.all = append(j.all, p)
		j.pages <- p
	}
	if err := j.readAll(ctx, lanes); err != nil {
		return reason(ctx, err)
	}
	if err := j.window.settleAll(); err != nil {
		return err
	}
	if err := j.remaining(ctx, pairsAndSource); err != nil {
		return reason(ctx, err)
	}
	if err := j.extras(ctx); err != nil {
		return reason(ctx, err)
	}
	return j.Stats.check()
}

// extras deals with what only the target has: counts, asks, gives out.
func (j *join) extras(ctx context.Context) error {
	if j.Stats.survived[targetHalf].Load() == 0 {
		return nil
	}
	if err := j.remaining(ctx, countExtras); err != nil {
		return err
	}
	n := j.Stats.extras.Load()
	if n == 0 {
		return nil
	}
	if j.Extras != nil {
		yes, err := j.Extras(ctx, n)
		if err != nil || !yes {
			return err
		}
	}
	return j.remaining(ctx, giveExtras)
}

// The two halves, as indexes.
const (
	sourceHalf = iota
	targetHalf
)

var halfNames = [2]string{"source", "target"}

// join is the state of one Join.
type join struct {
	JoinOptions
	halves [2]*half
	window *window
	pages  chan *joinPage // to be read into; the oldest, which may still hold items that wait, first
	all    []*joinPage    // by number
}

// A half reads one table with the machinery of Run.
type half struct {
	Half
	cutter
	holds func(item.Item) (bool, error) // nil where an item cannot leave the source
}

func newHalf(h Half, opts JoinOptions) *half {
	if h.Stats == nil {
		h.Stats = new(Stats)
	}
	var holds func(item.Item) (bool, error)
	if part, ok := h.Source.(interface{ Holds(item.Item) (bool, error) }); ok {
		holds = part.Holds
	}
	return &half{Half: h, holds: holds, cutter: cutter{run: &run{
		Options: Options{Stall: opts.Stall, Stats: h.Stats}, src: h.Source,
		source: newSide(wideGate(opts.Readers)), reading: newBudget(h.ReadUnits, 0),
	}}}
}

// identify shapes a source item, and finds its key. A nil item is skipped.
func (j *join) identify(which int, it item.Item) (item.Item, item.Found, item.KeyHash, error) {
	var found item.Found
	var hash item.KeyHash
	if which == sourceHalf && j.Shape != nil {
		shaped, err := j.Shape(it)
		if err != nil || shaped == nil {
			return nil, found, hash, err
		}
		it = shaped
	}
	found, err := item.Parse(it, j.Schema)
	if err == nil {
		hash, err = found.KeyHash(j.Schema)
	}
	if err != nil {
		return nil, found, hash, fmt.Errorf("%s: %w", halfNames[which], err)
	}
	return it, found, hash, nil
}
