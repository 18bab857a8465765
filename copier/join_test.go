package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

var joinSchema = item.Schema{Partition: item.Attr{Name: "pk", Type: item.String}, Sort: item.Attr{Name: "sk", Type: item.Number}}

// keyOf is the key of item n, as the join should give it out.
func keyOf(n int) string { return fmt.Sprintf(`{"pk":{"S":"p%d"},"sk":{"N":"%d"}}`, n/10, n%10) }

// itemOf is item n in some version.
func itemOf(n, version int) string {
	return fmt.Sprintf(`{"sk":{"N":"%d"},"v":{"N":"%d"},"pk":{"S":"p%d"}}`, n%10, version, n/10)
}

// itemAgain is the same by value, in other bytes.
func itemAgain(n, version int) string {
	return fmt.Sprintf(`{"pk":{"S":"\u0070%d"},"v":{"N":"%d.0"},"sk":{"N":"%dE0"}}`, n/10, version, n%10)
}

// A joined is one table of a join, in memory.
type joined struct {
	segments [][]string
	perPage  int
	stored   map[string]string // by key; what Get answers
	latency  time.Duration
	readErr  func(call int64) error
	getErr   func(call int64) error
	partial  bool // answer only half of what Get is asked for

	reads, gets, asked atomic.Int64
}

func (s *joined) Segments() int { return len(s.segments) }

func (s *joined) Read(ctx context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	if err := pause(ctx, s.latency); err != nil {
		return err
	}
	call := s.reads.Add(1)
	p.Reset()
	if s.readErr != nil {
		if err := s.readErr(call); err != nil {
			return err
		}
	}
	at := 0
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return err
		}
	}
	all := s.segments[segment]
	end := min(at+s.perPage, len(all))
	if err := fill(p, all[at:end]); err != nil {
		return err
	}
	if end < len(all) {
		p.Next = fmt.Appendf(nil, "%d", end)
	}
	return nil
}

// fill puts items into a page, all in its buffer, as a reply has them.
func fill(p *item.Page, raws []string) error {
	for _, raw := range raws {
		p.Buf = append(p.Buf, raw...)
	}
	from := 0
	for _, raw := range raws {
		p.Items = append(p.Items, item.Item(p.Buf[from:from+len(raw):from+len(raw)]))
		from += len(raw)
	}
	p.Units = 1
	return nil
}

func (s *joined) Get(ctx context.Context, keys [][]byte, _ int, p *item.Page) ([]int, error) {
	if err := pause(ctx, s.latency); err != nil {
		return nil, err
	}
	call := s.gets.Add(1)
	if s.getErr != nil {
		if err := s.getErr(call); err != nil {
			return nil, err
		}
	}
	if len(keys) > MaxGet {
		return nil, fmt.Errorf("%d keys", len(keys))
	}
	var raws []string
	var unprocessed []int
	seen := map[string]bool{}
	for i, key := range keys {
		if s.partial && len(keys) > 1 && i%2 == 1 {
			unprocessed = append(unprocessed, i)
			continue
		}
		s.asked.Add(1)
		canonical := canonicalKey(string(key))
		if seen[canonical] {
			return nil, errors.New("the list of keys contains duplicates")
		}
		seen[canonical] = true
		if raw, ok := s.stored[canonical]; ok {
			raws = append(raws, raw)
		}
	}
	err := fill(p, raws)
	p.Units = float64(len(seen))
	return unprocessed, err
}

func canonicalKey(raw string) string {
	print, err := item.Item(raw).Fingerprint()
	if err != nil {
		panic(err)
	}
	return print
}

// store makes Get answer with what the segments hold, the last item for each key.
func (s *joined) store() *joined {
	s.stored = map[string]string{}
	for _, segment := range s.segments {
		for _, raw := range segment {
			s.put(raw)
		}
	}
	return s
}

func (s *joined) put(raw string) {
	f, err := item.Parse([]byte(raw), joinSchema)
	if err != nil {
		panic(err)
	}
	s.stored[canonicalKey(string(f.AppendKey(nil, joinSchema)))] = raw
}

// A tableOf makes a table of items: number to version, in an order, cut into segments.
func tableOf(items map[int]int, segments int, order func([]int), write func(n, version int) string) *joined {
	numbers := slices.Sorted(maps.Keys(items))
	order(numbers)
	s := &joined{segments: make([][]string, segments), perPage: 10, latency: time.Millisecond}
	for i, n := range numbers {
		at := i * segments / len(numbers)
		s.segments[at] = append(s.segments[at], write(n, items[n]))
	}
	return s.store()
}

