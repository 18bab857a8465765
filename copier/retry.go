package copier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// The waits before another attempt have full jitter: they are uniform between
// nothing and a ceiling that triples up to a limit. So an outage of a minute costs a request about
// ten attempts; that all go on soon after it is over is the work of side.recovered. A table that
// throttles one request and takes another is no outage: how much it is asked for is the gate's
// work, and who was refused often by chance would wait long after all others are done.
const (
	firstWait     = 50 * time.Millisecond
	mostWait      = 30 * time.Second
	throttledWait = time.Second // the ceiling while the table does some of what it is asked for
	growth        = 3
	rejoinWait    = time.Second // over which those who waited for the end of an outage come back
)

// patience is one request's memory of how often it failed. Not for concurrent use.
type patience struct {
	stall   time.Duration
	side    *side
	backoff *backoff.ExponentialBackOff
	since   time.Time // the first failure since the last progress; moves on while we wait for our turn
	apart   bool      // the last progress was an answer that took most of the writes: it was about these that it left
	stale   int
	attempt int
	well    <-chan struct{} // closed when the table has come to work again since the last attempt began
}

func jitter() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		// A factor of 1 spreads a wait over 0 to twice its middle.
		backoff.WithInitialInterval(firstWait/2),
		backoff.WithMultiplier(growth), backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0), // the limit is ours, see wait
	)
}

// progress forgets the failures: something was done.
func (p *patience) progress() { *p = patience{stall: p.stall, side: p.side, well: p.well} }

// enter waits for the turn at the side's gate and returns when it got a place. While others get through, which may take
// long on a slow line, that is no time without progress.
func (p *patience) enter(ctx context.Context, turn chan struct{}) (time.Time, error) {
	began := time.Now()
	entered, err := p.side.gate.wait(ctx, turn)
	p.well = p.side.recovered()
	if err == nil && !p.since.IsZero() && p.side.since(began) {
		p.since = p.since.Add(entered.Sub(began))
	}
	return entered, err
}

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
	case Throttled, Transient:
		if p.backoff == nil {
			p.backoff = jitter()
		}
		p.backoff.MaxInterval = mostWait / 2
		if fault.Class == Throttled && p.side.stuck() < throttledWait {
			p.backoff.MaxInterval = throttledWait / 2
		}
		d = p.backoff.NextBackOff()
	case Stale:
		// The first call after it fetches new credentials. A second refusal of
		// fresh ones is the last word.
		if p.stale++; p.stale > 3 {
			return &Fault{Class: Credentials, Side: fault.Side, Err: fault.Err}
		}
	default:
		return err
	}
	gone := max(time.Since(p.since), p.side.stuck())
	if gone >= p.stall {
		return &Fault{Class: fault.Class, Side: fault.Side, Reasons: fault.Reasons, Err: &StallError{After: gone, Err: fault.Err}}
	}
	return p.sleep(ctx, min(d, p.stall-gone))
}

// sleep waits for d, or until the table works again after an outage.
func (p *patience) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.well:
	}
	p.backoff = nil
	return pause(ctx, rand.N(rejoinWait)) //nolint:gosec // only to come back one after the other
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
