package copier

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// An outage that begins when one batch is left is no refusal of that batch: nothing is rejected, and the
// run can go on later.
func TestOutageAtTheTail(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(b []item.Write) (Result, error)
	}{
		{"500", func([]item.Write) (Result, error) {
			return Result{}, &Fault{Class: Transient, Side: "target", Late: true, Err: errors.New("500")}
		}},
		{"throttled as a whole", func(b []item.Write) (Result, error) {
			return Result{Unprocessed: every(len(b)), Throttled: []Reason{{Reason: "ThrottlingException"}}}, nil
		}},
		{"nothing is taken", func(b []item.Write) (Result, error) { return Result{Unprocessed: every(len(b))}, nil }},
		{"nothing comes", func([]item.Write) (Result, error) {
			return Result{}, &Fault{Class: Transient, Side: "target", Late: true, Slow: true, Err: errors.New("slow")}
		}},
	} {
		for _, workers := range []int{1, 16} {
			for last := 22; last <= 25; last += 3 { // also where some of the last batch is taken first
				t.Run(c.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := &table{segments: 1, n: 100, perPage: 25, latency: 10 * time.Millisecond}
						s.write = func(call int, b []item.Write) (Result, error) {
							switch {
							case call < 4:
								return Result{}, nil
							case call == 4 && last < len(b):
								return Result{Unprocessed: every(len(b))[:last]}, nil
							}
							return c.fail(b)
						}
						var at Checkpoint
						o := Options{Workers: workers, Stall: time.Minute, Save: func(c Checkpoint) error { at = c; return nil },
							Reject: func(w item.Write, f *Fault) error { t.Errorf("rejected %s: %v", w.Raw, f); return nil }}
						err := Run(t.Context(), s, s, o)
						if stalled := (*StallError)(nil); !errors.As(err, &stalled) {
							t.Fatalf("got %v at %d", err, at.Written)
						}
						s.write, o.From, o.Stats = nil, at, nil
						if err := Run(t.Context(), s, s, o); err != nil || len(s.stored) != s.n {
							t.Fatalf("going on: %v, %d stored", err, len(s.stored))
						}
					})
				})
			}
		}
	}
}

// A batch that fails a little before an outage begins is not refused either, although others were taken after its first failure.
func TestFirstInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &table{segments: 4, n: 10_000, perPage: 25, latency: 100 * time.Millisecond}
		s.write = func(call int, b []item.Write) (Result, error) {
			if string(b[0].Raw) == `{"pk":{"S":"0"}}` || time.Since(began) > 15*time.Second {
				return Result{}, &Fault{Class: Transient, Side: "target", Late: true, Err: errors.New("500")}
			}
			return Result{}, nil
		}
		err := Run(t.Context(), s, s, Options{Workers: 4, Stall: time.Minute,
			Reject: func(w item.Write, f *Fault) error { t.Errorf("rejected %s: %v", w.Raw, f); return nil }})
		if stalled := (*StallError)(nil); !errors.As(err, &stalled) {
			t.Fatalf("got %v", err)
		}
	})
}

// One key that is never taken, while all others are, is rejected in the end, be it the last of all, and whatever the
// table says about it.
func TestPoisonKey(t *testing.T) {
	fails := map[string]func(b []item.Write, i int) (Result, error){
		"unprocessed": func(_ []item.Write, i int) (Result, error) { return Result{Unprocessed: []int{i}}, nil },
		"500 while others go on": func([]item.Write, int) (Result, error) {
			return Result{}, &Fault{Class: Transient, Side: "target", Late: true, Err: errors.New("500")}
		},
	}
	for name, fail := range fails {
		for _, key := range []string{"0", "50", "99"} {
			if name != "unprocessed" && key != "0" {
				continue
			}
			t.Run(name+" "+key, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &table{segments: 1, n: 100, perPage: 25, latency: 10 * time.Millisecond}
					o := Options{Stall: time.Minute}
					if name != "unprocessed" { // long enough
						s.n, s.latency, o.Workers = 10_000, time.Second, 4
					}
					s.write = func(_ int, b []item.Write) (Result, error) {
						if i := slices.IndexFunc(b, func(w item.Write) bool { return string(w.Raw) == `{"pk":{"S":"`+key+`"}}` }); i >= 0 {
							return fail(b, i)
						}
						return Result{}, nil
					}
					var got []string
					o.Reject = func(w item.Write, _ *Fault) error {
						got = append(got, string(w.Raw))
						return nil
					}
					if err := Run(t.Context(), s, s, o); err != nil || len(got) != 1 || len(s.stored) != s.n-1 {
						t.Fatalf("%v, rejected %v, stored %d", err, got, len(s.stored))
					}
				})
			})
		}
	}
}
