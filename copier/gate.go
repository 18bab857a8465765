package copier

import (
	"context"
	"sync"
	"time"
)

// A gate holds the number of requests in flight: it grows a little with each
// success and shrinks by a fifth when the table throttles, once for all the requests
// that were sent before it shrank. Until the table has throttled for the first
// time it grows faster.
type gate struct {
	mu       sync.Mutex
	limit    float64
	most     float64
	inFlight int
	cut      time.Time
	waiting  []chan struct{}
}

const (
	gateStart  = 8
	gateRamp   = 0.1  // what a success adds before the first throttling
	gateGrow   = 0.05 // divided by the limit: what one adds after it
	gateShrink = 0.8
)

func newGate(most int) *gate {
	return &gate{limit: min(gateStart, float64(most)), most: float64(most)}
}

// enter waits for a place and returns when it got one.
func (g *gate) enter(ctx context.Context) (time.Time, error) {
	if ctx.Err() != nil { // no new request once it is over
		return time.Time{}, context.Cause(ctx)
	}
	g.mu.Lock()
	if float64(g.inFlight) < g.limit {
		g.inFlight++
		g.mu.Unlock()
		return time.Now(), nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return time.Now(), nil
	case <-ctx.Done():
		g.leave(turn)
		return time.Time{}, context.Cause(ctx)
	}
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

// exit gives the place back and learns from how the request went.
func (g *gate) exit(entered time.Time, throttled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	switch {
	case !throttled && g.cut.IsZero():
		g.limit = min(g.most, g.limit+gateRamp)
	case !throttled:
		g.limit = min(g.most, g.limit+gateGrow/g.limit)
	case entered.After(g.cut):
		g.limit = max(1, g.limit*gateShrink)
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
