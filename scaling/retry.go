package scaling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// A caller makes the calls about one table, and makes them again where that
// can help.
type caller struct {
	Clients
	table string
	stall time.Duration // give up after so long without any progress
	watch func(string)
}

const (
	readStall    = time.Minute
	defaultStall = 15 * time.Minute
	firstPause   = 200 * time.Millisecond // AWS's control plane takes a few calls a second
	lastPause    = 5 * time.Second
	attemptLimit = 30 * time.Second // AWS answers within a second or two
	refreshes    = 3                // of credentials, for one call
)

var errEmpty = errors.New("the answer is empty")

// A class says what an error asks for.
type class int

const (
	fatal   class = iota
	again         // the same call, later
	busy          // the table is being changed
	stale         // the state is not what it was taken for
	limited       // not for hours
	expired       // new credentials
)

var codes = map[string]class{
	"ConcurrentUpdateException": again, "ThrottlingException": again, "Throttling": again, "ProvisionedThroughputExceededException": again,
	"RequestLimitExceeded": again, "TooManyRequestsException": again, "InternalServerError": again, "InternalServiceException": again,
	"ServiceUnavailable": again, "ServiceUnavailableException": again, "InternalFailure": again, "RequestTimeout": again,
	"ResourceInUseException": busy,
	"ValidationException":    stale, "ObjectNotFoundException": stale,
	"LimitExceededException": limited,
	"ExpiredTokenException":  expired, "ExpiredToken": expired, "RequestExpired": expired, "UnrecognizedClientException": expired, "InvalidClientTokenId": expired,
	"InvalidSignatureException": expired, "SignatureDoesNotMatch": expired, "RequestTimeTooSkewed": expired, // the client has learnt the time by then
}

func classOf(err error) class {
	var api smithy.APIError
	var answered interface{ HTTPStatusCode() int }
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fatal
	case errors.Is(err, context.DeadlineExceeded):
		return again
	case errors.As(err, &api) && codes[api.ErrorCode()] == limited && simultaneous.MatchString(api.ErrorMessage()):
		return again
	case errors.As(err, &api) && codes[api.ErrorCode()] != fatal:
		return codes[api.ErrorCode()]
	case errors.As(err, &answered) && answered.HTTPStatusCode() >= 500, errors.Is(err, errEmpty):
		return again
	case errors.As(err, &answered) && answered.HTTPStatusCode() == 200:
		return again // an answer that was cut off, or is none
	case errors.As(err, &network):
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return fatal
		}
		return again
	}
	return fatal
}

// simultaneous is the limit that passes by itself: how many tables may change at once.
var simultaneous = regexp.MustCompile(`(?i)simultaneous|concurrent`)

// retry makes a call until it is answered, or fails for good. Each attempt has
// a deadline of its own.
func (c *caller) retry(ctx context.Context, call func(context.Context) error) error {
	began, wait, refreshed := time.Now(), firstPause, 0
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		err := call(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch classOf(err) {
		case again:
		case expired:
			if c.Refresh == nil || refreshed == refreshes {
				return err
			}
			refreshed++
			c.Refresh()
		default:
			return err
		}
		if time.Since(began)+wait > c.stall {
			return fmt.Errorf("gave up after %s: %w", time.Since(began).Round(time.Second), err)
		}
		if err := pause(ctx, wait/2+rand.N(wait/2)); err != nil {
			return err
		}
		wait = min(lastPause, wait*2)
	}
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

// A LimitError is a change that AWS refuses for now: a table goes on demand
// four times in 24 hours at most, and capacity goes down four times a day and once more for
// each hour without.
type LimitError struct {
	Step  Step
	Again time.Time // when it is possible again; zero where that is not known
	err   error
}

func (e *LimitError) Error() string {
	text := "AWS refuses it for now"
	if !e.Again.IsZero() {
		text += ", until " + e.Again.UTC().Format("2006-01-02 15:04:05 UTC")
		if e.Step.Do == Switch {
			text += " at the latest"
		}
	}
	var api smithy.APIError
	if errors.As(e.err, &api) {
		return text + ": " + api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return text + ": " + e.err.Error()
}

func (e *LimitError) Unwrap() error { return e.err }

var nextTime = regexp.MustCompile(`(?i)next \w+ can be made at \[?([^\]]+?)\]?\.?\s*$`)

// limit explains a refusal: by AWS's own words where they hold a time, else by
// what the table's description says of the last time.
func limit(step Step, have State, now time.Time, err error) error {
	e := &LimitError{Step: step, err: err}
	var api smithy.APIError
	if errors.As(err, &api) {
		if found := nextTime.FindStringSubmatch(api.ErrorMessage()); found != nil {
			e.Again = timeIn(strings.TrimSpace(found[1]))
		}
	}
	switch {
	case !e.Again.IsZero():
	case step.Do == Switch && step.Billing == OnDemand:
		if !have.OnDemandSince.IsZero() {
			e.Again = have.OnDemandSince.Add(24 * time.Hour)
		}
	default:
		for _, index := range step.decrease {
			d := have.decreases[index]
			if d.last.IsZero() {
				continue
			}
			next := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
			if hour := d.last.Add(time.Hour); hour.Before(next) {
				next = hour
			}
			if next.After(e.Again) {
				e.Again = next
			}
		}
	}
	return e
}

// timeIn reads a time as AWS's messages have it; zero where it cannot.
func timeIn(text string) time.Time {
	for _, layout := range []string{time.RFC3339, time.UnixDate, time.RFC1123, "Monday, January 2, 2006 3:04:05 PM MST", "Mon Jan 2 15:04:05 MST 2006", "2006-01-02 15:04:05 MST"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}
