package copier

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
)

// ReadOptions choose how to read. The zero value works.
type ReadOptions struct {
	Readers int           // segments read at once; 0 means 8
	Stall   time.Duration // give up when a read has made no progress for so long; 0 means 15 minutes
	Stats   *Stats        // counters to count in; nil for none
}

// Pages reads all that src has, tries again as [Run] does, and yields each page,
// which may be used until the next one is asked for. One segment comes in its order, and is
// read when it is asked for; several come as they are read. An error is the last that it
// yields. When the loop is left nothing goes on.
//
// The errors are a [*Fault] or the context's cause.
func Pages(ctx context.Context, src Source, opts ReadOptions) iter.Seq2[*item.Page, error] {
	return func(yield func(*item.Page, error) bool) {
		o := Options{Readers: opts.Readers, Stall: opts.Stall, Stats: opts.Stats}
		o.defaults(src.Segments())
		r := &run{Options: o, src: src, source: newSide(wideGate(o.Readers))}
		read := r.inTurn
		if src.Segments() > 1 {
			read = r.atOnce
		}
		stopped := false
		err := read(ctx, func(p *page) bool {
			stopped = !yield(&p.Page, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, reason(ctx, err))
		}
	}
}

// inTurn reads one segment, a page when it is wanted.
func (r *run) inTurn(ctx context.Context, yield func(*page) bool) error {
	c := &cutter{run: r}
	p := new(page)
	var from item.Cursor
	for {
		if err := c.read(ctx, 0, from, p); err != nil {
			return err
		}
		from = p.Next
		if !yield(p) || from == nil {
			return nil
		}
	}
}

// atOnce reads several segments, ahead of what is wanted by the pages in the pool.
func (r *run) atOnce(ctx context.Context, yield func(*page) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	r.pool = make(chan *page, r.Readers+2) // one for each reader, one being looked at, one waiting
	for range cap(r.pool) {
		r.pool <- new(page)
	}
	out := make(chan *page)
	var last atomic.Int64
	for range r.Readers {
		g.Go(func() error {
			defer crash.Guard(ctx)
			for {
				segment := int(last.Add(1)) - 1
				if segment >= r.src.Segments() {
					return nil
				}
				if err := r.handOn(ctx, segment, out); err != nil {
					return err
				}
			}
		})
	}
	var failed error // to be read when out is closed
	var closing sync.WaitGroup
	closing.Go(func() {
		defer crash.Guard(ctx)
		failed = g.Wait()
		close(out)
	})
	defer closing.Wait()
	defer cancel()
	for p := range out {
		if !yield(p) {
			return nil
		}
		r.pool <- p
	}
	return failed
}

// handOn reads one segment and hands its pages on.
func (r *run) handOn(ctx context.Context, segment int, out chan<- *page) error {
	c := &cutter{run: r}
	var from item.Cursor
	for {
		var p *page
		select {
		case p = <-r.pool:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := c.read(ctx, segment, from, p); err != nil {
			return err
		}
		from = p.Next
		select {
		case out <- p:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if from == nil {
			return nil
		}
	}
}
