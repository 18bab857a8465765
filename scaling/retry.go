package scaling

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/account"
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
	defaultStall = account.DefaultStall
	firstPause   = 200 * time.Millisecond // AWS's control plane takes a few calls a second
	lastPause    = 5 * time.Second
)

// retry makes a call until it is answered, or fails for good.
func (c *caller) retry(ctx context.Context, call func(context.Context) error) error {
	patience := account.Patience{Refresh: c.Refresh}
	return patience.Retry(account.WithStall(ctx, c.stall), call)
}

// wait looks until it is done.
func (c *caller) wait(ctx context.Context, look func() (state string, done bool, err error)) error {
	return new(account.Patience).Wait(account.WithStall(ctx, c.stall), lastPause, look)
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
	return text + ": " + account.Explain(e.err).Error()
}

func (e *LimitError) Unwrap() error { return e.err }

var nextTime = regexp.MustCompile(`(?i)next \w+ can be made at \[?([^\]]+?)\]?\.?\s*$`)

// limit explains a refusal: by AWS's own words where they hold a time, else by
// what the table's description says of the last time.
func limit(step Step, have State, now time.Time, err error) error {
	e := &LimitError{Step: step, err: err}
	if found := nextTime.FindStringSubmatch(account.Explain(err).Error()); found != nil {
		e.Again = timeIn(strings.TrimSpace(found[1]))
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
