package table

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// dumpOf dumps prod's table of the pair and returns the directory that holds the one dump.
func (p pair) dumpOf(t *testing.T, o DumpOptions) string {
	t.Helper()
	dir := t.TempDir()
	source, _ := p.open(t)
	s, err := source.Dump(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Read != s.Written || s.Manifest == "" {
		t.Fatalf("%+v", s)
	}
	return dir
}

// restoring are options for a run directory of the test's own.
func restoring(t *testing.T, mode Mode) CopyOptions {
	t.Helper()
	o := soon(mode)
	o.RunDir = t.TempDir()
	return o
}

// A dump of prod makes dev equal, in every mode and packed either way, for every type and edge value, whatever
// went wrong on the way, and twice in a row.
func TestRestoreMakesEqual(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Sync, Replace, Merge} {
		for _, kind := range []string{"gzip", "zstd"} {
			t.Run(string(mode)+" "+kind, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
				p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
				if mode != Merge {
					p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 350, 2))
				}
				p.prod.Proxy.Inject(ddbtest.Fault{Op: "Scan", Table: p.Name, Kind: ddbtest.Throttle, Count: 3})
				p.dev.Proxy.Inject(ddbtest.Fault{Op: "BatchWriteItem", Table: p.Name, Kind: ddbtest.Unprocessed, Probability: 0.3})
				dir := p.dumpOf(t, DumpOptions{Compress: kind, Segments: 2})
				_, dev := p.open(t)
				o := restoring(t, mode)
				o.Memory = 1 << 20 // less than the items: most are read back by key
				o.NoBackup = mode != Sync
				for i := range 2 {
					s, err := dev.Restore(t.Context(), dir, o)
					if err != nil {
						t.Fatal(err)
					}
					if s.Command != "restore" || s.Read != 300 || s.Read != s.Written+s.Unchanged {
						t.Fatalf("%+v", s)
					}
					if i == 1 && mode == Sync && (s.Unchanged != 300 || s.Deleted != 0) {
						t.Fatalf("the second time: %+v", s)
					}
					p.requireEqual(t)
				}
			})
		}
	}
}

// An export as AWS documents it: a prefix in the keys, several files, one of them empty, no checksums but MD5,
// and members that nobody needs.
func TestRestoreOfAWSExport(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 5, 1))
	dir := t.TempDir()
	id := filepath.Join(dir, "AWSDynamoDB", "01693685827463-2d8752fd")
	e := awsExport{t: t, dir: id}
	e.file("asdl123dasas", `{"Item":{"pk":{"S":"one"},"n":{"N":"1.50"}}}`, `{"Item":{"pk":{"S":"two"},"l":{"L":[{"NULL":true}]}}}`)
	e.file("qwer456empty")
	e.raw("zxcv789zero.json.gz", nil, 0)
	e.file("yuio012last", `{"Item":{"b":{"B":"AP8="},"pk":{"S":"three"}}}`)
	e.finish(3)
	if err := os.WriteFile(filepath.Join(id, "_started"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		_ = yield(ddbtest.Item{"pk": text("one"), "n": &types.AttributeValueMemberN{Value: "1.5"}}) &&
			yield(ddbtest.Item{"pk": text("two"), "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberNULL{Value: true}}}}) &&
			yield(ddbtest.Item{"pk": text("three"), "b": &types.AttributeValueMemberB{Value: []byte{0, 255}}})
	})
	_, dev := p.open(t)
	s, err := dev.Restore(t.Context(), dir, restoring(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if s.Mode != Sync || s.Source.Account != "123456789012" || s.Source.Table != "ProductCatalog" || s.Written != 3 || s.Deleted != 5 {
		t.Fatalf("%+v", s)
	}
	p.requireEqual(t)
}

// An awsExport is made by hand, as AWS's documentation has it.
type awsExport struct {
	t     *testing.T
	dir   string
	lines []string
}

func (e *awsExport) file(name string, lines ...string) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for _, line := range lines {
		fmt.Fprintln(z, line)
	}
	if err := z.Close(); err != nil {
		e.t.Fatal(err)
	}
	e.raw(name+".json.gz", b.Bytes(), len(lines))
}

func (e *awsExport) raw(name string, content []byte, items int) {
	e.t.Helper()
	if err := os.MkdirAll(filepath.Join(e.dir, "data"), 0o700); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "data", name), content, 0o600); err != nil {
		e.t.Fatal(err)
	}
	sum := md5.Sum(content)
	e.lines = append(e.lines, fmt.Sprintf(`{"itemCount":%d,"md5Checksum":%q,"etag":"%x-1","dataFileS3Key":"2020-Nov/AWSDynamoDB/01693685827463-2d8752fd/data/%s"}`,
		items, base64.StdEncoding.EncodeToString(sum[:]), md5.Sum(sum[:]), name))
}

