package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// compared are the differences of two sides, sorted, and the summary. Nothing may be left of a dump.
func compared(t *testing.T, source, target Side, o CompareOptions) ([]string, CompareSummary) {
	t.Helper()
	o.RunDir = t.TempDir()
	c := Compare(source, target, o)
	var list []string
	for d, err := range c.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %v %v", d.Kind, d.Values(), d.Attributes))
	}
	slices.Sort(list)
	requireEmpty(t, o.RunDir)
	return list, c.Summary()
}

// requireEmpty fails where a file is in the directory, or is open without a name there.
func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	open, _ := filepath.Glob("/proc/self/fd/*") // where there is such a thing
	for _, fd := range open {
		if name, err := os.Readlink(fd); err == nil && strings.HasPrefix(name, dir+"/") {
			t.Errorf("%s is still open", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 0 {
		t.Errorf("left %q, %v", left, err)
	}
}

// refusedComparison is the error that a comparison ends with before it tells of any difference.
func refusedComparison(t *testing.T, source, target Side, o CompareOptions) error {
	t.Helper()
	o.RunDir = t.TempDir()
	var failed error
	for d, err := range Compare(source, target, o).All(t.Context()) {
		if err == nil {
			t.Fatalf("told of %+v", d)
		}
		failed = err
	}
	requireEmpty(t, o.RunDir)
	return failed
}

// A dump equals its table, and any other form of it, on either side, whatever the type of its values.
func TestCompareWithDump(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Partition: ddbtest.B("pk"), Sort: ddbtest.N("sk")})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 400, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 400, 1))
	prod, dev := p.open(t)
	gzip, zstd := NewDump(p.dumpOf(t, DumpOptions{Segments: 3}), nil), NewDump(p.dumpOf(t, DumpOptions{Compress: "zstd"}), nil)
	for _, sides := range [][2]Side{{prod, gzip}, {gzip, prod}, {dev, zstd}, {zstd, dev}, {gzip, zstd}, {gzip, gzip}} {
		list, s := compared(t, sides[0], sides[1], CompareOptions{Memory: 1 << 20})
		if len(list) != 0 || s.Equal != 400 || s.Read != 400 || !s.Same() {
			t.Errorf("%v, %+v", list, s)
		}
		for i, d := range []Description{s.Source, s.Target} {
			if _, isDump := sides[i].(*Dump); isDump != (d.Path != "") || d.Table != p.Name || isDump && d.Account != p.prod.ID {
				t.Errorf("described as %+v", d)
			}
		}
	}
	if list := p.mutations(p.prod); len(list) != 0 {
		t.Errorf("written: %q", list)
	}
}

// One item changed, one missing, one extra, anywhere among many, in a dump whose lines have no order and which says
// the same values otherwise: three lines, and all the others are equal.
func TestCompareWithDumpFindsThree(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	const n = 10_000
	random := rand.New(rand.NewPCG(5, 8))
	at := random.Perm(n)[:3]
	name := func(i int) string { return fmt.Sprintf("order %d", i) }
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		for i := range n {
			if i != at[2] && !yield(ddbtest.Item{
				"pk": &types.AttributeValueMemberS{Value: name(i)}, "n": &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
				"s": &types.AttributeValueMemberSS{Value: []string{"x", "y"}},
			}) {
				return
			}
		}
	})
	e := awsExport{t: t, dir: t.TempDir()}
	var lines []string
	for _, i := range random.Perm(n) {
		set := `["y","x"]`
		switch i {
		case at[0]:
			set = `["y","x","z"]`
		case at[1]:
			continue
		}
		lines = append(lines, fmt.Sprintf(`{"Item":{"s":{"SS":%s},"n":{"N":"%d.00"},"pk":{"S":%q}}}`, set, i, name(i)))
	}
	e.file("a", lines[:n/3]...)
	e.file("b", lines[n/3:]...)
	e.finish(n - 1)
	prod, _ := p.open(t)
	want := []string{
		fmt.Sprintf("differs [%s] [s]", name(at[0])), fmt.Sprintf("only_source [%s] []", name(at[1])), fmt.Sprintf("only_target [%s] []", name(at[2])),
	}
	// In the little memory most of the items are gone when they turn out to differ, and are read back by key.
	list, s := compared(t, prod, NewDump(e.dir, nil), CompareOptions{Detail: true, Memory: 100_000, Segments: 3})
	if !slices.Equal(list, want) || s.Equal != n-3 || s.Read != n-1 {
		t.Errorf("got %q, want %q; %+v", list, want, s)
	}
	want[1], want[2] = fmt.Sprintf("only_source [%s] []", name(at[2])), fmt.Sprintf("only_target [%s] []", name(at[1]))
	if list, s = compared(t, NewDump(e.dir, nil), prod, CompareOptions{Detail: true}); !slices.Equal(list, want) || s.Equal != n-3 {
		t.Errorf("the other way round: got %q, want %q; %+v", list, want, s)
	}
}

