package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// A journal of two files, of one and of three parts, with four entries each.
func testJournal(t *testing.T) journal {
	t.Helper()
	j, key := journal{nil, nil}, 0
	for _, file := range []int{0, 1, 1, 1} {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		for range 4 {
			old := fmt.Sprintf(`,"OldImage":{"pk":{"S":"%d"},"v":{"N":"1"}}`, key)
			if key%2 == 1 {
				old = ""
			}
			if _, err := fmt.Fprintf(zip, `{"Metadata":{},"Keys":{"pk":{"S":"%d"}}%s,"NewDigest":"x"}`+"\n", key, old); err != nil {
				t.Fatal(err)
			}
			key++
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		j[file] = append(j[file], b.Bytes()...)
	}
	return j
}

// Each damage is one, wherever it strikes; it leaves the good journal alone; and what is left of its entries is known.
func TestDamages(t *testing.T) {
	good, same := testJournal(t), testJournal(t)
	dir := filepath.Join(t.TempDir(), "journal")
	left := map[string][]int{ // of 16 entries
		"a bit is flipped": {12}, "a file is cut": {0, 4, 8, 12}, "a file is cut between two parts": {4, 8, 12},
		"a file is gone": {4, 12}, "all files are empty": {0}, "the directory is gone": {0}, "the directory is empty": {0},
		"an older part stands at the end once more": {16}, "there is an entry more": {16}, "there is a file more": {16},
	}
	for _, d := range damages {
		seen := map[int]bool{}
		for seed := range uint64(50) {
			bad := d.do(rand.New(rand.NewPCG(seed, 1)), slices.Clone(good))
			if reflect.DeepEqual(bad, good) || !reflect.DeepEqual(good, same) {
				t.Fatalf("%s, seed %d: it damages nothing, or the good one", d.name, seed)
			}
			entries, lost := good.left(bad, []string{"pk"})
			if len(entries)+lost != 16 || !slices.Contains(left[d.name], len(entries)) {
				t.Fatalf("%s, seed %d: %d entries are left, and %d lost", d.name, seed, len(entries), lost)
			}
			seen[len(entries)] = true
			if seed > 0 {
				continue
			}
			if err := bad.lay(dir); err != nil {
				t.Fatal(err)
			}
			if have, err := readJournal(dir); err != nil || !slices.EqualFunc(have, slices.DeleteFunc(bad, func(b []byte) bool { return b == nil }), bytes.Equal) {
				t.Errorf("%s: laid down, it is another: %v", d.name, err)
			}
		}
		if len(seen) < len(left[d.name])-1 {
			t.Errorf("%s: it leaves only so many entries: %v", d.name, seen)
		}
	}
}

// Of a key the first entry counts, and where there was nothing there is nothing again.
func TestRewound(t *testing.T) {
	now := map[string]string{"a": "A", "b": "B", "c": "C"}
	was := rewound(now, []entry{{"a", "1"}, {"b", ""}, {"a", "2"}, {"d", "4"}, {"b", "5"}})
	if want := map[string]string{"a": "1", "c": "C", "d": "4"}; !reflect.DeepEqual(was, want) || now["a"] != "A" {
		t.Errorf("got %v, want %v", was, want)
	}
	entries, lost := testJournal(t).left(testJournal(t), []string{"pk"})
	if len(entries) != 16 || lost != 0 || entries[3] != (entry{key: `S"3"`}) || entries[2].key != `S"2"` || entries[2].old == "" {
		t.Errorf("%v, %d lost", entries, lost)
	}
}
