package archive

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/dynamo-cmdline/dynamo/item"
)

var oneKey = item.Schema{Partition: item.Attr{Name: "pk", Type: item.Number}}

// What is checked is handed out as a map would have it: each key once, with its last item, by
// number and by key, however much of it lies in files.
func TestCheckedAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 100, 6000} {
		c, err := newChecked(t.TempDir(), oneKey)
		if err != nil {
			t.Fatal(err)
		}
		c.lines.run = 4
		want := map[string]string{}
		for i := range n {
			key := random.IntN(n)
			text := fmt.Sprintf(`{"Item":{"pk":{"N":"%d%s"},"n":{"N":"%d"}}}`, key, []string{"", ".0", "E0"}[i%3], i)
			if err := c.line([]byte(text)); err != nil {
				t.Fatal(err)
			}
			want[fmt.Sprint(key)] = text[len(`{"Item":`) : len(text)-1]
		}
		if err := c.finish(); err != nil {
			t.Fatal(err)
		}
		if c.Lines != int64(n) || c.Items != int64(len(want)) {
			t.Fatalf("%d lines, %d items, want %d and %d", c.Lines, c.Items, n, len(want))
		}
		var page item.Page
		got := map[string]bool{}
		for from := int64(0); from < c.Lines; {
			if from, err = c.Read(from, c.Lines, &page); err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				got[string(it)] = true
			}
		}
		if len(got) != len(want) {
			t.Fatalf("read %d items, want %d", len(got), len(want))
		}
		for key, text := range want {
			if !got[text] {
				t.Fatalf("key %s: did not read %s", key, text)
			}
			if it, err := c.Get([]byte(`{"pk":{"N":"` + key + `.00"}}`)); err != nil || string(it) != text {
				t.Fatalf("key %s: %s, %v, want %s", key, it, err, text)
			}
		}
		if it, err := c.Get([]byte(`{"pk":{"N":"-1"}}`)); err != nil || it != nil {
			t.Fatalf("an item from nowhere: %s, %v", it, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Lines with one key take no memory, however many there are and whatever stands between them.
func TestCheckedOfManyLinesWithOneKey(t *testing.T) {
	const lines = 500_000
	for name, key := range map[string]func(i int) int{
		"one key":              func(int) int { return 7 },
		"a few keys, in turns": func(i int) int { return i % 3 },
		"one key in between":   func(i int) int { return []int{-1, i}[i%2] },
	} {
		c, err := newChecked(t.TempDir(), oneKey)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]int64{}
		for i := range lines {
			found, err := item.Parse(fmt.Appendf(nil, `{"pk":{"N":"%d"}}`, key(i)), oneKey)
			if err != nil {
				t.Fatal(err)
			}
			hash, err := found.KeyHash(oneKey)
			if err == nil {
				err = c.add(found.Item, hash)
			}
			if err != nil {
				t.Fatal(err)
			}
			want[key(i)] = int64(i)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := c.finish(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
			t.Errorf("%s: the end took %d MB", name, used>>20)
		}
		if c.Items != int64(len(want)) || c.Lines != lines {
			t.Errorf("%s: %d items of %d lines", name, c.Items, c.Lines)
		}
		read := 0
		var page item.Page
		for from := int64(0); from < c.Lines; {
			if from, err = c.Read(from, c.Lines, &page); err != nil {
				t.Fatal(err)
			}
			read += len(page.Items)
		}
		if read != len(want) {
			t.Errorf("%s: %d items were read", name, read)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A manifest has as many lines as AWS likes: with each of 150,000 held against all before it, this takes minutes.
func TestManifestOfManyFiles(t *testing.T) {
	const files = 150_000
	var list bytes.Buffer
	for i := range files {
		fmt.Fprintf(&list, `{"itemCount":1,"md5Checksum":"1B2M2Y8AsgTpgAmY7PhCfg==","dataFileS3Key":"AWSDynamoDB/x/data/%08d.json.gz"}`+"\n", i)
	}
	s := &Stored{Summary: Summary{Items: files}}
	if err := s.parse(list.Bytes()); err != nil || len(s.Files) != files {
		t.Fatalf("%d files, %v", len(s.Files), err)
	}
	last := list.Bytes()[bytes.LastIndexByte(list.Bytes()[:list.Len()-1], '\n')+1:]
	twice := &Stored{Summary: Summary{Items: files + 1}}
	if err := twice.parse(append(list.Bytes(), last...)); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Fatalf("a file that is named twice: %v", err)
	}
}

// A gigabyte of zeros in a megabyte, or less, is one line without end: it is refused before
// it is in memory.
func TestDumpBomb(t *testing.T) {
	zeros := bytes.Repeat([]byte("0"), 10<<20)
	var member bytes.Buffer
	z, err := gzip.NewWriterLevel(&member, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(zeros); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"x.json.gz": member.Bytes(), "x.json.zst": pack.EncodeAll(zeros, nil)} {
		dir := t.TempDir()
		bomb := bytes.Repeat(packed, 100)
		if len(bomb) > 2<<20 {
			t.Fatalf("%s: the bomb has %d bytes", name, len(bomb))
		}
		file := fmt.Sprintf(`{"itemCount":1,"md5Checksum":%q,"dataFileS3Key":"AWSDynamoDB/x/data/%s"}`, md5Of(bomb), name)
		for name, content := range map[string]string{
			summaryName: `{"outputFormat":"DYNAMODB_JSON","itemCount":1}`, filesName: file, "data/" + name: string(bomb),
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := OpenDump(t.Context(), Directory(dir))
		if err != nil {
			t.Fatal(err)
		}
		tmp := t.TempDir()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = s.Check(t.Context(), oneKey, tmp)
		runtime.ReadMemStats(&after)
		if bad := (*BadDumpError)(nil); !errors.As(err, &bad) || bad.Line != 1 || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: %d MB were allocated", name, used>>20)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
			t.Errorf("%s: left %q, %v", name, left, err)
		}
	}
}
