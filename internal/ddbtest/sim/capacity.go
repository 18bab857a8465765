package sim

import (
	"sync"
	"time"
)

// A capacity is what a table may consume: a bucket of units for the whole
// table and, where asked for, one for each range of keys.
type capacity struct {
	mu     sync.Mutex
	table  bucket
	ranges []bucket
}

// A bucket fills at rate units a second up to size. A rate of 0 is no limit.
type bucket struct {
	rate, size, units float64
	last              time.Time
}

func newCapacity(rate float64, burst time.Duration, ranges int, rangeRate float64) *capacity {
	now := time.Now()
	c := &capacity{table: newBucket(rate, burst, now)}
	for range ranges {
		c.ranges = append(c.ranges, newBucket(rangeRate, burst, now))
	}
	return c
}

func newBucket(rate float64, burst time.Duration, now time.Time) bucket {
	size := rate * burst.Seconds()
	return bucket{rate, size, size, now}
}

func (b *bucket) fill(now time.Time) {
	if b.rate == 0 {
		return
	}
	b.units = min(b.size, b.units+b.rate*now.Sub(b.last).Seconds())
	b.last = now
}

func (b *bucket) has(units float64) bool { return b.rate == 0 || b.units >= units }

func (b *bucket) take(units float64) {
	if b.rate != 0 {
		b.units -= units
	}
}

func (c *capacity) limited() bool { return c.table.rate != 0 || len(c.ranges) > 0 }

// refusal says which limit stood in the way.
type refusal int

const (
	granted refusal = iota
	tableLimit
	rangeLimit
)

// write takes the units of each write that there is room for and clears take
// for the others. It returns the last limit that was met.
func (c *capacity) write(writes []write, ranged func(place uint64) int) (taken int, met refusal) {
	if !c.limited() {
		return len(writes), granted
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.table.fill(now)
	for i := range writes {
		w := &writes[i]
		if !c.table.has(w.units) {
			w.take, met = false, tableLimit
			continue
		}
		if len(c.ranges) > 0 && w.known {
			r := &c.ranges[ranged(w.place)]
			r.fill(now)
			if !r.has(w.units) {
				w.take, met = false, rangeLimit
				continue
			}
			r.take(w.units)
		}
		c.table.take(w.units)
		taken++
	}
	return taken, met
}

// admit lets a read begin while anything is left; what it costs is known, and
// taken by spend, afterwards: a bucket may owe.
func (c *capacity) admit() bool {
	if c.table.rate == 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.fill(time.Now())
	return c.table.units > 0
}

func (c *capacity) spend(units float64) {
	if c.table.rate == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.take(units)
}
