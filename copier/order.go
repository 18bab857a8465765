package copier

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Settle is how long after a request broke off it may still be applied. AWS says nothing about it: a request is given
// up after 10 s without a byte, and half as long again is for what lies between.
const Settle = 15 * time.Second

// A Distinct is a Source that never hands out a key twice, as a scan of a table does not. Of any other, and of what
// comes out of a Shape, Run keeps the writes of one key apart.
type Distinct interface{ Distinct() }

// An order sees to it that of each key the write stays that was read last: no two batches with one key
// are under way at once, nor is one sent while an earlier one may still be applied.
type order struct {
	mu   sync.Mutex
	last map[uint64]*claim // the latest on each key
}

// A claim is a batch's on its keys.
type claim struct {
	keys   []uint64
	before []*claim      // the earlier ones on these keys that are not over
	late   time.Time     // when an attempt last ended in such a way that it may be applied later
	over   chan struct{} // closed when nothing of the batch can be applied any more
}

func newOrder() *order { return &order{last: make(map[uint64]*claim)} }

// claim enters a batch. Batches are entered in the order that they were read in, by one at a time.
func (o *order) claim(b *batch) *claim {
	c := &claim{keys: make([]uint64, len(b.writes)), over: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, w := range b.writes {
		c.keys[i] = w.Key
		if earlier := o.last[w.Key]; earlier != nil && !slices.Contains(c.before, earlier) {
			c.before = append(c.before, earlier)
		}
		o.last[w.Key] = c
	}
	return c
}

// wait waits for the earlier ones.
func (c *claim) wait(ctx context.Context) error {
	for _, earlier := range c.before {
		select {
		case <-earlier.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c.before = nil // they would hold theirs, and so on
	return nil
}

// release gives the keys back when the batch is done, or so long after it that nothing of it can be late.
func (o *order) release(c *claim) {
	if wait := time.Until(c.late.Add(Settle)); !c.late.IsZero() && wait > 0 {
		time.AfterFunc(wait, func() { o.drop(c) })
		return
	}
	o.drop(c)
}

func (o *order) drop(c *claim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range c.keys {
		if o.last[key] == c {
			delete(o.last, key)
		}
	}
	close(c.over)
}
