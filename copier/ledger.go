package copier

import (
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Position is how far a segment has been acknowledged.
type Position struct {
	Next item.Cursor `json:"next,omitempty"` // nil is the beginning
	Done bool        `json:"done,omitempty"`
}

// An entry is a page in the ledger: what it owes, and where its segment goes on.
// It outlives the page's memory.
type entry struct {
	segment int
	next    item.Cursor
	owed    int // acknowledgements
}

// The ledger knows, for each segment, which pages are on their way, oldest
// first. A segment's position moves past a page when all before it, and it, are acknowledged.
type ledger struct {
	mu       sync.Mutex
	segments []account
}

// An account is one segment in the ledger.
type account struct {
	Position
	queue []*entry
}

func newLedger(segments int) *ledger {
	return &ledger{segments: make([]account, segments)}
}

// begin enters a page of n items that was read. Each item owes an
// acknowledgement, and its reader one more until it has cut the page up.
func (l *ledger) begin(segment int, next item.Cursor, n int) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{segment: segment, next: next, owed: n + 1}
	l.segments[segment].queue = append(l.segments[segment].queue, e)
	return e
}

// ack takes n acknowledgements and reports whether they were the last.
func (l *ledger) ack(e *entry, n int) (settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.owed -= n; e.owed > 0 {
		return false
	}
	s := &l.segments[e.segment]
	for len(s.queue) > 0 && s.queue[0].owed == 0 {
		s.Position = Position{Next: s.queue[0].next, Done: s.queue[0].next == nil}
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	return true
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
