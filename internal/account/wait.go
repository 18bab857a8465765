package account

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"github.com/cenkalti/backoff/v4"
)

const (
	// firstWait and longestWait are the middles of the waits between attempts. AWS's control plane
	// takes a few calls a second.
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
	// refreshes is how often one call may fetch new credentials: a second refusal of fresh ones is
	// nearly the last word.
	refreshes = 3
	// strangerLimit is for a host that has never answered and takes no connection: it is probably
	// not the right one.
	strangerLimit = 10 * time.Second
	// garbledLimit is how many answers in a row may make no sense, and garbledTime for how long at
	// least.
	garbledLimit = 8
	garbledTime  = 30 * time.Second
	// metadataAttempts are made at the service that only machines in EC2 have.
	metadataAttempts = 3
)

// again are the classes of what may pass.
var again = map[Class]bool{Throttled: true, Transient: true, Busy: true, Limited: true, Stale: true}

// A Trial is the memory of one call, or of one task, of how often it failed since it last got on,
// and since when. It is not for concurrent use.
type Trial struct {
	patience *Patience
	began    time.Time // the first attempt
	stranger bool      // it goes to a host that has never answered
	attempts int
	garbled  int
	refused  int // for the credentials
	waits    *backoff.ExponentialBackOff
}

func waits(first, most time.Duration, jitter float64) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(first), backoff.WithMaxInterval(most),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(jitter), backoff.WithMaxElapsedTime(0)) // the limit is ours
}

// Trial begins to remember. It is for what is more than one call; each call has its own.
func (p *Patience) Trial() *Trial { return &Trial{patience: p} }

// Wait sleeps before another attempt after err, or returns why there is none: err itself, a
// [*GaveUpError], or the context's cause.
func (t *Trial) Wait(ctx context.Context, err error) error {
	t.attempts++
	if t.began.IsZero() {
		t.began = time.Now()
		if late := (*LateError)(nil); errors.As(err, &late) && late.Of != "" { // the service itself was not asked so far
			t.began = t.began.Add(-late.Limit)
		}
	}
	class, limit, spent := Classify(err), t.patience.Limit(ctx), time.Since(t.began)
	if !again[class] || errors.As(err, new(*GaveUpError)) || errors.As(err, new(*finalError)) {
		return err
	}
	if n, ok := ctx.Value(retriesKey{}).(*int); ok {
		*n++
	}
	if class == Stale {
		if t.refused++; t.patience.Refresh == nil || t.refused > refreshes {
			return err
		}
		t.patience.Refresh()
		return nil
	}
	if !errors.As(err, new(*GarbledError)) {
		t.garbled = 0
	} else if t.garbled++; t.garbled >= garbledLimit {
		limit = min(limit, garbledTime)
	}
	if t.stranger && errors.Is(err, syscall.ECONNREFUSED) {
		limit = min(limit, strangerLimit)
	}
	if spent >= limit {
		return &GaveUpError{After: spent}
	}
	if t.waits == nil {
		t.waits = waits(firstWait, longestWait, 1) // a factor of 1 spreads a wait over 0 to twice its middle
	}
	if t.patience.Log != nil && t.attempts > 1 {
		t.patience.Log.InfoContext(ctx, "trying again", "error", Explain(err))
	}
	return Sleep(ctx, min(t.waits.NextBackOff(), limit-spent))
}

// Sleep waits for so long, or until the context is over.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-callerOf(ctx).Done():
		return context.Cause(callerOf(ctx))
	}
}

// attemptLimit is for one attempt of one call. AWS answers within a second or two.
const attemptLimit = 10 * time.Second

// retryLimit is for an attempt of Retry, which may be more than one call.
const retryLimit = 30 * time.Second

// leastLimit is what an attempt gets however short the stall time is: as long as a connection may
// take.
const leastLimit = 3 * time.Second

// deadline is for one attempt of a call that may take limit. An attempt gets a quarter of the stall
// time, so that one that nobody answers is not all that there is time for.
func (p *Patience) deadline(ctx context.Context, limit time.Duration) time.Duration {
	return min(limit, max(p.Limit(ctx)/4, leastLimit))
}

