package copier

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// collect reads everything and counts each item.
func collect(ctx context.Context, src Source, o ReadOptions) (map[string]int, error) {
	found := map[string]int{}
	for page, err := range Pages(ctx, src, o) {
		if err != nil {
			return found, err
		}
		for _, it := range page.Items {
			found[string(it)]++
		}
	}
	return found, nil
}

func TestPagesReadAll(t *testing.T) {
	for _, segments := range []int{1, 2, 7, 40} {
		synctest.Test(t, func(t *testing.T) {
			src := &table{segments: segments, n: 300, perPage: 4, empty: true, latency: time.Second}
			src.readErr = func(call int) error {
				switch call % 5 {
				case 1:
					return &Fault{Class: Throttled, Side: "source", Err: errors.New("slow down")}
				case 3:
					return &Fault{Class: Transient, Side: "source", Garbled: true, Err: errors.New("broken")}
				}
				return nil
			}
			stats := new(Stats)
			found, err := collect(t.Context(), src, ReadOptions{Readers: 8, Stats: stats})
			if err != nil || len(found) != 300 {
				t.Fatalf("%d segments: found %d of 300, %v", segments, len(found), err)
			}
			for it, times := range found {
				if times != 1 {
					t.Fatalf("%s came %d times", it, times)
				}
			}
			if c := stats.Count(); c.Read != 300 || c.Throttled == 0 || c.Retried == 0 {
				t.Fatalf("counted %+v", c)
			}
		})
	}
}

// One segment comes in order, and no page is read before it is wanted.
func TestPagesInTurn(t *testing.T) {
	src := &table{segments: 1, n: 20, perPage: 2}
	pages := 0
	for page, err := range Pages(t.Context(), src, ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"pk":{"S":"%d"}}`, 2*pages); string(page.Items[0]) != want {
			t.Fatalf("page %d begins with %s, want %s", pages, page.Items[0], want)
		}
		pages++
		if src.reads != pages {
			t.Fatalf("%d pages were read, %d wanted", src.reads, pages)
		}
	}
	if pages != 10 {
		t.Fatalf("%d pages", pages)
	}
}

// Whoever leaves the loop leaves nothing behind: the bubble would not end.
func TestPagesLeft(t *testing.T) {
	for _, segments := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			src := &table{segments: segments, n: 3000, perPage: 1, latency: time.Second}
			began := time.Now()
			for _, err := range Pages(t.Context(), src, ReadOptions{Readers: 8}) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if took := time.Since(began); took > time.Second {
				t.Fatalf("%d segments: left after %s", segments, took)
			}
			synctest.Wait()
			before := src.reads
			if err := pause(t.Context(), time.Hour); err != nil {
				t.Fatal(err)
			}
			if src.reads != before {
				t.Fatalf("%d segments: %d reads after the end", segments, src.reads-before)
			}
		})
	}
}

func TestPagesEnd(t *testing.T) {
	for _, segments := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			denied := &Fault{Class: Denied, Side: "source", Err: errors.New("no")}
			src := &table{segments: segments, n: 300, perPage: 1, readErr: func(call int) error {
				if call == 30 {
					return denied
				}
				return nil
			}}
			errs := 0
			for _, err := range Pages(t.Context(), src, ReadOptions{Readers: 4}) {
				if err != nil {
					errs++
					if !errors.Is(err, denied) {
						t.Fatalf("got %v", err)
					}
				}
			}
			if errs != 1 {
				t.Fatalf("%d errors", errs)
			}

			src = &table{segments: segments, n: 300, perPage: 1, readErr: func(int) error {
				return &Fault{Class: Throttled, Side: "source", Err: errors.New("slow down")}
			}}
			began := time.Now()
			_, err := collect(t.Context(), src, ReadOptions{Stall: 5 * time.Minute})
			if stall := (*StallError)(nil); !errors.As(err, &stall) {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(began); took < 4*time.Minute || took > 5*time.Minute {
				t.Fatalf("gave up after %s", took)
			}

			ctx, cancel := context.WithCancelCause(t.Context())
			stop := errors.New("stop")
			src = &table{segments: segments, n: 300, perPage: 1, latency: time.Second}
			time.AfterFunc(20*time.Second, func() { cancel(stop) })
			found, err := collect(ctx, src, ReadOptions{Readers: 2})
			if !errors.Is(err, stop) || len(found) == 0 || len(found) == 300 {
				t.Fatalf("got %v after %d items", err, len(found))
			}
		})
	}
}

// A page may be used until the next is asked for, and not longer.
func TestPagesAreUsedAgain(t *testing.T) {
	src := &table{segments: 8, n: 4000, perPage: 1}
	seen := map[*item.Page]bool{}
	for page, err := range Pages(t.Context(), src, ReadOptions{Readers: 4}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[page] = true
	}
	if len(seen) > 6 {
		t.Fatalf("%d pages in memory", len(seen))
	}
}