func inOrder([]int)    {}
func reversed(n []int) { slices.Reverse(n) }
func shuffled(n []int) {
	rand.New(rand.NewPCG(7, uint64(len(n)))).Shuffle(len(n), func(i, j int) { n[i], n[j] = n[j], n[i] })
}

// upTo are the items 0 to n-1 in version 1.
func upTo(n int) map[int]int {
	items := map[int]int{}
	for i := range n {
		items[i] = 1
	}
	return items
}

// A finding is what a join gave out, checked while it did.
type finding struct {
	t     *testing.T
	items bool

	mu     sync.Mutex
	kinds  map[string]Kind
	extras bool // whether an OnlyTarget has come
}

func (f *finding) found(_ context.Context, list []Difference) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	here := map[string]bool{}
	for _, d := range list {
		key := canonicalKey(string(d.Key))
		if here[key] {
			f.t.Errorf("%s twice at once", d.Key)
		}
		here[key] = true
		if before, ok := f.kinds[key]; ok {
			f.t.Errorf("%s is %s after it was %s", d.Key, d.Kind, before)
		}
		f.kinds[key] = d.Kind
		if d.Kind == OnlyTarget {
			f.extras = true
		} else if f.extras {
			f.t.Errorf("%s %s comes after an extra", d.Key, d.Kind)
		}
		if (d.Source == nil) != (d.Kind == OnlyTarget) && (f.items || d.Source != nil) {
			f.t.Errorf("%s %s has the source item %s", d.Key, d.Kind, d.Source)
		}
		if (d.Target == nil) != (d.Kind == OnlySource) && (f.items || d.Target != nil) {
			f.t.Errorf("%s %s has the target item %s", d.Key, d.Kind, d.Target)
		}
		for _, it := range []item.Item{d.Source, d.Target} {
			if it == nil {
				continue
			}
			p, err := item.Parse(it, joinSchema)
			if err != nil || canonicalKey(string(p.AppendKey(nil, joinSchema))) != key {
				f.t.Errorf("%s has the item %s", d.Key, it)
			}
		}
	}
	return nil
}

// requireExactly compares what was found with what the two sets of items say.
func (f *finding) requireExactly(source, target map[int]int) (differs, onlySource, onlyTarget int64) {
	f.t.Helper()
	want := map[string]Kind{}
	for n, version := range source {
		switch other, ok := target[n]; {
		case !ok:
			want[canonicalKey(keyOf(n))] = OnlySource
			onlySource++
		case other != version:
			want[canonicalKey(keyOf(n))] = Differs
			differs++
		}
	}
	for n := range target {
		if _, ok := source[n]; !ok {
			want[canonicalKey(keyOf(n))] = OnlyTarget
			onlyTarget++
		}
	}
	if !maps.Equal(f.kinds, want) {
		f.t.Fatalf("found %d differences, want %d (%d differ, %d only in the source, %d only in the target)", len(f.kinds), len(want), differs, onlySource, onlyTarget)
	}
	return differs, onlySource, onlyTarget
}

func joining(t *testing.T, opts *JoinOptions) *finding {
	f := &finding{t: t, items: opts.Items, kinds: map[string]Kind{}}
	opts.Schema, opts.Found = joinSchema, f.found
	if opts.Stats == nil {
		opts.Stats = new(JoinStats)
	}
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	return f
}

// changed alters, removes and adds some of the items.
func changed(items map[int]int, every int) map[int]int {
	out := maps.Clone(items)
	for n := range items {
		switch n % every {
		case 1:
			out[n]++
		case 2:
			delete(out, n)
		case 3:
			delete(out, n)
			out[n+1_000_000] = 1
		}
	}
	return out
}

