package copier

import (
	"context"
	"sync"
	"time"
)

// A gate holds the number of requests in flight: it grows a little with each
// success and shrinks by a fifth when the table throttles, or by half when nothing comes through in time, once for all the
// requests that were sent before it shrank. Up to what is known to work, which is everything until
// it shrinks for the first time, it grows faster.
type gate struct {
	mu       sync.Mutex
	limit    float64
	most     float64
	known    float64 // a fifth less than what was last too much
	went     bool    // a request that was sent since it last shrank went through
	inFlight int
	cut      time.Time // when it last shrank
	took     time.Time // when a request last went through
	waiting  []chan struct{}
}

const (
	gateStart  = 8
	gateRamp   = 0.1  // what a success adds up to what is known to work
	gateGrow   = 0.05 // divided by the limit: what one adds beyond
	gateShrink = 0.8
	gateHalve  = 0.5
)

func newGate(most int) *gate {
	return &gate{limit: min(gateStart, float64(most)), most: float64(most), known: float64(most), went: true}
}

// wideGate is one that is open at first, as for reads: what is asked for is known to be moderate.
func wideGate(most int) *gate {
	g := newGate(most)
	g.limit = g.most
	return g
}

// line gives a place, or a turn to wait for: places are given in the order of line.
func (g *gate) line() (turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if float64(g.inFlight) < g.limit {
		g.inFlight++
		return nil
	}
	turn = make(chan struct{})
	g.waiting = append(g.waiting, turn)
	return turn
}

// wait waits for the turn and returns when it got a place.
func (g *gate) wait(ctx context.Context, turn chan struct{}) (time.Time, error) {
	if turn != nil {
		select {
		case <-turn:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil { // no new request once it is over
		g.leave(turn)
		return time.Time{}, context.Cause(ctx)
	}
	return time.Now(), nil
}

// leave takes a waiter out of the queue, or gives back the place it was given.
func (g *gate) leave(turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
	g.inFlight--
	g.admit()
}

// An outcome is how a request went, for the gate.
type outcome int

const (
	taken     outcome = iota
	throttled         // too many requests
	slow              // nothing moved, or too slowly: too many bytes, or a broken line
	other             // something that says nothing about their number
)

// exit gives the place back and learns from how the request went. It reports whether the gate has shrunk.
func (g *gate) exit(entered time.Time, how outcome) (shrunk bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	switch how {
	case taken:
		g.grow(entered)
	case throttled, slow:
		if shrunk = entered.After(g.cut); shrunk {
			g.shrink(entered, how)
		}
	case other:
	}
	g.admit()
	return shrunk
}

func (g *gate) grow(entered time.Time) {
	g.took = time.Now()
	g.went = g.went || entered.After(g.cut)
	if g.limit < g.known {
		g.limit = min(g.most, g.limit+gateRamp)
		return
	}
	g.limit = min(g.most, g.limit+gateGrow/g.limit)
}

func (g *gate) shrink(entered time.Time, how outcome) {
	alone := how == slow && g.took.After(entered) // others came through: it may be this connection's fault
	by := gateShrink
	if how == slow && !alone {
		by = gateHalve
	}
	if g.went && !alone { // else it is an outage, which says nothing about how much works
		g.known, g.went = max(1, g.limit*gateShrink), false
	}
	g.limit = max(1, g.limit*by)
	g.cut = time.Now()
}

func (g *gate) admit() {
	for len(g.waiting) > 0 && float64(g.inFlight) < g.limit {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.inFlight++
	}
}
