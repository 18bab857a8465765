package copier

import (
	"context"
	"errors"
	"fmt"

	"github.com/dynamo-cmdline/dynamo/item"
)

// writeAll takes batches until there are no more, and sees each to its end.
func (r *run) writeAll(ctx, hard context.Context) error {
	for {
		var b *batch
		select {
		case b = <-r.batches:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if b == nil {
			return nil
		}
		if err := r.write(ctx, hard, b); err != nil {
			return err
		}
		select {
		case r.spare <- b:
		default:
		}
	}
}

// write sends a batch, and what comes back of it, until the table has it all.
func (r *run) write(ctx, hard context.Context, b *batch) error {
	patience := patience{stall: r.Stall}
	for {
		err := r.send(ctx, hard, b, &patience)
		if len(b.writes) == 0 {
			return nil
		}
		r.Stats.failed(err)
		if fault := (*Fault)(nil); errors.As(err, &fault) && fault.Class == TooLarge && len(b.writes) > 1 {
			return r.halve(ctx, hard, b)
		}
		if err := patience.wait(ctx, err); err != nil {
			return fmt.Errorf("write %d items: %w", len(b.writes), err)
		}
		r.Stats.again(err)
	}
}

// send makes one attempt, when the gate has a place for it. What the table
// took has left b when it returns; a rest comes with a Fault.
func (r *run) send(ctx, hard context.Context, b *batch, p *patience) error {
	entered, err := r.gate.enter(ctx)
	if err != nil {
		return err
	}
	result, err := r.sink.Write(hard, b.writes, p.attempt+1)
	r.gate.exit(entered, err == nil && len(result.Unprocessed) > 0)
	if err = r.writes.see(err); err != nil {
		return err
	}
	return r.acknowledge(b, result, p)
}

// acknowledge settles what the table took and keeps the rest in b. The fault it
// returns is the throttling that kept the rest back.
func (r *run) acknowledge(b *batch, result Result, p *patience) error {
	taken := len(b.writes) - len(result.Unprocessed)
	if taken > 0 {
		p.progress()
	}
	r.Stats.batch(taken, result, r.Delete)
	left := 0
	next := 0
	var owner *page
	n := 0
	for i := range b.writes {
		if next < len(result.Unprocessed) && result.Unprocessed[next] == i {
			b.writes[left], b.pages[left] = b.writes[i], b.pages[i]
			left++
			next++
			continue
		}
		r.Stats.bytes.Add(int64(len(b.writes[i].Raw)))
		if b.pages[i] != owner {
			r.settle(owner, n)
			owner, n = b.pages[i], 0
		}
		n++
	}
	r.settle(owner, n)
	b.writes, b.pages = b.writes[:left], b.pages[:left]
	if left == 0 {
		return nil
	}
	return &Fault{Class: Throttled, Side: "target", Reasons: result.Throttled, Err: errNotTaken}
}

var errNotTaken = errors.New("the table does not take more at the moment")

// settle takes n acknowledgements of a page and frees it after the last.
func (r *run) settle(p *page, n int) {
	if p != nil && r.ledger.ack(p.entry, n) {
		r.pool <- p
	}
}

// halve sends a batch that is too large in two parts.
func (r *run) halve(ctx, hard context.Context, b *batch) error {
	half := len(b.writes) / 2
	for _, part := range []*batch{
		{writes: append([]item.Write(nil), b.writes[:half]...), pages: append([]*page(nil), b.pages[:half]...)},
		{writes: append([]item.Write(nil), b.writes[half:]...), pages: append([]*page(nil), b.pages[half:]...)},
	} {
		if err := r.write(ctx, hard, part); err != nil {
			return err
		}
	}
	return nil
}
