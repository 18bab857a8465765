package copier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// garbledLimit is how many answers in a row may make no sense, over all
	// requests to one side, before it is believed that no DynamoDB is there.
	garbledLimit = 100
	// outage is how long a table has done nothing when its next success is news
	// to those who wait.
	outage = 2 * time.Second
	// slowPage is how many items a page has at most when the first did not come in time. It
	// falls to a quarter with each that does not, and grows by a quarter with each that does, until pages are whole again.
	slowPage  = 64
	wholePage = 1024
)

// A side is what the run knows of one table as a whole: how many requests it takes at once, when it
// last did as it was asked, and who waits for it to do so again.
type side struct {
	gate    *gate
	began   time.Time
	last    atomic.Int64 // of a success, nanoseconds after began
	failing atomic.Int64 // since when there were only failures, likewise; 0 for not
	garbled atomic.Int32 // answers in a row that made no sense

	mu   sync.Mutex
	well chan struct{} // closed at the first success after an outage
	most int           // items that a page should have at most; 0 for as many as there are
}

func newSide(g *gate) *side { return &side{gate: g, began: time.Now(), well: make(chan struct{})} }

// ask makes one attempt to read, when the gate has a place for it, and learns from how it went.
func (s *side) ask(ctx context.Context, p *patience, read func() error) error {
	entered, err := p.enter(ctx, s.gate.line())
	if err != nil {
		return err
	}
	err = s.see(read())
	how := outcomeOf(Result{}, err)
	if shrunk := s.gate.exit(entered, how); how == taken || how == slow && shrunk {
		s.resize(how == taken)
	}
	return err
}

// resize makes pages larger again, or smaller.
func (s *side) resize(larger bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !larger && s.most == 0:
		s.most = slowPage
	case !larger:
		s.most = max(1, s.most/4)
	case s.most >= wholePage:
		s.most = 0
	case s.most > 0:
		s.most += (s.most + 3) / 4
	}
}

// atMost is n, or fewer where pages are to be smaller.
func (s *side) atMost(n int) int {
	if limit := s.pageLimit(); limit > 0 {
		return min(n, limit)
	}
	return n
}

// pageLimit is how many items a page should have at most; 0 for as many as there are.
func (s *side) pageLimit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// see learns from an attempt's result. It returns err, made fatal where too
// many answers in a row made no sense.
func (s *side) see(err error) error {
	if err == nil {
		s.garbled.Store(0)
		s.succeeded()
		return nil
	}
	s.failing.CompareAndSwap(0, max(1, int64(time.Since(s.began))))
	fault := (*Fault)(nil)
	if !errors.As(err, &fault) || !fault.Garbled {
		s.garbled.Store(0)
		return err
	}
	if s.garbled.Add(1) >= garbledLimit {
		return &Fault{Side: fault.Side, Err: fmt.Errorf("%d answers in a row made no sense: %w", garbledLimit, fault.Err)}
	}
	return err
}

// stuck is how long all has failed.
func (s *side) stuck() time.Duration {
	since := s.failing.Load()
	if since == 0 {
		return 0
	}
	return time.Since(s.began) - time.Duration(since)
}

func (s *side) succeeded() {
	s.failing.Store(0)
	now := int64(time.Since(s.began))
	before := s.last.Swap(now)
	if time.Duration(now-before) < outage {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.well)
	s.well = make(chan struct{})
}

// recovered is closed when the table works again after it did nothing for a while.
func (s *side) recovered() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.well
}

// since reports whether the table has done anything after then.
func (s *side) since(then time.Time) bool {
	return s.began.Add(time.Duration(s.last.Load())).After(then)
}
