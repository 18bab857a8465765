package copier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// halvesOf are two tables with differences of every kind.
func halvesOf(n int, order func([]int)) (source, target *joined) {
	return tableOf(upTo(n), 4, inOrder, itemOf), tableOf(changed(upTo(n), 10), 4, order, itemOf)
}

func asHalf(s *joined) Half { return Half{Source: s, Getter: s} }

// Whatever fails, at whatever call: no extra is given out.
func TestJoinGivesNoExtraAfterAnError(t *testing.T) {
	broken := &Fault{Class: Denied, Side: "source", Err: errors.New("no")}
	for _, side := range []string{"source", "target"} {
		for at := int64(1); ; at++ {
			done := false
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Items: true}
				f := joining(t, &opts)
				source, target := halvesOf(200, inOrder)
				bad := map[string]*joined{"source": source, "target": target}[side]
				bad.readErr = func(call int64) error {
					if call == at {
						return broken
					}
					return nil
				}
				err := Join(t.Context(), asHalf(source), asHalf(target), opts)
				if done = bad.reads.Load() < at; done {
					return
				}
				if !errors.Is(err, broken) || f.extras {
					t.Errorf("%s, read %d: got %v, extras %v", side, at, err, f.extras)
				}
			})
			if done {
				if at < 20 {
					t.Fatalf("the %s was read %d times only", side, at)
				}
				break
			}
		}
	}
}

func TestJoinGivesNoExtraThatCannotBeAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &Fault{Class: Denied, Side: "source", Err: errors.New("no")}
		opts := JoinOptions{}
		f := joining(t, &opts)
		source, target := halvesOf(200, inOrder)
		source.getErr = func(int64) error { return broken }
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); !errors.Is(err, broken) || f.extras {
			t.Fatalf("got %v, extras %v", err, f.extras)
		}
	})
}

func TestJoinSurvives(t *testing.T) {
	for _, c := range []struct {
		name string
		err  func(call int64) error
	}{
		{"throttling", func(call int64) error {
			if call%3 != 0 {
				return &Fault{Class: Throttled, Side: "target", Reasons: []Reason{{"TableRead", "arn"}}, Err: errors.New("slow down")}
			}
			return nil
		}},
		{"broken answers", func(call int64) error {
			if call%3 == 1 {
				return &Fault{Class: Transient, Side: "target", Garbled: true, Err: errors.New("<html>")}
			}
			return nil
		}},
		{"expired credentials", func(call int64) error {
			if call%5 == 1 {
				return &Fault{Class: Stale, Side: "target", Err: errors.New("expired")}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Items: true}
				f := joining(t, &opts)
				source, target := halvesOf(1000, shuffled)
				source.readErr, source.getErr, target.readErr, target.getErr = c.err, c.err, c.err, c.err
				source.partial, target.partial = true, true
				one, other := asHalf(source), asHalf(target)
				one.Stats, other.Stats = new(Stats), new(Stats)
				if err := Join(t.Context(), one, other, opts); err != nil {
					t.Fatal(err)
				}
				f.requireExactly(upTo(1000), changed(upTo(1000), 10))
				for _, h := range []Half{one, other} {
					if n := h.Stats.Count(); n.Throttled+n.Retried == 0 {
						t.Fatalf("counted %+v", n)
					}
				}
			})
		})
	}
}

// An answer that is too large to take fails each time: then less is asked for.
func TestJoinAsksForLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Items: true}
		f := joining(t, &opts)
		source, target := halvesOf(2000, shuffled)
		narrow := &narrowed{joined: source, most: 7}
		if err := Join(t.Context(), Half{Source: source, Getter: narrow}, asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		f.requireExactly(upTo(2000), changed(upTo(2000), 10))
		if narrow.refused.Load() == 0 {
			t.Fatal("nothing was too large")
		}
	})
}

// A narrowed answers no more than so many keys at once.
type narrowed struct {
	*joined
	most    int
	refused atomic.Int64
}

func (n *narrowed) Get(ctx context.Context, keys [][]byte, attempt int, p *item.Page) ([]int, error) {
	if len(keys) > n.most {
		n.refused.Add(1)
		return nil, &Fault{Class: Transient, Garbled: true, Side: "source", Err: errors.New("answer is too large")}
	}
	return n.joined.Get(ctx, keys, attempt, p)
}

func TestJoinGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Stall: time.Minute}
		f := joining(t, &opts)
		source, target := halvesOf(200, inOrder)
		target.readErr = func(int64) error { return &Fault{Class: Throttled, Side: "target", Err: errors.New("slow down")} }
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); !errors.As(err, new(*StallError)) || f.extras {
			t.Fatalf("got %v, extras %v", err, f.extras)
		}
	})
}

func TestJoinKeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Readers: 2}
		joining(t, &opts)
		source, target := halvesOf(2000, inOrder)
		one := asHalf(source)
		one.Stats, one.ReadUnits = new(Stats), 10
		began := time.Now()
		if err := Join(t.Context(), one, asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		if rate := one.Stats.Count().ReadUnits / time.Since(began).Seconds(); rate > 11 || rate < 5 {
			t.Fatalf("%.1f units per second, allowed are 10", rate)
		}
	})
}

func TestJoinStopsWhen(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct {
		name  string
		begin func(*JoinOptions, context.CancelCauseFunc)
	}{
		{"it is cancelled", func(_ *JoinOptions, cancel context.CancelCauseFunc) {
			time.AfterFunc(20*time.Millisecond, func() { cancel(stop) })
		}},
		{"a difference cannot be dealt with", func(o *JoinOptions, _ context.CancelCauseFunc) {
			o.Found = func(context.Context, []Difference) error { return stop }
		}},
		{"an extra is refused loudly", func(o *JoinOptions, _ context.CancelCauseFunc) {
			o.Extras = func(context.Context, int64) (bool, error) { return true, stop }
		}},
		{"a shape fails", func(o *JoinOptions, _ context.CancelCauseFunc) {
			o.Shape = func(item.Item) (item.Item, error) { return nil, stop }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				opts := JoinOptions{Items: true}
				f := joining(t, &opts)
				c.begin(&opts, cancel)
				source, target := halvesOf(2000, shuffled)
				if err := Join(ctx, asHalf(source), asHalf(target), opts); !errors.Is(err, stop) || f.extras {
					t.Fatalf("got %v, extras %v", err, f.extras)
				}
			})
		})
	}
}

func TestExtrasCanBeHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{}
		f := joining(t, &opts)
		asked := int64(0)
		opts.Extras = func(_ context.Context, n int64) (bool, error) { asked = n; return false, nil }
		source, target := halvesOf(1000, inOrder)
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		if n := opts.Stats.Count(); asked != 100 || n.Extras != 100 || n.OnlyTarget != 0 || f.extras || len(f.kinds) != 300 {
			t.Fatalf("asked for %d, counted %+v", asked, n)
		}
	})
}

// What was seen on one side only may be there all the same: the tables move.
func TestJoinAsksBeforeItBelieves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Items: true}
		f := joining(t, &opts)
		source, target := tableOf(upTo(100), 1, inOrder, itemOf), tableOf(upTo(110), 1, inOrder, itemOf)
		for n := 200; n < 206; n++ { // only the scan of the source shows these
			source.segments[0] = append(source.segments[0], itemOf(n, 1))
		}
		delete(source.stored, canonicalKey(keyOf(100))) // stays an extra
		source.put(itemAgain(101, 1))                   // is there, equal
		source.put(itemOf(102, 7))                      // is there, and differs
		source.put(itemOf(103, 1))                      // has come, and
		delete(target.stored, canonicalKey(keyOf(103))) // the target's has gone
		delete(target.stored, canonicalKey(keyOf(104))) // has gone
		target.put(itemAgain(200, 1))                   // is there, equal
		target.put(itemOf(201, 7))                      // is there, and differs
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		want := map[int]Kind{100: OnlyTarget, 102: Differs, 103: OnlySource, 201: Differs}
		for n := 202; n < 206; n++ {
			want[n] = OnlySource
		}
		for n := 105; n < 110; n++ {
			want[n] = OnlyTarget
		}
		for n, kind := range want {
			if got, ok := f.kinds[canonicalKey(keyOf(n))]; !ok || got != kind {
				t.Errorf("item %d: got %v %v, want %v", n, got, ok, kind)
			}
		}
		if len(f.kinds) != len(want) {
			t.Errorf("found %d differences, want %d", len(f.kinds), len(want))
		}
		// 104 counts as an extra until it is given out.
		if n := opts.Stats.Count(); n.OnlyTarget != 6 || n.Extras != 7 || n.Equal != 102 {
			t.Errorf("counted %+v", n)
		}
	})
}

