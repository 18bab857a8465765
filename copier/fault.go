package copier

import "errors"

// A Class says what a failure means for the run.
type Class int

// The classes of failure, and what Run does about each.
const (
	Fatal       Class = iota // stops
	Throttled                // waits longer and longer, with fewer requests in flight
	Transient                // tries again soon
	Stale                    // tries again at once, with new credentials
	Credentials              // stops: no valid credentials
	Denied                   // stops: permission is missing
	State                    // stops: the table is missing or in no state for this
	Invalid                  // one item is to blame: the batch is cut until it is found
	TooLarge                 // the batch is cut in halves
)

// A Fault is an attempt that failed.
type Fault struct {
	Class   Class
	Side    string // "source" or "target"
	Garbled bool   // an answer that is no answer; a few in a row are not chance
	Late    bool   // the request may still be applied later
	Slow    bool   // it was given up because nothing moved, or too slowly
	Reasons []Reason
	Err     error
}

func (f *Fault) Error() string { return f.Side + ": " + f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// faultOf is the fault in err, or nil.
func faultOf(err error) *Fault {
	fault := (*Fault)(nil)
	if errors.As(err, &fault) {
		return fault
	}
	return nil
}