// A dump that does not fit, is damaged or not there is refused before anything is said of it.
func TestCompareWithDumpRefuses(t *testing.T) {
	t.Parallel()
	p, other := newPair(t, ddbtest.Table{}), newPair(t, ddbtest.Table{Partition: ddbtest.N("number")})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 40, 1))
	other.fill(t, other.prod, ddbtest.EdgeItems(other.Table, 4, 1))
	prod, _ := p.open(t)
	dir := p.dumpOf(t, DumpOptions{})
	strange := NewDump(other.dumpOf(t, DumpOptions{}), nil)
	foreign := awsExport{t: t, dir: t.TempDir()}
	foreign.file("a", `{"Item":{"other":{"S":"x"}}}`)
	foreign.finish(1)
	damaged := t.TempDir()
	if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Glob(filepath.Join(damaged, "AWSDynamoDB", "0*", "data", "*.gz"))
	if err != nil || len(data) == 0 {
		t.Fatal(data, err)
	}
	raw, err := os.ReadFile(data[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(data[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		source, target Side
		o              CompareOptions
		kind           Kind
		text           string
	}{
		{"damaged", prod, NewDump(damaged, nil), CompareOptions{}, Mismatch, "000001.json.gz"},
		{"damaged source", NewDump(damaged, nil), prod, CompareOptions{}, Mismatch, "000001.json.gz"},
		{"damaged, after a whole one", NewDump(dir, nil), NewDump(damaged, nil), CompareOptions{}, Mismatch, "000001.json.gz"},
		{"another key", prod, strange, CompareOptions{}, Mismatch, "the keys do not fit"},
		{"an export with another key", prod, NewDump(foreign.dir, nil), CompareOptions{}, Mismatch, "a.json.gz, line 1"},
		{"no key at all", NewDump(foreign.dir, nil), NewDump(foreign.dir, nil), CompareOptions{}, Usage, "neither dump says"},
		{"not there", prod, NewDump(filepath.Join(dir, "missing"), nil), CompareOptions{}, Usage, "missing"},
		{"no dump", prod, NewDump(t.TempDir(), nil), CompareOptions{}, Usage, "there is no dump"},
		{"a slice", prod, NewDump(dir, nil), CompareOptions{Slice: &query.Query{Partition: "x"}}, Usage, "no keys to find a slice by"},
		{"no TTL", NewDump(dir, nil), prod, CompareOptions{SkipExpired: true}, Usage, "knows no TTL"},
	} {
		if err := refusedComparison(t, test.source, test.target, test.o); kindOf(err) != test.kind || !strings.Contains(fmt.Sprint(err), test.text) {
			t.Errorf("%s: kind %d, want %d: %v", test.name, kindOf(err), test.kind, err)
		}
	}
	// What the table has by now is read again, by key, and what it lacks is believed only then.
	if _, err := p.prod.Client().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(p.Name), Item: ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: "late"}}}); err != nil {
		t.Fatal(err)
	}
	if list, _ := compared(t, prod, NewDump(dir, nil), CompareOptions{}); !slices.Equal(list, []string{"only_source [late] []"}) {
		t.Errorf("%q", list)
	}
}

// Whoever stops a comparison with a dump, or wants no more, leaves nothing behind.
func TestCompareWithDumpStops(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 200, 1))
	dir := p.dumpOf(t, DumpOptions{})
	_, dev := p.open(t)
	o := CompareOptions{RunDir: t.TempDir()}
	for _, err := range Compare(NewDump(dir, nil), dev, o).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	requireEmpty(t, o.RunDir)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	o.Watch = func(ph Phase) {
		if ph.Name == phaseCompare {
			cancel(why)
		}
	}
	for _, err := range Compare(dev, NewDump(dir, nil), o).All(ctx) {
		if !errors.Is(err, why) {
			t.Error(err)
		}
	}
	requireEmpty(t, o.RunDir)
}