func TestJoinIsExact(t *testing.T) {
	for _, c := range []struct {
		name           string
		source, target map[int]int
		segments       [2]int
		order          func([]int)
		write          func(n, version int) string
		opts           JoinOptions
		gettersOff     bool
	}{
		{"two empty tables", nil, nil, [2]int{1, 1}, inOrder, itemOf, JoinOptions{}, false},
		{"an empty source", nil, upTo(500), [2]int{4, 4}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"an empty target", upTo(500), nil, [2]int{4, 4}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"equal tables", upTo(3000), upTo(3000), [2]int{8, 8}, inOrder, itemOf, JoinOptions{}, false},
		{"equal tables in other bytes", upTo(3000), upTo(3000), [2]int{8, 8}, inOrder, itemAgain, JoinOptions{}, false},
		{"some differences", upTo(3000), changed(upTo(3000), 50), [2]int{8, 8}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"some differences in other bytes", upTo(3000), changed(upTo(3000), 50), [2]int{8, 8}, inOrder, itemAgain, JoinOptions{Items: true}, false},
		{"reversed", upTo(3000), changed(upTo(3000), 50), [2]int{8, 8}, reversed, itemAgain, JoinOptions{Items: true}, false},
		{"shuffled", upTo(3000), changed(upTo(3000), 50), [2]int{8, 8}, shuffled, itemOf, JoinOptions{Items: true}, false},
		{"shuffled, one reader", upTo(3000), changed(upTo(3000), 10), [2]int{8, 8}, shuffled, itemOf, JoinOptions{Items: true, Readers: 1, Pages: 1}, false},
		{"other segments", upTo(3000), changed(upTo(3000), 50), [2]int{3, 8}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"one segment against many", upTo(3000), changed(upTo(3000), 50), [2]int{1, 32}, shuffled, itemOf, JoinOptions{Items: true}, false},
		{"many segments against one", upTo(3000), changed(upTo(3000), 50), [2]int{32, 1}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"nothing in common", upTo(1000), changed(upTo(1000), 1), [2]int{8, 8}, inOrder, itemOf, JoinOptions{Items: true}, false},
		{"tables that cannot be asked", upTo(3000), changed(upTo(3000), 10), [2]int{8, 8}, shuffled, itemOf, JoinOptions{}, true},
		{"without the items", upTo(3000), changed(upTo(3000), 10), [2]int{8, 8}, shuffled, itemOf, JoinOptions{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "nothing in common" {
				c.target = map[int]int{}
				for n := range c.source {
					c.target[n+5000] = 1
				}
			}
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				c.opts.Dir = dir
				f := joining(t, &c.opts)
				source, target := tableOf(c.source, c.segments[0], inOrder, itemOf), tableOf(c.target, c.segments[1], c.order, c.write)
				one, other := Half{Source: source, Getter: source, Stats: new(Stats)}, Half{Source: target, Getter: target, Stats: new(Stats)}
				if c.gettersOff {
					one.Getter, other.Getter = nil, nil
				}
				if err := Join(t.Context(), one, other, c.opts); err != nil {
					t.Fatal(err)
				}
				differs, onlySource, onlyTarget := f.requireExactly(c.source, c.target)
				n := c.opts.Stats.Count()
				if n.Source != int64(len(c.source)) || n.Target != int64(len(c.target)) || n.Differs != differs || n.OnlySource != onlySource ||
					n.OnlyTarget != onlyTarget || n.Extras != onlyTarget || n.Equal != n.Source-differs-onlySource || n.Gone+n.Again != 0 || n.Spilled != 0 {
					t.Fatalf("counted %+v", n)
				}
				if one.Stats.Count().Read != n.Source || other.Stats.Count().Read != n.Target {
					t.Fatalf("the halves counted %+v and %+v", one.Stats.Count(), other.Stats.Count())
				}
				if units := other.Stats.Count().ReadUnits; units != float64(target.reads.Load()+target.asked.Load()) {
					t.Fatalf("%v units", units)
				}
			})
		})
	}
}

// Where the orders agree, hardly anything waits, although pages hold different numbers of items, one
// table is slower, and one has stretches that the other lacks.
func TestJoinKeepsLittleWaiting(t *testing.T) {
	for _, c := range []struct {
		name    string
		target  func(n int) bool
		perPage int
	}{
		{"equal tables", func(int) bool { return true }, 23},
		{"a target that lacks every tenth", func(n int) bool { return n%10 != 0 }, 17},
		{"a target that lacks stretches", func(n int) bool { return n%1000 > 40 }, 10},
		{"a target that has every tenth only", func(n int) bool { return n%10 == 0 }, 10},
		{"equal tables with small pages in the target", func(int) bool { return true }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Readers: 4}
				f := joining(t, &opts)
				items := map[int]int{}
				onlySource := int64(0)
				for n := range 10_000 {
					if c.target(n) {
						items[n] = 1
					} else {
						onlySource++
					}
				}
				source, target := &joined{perPage: 10, latency: time.Millisecond}, &joined{perPage: c.perPage, latency: 7 * time.Millisecond}
				for segment := range 8 { // the same stretch of keys in both
					source.segments, target.segments = append(source.segments, nil), append(target.segments, nil)
					for n := segment * 1250; n < (segment+1)*1250; n++ {
						source.segments[segment] = append(source.segments[segment], itemOf(n, 1))
						if c.target(n) {
							target.segments[segment] = append(target.segments[segment], itemOf(n, 1))
						}
					}
				}
				source.store()
				target.store()
				if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
					t.Fatal(err)
				}
				f.requireExactly(upTo(10_000), items)
				if n := opts.Stats.Count(); n.Waiting > onlySource+200 {
					t.Fatalf("%d items waited, %d of them alone: %+v", n.Waiting, onlySource, n)
				}
			})
		})
	}
}

