package main

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A stop is how and when a copy is broken off.
type stop struct {
	moment string
	signal syscall.Signal
	after  time.Duration // since its start; 0: not by time
	batch  int           // the batch at which it happens, counted from 0; -1: not by batch
	second bool          // a second signal follows at once
}

// The moments of a stop.
const (
	atStart  = "at its start"
	byTime   = "by time"
	byWrites = "by writes"
	applied  = "between applied and answered"
	unsent   = "before a batch is applied"
	stuck    = "a while after a batch got stuck"
	slow     = "while the target hangs"
	unheard  = "while the target hangs, and again" // the first alone would take eight seconds
	late     = "with a delete under way that is applied later"
	made     = "between a table made and its answer"
	unmade   = "before a table is made"
)

func (s stop) String() string {
	text := fmt.Sprintf("%s %s", s.signal, s.moment)
	if s.after > 0 {
		text += fmt.Sprintf(" %s", s.after.Round(time.Millisecond))
	}
	if s.batch >= 0 {
		text += fmt.Sprintf(" (batch %d)", s.batch)
	}
	if s.second {
		text += ", twice"
	}
	return text
}

// A breakdown is a copy that is broken off and resumed, again and again.
type breakdown struct {
	number   int
	mode     string
	shape    ddbtest.Table
	items    int
	older    int
	segments int
	workers  int
	pace     time.Duration // each batch takes so long
	stops    []stop
	byCopy   []bool // go on with copy --resume, not with resume
}

// A pattern is the sort of breakdowns that are wanted.
type pattern struct {
	name    string
	signals []syscall.Signal
	moments []string
	most    int           // stops a copy
	items   int           // a stop
	pace    time.Duration // about how long a batch takes
	twice   bool          // some signals come twice
	grace   time.Duration // how long a signal may take to end a copy
}

// newBreakdown makes the breakdown of that number.
func newBreakdown(p pattern, seed uint64, number int) breakdown {
	r := rand.New(rand.NewPCG(seed, uint64(number)|2<<40))
	b := breakdown{
		number: number, mode: modes[r.IntN(len(modes))], shape: shape(r),
		segments: []int{1, 1, 1, 2, 4}[r.IntN(5)], workers: 1 + r.IntN(3),
	}
	dealt := 0
	for before := range number {
		dealt += p.stops(seed, before)
	}
	for i := range p.stops(seed, number) {
		b.stops = append(b.stops, p.stop(r, p.moments[(dealt+i)%len(p.moments)]))
		b.byCopy = append(b.byCopy, r.IntN(3) == 0)
	}
	b.items = p.items * (len(b.stops) + 1)
	for _, s := range b.stops {
		switch s.moment {
		case stuck:
			// Others go on beside it, in the end on the newest page, which has three
			// batches. The stuck one is the first of the page before: of that page
			// nothing is done, all before it is, and some after it.
			b.stops, b.items = []stop{s}, p.items/pageItems*pageItems+60
			b.mode, b.segments, b.workers = merge, 1, 3
			b.stops[0].batch = (p.items/pageItems - 1) * pageItems / 25
		case late:
			// What goes on is done before the delete is applied.
			b.stops, b.items = []stop{s}, min(p.items, 2000)
			b.mode, b.workers = replace, max(2, b.workers)
		}
	}
	if b.mode != merge {
		b.older = b.items / 4
	}
	b.pace = p.pace * time.Duration(b.workers)
	return b
}

// holds reports whether a batch hangs for long before the copy has ended. What
// was done beside it is then done again: a position cannot move past it.
func (s stop) holds() bool {
	switch s.moment {
	case late, slow, unheard, stuck:
		return true
	case applied, unsent:
		return s.signal != syscall.SIGKILL // which does not wait for it
	}
	return false
}

// lateness is how long after it was sent a delete is applied: when its sender
// has gone, also where that waits for it for a while first.
func (s stop) lateness() time.Duration {
	if s.signal == syscall.SIGKILL {
		return 8 * time.Second
	}
	return 14 * time.Second // of which the program waits for eight
}

// stops is how many stops the breakdown of that number has.
func (p pattern) stops(seed uint64, number int) int {
	return 1 + rand.New(rand.NewPCG(seed, uint64(number)|4<<40)).IntN(p.most)
}

// stop makes a stop of a kind. The kinds take turns, so that each comes up.
func (p pattern) stop(r *rand.Rand, moment string) stop {
	s := stop{moment: moment, signal: p.signals[r.IntN(len(p.signals))], batch: -1}
	batches := p.items / 25
	switch s.moment {
	case atStart:
		s.after = time.Duration(r.IntN(int(150 * time.Millisecond)))
	case byTime:
		s.after = time.Duration(r.IntN(int(p.pace)*batches) + 1)
	case late:
		s.batch = r.IntN(batches / 4)
	case made, unmade: // which is done once
		s.batch = 0
	default:
		s.batch = batches/2 + r.IntN(batches)
	}
	s.second = moment == unheard || p.twice && moment != late && r.IntN(4) == 0
	return s
}

func (b *breakdown) String() string {
	return fmt.Sprintf("breakdown %d: %s of %d items over %d, %d segments, %d workers, %s a batch: %v",
		b.number, b.mode, b.items, b.older, b.segments, b.workers, b.pace, b.stops)
}

// lean are items with edge values that are small: a breakdown needs many.
func lean(t ddbtest.Table, n int, seed uint64) []ddbtest.Item {
	var all []ddbtest.Item
	for item := range ddbtest.EdgeItems(t, n, seed) {
		few := ddbtest.Item{}
		for _, name := range append(keyNames(t), "s", "n", "ns", "m") {
			if v, ok := item[name]; ok {
				few[name] = v
			}
		}
		all = append(all, few)
	}
	return all
}