func (e *awsExport) finish(items int) {
	e.t.Helper()
	summary := fmt.Sprintf(`{"version":"2020-06-30","exportArn":"arn:aws:dynamodb:us-east-1:123456789012:table/ProductCatalog/export/01693685827463-2d8752fd",
		"startTime":"2020-11-04T07:28:34.028Z","endTime":"2020-11-04T07:33:43.897Z","tableArn":"arn:aws:dynamodb:us-east-1:123456789012:table/ProductCatalog",
		"tableId":"12345a12-abcd-123a-ab12-1234abc12345","exportTime":"2020-11-04T07:28:34.028Z","s3Bucket":"ddb-productcatalog-export","s3Prefix":"2020-Nov",
		"s3SseAlgorithm":"AES256","s3SseKmsKeyId":null,"manifestFilesS3Key":"2020-Nov/AWSDynamoDB/01693685827463-2d8752fd/manifest-files.json",
		"billedSizeBytes":0,"itemCount":%d,"outputFormat":"DYNAMODB_JSON"}`, items)
	for name, content := range map[string]string{"manifest-summary.json": summary, "manifest-files.json": strings.Join(e.lines, "\n") + "\n"} {
		sum := md5.Sum([]byte(content))
		for name, content := range map[string]string{name: content, strings.TrimSuffix(name, ".json") + ".checksum": base64.StdEncoding.EncodeToString(sum[:])} {
			if err := os.WriteFile(filepath.Join(e.dir, name), []byte(content), 0o600); err != nil {
				e.t.Fatal(err)
			}
		}
	}
}

// Of lines with one key, by value, the last one counts.
func TestRestoreOfOneKeyTwice(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Sync, Merge} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Partition: ddbtest.N("pk")})
			dir := t.TempDir()
			e := awsExport{t: t, dir: dir}
			line := func(key string, n int) string { return fmt.Sprintf(`{"Item":{"pk":{"N":%q},"n":{"N":"%d"}}}`, key, n) }
			var lines []string
			for i := range 1000 {
				lines = append(lines, line([]string{"1", "1.0", "1E0", "01"}[i%4], i))
			}
			e.file("a", append(lines, line("2", 1), line("100", 1))...)
			e.file("b", line("1E2", 2), line("1.00", 5000), line("3", 3))
			e.finish(1005)
			n := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
			p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
				_ = yield(ddbtest.Item{"pk": n("1"), "n": n("5000")}) && yield(ddbtest.Item{"pk": n("2"), "n": n("1")}) &&
					yield(ddbtest.Item{"pk": n("100"), "n": n("2")}) && yield(ddbtest.Item{"pk": n("3"), "n": n("3")})
			})
			_, dev := p.open(t)
			s, err := dev.Restore(t.Context(), dir, restoring(t, mode))
			if err != nil {
				t.Fatal(err)
			}
			if s.Read != 4 || s.Written != 4 {
				t.Fatalf("%+v", s)
			}
			p.requireEqual(t)
		})
	}
}

