package copier

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Stats count what a run does, while it does it. They may be read at any time
// with [Stats.Count] and shared by several runs, one after the other.
type Stats struct {
	read, written, deleted    atomic.Int64
	skipped, rejected         atomic.Int64
	throttled, retried, bytes atomic.Int64
	readUnits, writeUnits     units
	late                      atomic.Int64 // unix nanoseconds

	mu      sync.Mutex
	reasons map[Reason]int64
}

// A Count is the state of Stats at one moment.
type Count struct {
	Read      int64 // items read
	Written   int64 // puts acknowledged
	Deleted   int64 // deletes acknowledged
	Skipped   int64 // dropped by the shape
	Rejected  int64 // refused by the sink for good
	Throttled int64 // requests of which not all, or nothing, was taken
	Retried   int64 // requests sent again after another failure
	Bytes     int64 // of item JSON acknowledged

	ReadUnits, WriteUnits float64 // capacity units consumed, indexes included

	// Late is when a write last ended in such a way that the table may still
	// apply it; zero for never.
	Late time.Time

	Reasons map[Reason]int64 // why the tables throttled, where they said so
}

// Count returns the current numbers.
func (s *Stats) Count() Count {
	c := Count{
		Read: s.read.Load(), Written: s.written.Load(), Deleted: s.deleted.Load(), Skipped: s.skipped.Load(), Rejected: s.rejected.Load(),
		Throttled: s.throttled.Load(), Retried: s.retried.Load(), Bytes: s.bytes.Load(),
		ReadUnits: s.readUnits.load(), WriteUnits: s.writeUnits.load(),
	}
	if at := s.late.Load(); at != 0 {
		c.Late = time.Unix(0, at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Reasons = maps.Clone(s.reasons)
	return c
}

// resume counts what was settled before the run went on at a checkpoint.
func (s *Stats) resume(c Checkpoint) {
	s.read.Add(c.Written + c.Deleted + c.Skipped + c.Rejected)
	s.written.Add(c.Written)
	s.deleted.Add(c.Deleted)
	s.skipped.Add(c.Skipped)
	s.rejected.Add(c.Rejected)
}

func (s *Stats) page(p *item.Page) {
	s.read.Add(int64(len(p.Items)))
	s.readUnits.add(p.Units)
}

func (s *Stats) batch(taken int, r Result, deletes bool) {
	if deletes {
		s.deleted.Add(int64(taken))
	} else {
		s.written.Add(int64(taken))
	}
	s.writeUnits.add(r.Units)
}

// again counts a request that is sent again after a failure other than
// throttling.
func (s *Stats) again(err error) {
	if fault := (*Fault)(nil); errors.As(err, &fault) && fault.Class != Throttled {
		s.retried.Add(1)
	}
}

// failed notes what a failed attempt tells.
func (s *Stats) failed(err error) {
	fault := (*Fault)(nil)
	if !errors.As(err, &fault) {
		return
	}
	if fault.Class != Throttled {
		return
	}
	s.throttled.Add(1)
	if len(fault.Reasons) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = make(map[Reason]int64)
	}
	for _, r := range fault.Reasons {
		s.reasons[r]++
	}
}

// check closes the books: every item read has become something.
func (s *Stats) check() error {
	c := s.Count()
	if done := c.Written + c.Deleted + c.Skipped + c.Rejected; c.Read != done {
		return &BooksError{Detail: fmt.Sprintf("%d items read, %d accounted for", c.Read, done)}
	}
	return nil
}

// units is a sum of capacity units, in thousandths: DynamoDB counts in halves.
type units struct{ thousandths atomic.Int64 }

func (u *units) add(n float64) {
	if n != 0 {
		u.thousandths.Add(int64(n*1000 + 0.5))
	}
}
func (u *units) load() float64 { return float64(u.thousandths.Load()) / 1000 }
