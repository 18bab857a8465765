package copier

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who is throttled by a table that does something tries again within a second, however often that was so. A table that
// does nothing, or a request that fails otherwise, is waited for longer.
func TestWaitsWhileOthersGetThrough(t *testing.T) {
	for _, test := range []struct {
		name    string
		class   Class
		working bool
		most    time.Duration
		long    bool
	}{
		{"throttled, and others get through", Throttled, true, throttledWait, false},
		{"throttled, and nobody gets through", Throttled, false, mostWait, true},
		{"failing, and others get through", Transient, true, mostWait, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				side := newSide(newGate(1))
				p := patience{stall: time.Hour, side: side}
				err := side.see(&Fault{Class: test.class, Side: "target", Err: errors.New("no")})
				var longest time.Duration
				for range 30 {
					if test.working {
						side.succeeded()
					}
					began := time.Now()
					if err := p.wait(t.Context(), err); err != nil {
						t.Fatal(err)
					}
					longest = max(longest, time.Since(began))
				}
				if longest > test.most || test.long && longest <= 2*throttledWait {
					t.Errorf("the longest wait took %s", longest)
				}
			})
		})
	}
}
