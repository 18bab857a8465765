package copier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A ledgerOf notes what was found of items that are known by their numbers.
type ledgerOf struct {
	mu    sync.Mutex
	kinds map[int]Kind
}

func (l *ledgerOf) found(_ context.Context, list []Difference) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range list {
		var p, s int
		if _, err := fmt.Sscanf(string(d.Key), `{"pk":{"S":"p%d"},"sk":{"N":"%d"}}`, &p, &s); err != nil {
			return fmt.Errorf("key %s: %w", d.Key, err)
		}
		if before, ok := l.kinds[p*10+s]; ok {
			return fmt.Errorf("item %d is %s after it was %s", p*10+s, d.Kind, before)
		}
		l.kinds[p*10+s] = d.Kind
	}
	return nil
}

// Many items in orders that have nothing in common, in two megabytes: the join is exact, the
// rest has been on disk, where nobody else could read it, and nothing is left there.
func TestJoinSpills(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const n = 100_000
	for _, items := range []bool{false, true} {
		t.Run(fmt.Sprintf("items %v", items), func(t *testing.T) {
			source, target := bigHalves(n)
			source.version = func(n int) int {
				if n%100 == 3 {
					return 0
				}
				return 1
			}
			target.version = func(n int) int {
				switch n % 100 {
				case 1:
					return 2
				case 2:
					return 0
				}
				return 1
			}
			l := &ledgerOf{kinds: map[int]Kind{}}
			opts := JoinOptions{Schema: joinSchema, Found: l.found, Memory: 2 << 20, Dir: t.TempDir(), Stats: new(JoinStats), Items: items}
			one, other := Half{Source: source}, Half{Source: target}
			if items {
				one.Getter, other.Getter = source, target
			}
			var named atomic.Int64
			opts.spillFile = func(dir string) (spillFile, error) {
				f, err := createSpill(dir)
				if left, _ := os.ReadDir(dir); len(left) > 0 {
					named.Add(1)
				}
				return f, err
			}
			if err := Join(t.Context(), one, other, opts); err != nil {
				t.Fatal(err)
			}
			wants := map[int]Kind{1: Differs, 2: OnlySource, 3: OnlyTarget}
			for i := range n {
				kind, ok := l.kinds[i]
				want, differs := wants[i%100]
				if ok != differs || kind != want {
					t.Fatalf("item %d: got %v %v, want %v %v", i, ok, kind, differs, want)
				}
			}
			c := opts.Stats.Count()
			if c.Spilled < n/2 {
				t.Fatalf("%d items spilled: nothing is shown", c.Spilled)
			}
			if c.Held > opts.Memory || c.Held < opts.Memory/4 {
				t.Fatalf("%d bytes were held, %d are allowed", c.Held, opts.Memory)
			}
			if named.Load() > 0 && runtime.GOOS != "windows" {
				t.Fatal("the file can be found by its name")
			}
			if left, err := os.ReadDir(opts.Dir); err != nil || len(left) > 0 {
				t.Fatalf("left behind: %v, %v", left, err)
			}
		})
	}
}

func (m *made) Get(_ context.Context, keys [][]byte, _ int, p *item.Page) ([]int, error) {
	var raws []string
	for _, key := range keys {
		var pk, sk int
		if _, err := fmt.Sscanf(string(key), `{"pk":{"S":"p%d"},"sk":{"N":"%d"}}`, &pk, &sk); err != nil {
			return nil, err
		}
		if v := m.version(pk*10 + sk); v > 0 {
			raws = append(raws, fmt.Sprintf(`{"pk":{"S":"p%d"},"pad":{"S":"%s"},"v":{"N":"%d"},"sk":{"N":"%d"}}`, pk, m.pad, v, sk))
		}
	}
	return nil, fill(p, raws)
}

