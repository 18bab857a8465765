package archive

import (
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

// keyed are so many entries of a journal, each with one of some keys.
func keyed(n int, key func(i int) int, broken error) iter.Seq2[JournalLine, error] {
	return func(yield func(JournalLine, error) bool) {
		for i := range n {
			// As good hashes as any: spread over all bits.
			h := uint64(key(i)+1) * 0x9e3779b97f4a7c15
			if !yield(JournalLine{Number: int64(i), Hash: item.KeyHash{h, h ^ h>>31}}, nil) {
				return
			}
		}
		if broken != nil {
			yield(JournalLine{}, broken)
		}
	}
}

// Of each key all lines but the first are repeats, as a map would say.
func TestFindRepeats(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, test := range []struct{ lines, keys int }{{0, 1}, {1, 1}, {10, 1}, {5000, 4999}, {20_000, 3}, {400_000, 300_000}, {700_000, 1 << 40}} {
		keys := make([]int, test.lines)
		for i := range keys {
			keys[i] = random.IntN(test.keys)
		}
		tmp := t.TempDir()
		found, err := FindRepeats(t.Context(), keyed(test.lines, func(i int) int { return keys[i] }, nil), tmp)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int]bool{}
		for line, err := range keyed(test.lines, func(i int) int { return keys[i] }, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if key := keys[line.Number]; found.Has(line) != seen[key] {
				t.Fatalf("%d lines of %d keys: line %d: %v", test.lines, test.keys, line.Number, found.Has(line))
			} else {
				seen[key] = true
			}
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// What a journal's keys take does not grow with their number.
func TestFindRepeatsInLittleMemory(t *testing.T) {
	const lines = 1_500_000
	var most uint64
	watched := func(yield func(JournalLine, error) bool) {
		var m runtime.MemStats
		for line, err := range keyed(lines, func(i int) int { return i }, nil) {
			if line.Number%(lines/4) == lines/4-1 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			if !yield(line, err) {
				return
			}
		}
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := FindRepeats(t.Context(), watched, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if took := int64(most) - int64(before.HeapAlloc); took > 16<<20 {
		t.Errorf("%d keys take %d MB", lines, took>>20)
	}
}

func TestFindRepeatsEnds(t *testing.T) {
	broken := &DamageError{File: "x", Err: errors.New("torn")}
	if _, err := FindRepeats(t.Context(), keyed(5, func(i int) int { return i }, broken), t.TempDir()); !errors.Is(err, error(broken)) {
		t.Errorf("%v", err)
	}
	if _, err := FindRepeats(t.Context(), keyed(5, func(i int) int { return i }, nil), t.TempDir()+"/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if (*Repeats)(nil).Has(JournalLine{Number: 7}) {
		t.Error("a line repeats where there are none")
	}
}
