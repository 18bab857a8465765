package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A line moves so many bytes a second, shared among all that is under way, and gives an attempt up as the wire does: after 10 s,
// and the time that 8 KB/s take for what is sent and for what has come.
type line struct {
	rate int

	mu     sync.Mutex
	active int
	wasted int // bytes of attempts that were given up
}

func (l *line) move(ctx context.Context, sent, answer int) error {
	l.mu.Lock()
	l.active++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.active--
		l.mu.Unlock()
	}()
	const tick = 250 * time.Millisecond
	began, moved := time.Now(), 0
	for moved < sent+answer {
		if err := pause(ctx, tick); err != nil {
			return err
		}
		l.mu.Lock()
		moved += int(float64(l.rate) * tick.Seconds() / float64(l.active))
		l.mu.Unlock()
		if time.Since(began) > 10*time.Second+time.Duration(sent+max(0, moved-sent))*time.Second/(8<<10) {
			l.mu.Lock()
			l.wasted += moved
			l.mu.Unlock()
			return &Fault{Class: Transient, Late: true, Slow: true, Side: "line", Err: errors.New("too slow")}
		}
	}
	return nil
}

// distant is a table at the end of a line. Its items are of one size, of which 1 MB fits in a page and all in an answer to Get.
type distant struct {
	segments, n, size int
	line              line

	mu     sync.Mutex
	stored map[uint64]int
}

func (d *distant) Segments() int { return d.segments }

func (d *distant) Read(ctx context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	p.Reset()
	at := segment
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return err
		}
	}
	most := max(1, 1<<20/d.size)
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	for ; at < d.n && len(p.Items) < most; at += d.segments {
		if err := d.add(p, fmt.Appendf(nil, `{"pk":{"S":"%d"}}`, at)); err != nil {
			return err
		}
	}
	if at < d.n {
		p.Next = fmt.Appendf(nil, "%d", at)
	}
	return d.line.move(ctx, 500, len(p.Items)*d.size+100)
}

func (d *distant) add(p *item.Page, raw []byte) error {
	f, err := item.Parse(raw, schema)
	if err != nil {
		return err
	}
	key, err := f.Hash(schema)
	p.Items, p.Keys = append(p.Items, f.Item), append(p.Keys, key)
	return err
}

func (d *distant) Get(ctx context.Context, keys [][]byte, _ int, p *item.Page) ([]int, error) {
	p.Reset()
	for _, key := range keys {
		var at int
		if _, err := fmt.Sscanf(string(key), `{"pk":{"S":"%d"}}`, &at); err != nil || at >= d.n {
			continue
		}
		if err := d.add(p, slices.Clone(key)); err != nil {
			return nil, err
		}
	}
	return nil, d.line.move(ctx, 50*len(keys), len(keys)*d.size)
}

func (d *distant) Write(ctx context.Context, batch []item.Write, _ int) (Result, error) {
	if err := d.line.move(ctx, len(batch)*d.size, 100); err != nil {
		return Result{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range batch {
		d.stored[w.Key]++
	}
	return Result{}, nil
}

const (
	mbit  = 1e6 / 8
	large = 390 << 10
)

// Whatever the line, everything arrives, in not much more than the time that the line takes for it.
func TestSlowLines(t *testing.T) {
	for _, c := range []struct {
		name                       string
		size, n                    int
		readers, workers, segments int
		source, target             float64 // Mbit/s; 0 for a fast one
	}{
		{"large items, 64 readers", large, 100, 64, 64, 64, 0.5, 0},
		{"large items, many writers", large, 100, 8, 64, 64, 0, 0.5},
		{"large items, both", large, 100, 64, 64, 64, 1, 1},
		{"small items, 64 readers", 1000, 100_000, 64, 64, 256, 12, 0},
		{"small items, 64 readers, 1 Mbit/s", 1000, 30_000, 64, 64, 256, 1, 0},
		{"small items, many writers", 1000, 30_000, 64, 256, 64, 0, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fast := func(mbits float64) int {
					if mbits == 0 {
						return 1 << 30
					}
					return int(mbits * mbit)
				}
				src := &distant{segments: c.segments, n: c.n, size: c.size, line: line{rate: fast(c.source)}}
				sink := &distant{size: c.size, line: line{rate: fast(c.target)}, stored: map[uint64]int{}}
				began := time.Now()
				stats := new(Stats)
				if err := Run(t.Context(), src, sink, Options{Readers: c.readers, Workers: c.workers, Stats: stats}); err != nil {
					t.Fatalf("%v after %s, %+v", err, time.Since(began), stats.Count())
				}
				if len(sink.stored) != c.n {
					t.Fatalf("%d of %d items arrived", len(sink.stored), c.n)
				}
				least := time.Duration(float64(c.size*c.n) / float64(min(src.line.rate, sink.line.rate)) * float64(time.Second))
				took := time.Since(began)
				t.Logf("%s, the line alone takes %s; %d and %d MB wasted", took, least, src.line.wasted>>20, sink.line.wasted>>20)
				if took > least*3/2+90*time.Second {
					t.Errorf("took %s, the line alone %s", took, least)
				}
			})
		})
	}
}

// What a join reads back comes over a slow line, too.
func TestJoinOverASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &distant{segments: 64, n: 60, size: large, line: line{rate: 0.5 * mbit}}
		target := &distant{segments: 64, n: 100, size: large, line: line{rate: 0.5 * mbit}}
		var found []string
		var mu sync.Mutex
		err := Join(t.Context(), Half{Source: src, Getter: src}, Half{Source: target, Getter: target}, JoinOptions{
			Schema: schema, Items: true, Readers: 64, Partial: true,
			Found: func(_ context.Context, list []Difference) error {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range list {
					found = append(found, string(d.Key))
				}
				return nil
			},
		})
		if err != nil || len(found) != 40 {
			t.Fatalf("%v, found %v", err, found)
		}
		t.Logf("%d and %d MB wasted", src.line.wasted>>20, target.line.wasted>>20)
	})
}

// A batch that waits in our own queue for longer than a run may go without progress, as on a slow line, is not
// given up when it fails once more.
func TestTheQueueIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{segments: 1, n: 200 * 25, perPage: 25, latency: time.Minute}
		attempts := map[string]int{}
		s.write = func(call int, b []item.Write) (Result, error) {
			attempts[string(b[0].Raw)]++
			switch n := attempts[string(b[0].Raw)]; {
			case call <= 8:
				return Result{}, &Fault{Class: Transient, Slow: true, Side: "target", Err: errors.New("too slow")}
			case n == 2:
				return Result{}, &Fault{Class: Transient, Side: "target", Err: errors.New("500")}
			}
			return Result{}, nil
		}
		src := &table{segments: 1, n: s.n, perPage: 25}
		if err := Run(t.Context(), src, s, Options{Workers: 200, Pages: 210}); err != nil {
			t.Fatal(err)
		}
		src.stored, src.n = s.stored, s.n
		src.requireAll(t)
	})
}
