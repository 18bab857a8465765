package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

var schema = item.Schema{Partition: item.Attr{Name: "pk", Type: item.String}}

// table is a source of n items in some segments, and a sink that remembers.
type table struct {
	segments, n, perPage int

	mu      sync.Mutex
	stored  map[string]int
	calls   int
	reads   int
	started []time.Time // of the writes
	empty   bool        // every other page has no items
	readErr func(call int) error
	write   func(call int, batch []item.Write) (Result, error)
	latency time.Duration
}

func (s *table) Segments() int { return s.segments }

func (s *table) Read(ctx context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	if err := pause(ctx, s.latency); err != nil {
		return err
	}
	s.mu.Lock()
	s.reads++
	call := s.reads
	s.mu.Unlock()
	if s.readErr != nil {
		if err := s.readErr(call); err != nil {
			return err
		}
	}
	p.Reset()
	at := segment
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return err
		}
	}
	most := s.perPage
	if s.empty && call%2 == 0 {
		most = 0
	}
	for ; at < s.n && len(p.Items) < most; at += s.segments {
		p.Buf = fmt.Appendf(nil, `{"pk":{"S":"%d"}}`, at)
		f, err := item.Parse(p.Buf, schema)
		if err != nil {
			return err
		}
		key, err := f.Hash(schema)
		if err != nil {
			return err
		}
		p.Items, p.Keys = append(p.Items, f.Item), append(p.Keys, key)
	}
	p.Units = 1
	if at < s.n {
		p.Next = fmt.Appendf(nil, "%d", at)
	}
	return nil
}

func (s *table) Write(ctx context.Context, batch []item.Write, _ int) (Result, error) {
	s.mu.Lock()
	s.started = append(s.started, time.Now())
	s.mu.Unlock()
	if err := pause(ctx, s.latency); err != nil {
		return Result{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	var r Result
	if s.write != nil {
		var err error
		if r, err = s.write(s.calls, batch); err != nil {
			return r, err
		}
	}
	left := map[int]bool{}
	for _, i := range r.Unprocessed {
		left[i] = true
	}
	if s.stored == nil {
		s.stored = map[string]int{}
	}
	for i, w := range batch {
		if !left[i] {
			s.stored[string(w.Raw)]++
		}
	}
	return r, nil
}

func (s *table) requireAll(t *testing.T) {
	t.Helper()
	if len(s.stored) != s.n {
		t.Fatalf("stored %d items of %d", len(s.stored), s.n)
	}
	for raw, times := range s.stored {
		if times != 1 {
			t.Fatalf("%s stored %d times", raw, times)
		}
	}
}

func some(n int) (list []int) {
	for i := range n {
		if rand.IntN(3) == 0 {
			list = append(list, i)
		}
	}
	return list
}

func TestRunCopiesEverything(t *testing.T) {
	for _, c := range []struct {
		name string
		src  *table
		opts Options
	}{
		{"nothing", &table{segments: 1, n: 0, perPage: 10}, Options{}},
		{"one item", &table{segments: 8, n: 1, perPage: 10}, Options{}},
		{"one segment", &table{segments: 1, n: 1000, perPage: 10}, Options{}},
		{"more segments than readers", &table{segments: 64, n: 5000, perPage: 7}, Options{Readers: 3, Workers: 2}},
		{"one page in memory", &table{segments: 4, n: 500, perPage: 3}, Options{Readers: 1, Pages: 1, Workers: 1}},
		{"pages without items that are not the end", &table{segments: 4, n: 500, perPage: 30, empty: true}, Options{}},
		{"as many pages as readers", &table{segments: 16, n: 5000, perPage: 3}, Options{Readers: 16, Pages: 1, Workers: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stats := new(Stats)
				c.opts.Stats = stats
				c.src.latency = time.Millisecond
				if err := Run(t.Context(), c.src, c.src, c.opts); err != nil {
					t.Fatal(err)
				}
				c.src.requireAll(t)
				if n := stats.Count(); n.Read != int64(c.src.n) || n.Written != n.Read {
					t.Fatalf("counted %+v", n)
				}
			})
		})
	}
}