// An item that a scan shows twice is one item, as it was seen last.
func TestJoinSeesAnItemTwice(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		for _, place := range []string{"before its pair", "after its pair"} {
			t.Run(side+" "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := JoinOptions{Items: true}
					f := joining(t, &opts)
					source, target := tableOf(upTo(1000), 2, inOrder, itemOf), tableOf(upTo(1000), 2, inOrder, itemOf)
					s := map[string]*joined{"source": source, "target": target}[side]
					at := 990 // its pair comes with the other table's next page, or came long ago
					if place == "before its pair" {
						at = 5
					}
					first := s.segments[0]
					s.segments[0] = append(append(append([]string{}, first[:5]...), itemOf(7, 9)), first[5:]...)
					s.segments[1] = append(s.segments[1], itemOf(at, 1))
					s.store()
					s.put(itemOf(7, 1))
					if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
						t.Fatal(err)
					}
					// At most it is found to differ for a moment, from the version that was seen first.
					for key, kind := range f.kinds {
						if key != canonicalKey(keyOf(7)) || kind != Differs {
							t.Fatalf("%s: %s", key, kind)
						}
					}
				})
			})
		}
	}
}

func TestJoinShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := JoinOptions{Items: true, Shape: func(it item.Item) (item.Item, error) {
			if strings.Contains(string(it), `"sk":{"N":"3"}`) {
				return nil, nil
			}
			return item.Item(strings.Replace(string(it), `"v":{"N":"1"}`, `"v":{"N":"2"}`, 1)), nil
		}}
		f := joining(t, &opts)
		source, target := tableOf(upTo(1000), 4, inOrder, itemOf), tableOf(upTo(1000), 4, shuffled, func(n, _ int) string { return itemOf(n, 2) })
		if err := Join(t.Context(), asHalf(source), asHalf(target), opts); err != nil {
			t.Fatal(err)
		}
		for key, kind := range f.kinds {
			if kind != OnlyTarget {
				t.Fatalf("%s: %s", key, kind)
			}
		}
		if n := opts.Stats.Count(); n.Skipped != 100 || n.OnlyTarget != 100 || n.Equal != 900 {
			t.Fatalf("counted %+v", n)
		}
	})
}

// A sick table answers with what nobody can compare, or nobody asked for.
func TestJoinRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(source, target *joined, o *JoinOptions)
	}{
		{"a number that is none", `target: attribute "v": not a number`, func(_, target *joined, _ *JoinOptions) {
			target.segments[0][0] = strings.Replace(target.segments[0][0], `"N":"1"}`, `"N":"one"}`, 1)
		}},
		{"an item without its key", "source: attribute \"sk\"", func(source, _ *joined, _ *JoinOptions) {
			source.segments[1][3] = `{"pk":{"S":"x"}}`
		}},
		{"an item that was not asked for", "not asked for", func(source, _ *joined, _ *JoinOptions) {
			for key := range source.stored {
				source.stored[key] = itemOf(4711, 1)
			}
			for n := range 2000 {
				source.stored[canonicalKey(keyOf(n+1_000_000))] = itemOf(4711, 1)
			}
		}},
		{"a shape that moves items that are read back", "changes a key", func(_, _ *joined, o *JoinOptions) {
			o.Shape = func(it item.Item) (item.Item, error) {
				return item.Item(strings.Replace(string(it), `"S":"p`, `"S":"1`, 1)), nil
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Items: true}
				f := joining(t, &opts)
				source, target := halvesOf(500, shuffled)
				c.spoil(source, target, &opts)
				for n := range 500 { // the moved items' new keys lead somewhere
					source.stored[canonicalKey(strings.Replace(keyOf(n), `"p`, `"1`, 1))] = itemOf(n, 1)
				}
				err := Join(t.Context(), asHalf(source), asHalf(target), opts)
				if err == nil || !strings.Contains(err.Error(), c.want) || f.extras {
					t.Fatalf("got %v, want %q; extras %v", err, c.want, f.extras)
				}
			})
		})
	}
}

