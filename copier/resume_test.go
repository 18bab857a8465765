package copier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// marking is a table that knows the cursor after an item: its pages are cut
// anywhere.
type marking struct{ *table }

func (m marking) Cursor(it item.Item) (item.Cursor, error) {
	var at int
	if _, err := fmt.Sscanf(string(it), `{"pk":{"S":"%d"}}`, &at); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%d", at+m.segments), nil
}

var errKilled = errors.New("killed")

// A run that is stopped at any moment, and goes on at its last checkpoint,
// writes everything, closes its books, and repeats only what was in flight.
func TestResume(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			s := &table{segments: 1 + random.IntN(5), n: 3000, perPage: 1 + random.IntN(400), latency: 20 * time.Millisecond}
			var src Source = s
			if seed%3 != 0 {
				src = marking{s}
			}
			s.write = func(_ int, b []item.Write) (Result, error) {
				if random.IntN(4) == 0 {
					return Result{Unprocessed: []int{random.IntN(len(b))}}, nil
				}
				return Result{}, nil
			}
			stored := func() (n int64) {
				for _, times := range s.stored {
					n += int64(times)
				}
				return n
			}
			var at Checkpoint
			var behind, twice int64
			for lives := 0; ; lives++ {
				ctx, kill := context.WithCancelCause(t.Context())
				if lives < 4 {
					time.AfterFunc(time.Duration(random.IntN(400))*time.Millisecond, func() { kill(errKilled) })
				}
				last := at
				stats := new(Stats)
				err := Run(ctx, src, s, Options{Workers: 4, From: at, Stats: stats, Stall: time.Minute, Save: func(c Checkpoint) error {
					if lives%2 == 0 && ctx.Err() != nil {
						return nil // killed without a last checkpoint
					}
					if c.Written < last.Written {
						t.Errorf("the checkpoint went back from %d to %d", last.Written, c.Written)
					}
					last = c
					return nil
				}})
				kill(nil)
				at = last
				twice += stored() - behind - at.Written
				behind = stored()
				_ = twice
				if err == nil {
					if c := stats.Count(); c.Read != int64(s.n) || c.Written != int64(s.n) {
						t.Fatalf("seed %d: counted %+v", seed, c)
					}
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if len(s.stored) != s.n {
				t.Fatalf("seed %d: stored %d items of %d", seed, len(s.stored), s.n)
			}
			if !slices.ContainsFunc(at.Positions, func(p Position) bool { return p.Done }) || at.Written != int64(s.n) {
				t.Fatalf("seed %d: the last checkpoint is %+v", seed, at)
			}
		})
	}
}

// What is behind a checkpoint is in the table, always.
func TestCheckpointIsBehindTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 3, n: 5000, perPage: 250, latency: 30 * time.Millisecond}
		saves := 0
		err := Run(t.Context(), marking{s}, s, Options{Workers: 8, Save: func(c Checkpoint) error {
			saves++
			s.mu.Lock()
			defer s.mu.Unlock()
			for segment, p := range c.Positions {
				end := s.n
				if !p.Done {
					end = segment
					if p.Next != nil {
						if _, err := fmt.Sscan(string(p.Next), &end); err != nil {
							t.Error(err)
						}
					}
				}
				for at := segment; at < end; at += s.segments {
					if s.stored[fmt.Sprintf(`{"pk":{"S":"%d"}}`, at)] == 0 {
						t.Fatalf("segment %d is at %d, and %d is not stored", segment, end, at)
					}
				}
			}
			return nil
		}})
		if err != nil || saves < 5 {
			t.Fatalf("%d checkpoints, %v", saves, err)
		}
	})
}

func TestResumeElsewhere(t *testing.T) {
	s := &table{segments: 3, n: 10, perPage: 5}
	err := Run(t.Context(), s, s, Options{From: Checkpoint{Positions: make([]Position, 2)}})
	if err == nil || s.reads > 0 {
		t.Fatalf("%v after %d reads", err, s.reads)
	}
}

// A checkpoint that cannot be written ends the run.
func TestSaveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left")
		s := &table{segments: 2, n: 100_000, perPage: 100, latency: 10 * time.Millisecond}
		err := Run(t.Context(), s, s, Options{Save: func(Checkpoint) error { return full }})
		if !errors.Is(err, full) || len(s.stored) == s.n {
			t.Fatalf("got %v with %d items stored", err, len(s.stored))
		}
	})
}