// Of two sightings the later counts, although both lie at the same place of their pages and the first page goes first.
func TestJoinForgetsTheEarlierSighting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Readers: 1, Pages: 6}
		f := joining(t, &opts)
		source, target := tableOf(upTo(500), 1, inOrder, itemOf), tableOf(upTo(500), 1, reversed, itemOf)
		first := []string{itemOf(9, 1)} // and nine that come again at the same places of the second page
		rest := slices.Delete(source.segments[0], 9, 10)
		for n := range 9 {
			first = slices.Insert(first, n, itemOf(n, 9))
		}
		source.segments[0] = append(first, rest...)
		if err := Join(t.Context(), Half{Source: source}, Half{Source: target}, opts); err != nil {
			t.Fatal(err)
		}
		if n := opts.Stats.Count(); len(f.kinds) != 0 || n.Again != 9 || n.Equal != 500 {
			t.Fatalf("found %d differences, counted %+v", len(f.kinds), n)
		}
	})
}

// No call of Found has a key twice, also where a table shows an item twice in a page.
func TestJoinGivesNoKeyTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Readers: 1}
		joining(t, &opts)
		source, target := tableOf(upTo(100), 1, inOrder, itemOf), tableOf(nil, 1, inOrder, itemOf)
		source.segments[0] = slices.Insert(source.segments[0], 55, itemOf(52, 2), itemOf(52, 3))
		var versions []string
		opts.Found = func(_ context.Context, list []Difference) error {
			times := 0
			for _, d := range list {
				if string(d.Key) == keyOf(52) {
					times++
					versions = append(versions, string(d.Source))
				}
			}
			if times > 1 {
				t.Errorf("a key stands %d times in one list", times)
			}
			return nil
		}
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		if want := []string{itemOf(52, 1), itemOf(52, 2), itemOf(52, 3)}; !slices.Equal(versions, want) {
			t.Fatalf("got %q, want %q", versions, want)
		}
	})
}

// Whatever the tables' sizes, orders, segments and pages, whatever memory there is and however often a read has to be
// repeated: what the join finds is what a map finds.
func TestJoinAnyTables(t *testing.T) {
	spilled := int64(0)
	for seed := range uint64(150) {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			orders := []func([]int){inOrder, reversed, func(n []int) { r.Shuffle(len(n), func(i, j int) { n[i], n[j] = n[j], n[i] }) }}
			tables := [2]map[int]int{{}, {}}
			for n := range r.IntN(600) {
				for which := range tables {
					if r.IntN(5) > 0 {
						tables[which][n] = 1 + r.IntN(10)/9
					}
				}
			}
			opts := JoinOptions{
				Items: r.IntN(2) == 0, Readers: 1 + r.IntN(5), Pages: r.IntN(30), Dir: dir,
				Memory: []int64{1, 5_000, 50_000, 0}[r.IntN(4)], Eventual: r.IntN(2) == 0,
			}
			f := joining(t, &opts)
			var halves [2]Half
			failing := []int64{2, 7, 1 << 40}[r.IntN(3)]
			for which := range halves {
				s := tableOf(tables[which], 1+r.IntN(9), orders[r.IntN(3)], []func(int, int) string{itemOf, itemAgain}[r.IntN(2)])
				s.perPage, s.latency, s.partial = 1+r.IntN(40), time.Duration(r.IntN(5))*time.Millisecond, r.IntN(2) == 0
				s.readErr = func(call int64) error {
					if call%failing == 1 {
						return &Fault{Class: Transient, Side: halfNames[which], Err: errors.New("broken")}
					}
					return nil
				}
				s.getErr = s.readErr
				halves[which] = Half{Source: s}
				if opts.Items || r.IntN(2) == 0 {
					halves[which].Getter = s
				}
			}
			if err := Join(t.Context(), halves[sourceHalf], halves[targetHalf], opts); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			f.requireExactly(tables[sourceHalf], tables[targetHalf])
			spilled += opts.Stats.Count().Spilled
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Fatalf("left behind: %v, %v", left, err)
		}
	}
	if spilled < 1000 {
		t.Fatalf("%d items spilled: little is shown", spilled)
	}
}
