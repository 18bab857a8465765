package copier

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// silent takes batches, but for a while in which no answer comes.
type silent struct {
	began    time.Time
	from, to time.Duration

	mu    sync.Mutex
	taken map[int]int // items, by second
}

func (s *silent) Write(ctx context.Context, b []item.Write, _ int) (Result, error) {
	if now := time.Since(s.began); now >= s.from && now < s.to {
		if err := pause(ctx, 10*time.Second); err != nil {
			return Result{}, err
		}
		return Result{}, &Fault{Class: Transient, Side: "target", Late: true, Slow: true, Err: errors.New("no answer")}
	}
	err := pause(ctx, 200*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[int(time.Since(s.began)/time.Second)] += len(b)
	return Result{}, err
}

// A side that never answers ends the run in time, although all but one of its requests wait for their turn.
func TestSilenceForEver(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			src := &table{segments: 64, n: 100_000, perPage: 25}
			sink := &silent{began: began, to: 100 * time.Hour}
			o := Options{Readers: 64, Workers: 64, Stall: 15 * time.Minute}
			var from Source = src
			if side == "source" {
				from = deaf{src}
			}
			err := Run(t.Context(), from, sink, o)
			if stalled := (*StallError)(nil); !errors.As(err, &stalled) {
				t.Fatalf("%s: got %v", side, err)
			}
			if took := time.Since(began); took > 17*time.Minute {
				t.Errorf("%s: it took %s", side, took)
			}
		})
	}
}

// deaf is a table that answers no read.
type deaf struct{ *table }

func (deaf) Read(ctx context.Context, _ int, _ item.Cursor, _ int, _ *item.Page) error {
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	return &Fault{Class: Transient, Side: "source", Slow: true, Err: errors.New("no answer")}
}

// A minute without an answer is no slow line: soon after it the run is nearly as fast as it was.
func TestSilence(t *testing.T) {
	for _, workers := range []int{8, 64} {
		synctest.Test(t, func(t *testing.T) {
			src := &table{segments: 64, n: 1 << 30, perPage: 100, latency: 200 * time.Millisecond}
			sink := &silent{began: time.Now(), from: 20 * time.Second, to: 80 * time.Second, taken: map[int]int{}}
			ctx, cancel := context.WithTimeout(t.Context(), 110*time.Second)
			defer cancel()
			_ = Run(ctx, src, sink, Options{Readers: 16, Workers: workers})
			before, after := 0, 0
			for i := range 4 {
				before += sink.taken[16+i]
				after += sink.taken[105+i]
			}
			t.Logf("%d workers: %d items in 4 s before, %d after", workers, before, after)
			if after < before*3/4 {
				t.Errorf("%d workers: %d items in 4 s before the silence, %d from 25 s after it on", workers, before, after)
			}
		})
	}
}
