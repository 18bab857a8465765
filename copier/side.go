package copier

import (
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
)

// A side is what the run knows of one table as a whole: when it last did as it
// was asked, and who waits for it to do so again.
type side struct {
	began   time.Time
	last    atomic.Int64 // of a success, nanoseconds after began
	garbled atomic.Int32 // answers in a row that made no sense

	mu   sync.Mutex
	well chan struct{} // closed at the first success after an outage
}

func newSide() *side { return &side{began: time.Now(), well: make(chan struct{})} }

// see learns from an attempt's result. It returns err, made fatal where too
// many answers in a row made no sense.
func (s *side) see(err error) error {
	if err == nil {
		s.garbled.Store(0)
		s.succeeded()
		return nil
	}
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

func (s *side) succeeded() {
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
