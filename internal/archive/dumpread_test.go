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
		c.run = 4
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