// A dump that is damaged, anywhere, is refused before anything is written.
func TestRestoreRefusesDamage(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 40, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 3, 2))
	_, dev := p.open(t)
	whole := p.dumpOf(t, DumpOptions{Segments: 1})
	edit := func(name string, change func(string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			list, err := filepath.Glob(filepath.Join(dir, name))
			if err != nil || len(list) == 0 {
				t.Fatalf("%s: %v", name, err)
			}
			raw, err := os.ReadFile(list[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(list[0], []byte(change(string(raw))), 0o600); err != nil {
				t.Fatal(err)
			}
			// Whoever forges a dump makes the checksums of its manifests fit.
			for _, m := range []string{"manifest-summary.checksum", "manifest-files.checksum"} {
				if err := os.Remove(filepath.Join(dir, m)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	manifest := func(old, new string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			edit("manifest-files.json", func(s string) string {
				if !strings.Contains(s, old) {
					t.Fatalf("no %q in %s", old, s)
				}
				return strings.Replace(s, old, new, 1)
			})(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "manifest-summary.json"), []byte(`{"outputFormat":"DYNAMODB_JSON","itemCount":40}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		kind   Kind
	}{
		{"cut file", edit("data/000001*", func(s string) string { return s[:len(s)/2] }), Mismatch},
		{"empty file", edit("data/000001*", func(string) string { return "" }), Mismatch},
		{"trailing bytes", edit("data/000001*", func(s string) string { return s + "x" }), Mismatch},
		{"flipped byte", edit("data/000001*", func(s string) string { return s[:len(s)/3] + string(s[len(s)/3]^1) + s[len(s)/3+1:] }), Mismatch},
		{"other checksum", manifest(`"md5Checksum":"`, `"md5Checksum":"A`), Mismatch},
		{"no checksum", manifest(`"sha256":"`, `"sha256":"0`), Mismatch},
		{"wrong count", manifest(`"itemCount":`, `"itemCount":1`), Mismatch},
		{"wrong sum", edit("manifest-summary.json", func(s string) string { return strings.Replace(s, `"itemCount":40`, `"itemCount":41`, 1) }), Mismatch},
		{"another format", edit("manifest-summary.json", func(s string) string { return strings.Replace(s, "DYNAMODB_JSON", "ION", 1) }), Mismatch},
		{"half an export", edit("manifest-summary.json", func(s string) string { return strings.Replace(s, "FULL_EXPORT", "INCREMENTAL_EXPORT", 1) }), Mismatch},
		{"forged list", edit("manifest-files.json", func(s string) string { return s + "\n" }), Mismatch},
		{"forged table.json", edit("table.json", func(s string) string { return s + "\n" }), Mismatch},
		{"checksum beside", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "manifest-files.checksum"), []byte("AAAA"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, Mismatch},
		{"missing file", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "data", "000001.json.gz")); err != nil {
				t.Fatal(err)
			}
		}, Mismatch},
		{"way out", manifest("AWSDynamoDB/", "../x/"), Refused},
		{"absolute", manifest("AWSDynamoDB/", "/x/"), Refused},
		{"backslash", manifest("AWSDynamoDB/", `..\\x/`), Refused},
		{"link", func(t *testing.T, dir string) {
			name := filepath.Join(dir, "data", "000001.json.gz")
			if err := errors.Join(os.Rename(name, name+".moved"), os.Symlink(name+".moved", name)); err != nil {
				t.Fatal(err)
			}
		}, Refused},
		{"linked data", func(t *testing.T, dir string) {
			name := filepath.Join(dir, "data")
			if err := errors.Join(os.Rename(name, name+".moved"), os.Symlink(name+".moved", name)); err != nil {
				t.Fatal(err)
			}
		}, Refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			list, err := filepath.Glob(filepath.Join(dir, "AWSDynamoDB", "0*"))
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			test.damage(t, list[0])
			o := restoring(t, Sync)
			_, err = dev.Restore(t.Context(), list[0], o)
			if kindOf(err) != test.kind {
				t.Errorf("kind %d, want %d: %v", kindOf(err), test.kind, err)
			}
			if left, err := filepath.Glob(filepath.Join(o.RunDir, "*")); err != nil || len(left) != 0 {
				t.Errorf("left %q, %v", left, err)
			}
		})
	}
	if list := p.mutations(p.dev); len(list) != 0 {
		t.Errorf("written: %q", list)
	}
}

// A line that is no item of this table is refused with its place; so is one without end.
func TestRestoreRefusesLines(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	deep := strings.Repeat(`{"L":[`, 10_000) + strings.Repeat(`]}`, 10_000)
	for name, line := range map[string]string{
		"no JSON": `{"Item":`, "no item": `{"Keys":{}}`, "no key": `{"Item":{"x":{"S":"y"}}}`, "another key": `{"Item":{"pk":{"N":"1"}}}`,
		"blank": ``, "two": `{"Item":{"pk":{"S":"1"}}}{}`, "unknown type": `{"Item":{"pk":{"S":"1"},"x":{"V":"1"}}}`,
		"no number": `{"Item":{"pk":{"S":"1"},"x":{"N":"one"}}}`, "no base64": `{"Item":{"pk":{"S":"1"},"x":{"B":"-"}}}`,
		"deep": `{"Item":{"pk":{"S":"1"},"x":` + deep + `}}`, "long": strings.Repeat("0", 5<<20),
	} {
		t.Run(name, func(t *testing.T) {
			e := awsExport{t: t, dir: t.TempDir()}
			e.file("a", `{"Item":{"pk":{"S":"fine"}}}`)
			e.file("b", `{"Item":{"pk":{"S":"fine, too"}}}`, line, `{"Item":{"pk":{"S":"never seen"}}}`)
			e.finish(4)
			_, err := dev.Restore(t.Context(), e.dir, restoring(t, Merge))
			if kindOf(err) != Mismatch || !strings.Contains(fmt.Sprint(err), "b.json.gz, line 2: ") {
				t.Errorf("kind %d: %v", kindOf(err), err)
			}
		})
	}
	if list := p.mutations(p.dev); len(list) != 0 {
		t.Errorf("written: %q", list)
	}
}

// A key that no table can have is refused with its place before the first write, in every mode: the target would refuse
// the first request that has it among others, and the next run would come no further.
func TestRestoreRefusesPoisonKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2049)
	for name, test := range map[string]struct {
		shape ddbtest.Table
		key   string
	}{
		"empty":            {ddbtest.Table{}, `"pk":{"S":""}`},
		"too long":         {ddbtest.Table{}, `"pk":{"S":"` + long + `"}`},
		"too long escaped": {ddbtest.Table{}, `"pk":{"S":"` + strings.Repeat("é", 1025) + `"}`},
		"empty sort":       {ddbtest.Table{Sort: ddbtest.S("sk")}, `"pk":{"S":"a"},"sk":{"S":""}`},
		"too long sort":    {ddbtest.Table{Sort: ddbtest.S("sk")}, `"pk":{"S":"a"},"sk":{"S":"` + long[:1025] + `"}`},
		"empty binary":     {ddbtest.Table{Partition: ddbtest.B("pk")}, `"pk":{"B":""}`},
		"too long binary":  {ddbtest.Table{Partition: ddbtest.B("pk")}, `"pk":{"B":"` + base64.StdEncoding.EncodeToString([]byte(long)) + `"}`},
		"a huge number":    {ddbtest.Table{Partition: ddbtest.N("pk")}, `"pk":{"N":"1E126"}`},
		"too many digits":  {ddbtest.Table{Partition: ddbtest.N("pk")}, `"pk":{"N":"` + strings.Repeat("7", 39) + `"}`},
		"a tiny number":    {ddbtest.Table{Sort: ddbtest.N("sk")}, `"pk":{"S":"a"},"sk":{"N":"1E-131"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, test.shape)
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 30, 1))
			fine := map[string]string{"S": `{"S":"fine"}`, "N": `{"N":"5"}`, "B": `{"B":"AAAA"}`}
			good := `{"Item":{"pk":` + fine[string(p.Partition.Type)]
			if p.Sort.Name != "" {
				good += `,"sk":` + fine[string(p.Sort.Type)]
			}
			e := awsExport{t: t, dir: t.TempDir()}
			e.file("a", good+`}}`)
			e.file("b", good+`,"n":{"N":"2"}}}`, `{"Item":{`+test.key+`}}`)
			e.finish(3)
			_, dev := p.open(t)
			for _, mode := range []Mode{Sync, Replace, Merge} {
				o := restoring(t, mode)
				o.AllowEmptySource = true
				_, err := dev.Restore(t.Context(), e.dir, o)
				if kindOf(err) != Mismatch || !strings.Contains(fmt.Sprint(err), "b.json.gz, line 2: key attribute") {
					t.Errorf("%s: kind %d: %v", mode, kindOf(err), err)
				}
			}
			var err error
			for _, err = range Compare(NewDump(e.dir, nil), dev, CompareOptions{}).All(t.Context()) {
				if err != nil {
					break
				}
			}
			if kindOf(err) != Mismatch || !strings.Contains(fmt.Sprint(err), "b.json.gz, line 2: key attribute") {
				t.Errorf("compare: kind %d: %v", kindOf(err), err)
			}
			if list := p.mutations(p.dev); len(list) != 0 {
				t.Errorf("written: %q", list)
			}
		})
	}
}

// A restore that was broken off in the middle goes on, from the very same dump only.
func TestRestoreGoesOn(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Sync, Merge} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 400, 1))
			if mode == Sync {
				p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 450, 2))
			}
			dir := p.dumpOf(t, DumpOptions{Segments: 1})
			_, dev := p.open(t)
			o := restoring(t, mode)
			o.NoBackup, o.Workers = mode == Merge, 2
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			id := p.dev.Proxy.Inject(ddbtest.Fault{Op: "BatchWriteItem", Table: p.Name, Kind: ddbtest.Deny, Skip: 5})
			s, err := dev.Restore(ctx, dir, o)
			p.dev.Proxy.Remove(id)
			if kindOf(err) != Denied || s.Run == "" || s.Written == 0 || s.Written == 400 {
				t.Fatalf("%v, %+v", err, s)
			}
			cancel(why)
			list, err := Runs(o.RunDir)
			if err != nil || len(list) != 1 || list[0].Command != "restore" || list[0].State != "unfinished" || !strings.HasPrefix(list[0].Source.Path, dir) {
				t.Fatalf("%+v, %v", list, err)
			}
			manifest, err := filepath.Glob(filepath.Join(dir, "AWSDynamoDB", "*", "manifest-summary.json"))
			if err != nil || len(manifest) != 1 {
				t.Fatal(manifest, err)
			}
			before, err := os.ReadFile(manifest[0])
			if err != nil {
				t.Fatal(err)
			}
			var other map[string]any
			if err := json.Unmarshal(before, &other); err != nil {
				t.Fatal(err)
			}
			other["tableId"] = "another"
			changed, err := json.Marshal(other)
			if err != nil {
				t.Fatal(err)
			}
			sum := filepath.Join(filepath.Dir(manifest[0]), "manifest-summary.checksum")
			if err := errors.Join(os.WriteFile(manifest[0], changed, 0o600), os.Remove(sum)); err != nil {
				t.Fatal(err)
			}
			if _, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch {
				t.Fatalf("another dump: %v", err)
			}
			if err := os.WriteFile(manifest[0], before, 0o600); err != nil {
				t.Fatal(err)
			}
			done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if err != nil {
				t.Fatal(err)
			}
			if done.Command != "restore" || done.Run != s.Run || done.Read != 400 || done.Read != done.Written+done.Unchanged {
				t.Fatalf("%+v", done)
			}
			p.requireEqual(t)
		})
	}
}

