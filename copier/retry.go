package copier

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// The waits before another attempt: full jitter, so uniformly between nothing
// and a ceiling that doubles up to a limit.
const (
	firstWait     = 50 * time.Millisecond
	throttledWait = 20 * time.Second
	transientWait = 5 * time.Second
	// garbledLimit is how many answers in a row may make no sense, over all
	// requests to one side, before it is believed that no DynamoDB is there.
	garbledLimit = 100
)

// patience is one request's memory of how often it failed. Not for concurrent use.
type patience struct {
	stall    time.Duration
	throttle *backoff.ExponentialBackOff
	brief    *backoff.ExponentialBackOff
	since    time.Time // the first failure since the last progress
	stale    int
	attempt  int
}

func jitter(most time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff(
		// A factor of 1 spreads a wait over 0 to twice its middle.
		backoff.WithInitialInterval(firstWait/2), backoff.WithMaxInterval(most/2),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0), // the limit is ours, see wait
	)
	return b
}

// progress forgets the failures: something was done.
func (p *patience) progress() { *p = patience{stall: p.stall} }

// wait sleeps before the next attempt after err, or returns why there is none.
func (p *patience) wait(ctx context.Context, err error) error {
	p.attempt++
	if p.since.IsZero() {
		p.since = time.Now()
	}
	fault := (*Fault)(nil)
	if !errors.As(err, &fault) {
		return err
	}
	var d time.Duration
	switch fault.Class {
	case Throttled:
		if p.throttle == nil {
			p.throttle = jitter(throttledWait)
		}
		d = p.throttle.NextBackOff()
	case Transient:
		if p.brief == nil {
			p.brief = jitter(transientWait)
		}
		d = p.brief.NextBackOff()
	case Stale:
		// The first call after it fetches new credentials. A second refusal of
		// fresh ones is the last word.
		if p.stale++; p.stale > 3 {
			return &Fault{Class: Credentials, Side: fault.Side, Err: fault.Err}
		}
	default:
		return err
	}
	if gone := time.Since(p.since); gone+d > p.stall {
		return &Fault{Class: fault.Class, Side: fault.Side, Reasons: fault.Reasons, Err: &StallError{After: gone, Err: fault.Err}}
	}
	return pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A StallError says that nothing moved for so long that Run gave up.
type StallError struct {
	After time.Duration
	Err   error // the last failure
}

func (e *StallError) Error() string {
	return fmt.Sprintf("no progress for %s: %v", e.After.Round(time.Second), e.Err)
}
func (e *StallError) Unwrap() error { return e.Err }

// sanity counts answers in a row that made no sense, for one side.
type sanity struct{ garbled atomic.Int32 }

// see returns err, made fatal where the limit is reached.
func (s *sanity) see(err error) error {
	fault := (*Fault)(nil)
	if err == nil || !errors.As(err, &fault) || !fault.Garbled {
		s.garbled.Store(0)
		return err
	}
	if s.garbled.Add(1) >= garbledLimit {
		return &Fault{Side: fault.Side, Err: fmt.Errorf("%d answers in a row made no sense: %w", garbledLimit, fault.Err)}
	}
	return err
}