func TestRunSurvives(t *testing.T) {
	broken := func(class Class) error {
		return &Fault{Class: class, Side: "target", Err: errors.New("broken")}
	}
	for _, c := range []struct {
		name  string
		read  func(call int) error
		write func(call int, batch []item.Write) (Result, error)
	}{
		{"items that are not taken", nil, func(_ int, b []item.Write) (Result, error) { return Result{Unprocessed: some(len(b))}, nil }},
		{"throttling of everything for a while", nil, func(call int, b []item.Write) (Result, error) {
			if call < 200 {
				return Result{Unprocessed: every(len(b)), Throttled: []Reason{{"TableWrite", "arn"}}}, nil
			}
			return Result{}, nil
		}},
		{"broken writes", nil, func(call int, _ []item.Write) (Result, error) {
			if call%3 == 0 {
				return Result{}, broken(Transient)
			}
			return Result{}, nil
		}},
		{"broken reads", func(call int) error {
			if call%3 != 0 {
				return broken(Transient)
			}
			return nil
		}, nil},
		{"throttled reads", func(call int) error {
			if call%3 != 0 {
				return broken(Throttled)
			}
			return nil
		}, nil},
		{"expired credentials", nil, func(call int, _ []item.Write) (Result, error) {
			if call%50 == 0 {
				return Result{}, broken(Stale)
			}
			return Result{}, nil
		}},
		{"batches that are too large", nil, func(_ int, b []item.Write) (Result, error) {
			if len(b) > 3 {
				return Result{}, broken(TooLarge)
			}
			return Result{}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &table{segments: 8, n: 3000, perPage: 60, readErr: c.read, write: c.write, latency: time.Millisecond}
				stats := new(Stats)
				if err := Run(t.Context(), s, s, Options{Stats: stats}); err != nil {
					t.Fatal(err)
				}
				s.requireAll(t)
				if n := stats.Count(); n.Throttled+n.Retried == 0 && c.name != "batches that are too large" {
					t.Fatalf("nothing counted: %+v", n)
				}
			})
		})
	}
}

func every(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestRunGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &table{segments: 8, n: 3000, perPage: 60, write: func(_ int, b []item.Write) (Result, error) {
			return Result{Unprocessed: every(len(b))}, nil
		}}
		err := Run(t.Context(), s, s, Options{Stall: 5 * time.Minute, Workers: 16})
		stall := (*StallError)(nil)
		if !errors.As(err, &stall) {
			t.Fatalf("got %v, want a StallError", err)
		}
		if took := time.Since(began); took < 4*time.Minute || took > 6*time.Minute {
			t.Fatalf("gave up after %s", took)
		}
		if perWorker := s.calls / 16; perWorker > 60 {
			t.Fatalf("%d requests a worker in an outage of 5 minutes", perWorker)
		}
	})
}

// A batch that moves on, however slowly, is not given up.
func TestSlowIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 1, n: 25, perPage: 25, latency: 20 * time.Second}
		s.write = func(_ int, b []item.Write) (Result, error) { return Result{Unprocessed: every(len(b))[1:]}, nil }
		if err := Run(t.Context(), s, s, Options{Stall: time.Minute}); err != nil {
			t.Fatal(err)
		}
		s.requireAll(t)
	})
}

// tick lets a second of the bubble's time pass.
func tick(t *testing.T) {
	t.Helper()
	if err := pause(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
}

// An outage begins while requests are under way that still go through. They
// say nothing about how many the table takes, so what is known to work stays.
func TestGateInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100)
		var entered []time.Time
		for range gateStart {
			at, err := g.wait(t.Context(), g.line())
			if err != nil {
				t.Fatal(err)
			}
			entered = append(entered, at)
		}
		tick(t)
		g.exit(entered[0], throttled)
		known := g.known
		if want := gateStart * gateShrink; known != want {
			t.Fatalf("%v are known to work, want %v", known, want)
		}
		for _, before := range entered[1:] {
			g.exit(before, taken)
			tick(t)
			at, err := g.wait(t.Context(), g.line())
			if err != nil {
				t.Fatal(err)
			}
			g.exit(at, throttled)
		}
		if g.known != known {
			t.Fatalf("%v are known to work after the outage has begun, want %v still", g.known, known)
		}
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100)
		enter := func() time.Time {
			entered, err := g.wait(t.Context(), g.line())
			if err != nil {
				t.Fatal(err)
			}
			return entered
		}
		one, two := enter(), enter()
		tick(t)
		before := g.limit
		g.exit(one, throttled)
		g.exit(two, throttled)
		if want := before * gateShrink; g.limit != want {
			t.Fatalf("limit %v after two requests of one window were throttled, want %v", g.limit, want)
		}
		tick(t)
		g.exit(enter(), throttled)
		if want := before * gateShrink * gateShrink; g.limit != want {
			t.Fatalf("limit %v after another throttling, want %v", g.limit, want)
		}
		for range 1000 {
			g.exit(enter(), taken)
		}
		if g.limit <= before {
			t.Fatalf("limit %v after 1,000 successes", g.limit)
		}
		for range 100 {
			tick(t)
			g.exit(enter(), throttled)
		}
		if g.limit != 1 || g.inFlight != 0 {
			t.Fatalf("limit %v, %d in flight", g.limit, g.inFlight)
		}
	})
}

func TestTheBooksMustClose(t *testing.T) {
	s := new(Stats)
	s.read.Store(3)
	s.written.Store(1)
	s.skipped.Store(1)
	if err := s.check(); !errors.As(err, new(*BooksError)) {
		t.Fatalf("got %v", err)
	}
	s.deleted.Store(1)
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
}

func TestRunStopsAt(t *testing.T) {
	for _, class := range []Class{Fatal, Credentials, Denied, State, Invalid} {
		t.Run(fmt.Sprint(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := &Fault{Class: class, Side: "target", Err: errors.New("no")}
				s := &table{segments: 8, n: 3000, perPage: 60, write: func(int, []item.Write) (Result, error) { return Result{}, want }, latency: time.Millisecond}
				err := Run(t.Context(), s, s, Options{})
				if got := (*Fault)(nil); !errors.As(err, &got) || got.Class != class {
					t.Fatalf("got %v, want class %v", err, class)
				}
			})
		})
	}
}

func TestCredentialsThatNoRefreshMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 1, n: 10, perPage: 10, write: func(int, []item.Write) (Result, error) {
			return Result{}, &Fault{Class: Stale, Side: "target", Err: errors.New("expired")}
		}}
		began := time.Now()
		err := Run(t.Context(), s, s, Options{})
		if fault := (*Fault)(nil); !errors.As(err, &fault) || fault.Class != Credentials || s.calls > 5 || time.Since(began) > time.Minute {
			t.Fatalf("got %v after %d calls", err, s.calls)
		}
	})
}

func TestNonsenseEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 8, n: 3000, perPage: 60, latency: time.Millisecond, write: func(int, []item.Write) (Result, error) {
			return Result{}, &Fault{Class: Transient, Garbled: true, Side: "target", Err: errors.New("<html>")}
		}}
		err := Run(t.Context(), s, s, Options{})
		if fault := (*Fault)(nil); !errors.As(err, &fault) || fault.Class != Fatal {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCancelStartsNoNewWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stop := errors.New("stop")
		var over time.Time
		s := &table{segments: 8, n: 100_000, perPage: 60, latency: 20 * time.Millisecond}
		s.write = func(int, []item.Write) (Result, error) { return Result{}, nil }
		time.AfterFunc(time.Second, func() { over = time.Now(); cancel(stop) })
		stats := new(Stats)
		if err := Run(ctx, s, s, Options{Stats: stats}); !errors.Is(err, stop) {
			t.Fatalf("got %v, want the cause", err)
		}
		for _, at := range s.started {
			if at.After(over) {
				t.Fatalf("a write began %s after the end", at.Sub(over))
			}
		}
		if over.IsZero() || int(stats.Count().Written) != len(s.stored) {
			t.Fatalf("counted %d written, stored %d", stats.Count().Written, len(s.stored))
		}
	})
}

func TestShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 2, n: 1000, perPage: 100}
		stats := new(Stats)
		err := Run(t.Context(), s, s, Options{Stats: stats, Schema: schema, Shape: func(it item.Item) (item.Item, error) {
			if it[len(it)-4] == '7' { // the last digit of the key
				return nil, nil
			}
			return item.Item(`{"pk":{"S":"same"},"was":` + string(it[6:len(it)-1]) + `}`), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n := stats.Count(); n.Skipped != 100 || n.Written != 900 {
			t.Fatalf("counted %+v", n)
		}
		// Every write has the same key: no batch may hold two of them.
		if s.calls != 900 {
			t.Fatalf("%d batches for 900 writes of one key", s.calls)
		}
	})
}

func TestPositionWaitsForTheOldestPage(t *testing.T) {
	l := newLedger(1, Checkpoint{})
	first, second := &page{}, &page{}
	first.Items, first.Next = []item.Item{item.Item("a")}, item.Cursor("a")
	second.Items = []item.Item{item.Item("b")}
	l.begin(0, first)
	l.begin(0, second)
	l.cut(second.entry)
	if got := l.settle([]origin{{second, 0}}, stored, nil); len(got) != 1 {
		t.Fatal("the second page is not settled")
	}
	if p := l.segments[0].Position; p.Next != nil || p.Done {
		t.Fatalf("position %v moved past a page that is not acknowledged", p)
	}
	l.settle([]origin{{first, 0}}, stored, nil)
	if l.complete() {
		t.Fatal("complete before the reader has let go")
	}
	l.cut(first.entry)
	if !l.complete() {
		t.Fatal("not complete")
	}
}

func TestScattered(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 100} {
		seen := map[int]bool{}
		for s := range scattered(n) {
			seen[s] = true
		}
		if len(seen) != n || !seen[0] || !seen[n-1] {
			t.Fatalf("%d segments: got %v", n, seen)
		}
	}
}

// A hot range of keys slows only what is written to it: the number of requests
// stays. Any other throttling makes it fall.
func TestHotRange(t *testing.T) {
	for _, test := range []struct {
		reason string
		want   outcome
	}{
		{"TableWriteKeyRangeThroughputExceeded", other},
		{"IndexWriteKeyRangeThroughputExceeded", other},
		{"TableWriteProvisionedThroughputExceeded", throttled},
		{"TableWriteAccountLimitExceeded", throttled},
		{"", throttled},
	} {
		r := Result{Unprocessed: []int{0}, Throttled: []Reason{{Reason: test.reason}}}
		if test.reason == "" {
			r.Throttled = nil
		}
		if got := outcomeOf(r, nil); got != test.want {
			t.Errorf("%q is %v, want %v", test.reason, got, test.want)
		}
	}
	if outcomeOf(Result{}, nil) != taken || outcomeOf(Result{}, errors.New("broken")) != other {
		t.Error("a success or a failure is taken for something else")
	}
}
