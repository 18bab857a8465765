package copier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// writeAll takes batches until there are no more, and sees each to its end.
func (r *run) writeAll(ctx, hard context.Context) error {
	for {
		b, turn, err := r.next(ctx)
		if b == nil {
			return err
		}
		if b.held() {
			if err := b.claim.wait(ctx); err != nil {
				return err
			}
			turn = r.target.gate.line()
		}
		if err := r.write(ctx, hard, b, turn); err != nil {
			return err
		}
		if b.claim != nil {
			r.order.release(b.claim)
		}
		select {
		case r.spare <- b:
		default:
		}
	}
}

// next takes a batch and gets into line for it, unless it has to wait for an earlier one of the same key. One at
// a time does both, so that batches are sent in the order that they were read in: what is settled
// then has few gaps, and a checkpoint is close behind.
func (r *run) next(ctx context.Context) (b *batch, turn chan struct{}, err error) {
	r.taking <- struct{}{}
	defer func() { <-r.taking }()
	select {
	case b = <-r.batches:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if b == nil {
		return nil, nil, nil
	}
	if r.order != nil {
		b.claim = r.order.claim(b)
	}
	if !b.held() { // a place in line would hold up the one that it waits for
		turn = r.target.gate.line()
	}
	return b, turn, nil
}

// held reports whether the batch has to wait for an earlier one of the same key.
func (b *batch) held() bool { return b.claim != nil && len(b.claim.before) > 0 }

// write sends a batch at its turn, and what comes back of it, until each write has its fate.
func (r *run) write(ctx, hard context.Context, b *batch, turn chan struct{}) error {
	patience := patience{stall: r.Stall, side: r.target}
	for ; ; turn = r.target.gate.line() {
		err := r.send(ctx, hard, b, turn, &patience)
		if len(b.writes) == 0 {
			return nil
		}
		r.Stats.failed(err)
		switch fault := faultOf(err); {
		case fault == nil:
		case fault.Class == TooLarge && len(b.writes) > 1, r.refusal(fault) && len(b.writes) > 1:
			return r.halve(ctx, hard, b)
		case r.refusal(fault):
			return r.reject(b, fault)
		}
		if err := patience.wait(ctx, err); err != nil {
			err = fmt.Errorf("write %d items: %w", len(b.writes), err)
			if stalled := (*StallError)(nil); errors.As(err, &stalled) && r.refused(b, &patience, faultOf(err)) {
				return r.lastChance(ctx, hard, b, &patience, err)
			}
			return err
		}
		r.Stats.again(err)
	}
}

// refusal reports whether the fault lies in what is written, and may be noted
// as such.
func (r *run) refusal(f *Fault) bool {
	return r.Reject != nil && (f.Class == Invalid || f.Class == TooLarge)
}

// refused reports whether it is these writes that the table does not take, and not that it takes nothing. So it is if
// the table went on taking others for half of the time; or if its last answer left these back, and it had taken others
// beside them. A request that fails, or is throttled as a whole, says nothing about what is in it.
func (r *run) refused(b *batch, p *patience, f *Fault) bool {
	switch {
	case r.Reject == nil:
		return false
	case r.target.since(p.since.Add(time.Since(p.since) / 2)):
		return true
	case f.Class != Throttled || len(f.Reasons) > 0:
		return false
	}
	return p.apart || len(b.writes) == 1 && r.target.since(p.since)
}

// send makes one attempt, when the gate and the budget have a place for it. What
// the table took has left b when it returns; a rest comes with a Fault.
func (r *run) send(ctx, hard context.Context, b *batch, turn chan struct{}, p *patience) error {
	entered, err := p.enter(ctx, turn)
	if err != nil {
		return err
	}
	var paid float64
	if r.writing != nil {
		paid = r.writing.writing(b.units)
		if err := r.writing.pay(ctx, paid); err != nil {
			r.target.gate.exit(entered, other)
			return err
		}
		entered = time.Now()
	}
	result, err := r.sink.Write(hard, b.writes, p.attempt+1)
	r.target.gate.exit(entered, outcomeOf(result, err))
	if f := faultOf(err); err != nil && (f == nil || f.Late) { // without a fault it was cut off
		r.late(b)
	}
	if r.writing != nil {
		r.writing.settle(paid, result.Units)
	}
	if err == nil && len(result.Unprocessed) == len(b.writes) {
		err = &Fault{Class: Throttled, Side: "target", Reasons: result.Throttled, Err: errNotTaken}
	}
	if err = r.target.see(err); err != nil {
		return err
	}
	return r.acknowledge(b, result, p)
}

// late notes that an attempt may be applied later.
func (r *run) late(b *batch) {
	now := time.Now()
	r.Stats.late.Store(now.UnixNano())
	if b.claim != nil {
		b.claim.late = now
	}
}

// outcomeOf is what the gate learns. That a single range of keys is hot says
// nothing about how many requests the rest of the table takes.
func outcomeOf(result Result, err error) outcome {
	reasons := result.Throttled
	switch fault := faultOf(err); {
	case fault != nil && fault.Slow:
		return slow
	case fault != nil && fault.Class == Throttled:
		reasons = fault.Reasons
	case err != nil:
		return other
	case len(result.Unprocessed) == 0:
		return taken
	}
	for _, t := range reasons {
		if !strings.Contains(t.Reason, "KeyRange") {
			return throttled
		}
	}
	if len(reasons) > 0 {
		return other
	}
	return throttled
}

// acknowledge settles what the table took and keeps the rest in b. The fault it
// returns is the throttling that kept the rest back.
func (r *run) acknowledge(b *batch, result Result, p *patience) error {
	p.progress()
	r.Stats.batch(len(b.writes)-len(result.Unprocessed), result, r.Delete)
	var stack [MaxBatch]origin
	done := stack[:0]
	left, next := 0, 0
	units, size := b.units, 0.0
	for i := range b.writes {
		if next < len(result.Unprocessed) && result.Unprocessed[next] == i {
			b.writes[left], b.from[left] = b.writes[i], b.from[i]
			left++
			next++
			continue
		}
		r.Stats.bytes.Add(int64(len(b.writes[i].Raw)))
		size += writeSize(len(b.writes[i].Raw))
		done = append(done, b.from[i])
	}
	if r.writing != nil {
		r.writing.wrote(size, result.Units)
	}
	b.writes, b.from, b.units = b.writes[:left], b.from[:left], units-size
	r.settle(done, stored)
	if left == 0 {
		return nil
	}
	p.apart = len(done) >= left
	return &Fault{Class: Throttled, Side: "target", Reasons: result.Throttled, Err: errNotTaken}
}

var errNotTaken = errors.New("the table does not take more at the moment")

// settle gives items their fate and frees the pages that were waiting for it.
func (r *run) settle(items []origin, f fate) {
	var stack [MaxBatch]*page
	for _, p := range r.ledger.settle(items, f, stack[:0]) {
		r.pool <- p
	}
}

// reject notes a batch of one that the table refuses for good.
func (r *run) reject(b *batch, f *Fault) error {
	if err := r.Reject(b.writes[0], f); err != nil {
		return fmt.Errorf("note a rejected item: %w", err)
	}
	r.Stats.rejected.Add(1)
	r.settle(b.from[:1], rejected)
	return nil
}

// lastChance is for a batch that the table has refused for too long: each write
// is tried once more, alone, and what it still refuses is rejected. Where it takes nothing any more the run ends with stalled.
func (r *run) lastChance(ctx, hard context.Context, b *batch, p *patience, stalled error) error {
	for i := range b.writes {
		one := b.part(i, i+1)
		err := r.send(ctx, hard, one, r.target.gate.line(), &patience{stall: r.Stall, side: r.target})
		if err == nil {
			continue
		}
		fault := faultOf(err)
		if fault == nil || fault.Class != Throttled && fault.Class != Transient && !r.refusal(fault) {
			return fmt.Errorf("write an item: %w", err)
		}
		if !r.refusal(fault) && !r.refused(one, p, fault) {
			return stalled
		}
		if err := r.reject(one, fault); err != nil {
			return err
		}
	}
	return nil
}

// halve sends a batch in two parts: it is too large, or the fault lies in one of
// its writes.
func (r *run) halve(ctx, hard context.Context, b *batch) error {
	half := len(b.writes) / 2
	for _, part := range []*batch{b.part(0, half), b.part(half, len(b.writes))} {
		if err := r.write(ctx, hard, part, r.target.gate.line()); err != nil {
			return err
		}
	}
	return nil
}

// part copies some writes of a batch into one of their own.
func (b *batch) part(i, j int) *batch {
	p := &batch{writes: slices.Clone(b.writes[i:j]), from: slices.Clone(b.from[i:j]), claim: b.claim}
	for _, w := range p.writes {
		p.units += writeSize(len(w.Raw))
	}
	return p
}
