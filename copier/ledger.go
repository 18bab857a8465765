package copier

import (
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Position is how far a segment has been settled.
type Position struct {
	Next item.Cursor `json:"next,omitempty"` // nil is the beginning
	Done bool        `json:"done,omitempty"`
}

// A Checkpoint is where a run can go on: for each segment the position behind which
// every item has its fate, and how many items those are.
type Checkpoint struct {
	Positions []Position // one a segment; empty for the beginning of all
	Written   int64
	Deleted   int64
	Skipped   int64
	Rejected  int64
}

// A Marker is a Source that knows the cursor that goes on right after one of
// its items, so that a checkpoint need not lie between two pages.
type Marker interface {
	Cursor(item.Item) (item.Cursor, error)
}

// A fate is what became of an item that was read.
type fate uint8

const (
	pending fate = iota
	stored       // put or deleted
	skipped
	rejected
	fates
)

// An entry is a page in the ledger: what became of its items, and where its
// segment goes on. It outlives the page's memory.
type entry struct {
	page    *page // its memory is valid while owed is not 0
	segment int
	next    item.Cursor
	fates   []fate
	head    int // the items before it have their fates and are counted
	owed    int // items without a fate, and one for the reader until it has cut the page up
}

// The ledger knows, for each segment, which pages are on their way, oldest
// first. A segment's position moves past an item when all before it, and it, have their fates.
type ledger struct {
	mu       sync.Mutex
	segments []account
	behind   [fates]int64 // how many items the positions have passed, by fate
	moves    int          // grows with each change of a position
}

// An account is one segment in the ledger.
type account struct {
	Position
	queue []*entry
}

// newLedger goes on at the positions, of which there is one a segment, or none at all.
func newLedger(segments int, from Checkpoint) *ledger {
	l := &ledger{segments: make([]account, segments)}
	for i, p := range from.Positions {
		l.segments[i].Position = p
	}
	l.behind = [fates]int64{stored: from.Written + from.Deleted, skipped: from.Skipped, rejected: from.Rejected}
	return l
}

// begin enters a page that was read.
func (l *ledger) begin(segment int, p *page) {
	e := &entry{page: p, segment: segment, next: p.Next, fates: make([]fate, len(p.Items)), owed: len(p.Items) + 1}
	p.entry = e
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[segment].queue = append(l.segments[segment].queue, e)
}

// cut takes the reader's own acknowledgement of a page, and reports whether it
// was the last.
func (l *ledger) cut(e *entry) (settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owe(e)
}

// settle gives items their fate and returns the pages that owe nothing any
// more, in settled's memory.
func (l *ledger) settle(items []origin, f fate, settled []*page) []*page {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range items {
		o.page.entry.fates[o.index] = f
		if l.owe(o.page.entry) {
			settled = append(settled, o.page)
		}
	}
	return settled
}

func (l *ledger) owe(e *entry) (settled bool) {
	if e.owed--; e.owed > 0 {
		return false
	}
	s := &l.segments[e.segment]
	for len(s.queue) > 0 && s.queue[0].owed == 0 {
		l.pass(s.queue[0])
		s.Position = Position{Next: s.queue[0].next, Done: s.queue[0].next == nil}
		s.queue[0] = nil
		s.queue = s.queue[1:]
		l.moves++
	}
	return true
}

// pass counts the items at the entry's head that have their fates.
func (l *ledger) pass(e *entry) {
	for e.head < len(e.fates) && e.fates[e.head] != pending {
		l.behind[e.fates[e.head]]++
		e.head++
		l.moves++
	}
}

// checkpoint says where to go on. Where the marker is nil that is always
// between two pages.
func (l *ledger) checkpoint(mark Marker, deletes bool) (Checkpoint, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := Checkpoint{Positions: make([]Position, len(l.segments))}
	for i := range l.segments {
		s := &l.segments[i]
		c.Positions[i] = s.Position
		if mark == nil || len(s.queue) == 0 {
			continue
		}
		e := s.queue[0]
		if l.pass(e); e.head > 0 {
			next, err := mark.Cursor(e.page.Items[e.head-1])
			if err != nil {
				return c, l.moves, err
			}
			c.Positions[i] = Position{Next: next}
		}
	}
	c.Written, c.Skipped, c.Rejected = l.behind[stored], l.behind[skipped], l.behind[rejected]
	if deletes {
		c.Written, c.Deleted = 0, c.Written
	}
	return c, l.moves, nil
}

func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if !s.Done {
			return false
		}
	}
	return true
}
