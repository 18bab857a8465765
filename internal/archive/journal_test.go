package archive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/item"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var journalSchema = item.Schema{Partition: item.Attr{Name: "pk", Type: item.String}, Sort: item.Attr{Name: "sk", Type: item.Number}}

func entry(n, version int) Entry {
	return Entry{
		Key:       fmt.Appendf(nil, `{"pk":{"S":"p%d"},"sk":{"N":"%d"}}`, n/10, n%10),
		Old:       fmt.Appendf(nil, `{"v":{"N":"%d"},"sk":{"N":"%d"},"pk":{"S":"p%d"}}`, version, n%10, n/10),
		NewDigest: "00ff",
	}
}

func openJournal(t *testing.T, dir string) *Journal {
	t.Helper()
	have, err := CheckJournal(dir, JournalRecord{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := OpenJournal(dir, have)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func write(t *testing.T, j *Journal, entries ...Entry) {
	t.Helper()
	if err := j.Append(entries...); err != nil {
		t.Fatal(err)
	}
}

// read returns the entries of a journal, copied.
func read(dir string) ([]JournalLine, error) { return readWanted(dir, JournalRecord{}) }

// readWanted is the same where it is known how much there must be.
func readWanted(dir string, want JournalRecord) ([]JournalLine, error) {
	var all []JournalLine
	seen := map[item.KeyHash]bool{}
	for line, err := range ReadJournal(dir, journalSchema, want) {
		if err != nil {
			return all, err
		}
		if seen[line.Hash] {
			continue
		}
		seen[line.Hash] = true
		line.Key, line.Old = bytes.Clone(line.Key), bytes.Clone(line.Old)
		all = append(all, line)
	}
	return all, nil
}

func mustRead(t *testing.T, dir string) []JournalLine {
	t.Helper()
	all, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func requireEntries(t *testing.T, got []JournalLine, want ...Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i, line := range got {
		if string(line.Key) != string(want[i].Key) || string(line.Old) != string(want[i].Old) || (line.Old == nil) != (want[i].Old == nil) || line.NewDigest != want[i].NewDigest {
			t.Fatalf("entry %d is %s %s %s, want %s %s %s", i, line.Key, line.Old, line.NewDigest, want[i].Key, want[i].Old, want[i].NewDigest)
		}
	}
}

func TestJournalKeepsWhatItIsGiven(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	before := time.Now().Truncate(time.Microsecond)
	j := openJournal(t, dir)
	change, put, remove := entry(1, 1), entry(2, 1), entry(3, 1)
	put.Old, remove.NewDigest = nil, ""
	write(t, j, change, put)
	write(t, j)
	write(t, j, remove)
	size := j.Size()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	all := mustRead(t, dir)
	requireEntries(t, all, change, put, remove)
	for i, line := range all {
		if line.At.Before(before) || line.At.After(time.Now()) || line.Line != i+1 || filepath.Base(line.File) != "000001.json.gz" {
			t.Fatalf("line %+v", line)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "000001.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (JournalSize{Files: 1, Bytes: info.Size(), Entries: 3}); size != want {
		t.Fatalf("size %+v, want %+v", size, want)
	}
	if runtime.GOOS != "windows" {
		if d, err := os.Stat(dir); err != nil || d.Mode().Perm() != 0o700 || info.Mode().Perm() != 0o600 {
			t.Fatalf("modes %v and %v, %v", d.Mode(), info.Mode(), err)
		}
	}
	if err := j.Append(change); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("appending to a closed journal: %v", err)
	}
}

// The lines are what CLI.md says, for any program that can read gzip.
func TestJournalLinesAreAsDocumented(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	e := entry(1, 7)
	e.Old = []byte("{\r\n\"pk\":{\"S\":\"p0\"},\n\"sk\":{\"N\":\"1\"}}") // as some engine may write it
	write(t, j, e)
	write(t, j, entry(2, 1))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "000001.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), text)
	}
	var line struct {
		Metadata       struct{ WriteTimestampMicros struct{ N json.Number } }
		Keys, OldImage map[string]map[string]string
		NewDigest      string
	}
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if micros, err := line.Metadata.WriteTimestampMicros.N.Int64(); err != nil || time.Since(time.UnixMicro(micros)) > time.Hour ||
		line.Keys["sk"]["N"] != "1" || line.OldImage["pk"]["S"] != "p0" || line.NewDigest != "00ff" {
		t.Fatalf("%s", lines[0])
	}
}

func TestFirstImageWins(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	write(t, j, entry(1, 1), entry(2, 1), entry(1, 2))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := openJournal(t, dir) // the run goes on
	same := entry(2, 3)
	same.Key = []byte(`{"sk":{"N":"2.0"},"pk":{"S":"\u00700"}}`) // the key, by value
	write(t, again, entry(1, 3), same, entry(3, 3))
	if size := again.Size(); size.Files != 2 || size.Entries != 6 {
		t.Fatalf("size %+v", size)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	requireEntries(t, mustRead(t, dir), entry(1, 1), entry(2, 1), entry(3, 3))
}

func TestJournalWithoutEntries(t *testing.T) {
	dir := t.TempDir()
	if err := openJournal(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	requireEntries(t, mustRead(t, dir))
}

// After a crash at any byte, all members that were whole are there, and the run that goes on adds to them.
func TestJournalAfterACrashAtAnyByte(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	var ends []int64
	var want []Entry
	for n := range 8 {
		e := entry(n, n)
		want = append(want, e)
		write(t, j, e)
		ends = append(ends, j.Size().Bytes)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "000001.json.gz"))
	if err != nil || int64(len(whole)) != ends[len(ends)-1] {
		t.Fatalf("%d bytes, %v; the sizes were %v", len(whole), err, ends)
	}
	for _, tail := range [][]byte{nil, make([]byte, 100), bytes.Repeat([]byte{0xa5}, 100)} { // what a file system may leave behind
		for cut := range whole {
			dir := t.TempDir()
			left, n := slices.Concat(whole[:cut], tail), 0
			for n < len(ends) && bytes.HasPrefix(left, whole[:ends[n]]) { // a tail of zeros can be what was cut off
				n++
			}
			if err := os.WriteFile(filepath.Join(dir, "000001.json.gz"), left, 0o600); err != nil {
				t.Fatal(err)
			}
			requireEntries(t, mustRead(t, dir), want[:n]...)
			if cut%37 == 0 {
				j := openJournal(t, dir)
				write(t, j, entry(100, 1))
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				requireEntries(t, mustRead(t, dir), append(want[:n:n], entry(100, 1))...)
			}
		}
	}
}

// What is broken in the middle was not torn by a crash: nobody may take it for the end.
func TestJournalDamage(t *testing.T) {
	zipped := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	line := func(e Entry) string { return string(e.appendLine(nil, time.Now())) }
	good := zipped(line(entry(1, 1)))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 4
	other := entry(1, 1)
	other.Old = entry(2, 1).Old
	for _, c := range []struct {
		name, want string
		files      map[int][]byte
	}{
		{"a flipped bit with a whole part behind it", "from byte", map[int][]byte{1: bytes.Join([][]byte{good, flipped, good}, nil)}},
		{"a cut with a whole part behind it", "from byte 0", map[int][]byte{1: append(good[:len(good)-3:len(good)-3], good...)}},
		{"a missing file", "000002.json.gz: the file is missing", map[int][]byte{1: good, 3: good}},
		{"a missing first file", "000001.json.gz: the file is missing", map[int][]byte{2: good}},
		{"a line that is no JSON", "line 2: ", map[int][]byte{1: zipped(line(entry(1, 1)) + "{]\n")}},
		{"a line without an end", "line 1: the line has no end", map[int][]byte{1: zipped(strings.TrimSuffix(line(entry(1, 1)), "\n"))}},
		{"another table's line", "key attribute is missing", map[int][]byte{1: zipped(strings.ReplaceAll(line(entry(1, 1)), "pk", "id"))}},
		{"an image of another key", "another key", map[int][]byte{1: zipped(line(other))}},
		{"a line that says nothing", "neither", map[int][]byte{1: zipped(`{"Metadata":{"WriteTimestampMicros":{"N":"1"}},"Keys":{"pk":{"S":"a"},"sk":{"N":"1"}}}` + "\n")}},
		{"a line without a key", "no key", map[int][]byte{1: zipped(`{"Metadata":{"WriteTimestampMicros":{"N":"1"}},"NewDigest":"00"}` + "\n")}},
		{"a line that is too long", "longer than any item", map[int][]byte{1: zipped(strings.Replace(line(entry(1, 1)), `"00ff"`, `"`+strings.Repeat("0", longestLine)+`"`, 1))}},
		{"a bomb", "more than was ever written", map[int][]byte{1: zipped(strings.Repeat("0", 50<<20))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for n, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.json.gz", n)), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := read(dir)
			if damage := (*DamageError)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestJournalFollowsNoLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a privilege there
	}
	elsewhere := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(elsewhere, "x"), filepath.Join(dir, "000001.json.gz")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(dir, JournalSize{}); err == nil {
		t.Error("opened a journal with a link in it")
	}
	if _, err := read(dir); err == nil {
		t.Error("read a journal with a link in it")
	}
	if _, err := createFile(filepath.Join(dir, "000001.json.gz")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating a file through a link: %v", err)
	}
	link := filepath.Join(t.TempDir(), "journal")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(link, JournalSize{}); err == nil {
		t.Error("opened a journal through a link")
	}
	if list, err := os.ReadDir(elsewhere); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
}

// badFile fails at some operation, after half of a write.
type badFile struct {
	journalFile
	left  *atomic.Int64 // writes until it is full
	sync  *atomic.Int64 // syncs until one fails
	short bool          // a write takes less, and does not say so
}

func (f badFile) Write(b []byte) (int, error) {
	if f.left.Add(-1) == 0 {
		n, err := f.journalFile.Write(b[:len(b)/2])
		if err == nil && !f.short {
			err = syscall.ENOSPC
		}
		return n, err
	}
	return f.journalFile.Write(b)
}

func (f badFile) Sync() error {
	if f.sync.Add(-1) == 0 {
		return syscall.EIO
	}
	return f.journalFile.Sync()
}

func TestJournalOnABadDisk(t *testing.T) {
	for _, c := range []struct {
		name       string
		left, sync int64
		short      bool
		want       error
	}{
		{"full", 6, 0, false, syscall.ENOSPC},
		{"a write that takes less", 6, 0, true, io.ErrShortWrite},
		{"a sync that fails", 0, 6, false, syscall.EIO},
		{"full at once", 1, 0, false, syscall.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			j := openJournal(t, dir)
			left, sync := new(atomic.Int64), new(atomic.Int64)
			left.Store(c.left)
			sync.Store(c.sync)
			j.create = func(name string) (journalFile, error) {
				f, err := createFile(name)
				return badFile{f, left, sync, c.short}, err
			}
			var safe []Entry
			var err error
			for n := range 20 {
				if err = j.Append(entry(n, 1)); err != nil {
					break
				}
				safe = append(safe, entry(n, 1))
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err := j.Append(entry(50, 1)); !errors.Is(err, c.want) {
				t.Fatalf("appending after the error: %v", err)
			}
			if want := max(int(c.left), int(c.sync)) - 1; len(safe) != want || j.Size().Entries != int64(want) {
				t.Fatalf("%d entries were safe, want %d; size %+v", len(safe), want, j.Size())
			}
			requireEntries(t, mustRead(t, dir), safe...)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			again := openJournal(t, dir)
			write(t, again, entry(99, 1))
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			requireEntries(t, mustRead(t, dir), append(safe, entry(99, 1))...)
		})
	}
}

func TestJournalThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenJournal(filepath.Join(dir, "missing", "journal"), JournalSize{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(filepath.Join(dir, "file"), JournalSize{}); err == nil {
		t.Fatal("opened a file as a journal")
	}
	j := openJournal(t, filepath.Join(dir, "journal"))
	if err := j.Append(Entry{Key: entry(1, 1).Key}); err == nil {
		t.Fatal("took an entry that says nothing")
	}
	huge := entry(1, 1)
	huge.Old = bytes.Repeat([]byte(" "), longestLine)
	if err := j.Append(huge); err == nil {
		t.Fatal("took an entry that it would not read")
	}
	write(t, j, entry(1, 1)) // neither of them has broken it
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// slowFile holds each sync until it is let go.
type slowFile struct {
	journalFile
	syncs *atomic.Int64
	hold  chan struct{}
}

func (f slowFile) Sync() error {
	f.syncs.Add(1)
	<-f.hold
	return f.journalFile.Sync()
}

// Entries that come during a sync share the next one, and nobody is told that one is safe before it is.
func TestOneSyncForMany(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openJournal(t, dir)
		var syncs, safe atomic.Int64
		hold := make(chan struct{})
		j.create = func(name string) (journalFile, error) {
			f, err := createFile(name)
			return slowFile{f, &syncs, hold}, err
		}
		var g errgroup.Group
		add := func(n int) {
			g.Go(func() error {
				defer safe.Add(1)
				return j.Append(entry(n, 1))
			})
		}
		add(0)
		synctest.Wait()
		for n := range 100 {
			add(1 + n)
		}
		for i, want := range []int64{0, 1, 101} {
			synctest.Wait()
			if n := safe.Load(); n != want || syncs.Load() != min(2, int64(i)+1) {
				t.Fatalf("%d entries safe after %d syncs, want %d", n, i, want)
			}
			if i < 2 {
				hold <- struct{}{}
			}
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if got := mustRead(t, dir); len(got) != 101 {
			t.Fatalf("%d entries", len(got))
		}
	})
}

func TestJournalFromManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	j.full = 2000
	var g errgroup.Group
	for worker := range 16 {
		g.Go(func() error {
			for n := range 30 {
				e := entry(worker*1000+n, 1)
				if err := j.Append(e, entry(worker*1000+500+n, 1)); err != nil {
					return err
				}
				// What was acknowledged can be read at once, by anybody.
				if worker == 0 && n%10 == 0 {
					all, err := read(dir)
					if err != nil {
						return err
					}
					found := false
					for _, line := range all {
						found = found || string(line.Key) == string(e.Key)
					}
					if !found {
						return fmt.Errorf("%s is not there", e.Key)
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if size := j.Size(); size.Files < 3 || size.Entries != 16*60 {
		t.Fatalf("size %+v", size)
	}
	if got := mustRead(t, dir); len(got) != 16*60 {
		t.Fatalf("%d entries", len(got))
	}
}

// A group that is large becomes several members, each small enough to be read.
func TestLargeGroups(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	var want []Entry
	for n := range 12 {
		e := entry(n, 1)
		e.Old = fmt.Appendf(nil, `{"x":{"S":"%s"},"sk":{"N":"%d"},"pk":{"S":"p%d"}}`, strings.Repeat(`\u0001`, 300_000), n%10, n/10)
		want = append(want, e)
	}
	write(t, j, want...)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	requireEntries(t, mustRead(t, dir), want...)
}

func BenchmarkAppend(b *testing.B) {
	j, err := OpenJournal(b.TempDir(), JournalSize{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	}()
	entries := make([]Entry, 25)
	for i := range entries {
		entries[i] = entry(i, 1)
		entries[i].Old = fmt.Appendf(nil, `{"x":{"S":"%s"},"sk":{"N":"%d"},"pk":{"S":"p%d"}}`, strings.Repeat("word ", 200), i%10, i/10)
	}
	b.SetBytes(25 * 1000)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := j.Append(entries...); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
