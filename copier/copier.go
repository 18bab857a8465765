// Package copier is the engine: [Run] moves items from a [Source] through an
// optional [Shape] into a [Sink], and says truthfully what it did. It knows no
// AWS client.
//
// Readers take segments of the source and cut each page into batches; writers
// send batches and send again, later, what the sink did not take. Nothing flows back to
// the readers: the brakes are a full channel and an empty page pool, which is also
// the one bound on memory. A segment's position moves only past items that the sink has
// acknowledged.
//
// Run owns all retries. A source or a sink makes one attempt and reports what
// happened as a [Fault], whose class decides what Run does about it.
// Of one key the write stays that was read last.
//
// What is settled is handed out as a [Checkpoint], from which another Run goes on.
package copier

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A Source hands out pages. Read may be called from many goroutines, never for
// one segment at once. It fills page with what follows from (nil: from the
// beginning of the segment); a nil page.Next is the end of the segment. It makes one attempt, the
// attempt's number being for the log.
type Source interface {
	Segments() int
	Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error
}

// A Sink stores batches. Write may be called from many goroutines. It reports
// the writes that the table did not take; those are fine and will be sent again. It
// makes one attempt. It does not keep the batch, or anything in it, after it returns.
type Sink interface {
	Write(ctx context.Context, batch []item.Write, attempt int) (Result, error)
}

// A Result is what became of a batch.
type Result struct {
	Unprocessed []int    // ascending indexes of the writes that were not taken
	Units       float64  // write capacity units consumed
	Throttled   []Reason // why, where the request as a whole was throttled; nil where the answer names the writes that it left
}

// A Reason is one of the table's words on why it throttled.
type Reason struct{ Reason, Resource string }

// A Shape turns a source item into the one to write. Nil skips the item. It may
// return its argument, must not edit it, and runs on many goroutines.
type Shape func(item.Item) (item.Item, error)

// MaxBatch is DynamoDB's limit of writes in one BatchWriteItem request.
const MaxBatch = 25

// batchBytes closes a batch early. DynamoDB takes 16 MB; less keeps the
// writers' memory small and costs nothing where items are that large.
const batchBytes = 1 << 20

// Options choose how to run. The zero value works.
type Options struct {
	Readers int           // segments read at once; 0 means 8
	Workers int           // most batches in flight; 0 means 64 a core, at most 256
	Pages   int           // pages in memory; 0 means half as many again as readers, and two
	Stall   time.Duration // how long a read or a batch may make no progress, waits for its turn apart; 0 means 15 minutes
	Delete  bool          // delete what is read instead of putting it; the items are then primary keys
	Shape   Shape         // nil writes items as they are
	Schema  item.Schema   // the target's; needed with a Shape
	Stats   *Stats        // counters to count in, for a progress display; nil for none

	ReadUnits  float64 // most read capacity units to consume per second; 0 means no limit
	WriteUnits float64 // most write capacity units to consume per second; 0 means no limit
	WriteCost  float64 // write units that 1 KB is expected to cost, until the answers say it; 0 means 1. An index can add one

	// From is where to go on; the zero value is the beginning. It must have as many positions as
	// the source has segments.
	From Checkpoint
	// Save is given checkpoints: some 10 a second while anything moves, and one at the
	// end, whatever the end is. An error ends the run. One goroutine calls it. Nil for none.
	Save func(Checkpoint) error
	// Reject takes a write that the sink refuses for good, and why: by an answer about it, or as it is left back for Stall while
	// others are taken. It returns when that is noted; an error ends the run. Many goroutines call it. Nil ends the run at the first one.
	Reject func(item.Write, *Fault) error
}

// retryTime is how long Run goes on without any progress, unless told.
const retryTime = 15 * time.Minute

func (o *Options) defaults(segments int) {
	if o.Readers <= 0 {
		o.Readers = 8
	}
	o.Readers = min(o.Readers, max(segments, 1))
	if o.Workers <= 0 {
		o.Workers = min(256, 64*runtime.GOMAXPROCS(0))
	}
	if o.Pages <= 0 {
		o.Pages = o.Readers + o.Readers/2 + 2 // one being cut by each reader, the rest in flight
	}
	o.Pages = max(o.Pages, o.Readers)
	if o.Stall <= 0 {
		o.Stall = retryTime
	}
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
}

