package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// finished writes a journal of three files, and says what is in them and how much that is.
func finished(t *testing.T) (files [][]byte, entries []Entry, size JournalSize) {
	t.Helper()
	dir := t.TempDir()
	j := openJournal(t, dir)
	j.full = 1000
	for n := 0; j.Size().Files < 3 || n < 20; n++ {
		entries = append(entries, entry(n, n))
		write(t, j, entries[n])
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	size = j.Size()
	for n := range size.Files {
		raw, err := os.ReadFile(filepath.Join(dir, fileName(n+1)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, raw)
	}
	return files, entries, size
}

func lay(t *testing.T, dir string, files map[int][]byte) {
	t.Helper()
	for n, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, fileName(n)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is done to the journal of a finished run, it is read as a whole, or not at all: not even its end can be
// lost without a word. Incomplete yields what is left.
func TestJournalOfAFinishedRun(t *testing.T) {
	files, entries, size := finished(t)
	check := func(what string, damaged map[int][]byte, harmful bool) {
		t.Helper()
		dir := t.TempDir()
		lay(t, dir, damaged)
		all, err := readWanted(dir, JournalRecord{JournalSize: size, Closed: true})
		_, checked := CheckJournal(dir, JournalRecord{JournalSize: size, Closed: true})
		if (err == nil) != (checked == nil) {
			t.Fatalf("%s: read with %v, checked with %v", what, err, checked)
		}
		damage := (*DamageError)(nil)
		switch {
		case err == nil && !harmful: // a bit of a gzip header that nobody reads
			requireEntries(t, all, entries...)
		case !errors.As(err, &damage):
			t.Fatalf("%s: %d of %d entries and %v", what, len(all), len(entries), err)
		}
		left, err := readWanted(dir, JournalRecord{JournalSize: size, Closed: true, Incomplete: true})
		if err != nil {
			t.Fatalf("%s: what is left: %v", what, err)
		}
		known := make(map[string]Entry)
		for _, e := range entries {
			known[string(e.Key)] = e
		}
		for _, line := range left {
			requireEntries(t, []JournalLine{line}, known[string(line.Key)])
		}
		if size.Files > 1 && len(damaged) > 1 && len(left) < len(entries)/4 {
			t.Fatalf("%s: only %d of %d entries are left", what, len(left), len(entries))
		}
	}
	with := func(n int, raw []byte) map[int][]byte {
		all := make(map[int][]byte)
		for i, raw := range files {
			all[i+1] = raw
		}
		if all[n] = raw; raw == nil {
			delete(all, n)
		}
		return all
	}
	check("as it was", with(1, files[0]), false)
	for n, raw := range files {
		for at := 0; at < len(raw); at += 17 {
			check(fmt.Sprintf("file %d cut at %d", n+1, at), with(n+1, raw[:at:at]), true)
			bad := bytes.Clone(raw)
			bad[at] ^= 1 << (at % 8)
			check(fmt.Sprintf("file %d with byte %d flipped", n+1, at), with(n+1, bad), false)
		}
		check(fmt.Sprintf("file %d empty", n+1), with(n+1, []byte{}), true)
		check(fmt.Sprintf("file %d gone", n+1), with(n+1, nil), true)
		check(fmt.Sprintf("file %d longer", n+1), with(n+1, append(bytes.Clone(raw), 0)), true)
	}
	check("a file more", with(len(files)+1, files[0]), true)
	check("no file", nil, true)
}

// A run that was killed may have written more than its checkpoint knows, and have torn the end; less it cannot have.
func TestJournalOfAKilledRun(t *testing.T) {
	files, entries, size := finished(t)
	dir := t.TempDir()
	last := len(files)
	lay(t, dir, map[int][]byte{1: files[0], 2: files[1], last: files[last-1][:len(files[last-1])-1]})
	want := JournalRecord{JournalSize: size}
	if all, err := readWanted(dir, want); err == nil {
		t.Fatalf("%d of %d entries were all", len(all), len(entries))
	}
	want.Entries--
	want.Bytes -= 2
	all, err := readWanted(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	requireEntries(t, all, entries[:len(entries)-1]...)
	if have, err := CheckJournal(dir, want); err != nil || have.Entries != want.Entries || have.Files != size.Files || have.Bytes != size.Bytes-1 {
		t.Fatalf("there are %s, %v; it was %s", have, err, size)
	}
	if have, err := CheckJournal(filepath.Join(dir, "none"), JournalRecord{}); err != nil || have != (JournalSize{}) {
		t.Fatalf("%s, %v", have, err)
	}
	if _, err := CheckJournal(filepath.Join(dir, "none"), want); err == nil {
		t.Fatal("a journal that is gone is whole")
	}
}