// Where the order of a dump is not that of the table, and little may be held, most items are gone from memory when
// they turn out to differ: they are read back from the dump.
func TestRestoreReadsBackByKey(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Partition: ddbtest.N("pk")})
	const n = 3000
	text := strings.Repeat("x", 1500)
	put := func(a *ddbtest.Account, what string) {
		p.fill(t, a, func(yield func(ddbtest.Item) bool) {
			for i := range n {
				if !yield(ddbtest.Item{"pk": &types.AttributeValueMemberN{Value: fmt.Sprint(i)}, "t": &types.AttributeValueMemberS{Value: what + text}}) {
					return
				}
			}
		})
	}
	put(p.prod, "new")
	put(p.dev, "old")
	e := awsExport{t: t, dir: t.TempDir()}
	var lines []string
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		lines = append(lines, fmt.Sprintf(`{"Item":{"pk":{"N":"%d.0"},"t":{"S":"new%s"}}}`, i, text))
	}
	e.file("a", lines...)
	e.finish(n)
	_, dev := p.open(t)
	o := restoring(t, Sync)
	o.Memory, o.Segments = 100_000, 1
	s, err := dev.Restore(t.Context(), e.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Read != n || s.Written != n || s.Deleted != 0 {
		t.Fatalf("%+v", s)
	}
	p.requireEqual(t)
}
