package copier

import (
	"context"
	"fmt"
	"iter"
	"math/bits"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
)

// readAll reads every segment, Readers at a time.
func (r *run) readAll(ctx context.Context) error {
	segments := make(chan int)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(segments)
		defer crash.Guard(ctx)
		for s := range scattered(r.src.Segments()) {
			if len(r.From.Positions) > 0 && r.From.Positions[s].Done {
				continue
			}
			select {
			case segments <- s:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range r.Readers {
		g.Go(func() error {
			defer crash.Guard(ctx)
			c := &cutter{run: r}
			for s := range segments {
				if err := c.segment(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// scattered yields 0 to n-1 in bit-reversed order: what is read at the same
// time then lies far apart in the table, and so do the writes that follow.
func scattered(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		width := bits.Len(uint(n - 1))
		for i := range 1 << width {
			if s := int(bits.Reverse64(uint64(i)) >> (64 - width)); s < n && !yield(s) {
				return
			}
		}
	}
}

// A cutter reads one segment after the other and cuts its pages into batches.
type cutter struct {
	*run
	open *batch // the batch being filled; nil for none
}

func (c *cutter) segment(ctx context.Context, segment int) error {
	var from item.Cursor
	if len(c.From.Positions) > 0 {
		from = c.From.Positions[segment].Next
	}
	for {
		p, err := c.page(ctx)
		if err != nil {
			return err
		}
		if err := c.read(ctx, segment, from, p); err != nil {
			c.pool <- p
			return err
		}
		from = p.Next
		c.ledger.begin(segment, p)
		if err := c.cut(ctx, p); err != nil {
			return err
		}
		if from == nil {
			return c.flush(ctx)
		}
	}
}

// page takes a free page. Before it has to wait it sends what it holds: other
// readers may be waiting for the pages in there.
func (c *cutter) page(ctx context.Context) (*page, error) {
	select {
	case p := <-c.pool:
		return p, nil
	default:
	}
	if err := c.flush(ctx); err != nil {
		return nil, err
	}
	select {
	case p := <-c.pool:
		return p, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// read fills p, with as many attempts as it takes.
func (c *cutter) read(ctx context.Context, segment int, from item.Cursor, p *page) error {
	patience := patience{stall: c.Stall, side: c.source}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := c.readOnce(ctx, segment, from, &patience, p)
		if err == nil {
			c.Stats.page(&p.Page)
			return nil
		}
		c.Stats.failed(err)
		if err := patience.wait(ctx, err); err != nil {
			return fmt.Errorf("read segment %d: %w", segment, err)
		}
		c.Stats.again(err)
	}
}

// readOnce makes one attempt, within the budget.
func (c *cutter) readOnce(ctx context.Context, segment int, from item.Cursor, patience *patience, p *page) error {
	read := func() error { return c.src.Read(ctx, segment, from, patience.attempt+1, &p.Page) }
	p.Limit = c.source.pageLimit()
	if c.reading == nil {
		return c.source.ask(ctx, patience, read)
	}
	limit, cost := c.reading.reading()
	if err := c.reading.pay(ctx, cost); err != nil {
		return err
	}
	if limit > 0 && (p.Limit == 0 || limit < p.Limit) {
		p.Limit = limit
	}
	err := c.source.ask(ctx, patience, read)
	consumed := cost // what a failed read has cost is not known
	if err == nil {
		consumed = p.Units
		c.reading.read(max(p.Scanned, len(p.Items)), consumed)
	}
	c.reading.settle(cost, consumed)
	return err
}

// cut shapes the page's items and sends them in batches.
func (c *cutter) cut(ctx context.Context, p *page) error {
	for i, it := range p.Items {
		w := item.Write{Raw: it, Delete: c.Delete, Key: p.Keys[i]}
		if c.Shape != nil {
			keep, err := c.shape(it, &w)
			if err != nil {
				return err
			}
			if !keep {
				c.Stats.skipped.Add(1)
				c.settle([]origin{{p, i}}, skipped)
				continue
			}
		}
		if c.open != nil && !c.open.fits(w, c.writing) {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
		if c.open == nil {
			c.open = c.batch()
		}
		if c.open.add(w, origin{p, i}); len(c.open.writes) == MaxBatch { // which need not wait for the next page
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	if c.ledger.cut(p.entry) {
		c.pool <- p
	}
	return nil
}

func (c *cutter) shape(it item.Item, w *item.Write) (keep bool, err error) {
	shaped, err := c.Shape(it)
	if err != nil || shaped == nil {
		return false, err
	}
	found, err := item.Parse(shaped, c.Schema)
	if err != nil {
		return false, fmt.Errorf("shape: %w", err)
	}
	w.Raw = shaped
	w.Key, err = found.Hash(c.Schema)
	return true, err
}

// flush sends the open batch, if there is one.
func (c *cutter) flush(ctx context.Context) error {
	if c.open == nil {
		return nil
	}
	select {
	case c.batches <- c.open:
		c.open = nil
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// batch returns an empty batch, used before where there is one.
func (r *run) batch() *batch {
	select {
	case b := <-r.spare:
		b.writes, b.from, b.bytes, b.units, b.claim = b.writes[:0], b.from[:0], 0, 0, nil
		return b
	default:
	}
	return &batch{writes: make([]item.Write, 0, MaxBatch), from: make([]origin, 0, MaxBatch)}
}

// fits reports whether w may join: there is room, also in the budget's share
// of a request, and no write of the batch has its key, which would make the table refuse all of them.
func (b *batch) fits(w item.Write, budget *budget) bool {
	if len(b.writes) == MaxBatch || b.bytes+len(w.Raw) > batchBytes {
		return false
	}
	if budget != nil && budget.writing(b.units+writeSize(len(w.Raw))) > budget.chunk {
		return false
	}
	for i := range b.writes {
		if b.writes[i].Key == w.Key {
			return false
		}
	}
	return true
}

func (b *batch) add(w item.Write, from origin) {
	b.writes, b.from = append(b.writes, w), append(b.from, from)
	b.bytes += len(w.Raw)
	b.units += writeSize(len(w.Raw))
}
