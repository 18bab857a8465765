package archive

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// entries are all that is below a directory.
func entries(t *testing.T, dir string) (list []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		list = append(list, strings.TrimPrefix(path, dir))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list[1:]
}

func beginDump(t *testing.T, root string, kind Compression) *Dump {
	t.Helper()
	d, err := BeginDump(InDirectory(root), kind, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func numberedItems(from, n int) (list [][]byte) {
	for i := range n {
		list = append(list, fmt.Appendf(nil, `{"pk":{"S":"%06d"},"text":{"S":"%s"}}`, from+i, strings.Repeat("x", i%100)))
	}
	return list
}

// A full disk, at whatever file, leaves nothing with the dump's name, and after Abort nothing at all.
func TestDumpToFullDisk(t *testing.T) {
	for fails := 1; ; fails++ {
		root := t.TempDir()
		d := beginDump(t, root, Gzip)
		made := 0
		d.depot.(*directory).create = func(name string) (journalFile, error) {
			if made++; made == fails {
				return os.OpenFile("/dev/full", os.O_WRONLY, 0)
			}
			return createFile(name)
		}
		err := d.Write(numberedItems(0, 1000))
		if err == nil {
			_, err = d.Finish(Summary{}, []byte("{}"))
		}
		if err == nil {
			if fails < 5 {
				t.Fatalf("only %d files were written", made)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("file %d: %v", fails, err)
		}
		if _, again := d.Finish(Summary{}, nil); again == nil {
			t.Fatalf("file %d: finished after %v", fails, err)
		}
		for _, name := range entries(t, root) {
			if strings.HasPrefix(name, "/"+exportDir+"/"+d.ID) {
				t.Fatalf("file %d: there is %s", fails, name)
			}
		}
		if err := d.Abort(); err != nil {
			t.Fatal(err)
		}
		if left := entries(t, root); len(left) != 1 {
			t.Fatalf("file %d: left %q", fails, left)
		}
	}
}

// Many writers share files, a full one is followed by the next, and every item
// is in one of them once.
func TestDumpInManyFiles(t *testing.T) {
	for _, kind := range []Compression{Gzip, Zstd} {
		t.Run(string(kind), func(t *testing.T) {
			root := t.TempDir()
			d := beginDump(t, root, kind)
			d.full = 20 << 10
			var all sync.WaitGroup
			for w := range 8 {
				all.Go(func() {
					for i := range 20 {
						random := make([]byte, 6000)
						rand.Read(random) //nolint:errcheck // it never fails
						items := numberedItems(w*10_000+i*25, 24)
						items = append(items, fmt.Appendf(nil, `{"pk":{"S":"%d-%d"},"t":{"B":"%s"}}`, w, i, base64.StdEncoding.EncodeToString(random)))
						if err := d.Write(items); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			manifest, err := d.Finish(Summary{}, []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(root, exportDir, d.ID, summaryName); manifest != want {
				t.Fatalf("manifest %s, want %s", manifest, want)
			}
			if len(d.files) < 2*d.Writers() {
				t.Fatalf("%d files", len(d.files))
			}
			seen := map[string]bool{}
			for i, f := range d.files {
				name := filepath.Join(root, f.Key)
				raw, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if md5Of(raw) != f.MD5 || sha256Of(raw) != f.SHA256 {
					t.Fatalf("checksums of %+v", f)
				}
				if i > 0 && d.files[i-1].Key >= f.Key {
					t.Fatalf("%s after %s", f.Key, d.files[i-1].Key)
				}
				plain := unpacked(t, kind, raw)
				lines := strings.SplitAfter(plain, "\n")
				if int64(len(lines)-1) != f.Items || lines[len(lines)-1] != "" {
					t.Fatalf("%d lines in %+v", len(lines)-1, f)
				}
				for _, line := range lines[:f.Items] {
					if seen[line] || !strings.HasPrefix(line, `{"Item":{"pk":{"S":"`) {
						t.Fatalf("line %q", line)
					}
					seen[line] = true
				}
			}
			if len(seen) != 8*20*25 {
				t.Fatalf("%d items", len(seen))
			}
		})
	}
}

func TestDumpFollowsNoLink(t *testing.T) {
	elsewhere := t.TempDir()
	for _, planted := range []string{"", exportDir} {
		root := filepath.Join(t.TempDir(), "dumps")
		at := filepath.Join(root, planted)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, at); err != nil {
			t.Fatal(err)
		}
		if _, err := BeginDump(InDirectory(root), Gzip, 0, time.Now()); !errors.As(err, new(*PathError)) {
			t.Errorf("link at %q: %v", planted, err)
		}
	}
	if list := entries(t, elsewhere); len(list) != 0 {
		t.Errorf("written elsewhere: %q", list)
	}
	root := t.TempDir()
	d := beginDump(t, root, Gzip)
	if err := os.Symlink(filepath.Join(elsewhere, "x"), filepath.Join(d.depot.(*directory).dir, dataDir, "000001.json.gz")); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(numberedItems(0, 1)); err == nil {
		t.Error("wrote through a link")
	}
	if err := d.Abort(); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, kind Compression, raw []byte) string {
	t.Helper()
	var from io.Reader
	var err error
	if kind == Zstd {
		from, err = zstd.NewReader(bytes.NewReader(raw))
	} else {
		from, err = gzip.NewReader(bytes.NewReader(raw))
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// What a dump leaves that is killed goes with the next one into that directory. One that is being written stays, as
// does what is no dump, and what is whole.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	earlier := time.Now().Add(-time.Hour)
	begin := func(at time.Time) *Dump {
		d, err := BeginDump(InDirectory(root), Gzip, 0, at)
		if err == nil {
			err = d.Write(numberedItems(0, 1000))
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	kill := func(d *Dump) string { // its files are closed, as when the process ends
		at := d.depot.(*directory)
		if err := at.held.Close(); err != nil {
			t.Fatal(err)
		}
		return at.dir
	}
	killed, young, alive, whole := kill(begin(earlier)), kill(begin(time.Now())), begin(earlier), begin(earlier)
	if _, err := whole.Finish(Summary{}, nil); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(root, exportDir, ".mine.partial")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	gone, left := Leftovers(root, time.Now())
	if len(gone) != 1 || gone[0] != killed || len(left) != 0 {
		t.Errorf("gone %q, left %q, want %q", gone, left, killed)
	}
	for _, dir := range []string{young, alive.depot.(*directory).dir, other, filepath.Join(root, exportDir, whole.ID)} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", killed, err)
	}
	if _, err := alive.Finish(Summary{}, nil); err != nil {
		t.Error(err)
	}
	if gone, left := Leftovers(filepath.Join(root, "none"), time.Now()); len(gone)+len(left) != 0 {
		t.Errorf("gone %q, left %q", gone, left)
	}
}
