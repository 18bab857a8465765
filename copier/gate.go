package copier

import (
	"context"
	"sync"
	"time"
)

// A gate holds the number of requests in flight: it grows a little with each
// success and shrinks by a fifth when the table throttles, once for all the requests
// that were sent before it shrank. Up to what is known to work, which is everything until
// the table throttles for the first time, it grows faster.
type gate struct {
	mu       sync.Mutex
	limit    float64
	most     float64
	known    float64 // a fifth less than what the table last throttled at
	went     bool    // a request that was sent since it last throttled went through
	inFlight int
	cut      time.Time
	waiting  []chan struct{}
}

const (
	gateStart  = 8
	gateRamp   = 0.1  // what a success adds up to what is known to work
	gateGrow   = 0.05 // divided by the limit: what one adds beyond
	gateShrink = 0.8
)

func newGate(most int) *gate {
	return &gate{limit: min(gateStart, float64(most)), most: float64(most), known: float64(most), went: true}
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
	other             // something that says nothing about their number
)

// exit gives the place back and learns from how the request went.
func (g *gate) exit(entered time.Time, how outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	switch {
	case how == taken && g.limit < g.known:
		g.went = g.went || entered.After(g.cut)
		g.limit = min(g.most, g.limit+gateRamp)
	case how == taken:
		g.went = g.went || entered.After(g.cut)
		g.limit = min(g.most, g.limit+gateGrow/g.limit)
	case how == throttled && entered.After(g.cut):
		g.limit = max(1, g.limit*gateShrink)
		if g.went { // else it is an outage, which says nothing about how much works
			g.known, g.went = g.limit, false
		}
		g.cut = time.Now()
	}
	g.admit()
}

func (g *gate) admit() {
	for len(g.waiting) > 0 && float64(g.inFlight) < g.limit {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.inFlight++
	}
}