// Retry makes a call until it is answered, or fails for good, which includes that what it is about
// is Busy, or Limited: of these the caller knows more. Each attempt has a deadline, that getting
// credentials does not count for. It is for clients whose own retries are off.
func (p *Patience) Retry(ctx context.Context, call func(context.Context) error) error {
	t, began := &Trial{patience: p}, time.Now()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := p.once(context.WithValue(ctx, taskKey{}, t), call)
		if t.began.IsZero() { // the client is not equipped, else it has noted when it asked the service
			t.began = began
		}
		switch class := Classify(err); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case class == Busy, class == Limited:
			return err
		}
		if end := t.Wait(ctx, err); end != nil {
			if gaveUp := (*GaveUpError)(nil); errors.As(end, &gaveUp) {
				return fmt.Errorf("%w: %w", gaveUp, err)
			}
			return end
		}
	}
}

// once makes one attempt.
func (p *Patience) once(ctx context.Context, call func(context.Context) error) error {
	limit := p.deadline(ctx, retryLimit)
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(limit, cancel)
	defer timer.Stop()
	err := call(context.WithValue(attempt, clockKey{}, clock{timer, limit}))
	if err != nil && attempt.Err() != nil && ctx.Err() == nil {
		err = &LateError{Limit: limit}
	}
	return err
}

type clockKey struct{}

// A clock ends an attempt of Retry.
type clock struct {
	*time.Timer
	limit time.Duration
}

// Wait looks, less and less often, until look says that it is done. It gives up, with a
// [*GaveUpError], when the state has been the same for the stall time; a state of "" is one in
// which something moves. The errors of look end it.
func (p *Patience) Wait(ctx context.Context, most time.Duration, look func() (state string, done bool, err error)) error {
	var began time.Time
	last, pauses := "", waits(firstWait, most, 0.25)
	for {
		state, done, err := look()
		if err != nil || done {
			return err
		}
		if state != last || state == "" {
			last, began = state, time.Now()
		}
		spent, limit := time.Since(began), p.Limit(ctx)
		if spent >= limit {
			return &GaveUpError{After: spent}
		}
		pause := min(pauses.NextBackOff(), most)
		if state != "" {
			pause = min(pause, limit-spent)
		}
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

type (
	trialKey struct{} // the call's trial
	taskKey  struct{} // that of Retry, for the call that it makes; not for those for credentials
)

// begin gives a call its memory.
func (p *Patience) begin(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	t, _ := ctx.Value(taskKey{}).(*Trial)
	if t == nil {
		t = p.Trial()
	}
	out, metadata, err := next.HandleInitialize(context.WithValue(context.WithValue(ctx, trialKey{}, t), taskKey{}, (*Trial)(nil)), in)
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the SDK joins what GetRetryToken returns
		if gaveUp := (*GaveUpError)(nil); errors.As(joined.Unwrap()[len(joined.Unwrap())-1], &gaveUp) {
			err = fmt.Errorf("%w: %w", gaveUp, joined.Unwrap()[0])
		}
	}
	return out, metadata, err
}

// retryer is the patience as the SDK asks for it.
type retryer struct{ patience *Patience }

func (r retryer) IsErrorRetryable(err error) bool {
	return !errors.As(err, new(*finalError)) && !errors.As(err, new(*GaveUpError)) && (again[Classify(err)] || asksMetadata(err))
}

func (retryer) MaxAttempts() int { return 0 } // no limit but that of GetRetryToken

// GetRetryToken waits, or says why the call is not made again: it alone knows which call it is.
func (retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	t, ok := ctx.Value(trialKey{}).(*Trial)
	if !ok || awsmiddleware.GetServiceID(ctx) == metadata {
		if ok {
			t.attempts++
		}
		if !ok || t.attempts >= metadataAttempts {
			return nil, errNoMore
		}
		return nothing, Sleep(ctx, firstWait)
	}
	if err := t.Wait(ctx, err); err != nil {
		return nil, err
	}
	return nothing, nil
}

var errNoMore = errors.New("no more attempts")

func (retryer) RetryDelay(int, error) (time.Duration, error)               { return 0, nil } // GetRetryToken has waited
func (retryer) GetInitialToken() func(error) error                         { return nothing }
func (retryer) GetAttemptToken(context.Context) (func(error) error, error) { return nothing, nil }
func nothing(error) error                                                  { return nil }

var _ aws.RetryerV2 = retryer{}

// Pages asks for one page of a list after the other, from token "" on, until ask returns "" as the
// next. AWS's tokens never come twice: a list that repeats one would be read for ever.
func Pages(ask func(token string) (next string, err error)) error {
	seen := map[string]bool{}
	for token := ""; ; {
		next, err := ask(token)
		switch {
		case err != nil:
			return err
		case next == "":
			return nil
		case seen[next]:
			return ErrRepeats
		}
		seen[next], token = true, next
	}
}

// ErrRepeats is a list that has no end.
var ErrRepeats = errors.New("the list gives the same page again and again")
