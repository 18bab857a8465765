package table

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// indexed is a table with n items of some size under one key of an index that has keys only.
func indexed(t *testing.T, n, size int) (p pair, read func() copier.Source) {
	t.Helper()
	p = newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{
		{Name: "by-status", Partition: ddbtest.S("status"), Sort: ddbtest.N("at"), Projection: types.ProjectionTypeKeysOnly}}})
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		for i := range n {
			if !yield(ddbtest.Item{
				"pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("key%05d", i*7919%n)}, "status": &types.AttributeValueMemberS{Value: "open"},
				"at": &types.AttributeValueMemberN{Value: fmt.Sprint(i / 3)}, "pad": &types.AttributeValueMemberS{Value: strings.Repeat("x", size)},
			}) {
				return
			}
		}
	})
	source, _ := p.open(t)
	d, err := source.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, func() copier.Source {
		src, err := source.part(d, &query.Query{Partition: "open", Index: "by-status"}, scanOptions{side: sourceSide})
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
}

// A page holds about a megabyte of items, however many keys a page of the index has.
func TestFetchedPagesAreBounded(t *testing.T) {
	t.Parallel()
	_, read := indexed(t, 600, 20<<10)
	seen := map[string]bool{}
	for page, err := range copier.Pages(t.Context(), read(), copier.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, it := range page.Items {
			size += len(it)
			seen[keyIn(it)] = true
		}
		if size > 2<<20 {
			t.Errorf("a page of %d items has %d bytes", len(page.Items), size)
		}
	}
	if len(seen) != 600 {
		t.Errorf("%d of 600 items", len(seen))
	}
}

// What was got is kept: each key is got once, whatever fails or is not processed beside it.
func TestFetchedKeepsWhatItGot(t *testing.T) {
	t.Parallel()
	p, read := indexed(t, 1500, 10)
	for _, f := range []ddbtest.Fault{
		{Kind: ddbtest.Throttle, Op: "BatchGetItem", Table: p.Name, Probability: 0.2, Count: 30},
		{Kind: ddbtest.UnprocessedKeys, Op: "BatchGetItem", Table: p.Name, Probability: 0.3},
		{Kind: ddbtest.CloseInside, Op: "BatchGetItem", Table: p.Name, Count: 3, Skip: 10},
	} {
		p.prod.Proxy.Inject(f)
	}
	times := map[string]int{}
	for page, err := range copier.Pages(t.Context(), read(), copier.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			times[keyIn(it)]++
		}
	}
	if len(times) != 1500 {
		t.Errorf("%d of 1500 items", len(times))
	}
	for it, n := range times {
		if n != 1 {
			t.Errorf("%s came %d times", it, n)
		}
	}
	if n := p.requests(t, "Query"); n != 1 {
		t.Errorf("the keys were read %d times", n)
	}
}

// Wherever another process begins, it gets all that is left.
func TestFetchedGoesOn(t *testing.T) {
	t.Parallel()
	p, read := indexed(t, 300, 10)
	p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.UnprocessedKeys, Op: "BatchGetItem", Table: p.Name, Probability: 0.7})
	src, seen := read(), map[string]bool{}
	var page item.Page
	var from item.Cursor
	for pages := 0; ; pages++ {
		if err := src.Read(t.Context(), 0, from, 1, &page); err != nil {
			if f, ok := err.(*copier.Fault); ok && f.Class == copier.Throttled { //nolint:errorlint // just made
				continue // none was processed
			}
			t.Fatal(err)
		}
		for _, it := range page.Items {
			seen[keyIn(it)] = true
		}
		if from = page.Next; from == nil {
			break
		}
		if pages%3 != 0 {
			continue
		}
		rest := map[string]bool{}
		other := read()
		for next := from; next != nil; {
			var page item.Page
			if err := other.Read(t.Context(), 0, next, 1, &page); err != nil {
				continue // as above
			}
			for _, it := range page.Items {
				rest[keyIn(it)] = true
			}
			next = page.Next
		}
		for it := range seen {
			rest[it] = true
		}
		if len(rest) != 300 {
			t.Fatalf("after %d pages there are %d of 300 items", pages+1, len(rest))
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 items", len(seen))
	}
}

// keyIn is the key in an item's text; the engine gives attributes in any order.
func keyIn(it item.Item) string {
	_, after, _ := strings.Cut(string(it), `"pk":{"S":"`)
	key, _, _ := strings.Cut(after, `"`)
	return key
}

// requests counts those to prod's table.
func (p pair) requests(t *testing.T, op string) (n int) {
	t.Helper()
	for _, r := range p.prod.Proxy.Requests() {
		if r.Table == p.Name && r.Op == op {
			n++
		}
	}
	return n
}

// A filter has seen what the index showed. What has changed since is held against it as it is now, by the table.
func TestSliceByAFilterThroughALaggingIndex(t *testing.T) {
	t.Parallel()
	row := func(key, color, v string) ddbtest.Item {
		it := ddbtest.Item{}
		for name, value := range map[string]string{"pk": key, "sk": `"a" and "b"`, "status": "open", "color": color, "v": v} {
			it[name] = &types.AttributeValueMemberS{Value: value}
		}
		return it
	}
	for _, projection := range []types.ProjectionType{types.ProjectionTypeAll, types.ProjectionTypeInclude} {
		t.Run(string(projection), func(t *testing.T) {
			t.Parallel()
			index := ddbtest.Index{Name: "by-status", Partition: ddbtest.S("status"), Projection: projection}
			if projection == types.ProjectionTypeInclude {
				index.Attributes = []string{"color"}
			}
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk"), Indexes: []ddbtest.Index{index}})
			p.fill(t, p.prod, slices.Values([]ddbtest.Item{row("fades", "grey", "2"), row("stays", "red", "2"), row("newer", "red", "2"), row("never", "grey", "2")}))
			p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("fades", "red", "1"), row("never", "grey", "1")}))
			p.lagging(t, p.prod, []ddbtest.Item{row("fades", "red", "1"), row("stays", "red", "2"), row("newer", "red", "1"), row("never", "grey", "1")})
			before, now := p.fingerprints(t, p.dev), p.fingerprints(t, p.prod)
			source, target := p.open(t)
			o := soon(Sync)
			o.RunDir, o.Verify = t.TempDir(), true
			o.Slice = &query.Query{Partition: "open", Index: "by-status", Filter: "#c = :c", Names: map[string]string{"#c": "color"}, Values: map[string]string{":c": `"red"`}}
			s, err := source.Copy(t.Context(), target, o)
			if err != nil || s.Written != 2 {
				t.Fatalf("%d written, %v", s.Written, err)
			}
			after := p.fingerprints(t, p.dev)
			for key, digest := range after {
				want := now[key]
				if strings.Contains(key, "fades") || strings.Contains(key, "never") {
					want = before[key]
				}
				if digest != want {
					t.Errorf("%s is not what it should be", key)
				}
			}
			if len(after) != 4 {
				t.Errorf("%d items", len(after))
			}
		})
	}
}