// One bad item in a hundred: the others go in, these are handed out with the reason, for a few
// calls each.
func TestPoison(t *testing.T) {
	for _, class := range []Class{Invalid, TooLarge} {
		synctest.Test(t, func(t *testing.T) {
			s := &table{segments: 2, n: 2000, perPage: 100}
			bad := func(w item.Write) bool { return string(w.Raw[len(w.Raw)-5:]) == `37"}}` }
			s.write = func(_ int, b []item.Write) (Result, error) {
				if slices.ContainsFunc(b, bad) {
					return Result{}, &Fault{Class: class, Side: "target", Err: errors.New("wrong type")}
				}
				return Result{}, nil
			}
			var got []string
			stats := new(Stats)
			var last Checkpoint
			err := Run(t.Context(), s, s, Options{Workers: 1, Stats: stats, Save: func(c Checkpoint) error { last = c; return nil },
				Reject: func(w item.Write, f *Fault) error {
					if !bad(w) || f.Err.Error() != "wrong type" {
						t.Errorf("rejected %s: %v", w.Raw, f)
					}
					got = append(got, string(w.Raw))
					return nil
				}})
			if c := stats.Count(); err != nil || len(got) != 20 || c.Rejected != 20 || c.Written != 1980 || len(s.stored) != 1980 {
				t.Fatalf("%v, %d rejected, counted %+v", err, len(got), c)
			}
			if last.Rejected != 20 || last.Written != 1980 {
				t.Fatalf("the last checkpoint is %+v", last)
			}
			if most := 80 + 20*10; s.calls > most {
				t.Fatalf("%d calls, want at most %d", s.calls, most)
			}
		})
	}
}

func TestRejectFails(t *testing.T) {
	full := errors.New("no space left")
	s := &table{segments: 1, n: 10, perPage: 10}
	s.write = func(int, []item.Write) (Result, error) {
		return Result{}, &Fault{Class: Invalid, Side: "target", Err: errors.New("no")}
	}
	if err := Run(t.Context(), s, s, Options{Reject: func(item.Write, *Fault) error { return full }}); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
}

// One key that is never taken, while all others are, does not stop the run; a
// table that takes nothing at all does, and nothing is rejected for it.
func TestNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 2, n: 500, perPage: 50}
		s.write = func(_ int, b []item.Write) (r Result, _ error) {
			for i, w := range b {
				if string(w.Raw) == `{"pk":{"S":"123"}}` {
					r.Unprocessed = []int{i}
				}
			}
			return r, nil
		}
		var got []string
		err := Run(t.Context(), s, s, Options{Stall: time.Minute, Reject: func(w item.Write, _ *Fault) error {
			got = append(got, string(w.Raw))
			return nil
		}})
		if err != nil || len(got) != 1 || len(s.stored) != 499 {
			t.Fatalf("%v, rejected %v, stored %d", err, got, len(s.stored))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 2, n: 500, perPage: 50}
		s.write = func(_ int, b []item.Write) (r Result, _ error) {
			for i := range b {
				r.Unprocessed = append(r.Unprocessed, i)
			}
			return r, nil
		}
		err := Run(t.Context(), s, s, Options{Stall: time.Minute, Reject: func(item.Write, *Fault) error {
			t.Error("an item was rejected")
			return nil
		}})
		if stalled := (*StallError)(nil); !errors.As(err, &stalled) {
			t.Fatalf("got %v", err)
		}
	})
}

// A full outage of a minute costs few requests, and soon after it the run is as
// fast as it was.
func TestOutage(t *testing.T) {
	for _, class := range []Class{Transient, Throttled} {
		for _, workers := range []int{8, 64} {
			synctest.Test(t, func(t *testing.T) {
				const outageFrom, outageTo, back = 20 * time.Second, 80 * time.Second, 95 * time.Second
				began := time.Now()
				s := &table{segments: 64, n: 1 << 30, perPage: 100, latency: 200 * time.Millisecond}
				during := 0
				taken := map[int]int{} // by second
				s.write = func(_ int, b []item.Write) (Result, error) {
					s.stored = nil // only counted here
					now := time.Since(began)
					if now < outageFrom || now >= outageTo {
						taken[int(now/time.Second)] += len(b)
						return Result{}, nil
					}
					during++
					if class == Transient {
						return Result{}, &Fault{Class: Transient, Side: "target", Err: errors.New("503")}
					}
					var r Result
					for i := range b {
						r.Unprocessed = append(r.Unprocessed, i)
					}
					return r, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), back+5*time.Second)
				defer cancel()
				_ = Run(ctx, s, s, Options{Readers: 16, Workers: workers})
				if most := 14 * workers; during > most {
					t.Errorf("class %v, %d workers: %d requests in the outage, want at most %d", class, workers, during, most)
				}
				before, after := 0, 0
				for i := range 4 {
					before += taken[16+i]
					after += taken[int(back/time.Second)+i]
				}
				if before == 0 || after < before*9/10 {
					t.Errorf("class %v, %d workers: %d items in 4 s before the outage, %d from 15 s after it on", class, workers, before, after)
				}
				t.Logf("class %v, %d workers: %d requests in the outage; %d items in 4 s before, %d after", class, workers, during, before, after)
			})
		}
	}
}