// Run moves everything that src has into sink. It returns when all of it is
// acknowledged, on the first failure that no retry can mend, or when ctx ends:
// then it starts no new write and lets the requests in flight finish, for at most [Drain].
// What it counted is in opts.Stats, also after an error.
//
// The errors are a [*Fault], the context's cause, what the Shape returned, or a
// [*BooksError].
func Run(ctx context.Context, src Source, sink Sink, opts Options) (err error) {
	opts.defaults(src.Segments())
	if n := len(opts.From.Positions); n != 0 && n != src.Segments() {
		return fmt.Errorf("go on at a checkpoint of %d segments with %d", n, src.Segments())
	}
	opts.Stats.resume(opts.From)
	r := &run{
		src: src, sink: sink, Options: opts,
		pool:    make(chan *page, opts.Pages),
		batches: make(chan *batch, opts.Workers), // one waiting batch a writer hides the read latency; more would only hold memory
		spare:   make(chan *batch, opts.Workers),
		taking:  make(chan struct{}, 1),
		ledger:  newLedger(src.Segments(), opts.From),
		source:  newSide(wideGate(opts.Readers)), target: newSide(newGate(opts.Workers)),
		reading: newBudget(opts.ReadUnits, 0), writing: newBudget(opts.WriteUnits, opts.WriteCost),
	}
	if _, ok := src.(Distinct); !ok || opts.Shape != nil {
		r.order = newOrder()
	}
	for range opts.Pages {
		r.pool <- new(page)
	}
	ctx, finish := r.saving(ctx)
	defer func() {
		if e := finish(); e != nil && !errors.Is(err, e) {
			err = errors.Join(err, e)
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	hard, release := drained(ctx)
	defer release()
	g.Go(func() error {
		defer close(r.batches)
		defer crash.Guard(ctx)
		return r.readAll(ctx)
	})
	for range opts.Workers {
		g.Go(func() error {
			defer crash.Guard(ctx)
			return r.writeAll(ctx, hard)
		})
	}
	if err := g.Wait(); err != nil {
		return reason(ctx, err)
	}
	if !r.ledger.complete() {
		return &BooksError{Detail: "a segment was left before its end"}
	}
	return opts.Stats.check()
}

// reason prefers why the context ended to the bare fact that it did.
func reason(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// Drain is how long requests in flight may go on after the context has ended.
const Drain = 8 * time.Second

// drained returns a context that outlives ctx by Drain: the one that requests
// run under, so that a signal does not tear them apart.
func drained(ctx context.Context) (context.Context, func()) {
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(Drain)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-hard.Done():
		}
	})
	return hard, func() { stop(); cancel(context.Canceled) }
}

// A BooksError says that the counters do not add up: a bug of ours, and a
// reason not to believe a success.
type BooksError struct{ Detail string }

func (e *BooksError) Error() string {
	return fmt.Sprintf("the books do not close: %s; do not trust this run", e.Detail)
}

// run is the state of one Run.
type run struct {
	Options
	src     Source
	sink    Sink
	pool    chan *page
	batches chan *batch
	ledger  *ledger
	order   *order        // nil where no key comes twice
	spare   chan *batch   // to be filled again
	taking  chan struct{} // full while a batch is taken
	saved   int           // the ledger's moves at the last checkpoint

	source, target   *side
	reading, writing *budget
}

// A page is an item.Page on its way to being acknowledged.
type page struct {
	item.Page
	entry *entry
}

// A batch is up to 25 writes, each from a page that it keeps alive.
type batch struct {
	writes []item.Write
	from   []origin
	bytes  int
	units  float64 // of writing, by size
	claim  *claim  // on its keys; nil where no key comes twice
}

// An origin is the item of a page that a write came from.
type origin struct {
	page  *page
	index int
}
