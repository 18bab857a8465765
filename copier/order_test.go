package copier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// ordered is a sink that watches over the order of each key: what is under way, what was stored last.
type ordered struct {
	*table
	t       *testing.T
	fail    func(call int, batch []item.Write) (Result, error) // before anything is stored
	applied func(call int) time.Duration                       // how long after it has failed a write is applied after all; 0 for never

	mu       sync.Mutex
	calls    int
	underWay map[uint64]int
	last     map[uint64]string
}

func (o *ordered) Write(ctx context.Context, batch []item.Write, _ int) (Result, error) {
	o.mu.Lock()
	o.calls++
	call := o.calls
	for _, w := range batch {
		if o.underWay[w.Key]++; o.underWay[w.Key] > 1 {
			o.t.Errorf("%s is under way twice", w.Raw)
		}
	}
	o.mu.Unlock()
	err := pause(ctx, o.latency)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range batch {
		o.underWay[w.Key]--
	}
	if err != nil {
		return Result{}, err
	}
	r, err := o.fail(call, batch)
	raw := make(map[uint64]string)
	for i, w := range batch {
		if !slices.Contains(r.Unprocessed, i) {
			raw[w.Key] = string(w.Raw)
		}
	}
	store := func() {
		for key, text := range raw {
			o.last[key] = text
		}
	}
	switch {
	case err == nil:
		store()
	case o.applied != nil && o.applied(call) > 0:
		time.AfterFunc(o.applied(call), func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			store()
		})
	}
	return r, err
}

// same gives many items one key: a few keys for all of them.
func same(keys int) Shape {
	return func(it item.Item) (item.Item, error) {
		var n int
		if _, err := fmt.Sscanf(string(it), `{"pk":{"S":"%d"}}`, &n); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, `{"pk":{"S":"%d"},"was":{"N":"%d"}}`, n%keys, n), nil
	}
}

// What comes later of one key is what stays, whatever becomes of the earlier ones: taken late because
// of throttling, or applied after its answer was an error.
func TestOrderOfOneKey(t *testing.T) {
	broken := func(late bool) error {
		return &Fault{Class: Transient, Side: "target", Late: late, Err: errors.New("500")}
	}
	for _, c := range []struct {
		name    string
		fail    func(call int, batch []item.Write) (Result, error)
		applied func(call int) time.Duration
	}{
		{"the first is throttled", func(call int, b []item.Write) (Result, error) {
			if call%3 == 1 {
				return Result{Unprocessed: every(len(b))}, nil
			}
			return Result{}, nil
		}, nil},
		{"some are not taken", func(_ int, b []item.Write) (Result, error) { return Result{Unprocessed: some(len(b))}, nil }, nil},
		{"some fail", func(call int, _ []item.Write) (Result, error) {
			if call%4 == 1 {
				return Result{}, broken(false)
			}
			return Result{}, nil
		}, nil},
		{"some fail, and are applied later", func(call int, _ []item.Write) (Result, error) {
			if call%9 == 1 {
				return Result{}, broken(true)
			}
			return Result{}, nil
		}, func(call int) time.Duration { return 8 * time.Second }},
	} {
		for _, keys := range []int{1, 3, 40} {
			t.Run(fmt.Sprintf("%s/%d keys", c.name, keys), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n = 400
					src := &table{segments: 1, n: n, perPage: 60, latency: time.Millisecond}
					sink := &ordered{table: src, t: t, fail: c.fail, applied: c.applied, underWay: map[uint64]int{}, last: map[uint64]string{}}
					if err := Run(t.Context(), src, sink, Options{Workers: 16, Schema: schema, Shape: same(keys)}); err != nil {
						t.Fatal(err)
					}
					if err := pause(t.Context(), time.Minute); err != nil { // all that is late has come
						t.Fatal(err)
					}
					sink.mu.Lock()
					defer sink.mu.Unlock()
					if len(sink.last) != keys {
						t.Fatalf("%d keys stored", len(sink.last))
					}
					for _, text := range sink.last {
						var key, was int
						if _, err := fmt.Sscanf(text, `{"pk":{"S":"%d"},"was":{"N":"%d"}}`, &key, &was); err != nil {
							t.Fatal(err)
						}
						if was < n-keys {
							t.Errorf("key %d has the version of item %d, want one from %d on", key, was, n-keys)
						}
					}
				})
			})
		}
	}
}

// A batch that waits for an earlier one of its key goes no further when the run ends.
func TestOrderAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &table{segments: 1, n: 100, perPage: 10}
		ctx, cancel := context.WithCancel(t.Context())
		src.write = func(int, []item.Write) (Result, error) {
			cancel()
			return Result{}, &Fault{Class: Throttled, Side: "target", Err: errNotTaken}
		}
		if err := Run(ctx, src, src, Options{Workers: 16, Schema: schema, Shape: same(1)}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if src.calls != 1 {
			t.Fatalf("%d calls", src.calls)
		}
	})
}