// Over any five seconds no more than a tenth above the budget is consumed, and
// in the long run nearly all of it.
func TestBudgets(t *testing.T) {
	for _, units := range []float64{5, 50, 1000, 20_000} {
		for _, c := range []struct {
			name string
			Options
			index float64 // units of each write beyond the table's own
		}{
			{"reads", Options{ReadUnits: units}, 0},
			{"writes", Options{WriteUnits: units}, 0},
			{"writes to two indexes too", Options{WriteUnits: units, WriteCost: 3}, 2},
		} {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var used []spent
				s := &table{segments: 8, n: 1 << 30, latency: 10 * time.Millisecond}
				s.write = func(_ int, b []item.Write) (Result, error) {
					s.stored = nil
					cost := float64(len(b)) * (1 + c.index)
					if c.WriteUnits > 0 {
						used = append(used, spent{time.Since(began), cost})
					}
					return Result{Units: cost}, nil
				}
				src := &metered{table: s, spend: func(cost float64) {
					if c.ReadUnits > 0 {
						used = append(used, spent{time.Since(began), cost})
					}
				}}
				c.Workers = 32
				long := min(time.Minute, time.Duration(200_000/units)*time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), long)
				defer cancel()
				_ = Run(ctx, src, s, c.Options)
				name := fmt.Sprintf("%s at %v", c.name, units)
				requireBudget(t, name, used, units)
				if got := total(used) / long.Seconds(); got < units*0.85 {
					t.Errorf("%s: only %.1f units a second", name, got)
				}
			})
		}
	}
}

// metered is a table whose reads cost half a unit for each item, as items of
// 2 KB do, and that heeds the limit; a page has at most 512 items.
type metered struct {
	*table
	spend func(float64)
}

func (m *metered) Read(ctx context.Context, segment int, from item.Cursor, attempt int, p *item.Page) error {
	most := 512
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	short := &table{segments: m.segments, n: m.n, perPage: most, latency: m.latency}
	if err := short.Read(ctx, segment, from, attempt, p); err != nil {
		return err
	}
	p.Units = float64(len(p.Items)) / 2
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spend(p.Units)
	return nil
}

// A filter that hides nearly everything changes nothing in what a request should look at: what it costs
// goes by what was looked at.
func TestBudgetBehindAFilter(t *testing.T) {
	for _, segments := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			src := &sifted{table: &table{segments: segments, n: 40_000, latency: 10 * time.Millisecond}, each: 500}
			found, err := collect(t.Context(), src, ReadOptions{Readers: 4})
			if err != nil || len(found) != 80 {
				t.Fatalf("found %d, %v", len(found), err)
			}
			free := src.units // without a budget
			src.units, src.reads = 0, 0
			began := time.Now()
			sink := &table{n: 80}
			if err := Run(t.Context(), src, sink, Options{Readers: 4, ReadUnits: 100}); err != nil {
				t.Fatal(err)
			}
			if len(sink.stored) != 80 {
				t.Errorf("stored %d of 80", len(sink.stored))
			}
			took := time.Since(began)
			if src.units > free*1.2 || took > time.Duration(1.5*free/100*float64(time.Second)) {
				t.Errorf("%d segments: %.0f units in %s and %d requests, %.0f without a budget", segments, src.units, took, src.reads, free)
			}
		})
	}
}

// sifted is a table of items of 200 bytes, each a twentieth of a unit, of which a filter leaves one of so many.
type sifted struct {
	*table
	each  int
	units float64
}

func (s *sifted) Read(ctx context.Context, segment int, from item.Cursor, attempt int, p *item.Page) error {
	most := 5000
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	short := &table{segments: s.segments, n: s.n, perPage: most, latency: s.latency}
	if err := short.Read(ctx, segment, from, attempt, p); err != nil {
		return err
	}
	p.Scanned, p.Units = len(p.Items), math.Ceil(float64(len(p.Items))/20)
	n := 0
	for i, it := range p.Items {
		var number int
		if _, err := fmt.Sscanf(string(it), `{"pk":{"S":"%d"}}`, &number); err != nil {
			return err
		}
		if number/s.segments%s.each == s.each-1 {
			p.Items[n], p.Keys[n] = it, p.Keys[i]
			n++
		}
	}
	p.Items, p.Keys = p.Items[:n], p.Keys[:n]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units += p.Units
	s.reads++
	return nil
}

type spent struct {
	at    time.Duration
	units float64
}

func total(list []spent) (n float64) {
	for _, s := range list {
		n += s.units
	}
	return n
}

func requireBudget(t *testing.T, name string, list []spent, units float64) {
	t.Helper()
	const window = 5 * time.Second
	sum, first := 0.0, 0
	worst := 0.0
	for _, s := range list {
		sum += s.units
		for s.at-list[first].at >= window {
			sum -= list[first].units
			first++
		}
		worst = max(worst, sum)
	}
	if most := units * 5 * 1.1; worst > most+0.001 {
		t.Errorf("%s: %.1f units in five seconds, want at most %.1f", name, worst, most)
	}
	if len(list) == 0 {
		t.Errorf("%s: nothing was consumed", name)
	}
}
