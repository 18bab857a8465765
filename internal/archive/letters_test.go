package archive

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

var schema = item.Schema{Partition: item.Attr{Name: "pk", Type: item.Number}}

func letter(key string) Letter {
	return Letter{Item: json.RawMessage(`{"pk":{"N":"` + key + `"},"t":{"S":"<a>\u2028é"}}`), Error: `ValidationException: "no" & <more>`}
}

func open(t *testing.T, path string, size int64) *Letters {
	t.Helper()
	l, err := OpenLetters(path, size, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

func TestLetters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rejected.jsonl")
	l := open(t, path, 0)
	if _, err := os.Stat(path); err == nil || l.Path() != "" {
		t.Fatal("there is a file without a letter")
	}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := l.Add(letter(fmt.Sprint(i % 25))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	size, err := l.Sync()
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 25 {
		t.Fatalf("%d letters for 25 keys", len(got))
	}
	about, err := os.Stat(path)
	if err != nil || about.Size() != size || about.Mode().Perm() != 0o600 || l.Path() != path {
		t.Fatalf("the file is %v, %v, and %d bytes are certain", about, err, size)
	}

	// Another process goes on: what was not certain is gone, what was is not written again.
	for _, key := range []string{"99", "98"} {
		if err := l.Add(letter(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, size)
	for _, key := range []string{"3.0", "30E-1", "98"} { // two forms of a key that is there
		if err := l.Add(letter(key)); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, path)
	if len(got) != 26 || !strings.Contains(got[25], `"98"`) {
		t.Fatalf("the file ends %q", got[len(got)-1])
	}
	for _, line := range got {
		var back Letter
		if err := json.Unmarshal([]byte(line), &back); err != nil || back.Error != letter("1").Error {
			t.Fatalf("%s: %v", line, err)
		}
		if !strings.Contains(line, `<a>\u2028é`) {
			t.Fatalf("%s: the item is not as it was", line)
		}
	}
}

func TestLettersOfAnotherFile(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	link := filepath.Join(dir, "link")
	garbage := filepath.Join(dir, "garbage")
	for path, text := range map[string]string{short: "{}\n", garbage: "not a letter\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(short, link); err != nil {
		t.Fatal(err)
	}
	for path, size := range map[string]int64{short: 100, link: 3, garbage: 13, filepath.Join(dir, "none"): 5, dir: 0} {
		if l, err := OpenLetters(path, size, schema); err == nil {
			t.Errorf("%s was opened", path)
			_ = l.Close()
		}
	}
}

func TestLettersDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Log("there is no /dev/full here")
		return
	}
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := &Letters{schema: schema, file: f, seen: map[uint64]bool{}}
	if err := l.Add(letter("1")); err == nil {
		t.Fatal("a letter was written to a full disk")
	}
	if len(l.seen) != 0 || l.size != 0 {
		t.Fatal("it counts as written")
	}
}