// faultyFile is a spill file on which the nth operation fails.
type faultyFile struct {
	spillFile
	writes, reads, badWrite, badRead *atomic.Int64
	flip                             bool
}

func (f faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.writes.Add(1) == f.badWrite.Load() {
		return len(b) / 2, errors.New("no space left on device")
	}
	return f.spillFile.WriteAt(b, at)
}

func (f faultyFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.spillFile.ReadAt(b, at)
	if f.reads.Add(1) == f.badRead.Load() {
		if !f.flip {
			return 0, io.ErrUnexpectedEOF
		}
		b[len(b)/2] ^= 1
	}
	return n, err
}

// A full disk, a failing one and one that forgets end the join before anything is decided wrongly.
func TestJoinOnABadDisk(t *testing.T) {
	for _, c := range []struct {
		name            string
		write, read     int64
		flip, noFile    bool
		want            string
		mayHaveFoundAny bool
	}{
		{name: "full at once", write: 1, want: "no space"},
		{name: "full later", write: 10, want: "no space"},
		{name: "fails to read", read: 10, want: "unexpected EOF"},
		{name: "a header that is other than it was", read: 1, flip: true, want: "not as it was written"},
		{name: "a block that is other than it was", read: 2, flip: true, want: "not as it was written"},
		{name: "no directory", noFile: true, want: "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Memory: 400_000, Readers: 2, Dir: dir}
				f := joining(t, &opts)
				if c.noFile {
					opts.Dir += "/missing"
				} else {
					bad := faultyFile{writes: new(atomic.Int64), reads: new(atomic.Int64), badWrite: new(atomic.Int64), badRead: new(atomic.Int64), flip: c.flip}
					bad.badWrite.Store(c.write)
					bad.badRead.Store(c.read)
					opts.spillFile = func(dir string) (spillFile, error) {
						file, err := createSpill(dir)
						bad.spillFile = file
						return bad, err
					}
				}
				source, target := bigHalves(30_000)
				err := Join(t.Context(), Half{Source: source}, Half{Source: target}, opts)
				if err == nil || !strings.Contains(err.Error(), c.want) || f.extras {
					t.Fatalf("got %v, want %q; extras %v", err, c.want, f.extras)
				}
			})
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Fatalf("left behind: %v, %v", left, err)
			}
		})
	}
}

// bigHalves are tables of n items in different orders, made as they are read.
func bigHalves(n int) (source, target *made) {
	return &made{n: n, stride: 1, page: 300, version: func(int) int { return 1 }},
		&made{n: n, stride: 7919, page: 1000, version: func(int) int { return 1 }}
}

// A made is a table of n items that exist only in pages. Those whose version is 0 are not in it.
type made struct {
	n, stride int // coprime
	page      int // items
	pad       string
	version   func(n int) int
}

func (m *made) Segments() int { return 8 }

func (m *made) Read(_ context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	at := segment * m.n / 8
	if from != nil {
		if _, err := fmt.Sscan(string(from), &at); err != nil {
			return err
		}
	}
	end := min(at+m.page, (segment+1)*m.n/8)
	p.Reset()
	type span struct{ from, to int }
	spans := make([]span, 0, m.page)
	for i := at; i < end; i++ {
		n := i * m.stride % m.n
		if v := m.version(n); v > 0 {
			begin := len(p.Buf)
			p.Buf = fmt.Appendf(p.Buf, `{"pk":{"S":"p%d"},"pad":{"S":"%s"},"v":{"N":"%d"},"sk":{"N":"%d"}}`, n/10, m.pad, v, n%10)
			spans = append(spans, span{begin, len(p.Buf)})
		}
	}
	for _, s := range spans {
		p.Items = append(p.Items, p.Buf[s.from:s.to:s.to])
	}
	if end < (segment+1)*m.n/8 {
		p.Next = fmt.Appendf(nil, "%d", end)
	}
	return nil
}