func TestSpillFileIsOurs(t *testing.T) {
	dir := t.TempDir()
	f, err := createSpill(dir)
	if err != nil {
		t.Fatal(err)
	}
	var file *os.File
	switch f := f.(type) {
	case *os.File:
		file = f
	case *namedFile:
		file = f.File
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Fatalf("mode %v", info.Mode())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Where a file in use keeps its name, closing removes it.
	name := filepath.Join(dir, "named")
	held, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&namedFile{held}).Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

// What is written in sections comes back sorted, keys of any length, and of two sightings the later one.
func TestSpilledComesBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	w := newWindow(&join{JoinOptions: JoinOptions{Dir: t.TempDir(), Memory: 1 << 20, Stats: new(JoinStats)}})
	defer func() {
		if err := w.spill.close(); err != nil {
			t.Error(err)
		}
	}()
	s := &w.shards[0]
	latest := map[item.KeyHash][2]spilled{}
	older := map[item.KeyHash][2]int64{}
	for range 20 {
		var all []spilled
		mine := map[[3]uint64]bool{}
		for range 300 {
			e := spilled{
				hash: item.KeyHash{random.Uint64N(50), random.Uint64N(50)}, which: uint8(random.IntN(2)), digest: item.Digest(random.Uint64()),
				key: []byte(strings.Repeat("k", 1+random.IntN(1+random.IntN(3000)))),
			}
			if random.IntN(500) == 0 {
				e.key = make([]byte, 2*blockSize)
			}
			if id := [3]uint64{e.hash[0], e.hash[1], uint64(e.which)}; mine[id] {
				continue
			} else {
				mine[id] = true
			}
			l, o := latest[e.hash], older[e.hash]
			if l[e.which].key != nil {
				o[e.which]++
			}
			l[e.which] = e
			latest[e.hash], older[e.hash] = l, o
			all = append(all, e)
		}
		run, err := s.spill.write(all)
		if err != nil {
			t.Fatal(err)
		}
		s.runs = append(s.runs, run)
	}
	for range 2 {
		var before item.KeyHash
		seen := 0
		err := s.groups(func(g *group) error {
			if seen > 0 && compareHashes(before, g.hash) >= 0 {
				t.Fatalf("%x after %x", g.hash, before)
			}
			before = g.hash
			seen++
			for which, e := range latest[g.hash] {
				h := g.halves[which]
				if h.seen != (e.key != nil) || h.seen && (h.digest != e.digest || !slices.Equal(h.key, e.key)) || g.older[which] != older[g.hash][which] {
					t.Fatalf("%x, %s: got digest %x and %d older", g.hash, halfNames[which], h.digest, g.older[which])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen != len(latest) {
			t.Fatalf("%d keys, want %d", seen, len(latest))
		}
	}
}

// BenchmarkJoin is the price of a pair of items, and the memory that the process has at most, for tables in
// one order and in two, with bytes that agree and bytes that do not.
func BenchmarkJoin(b *testing.B) {
	for _, c := range []struct {
		name   string
		size   int
		stride int
		other  bool // other bytes, so that digests decide
		memory int64
	}{
		{"200 B, one order", 200, 1, false, 0},
		{"200 B, one order, other bytes", 200, 1, true, 0},
		{"1 KB, one order", 1000, 1, false, 0},
		{"1 KB, one order, other bytes", 1000, 1, true, 0},
		{"1 KB, two orders", 1000, 7919, true, 0},
		{"1 KB, two orders, 4 MB", 1000, 7919, true, 4 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			const n = 100_000
			pad := strings.Repeat("x", c.size-60)
			source, target := &replay{}, &replay{}
			source.make(b, &made{n: n, stride: 1, page: 1000, pad: pad, version: func(int) int { return 1 }}, false)
			target.make(b, &made{n: n, stride: c.stride, page: 1000, pad: pad, version: func(int) int { return 1 }}, c.other)
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.ReportAllocs()
			b.ResetTimer()
			pairs := 0
			for b.Loop() {
				opts := JoinOptions{Schema: joinSchema, Memory: c.memory, Dir: b.TempDir(), Stats: new(JoinStats), Readers: 2, Found: func(context.Context, []Difference) error { return nil }}
				if err := Join(b.Context(), Half{Source: source}, Half{Source: target}, opts); err != nil {
					b.Fatal(err)
				}
				if got := opts.Stats.Count(); got.Equal != n {
					b.Fatalf("counted %+v", got)
				}
				pairs += n
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(pairs)/b.Elapsed().Seconds(), "pairs/s")
			b.ReportMetric(float64(int64(after.HeapSys)-int64(before.HeapSys))/(1<<20), "MB-more")
		})
	}
}

// A replay gives out pages that were made before, so that making them costs nothing.
type replay struct{ pages [8][]item.Page }

func (r *replay) make(b *testing.B, m *made, other bool) {
	for segment := range r.pages {
		for from := item.Cursor(nil); ; {
			var p item.Page
			if err := m.Read(b.Context(), segment, from, 1, &p); err != nil {
				b.Fatal(err)
			}
			if other {
				var raws []string
				for _, it := range p.Items {
					raws = append(raws, strings.Replace(string(it), `"v":{"N":"1"}`, `"v":{"N":"1.0"}`, 1))
				}
				next := p.Next
				p = item.Page{Next: next}
				if err := fill(&p, raws); err != nil {
					b.Fatal(err)
				}
			}
			r.pages[segment] = append(r.pages[segment], p)
			if from = p.Next; from == nil {
				break
			}
		}
	}
}

func (r *replay) Segments() int { return len(r.pages) }

func (r *replay) Read(_ context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	i := 0
	if from != nil {
		i = int(from[0])
	}
	was := r.pages[segment][i]
	p.Reset()
	p.Items, p.Units = append(p.Items, was.Items...), 1
	if was.Next != nil {
		p.Next = item.Cursor{byte(i + 1)}
	}
	return nil
}
