package copier

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A budget keeps the capacity units that are consumed per second below a
// limit. What a request will cost is paid before it is sent, as an estimate, and settled by
// what the answer says. A nil budget has no limit.
type budget struct {
	limiter *rate.Limiter // in milliunits
	turn    chan struct{} // who holds it pays; else many dear requests would be paid up at the same time
	chunk   float64       // the most that one request should cost

	mu      sync.Mutex
	perUnit float64 // units consumed for each that was estimated
	perItem float64 // units of a read for each item; 0 while unknown
}

const (
	// budgetChunk is the share of a second's units that one request may take, so
	// that any few seconds hold about as many as they should.
	budgetChunk = 0.2
	milli       = 1000
	learning    = 0.2 // the weight of the newest answer in what is expected of the next
	pageUnits   = 256 // a page of 1 MB, read consistently, in units of 4 KB
)

// newBudget allows so many units per second; 0 is no limit. cost is what a
// unit's worth of writing costs before anything has been learnt.
func newBudget(units, cost float64) *budget {
	if units <= 0 {
		return nil
	}
	chunk := max(units*budgetChunk, 0.5)
	return &budget{
		limiter: rate.NewLimiter(rate.Limit(units*milli), int(chunk*milli)),
		turn:    make(chan struct{}, 1),
		chunk:   chunk, perUnit: max(cost, 1),
	}
}

// pay waits until so many units may be consumed.
func (b *budget) pay(ctx context.Context, units float64) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	burst := b.limiter.Burst()
	for n := int(units * milli); n > 0; n -= burst {
		if err := b.limiter.WaitN(ctx, min(n, burst)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// settle charges what a request has cost beyond what was paid for it. What was
// paid too much is gone: spent later, on top of those seconds' own, it would break the limit.
func (b *budget) settle(paid, consumed float64) {
	burst := b.limiter.Burst()
	for n := int((consumed - paid) * milli); n > 0; n -= burst {
		b.limiter.ReserveN(time.Now(), min(n, burst))
	}
}

// writing is what a batch of so many units by its size will cost.
func (b *budget) writing(size float64) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return size * b.perUnit
}

// wrote learns what a batch has cost: indexes, and what it overwrote, count too.
func (b *budget) wrote(size, consumed float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if size > 0 {
		b.perUnit += learning * (consumed/size - b.perUnit)
	}
}

// reading says how many items to ask for, 0 for as many as fit in a page, and
// what those will cost.
func (b *budget) reading() (limit int, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.chunk >= pageUnits:
		return 0, pageUnits
	case b.perItem == 0:
		return 1, min(1, b.chunk)
	}
	limit = max(1, int(b.chunk/b.perItem))
	return limit, min(float64(limit)*b.perItem, pageUnits)
}

// read learns what a page has cost for which so many items were looked at.
func (b *budget) read(items int, consumed float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if items == 0 {
		return
	}
	each := consumed / float64(items)
	if b.perItem == 0 {
		b.perItem = each
	}
	b.perItem += learning * (each - b.perItem)
}

// writeSize is what a write of so many bytes of JSON costs the table itself, at
// the most: a unit for each kilobyte begun.
func writeSize(bytes int) float64 { return float64((bytes + 1023) / 1024) }
