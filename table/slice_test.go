package table

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// orders are n items of each of some customers, in two places: prod's, and
// dev's of which a part is older, missing or extra.
func (p pair) orders(t *testing.T, customers, n int) {
	t.Helper()
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	var inProd, inDev []ddbtest.Item
	for c := range customers {
		for i := range n {
			it := func(version string) ddbtest.Item {
				return ddbtest.Item{"size": str(fmt.Sprintf("c%d", c)), "a.b": &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
					"status": str([]string{"open", "done"}[i%2]), "v": str(version), "pad": str(strings.Repeat("x", 200))}
			}
			if i%5 != 1 {
				inProd = append(inProd, it("new"))
			}
			switch i % 5 {
			case 0, 1:
				inDev = append(inDev, it("old"))
			case 2:
			default:
				inDev = append(inDev, it("new"))
			}
		}
	}
	p.fill(t, p.prod, slices.Values(inProd))
	p.fill(t, p.dev, slices.Values(inDev))
}

// changed lists the keys of which the target is not what it was, by the source's state: the oracle's, before and after.
func (p pair) outside(t *testing.T, before map[string]string, inside func(key string) bool) {
	t.Helper()
	now := p.fingerprints(t, p.dev)
	for key, was := range before {
		if !inside(key) && now[key] != was {
			t.Errorf("%s is outside of the slice, and has changed", key)
		}
	}
	for key := range now {
		if _, known := before[key]; !known && !inside(key) {
			t.Errorf("%s is outside of the slice, and is new", key)
		}
	}
}

// Exactly the slice becomes equal, whatever the way to it; the journal holds
// what it was.
func TestSlice(t *testing.T) {
	t.Parallel()
	under := func(customer string, sorts ...string) func(string) bool {
		return func(key string) bool {
			if !strings.Contains(key, `"size":{"S":"`+customer+`"}`) {
				return false
			}
			return len(sorts) == 0 || slices.ContainsFunc(sorts, func(s string) bool { return strings.Contains(key, `"N":"`+s+`"`) })
		}
	}
	for _, test := range []struct {
		name    string
		mode    Mode
		slice   query.Query
		inside  func(string) bool
		deletes bool
	}{
		{"a partition", Sync, query.Query{Partition: "c3"}, under("c3"), true},
		{"a partition, replaced", Replace, query.Query{Partition: "c3"}, under("c3"), true},
		{"a partition, merged", Merge, query.Query{Partition: "c3"}, under("c3"), false},
		{"a range", Sync, query.Query{Partition: "c1", Sort: "between 10 and 12"}, under("c1", "10", "11", "12"), true},
		{"one item", Sync, query.Query{Partition: "c1", Sort: "15"}, under("c1", "15"), true},
		{"one that only the target has", Sync, query.Query{Partition: "c1", Sort: "16"}, under("c1", "16"), true},
		{"with a filter", Sync, query.Query{Partition: "c2", Filter: "#s = :s", Names: map[string]string{"#s": "status"}, Values: map[string]string{":s": `"open"`}}, under("c2"), false},
		{"only a filter", Merge, query.Query{All: true, Filter: "size(v) = :n", Values: map[string]string{":n": "3"}}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Partition: ddbtest.S("size"), Sort: ddbtest.N("a.b")})
			p.orders(t, 5, 60)
			before, source := p.fingerprints(t, p.dev), p.fingerprints(t, p.prod)
			from, to := p.open(t)
			o := soon(test.mode)
			o.NoBackup, o.RunDir, o.Slice, o.AllowEmptySource = test.slice.All, t.TempDir(), &test.slice, true
			o.Verify = true
			s, err := from.Copy(t.Context(), to, o)
			if err != nil {
				t.Fatal(err)
			}
			if s.Read != s.Written+s.Unchanged+s.Skipped+s.Rejected {
				t.Errorf("the books: %+v", s)
			}
			inside := test.inside
			if inside == nil {
				inside = func(string) bool { return true }
			}
			p.outside(t, before, inside)
			now := p.fingerprints(t, p.dev)
			extras := 0
			for key, want := range source {
				if inside(key) && test.slice.Filter == "" && now[key] != want {
					t.Errorf("%s is not the source's", key)
				}
			}
			for key, was := range before {
				if _, ours := source[key]; inside(key) && !ours {
					extras++
					if _, there := now[key]; there == test.deletes {
						t.Errorf("%s is only in the target: still there: %v", key, there)
					} else if there && now[key] != was {
						t.Errorf("%s has changed", key)
					}
				}
			}
			if test.deletes && s.Deleted != int64(extras) || !test.deletes && s.Deleted != 0 {
				t.Errorf("%d deleted, %d were extra", s.Deleted, extras)
			}
			if test.slice.All {
				return
			}
			old := p.oldImages(t, s.Journal)
			if len(old) != int(s.Written+s.Deleted) {
				t.Errorf("the journal has %d keys, %d were changed", len(old), s.Written+s.Deleted)
			}
			for key, image := range old {
				if before[key] != image {
					t.Errorf("%s: the journal has %q, and it was %q", key, image, before[key])
				}
			}
		})
	}
}

// Through an index: keys from there, items from the table. What the source has
// elsewhere takes the source's version; only what it lacks altogether goes.
func TestSliceThroughAnIndex(t *testing.T) {
	t.Parallel()
	for _, projection := range []types.ProjectionType{types.ProjectionTypeAll, types.ProjectionTypeKeysOnly} {
		t.Run(string(projection), func(t *testing.T) {
			t.Parallel()
			index := ddbtest.Index{Name: "by-status", Partition: ddbtest.S("status"), Projection: projection}
			p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{index}})
			str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
			row := func(key, status, v string) ddbtest.Item {
				it := ddbtest.Item{"pk": str(key), "v": str(v)}
				if status != "" {
					it["status"] = str(status)
				}
				return it
			}
			p.fill(t, p.prod, slices.Values([]ddbtest.Item{
				row("same", "open", "1"), row("changed", "open", "2"), row("moved-out", "done", "2"), row("moved-in", "open", "2"), row("new", "open", "1"),
				row("without", "", "2"), row("other", "done", "prod"),
			}))
			p.fill(t, p.dev, slices.Values([]ddbtest.Item{
				row("same", "open", "1"), row("changed", "open", "1"), row("moved-out", "open", "1"), row("moved-in", "done", "1"), row("extra", "open", "1"),
				row("without", "open", "1"), row("other", "done", "dev"),
			}))
			before := p.fingerprints(t, p.dev)
			source, target := p.open(t)
			slice := &query.Query{Partition: "open", Index: "by-status"}
			got := map[string]DifferenceKind{}
			for d, err := range source.Compare(target, CompareOptions{Slice: slice}).All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got[d.Values()[0]] = d.Kind
			}
			want := map[string]DifferenceKind{"changed": Differs, "moved-out": Differs, "moved-in": Differs, "new": OnlySource, "extra": OnlyTarget, "without": Differs}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("compare says %v, want %v", got, want)
			}
			o := soon(Sync)
			o.NoBackup, o.RunDir, o.Slice, o.Verify = false, t.TempDir(), slice, true
			s, err := source.Copy(t.Context(), target, o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := ddbtest.Diff(t.Context(), p.prod.Client(), p.dev.Client(), p.Name, p.Name)
			if err != nil || len(r.OnlyA)+len(r.OnlyB) != 0 || len(r.Differ) != 1 || !strings.Contains(r.Differ[0], "other") {
				t.Fatalf("%s, %v; %+v", r, err, s)
			}
			old := p.oldImages(t, s.Journal)
			if len(old) != 6 {
				t.Fatalf("the journal has %d keys: %v", len(old), old)
			}
			for key, image := range old {
				if before[key] != image {
					t.Errorf("%s: the journal has %q, and it was %q", key, image, before[key])
				}
			}
		})
	}
}

// What cannot be meant is said before anything is read.
func TestSliceRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
	source, target := p.open(t)
	for name, slice := range map[string]query.Query{
		"no key":          {},
		"a sort key only": {All: true, Sort: "1"},
		"no number":       {Partition: "a", Sort: "= abc"},
		"unknown index":   {Partition: "a", Index: "by-nothing"},
		"invalid UTF-8":   {Partition: "\xff"},
	} {
		o := soon(Sync)
		o.Slice = &slice
		if _, err := source.Copy(t.Context(), target, o); kindOf(err) != Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := soon(Replace)
	o.Slice = &query.Query{All: true, Filter: "attribute_exists(pk)"}
	if _, err := source.Copy(t.Context(), target, o); kindOf(err) != Usage {
		t.Errorf("replace by a filter: %v", err)
	}
	if list := p.mutations(p.dev); len(list) != 0 {
		t.Errorf("it was written to: %v", list)
	}
}

// lagging has the account's index answer as if nothing had happened since it held those items. It returns the fault.
func (p pair) lagging(t *testing.T, a *ddbtest.Account, before []ddbtest.Item) int {
	t.Helper()
	then := p.Table
	then.Name += "-before"
	if err := a.CreateTable(t.Context(), then); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.DeleteTable(context.Background(), then.Name); err != nil {
			t.Error(err)
		}
	})
	if err := a.Fill(t.Context(), then.Name, slices.Values(before)); err != nil {
		t.Fatal(err)
	}
	id := a.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Stale, Table: p.Name, Text: then.Name})
	t.Cleanup(func() { a.Proxy.Remove(id) })
	return id
}

// What an index shows may be a little old. It is a hint where to look: what is written, deleted or
// kept is what the tables themselves say.
func TestSliceThroughALaggingIndex(t *testing.T) {
	t.Parallel()
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	row := func(key, status, v string) ddbtest.Item {
		return ddbtest.Item{"pk": str(key), "status": str(status), "v": str(v)}
	}
	sourceBefore := []ddbtest.Item{
		row("newer", "open", "1"), row("deleted", "open", "1"), row("left the source", "open", "1"), row("left both", "open", "1"),
		row("left the target", "open", "1"),
	}
	source := []ddbtest.Item{
		row("newer", "open", "2"), row("left the source", "done", "2"), row("left both", "done", "2"),
		row("came", "open", "2"), row("newer in the target", "open", "2"), row("left the target", "open", "3"),
	}
	targetBefore := []ddbtest.Item{
		row("left both", "open", "1"), row("newer in the target", "open", "1"), row("left the target", "open", "1"),
		row("only there, and left", "open", "1"), row("only there, and gone", "open", "1"), row("only there", "open", "1"),
		row("came", "open", "1"),
	}
	target := []ddbtest.Item{
		row("newer", "open", "2"), row("left both", "done", "1"), row("came", "open", "1"), row("newer in the target", "open", "2"),
		row("left the target", "done", "2"), row("only there, and left", "done", "2"), row("only there", "open", "2"),
	}
	for _, projection := range []types.ProjectionType{types.ProjectionTypeAll, types.ProjectionTypeKeysOnly, types.ProjectionTypeInclude} {
		for _, test := range []struct {
			name    string
			mode    Mode
			slice   query.Query
			changes []string // all that the copy has to do
		}{
			{"sync", Sync, query.Query{Partition: "open", Index: "by-status"}, []string{"came", "left the target", "only there"}},
			{"a sort key", Sync, query.Query{Partition: "open", Sort: ">= 1", Index: "by-status-and-v"}, []string{"came", "left the target", "only there"}},
			{"merge", Merge, query.Query{Partition: "open", Index: "by-status"}, []string{"came", "left the target"}},
			{"all of an index", Merge, query.Query{All: true, Index: "by-status"}, []string{"left the source", "left both", "left the target"}},
		} {
			t.Run(fmt.Sprint(projection, " ", test.name), func(t *testing.T) {
				t.Parallel()
				one := ddbtest.Index{Name: "by-status", Partition: ddbtest.S("status"), Projection: projection}
				if projection == types.ProjectionTypeInclude {
					one.Attributes = []string{"other"}
				}
				other := one
				other.Name, other.Sort = "by-status-and-v", ddbtest.S("v")
				p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{one, other}})
				p.fill(t, p.prod, slices.Values(source))
				p.fill(t, p.dev, slices.Values(target))
				before := p.fingerprints(t, p.dev)
				id := p.lagging(t, p.prod, sourceBefore)
				p.lagging(t, p.dev, targetBefore)
				from, to := p.open(t)
				o := soon(test.mode)
				o.NoBackup, o.RunDir, o.Slice, o.Verify = test.slice.All, t.TempDir(), &test.slice, test.mode == Sync
				s, err := from.Copy(t.Context(), to, o)
				if err != nil {
					t.Fatal(err)
				}
				want, now := maps.Clone(before), p.fingerprints(t, p.prod)
				for _, name := range test.changes {
					key := `{"pk":{"S":"` + name + `"}}`
					if want[key] = now[key]; want[key] == "" {
						delete(want, key)
					}
				}
				got := p.fingerprints(t, p.dev)
				for _, list := range []map[string]string{want, got} {
					for key := range list {
						if got[key] != want[key] {
							t.Errorf("%s is %q, and should be %q: %+v", key, got[key], want[key], s)
						}
					}
				}
				if p.prod.Proxy.Fired(id) == 0 {
					t.Error("the source's index was not asked")
				}
				if test.slice.All {
					return
				}
				for key, image := range p.oldImages(t, s.Journal) {
					if before[key] != image {
						t.Errorf("%s: the journal has %q, and it was %q", key, image, before[key])
					}
				}
			})
		}
	}
}

// What leaves the slice after it was read is not deleted: it is asked for its index key once more.
func TestSliceLeftBeforeTheDelete(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		p := newPair(t, ddbtest.Table{Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk"), Indexes: []ddbtest.Index{
			{Name: "by-status", Partition: ddbtest.S(map[bool]string{true: "pk", false: "status"}[local]), Sort: ddbtest.S("kind"), Local: local}}})
		str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
		row := func(key, kind string) ddbtest.Item {
			return ddbtest.Item{"pk": str("open"), "sk": str(key), "status": str("open"), "kind": str(kind)}
		}
		p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("goes", "a"), row("stays", "a")}))
		id := p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchGetItem", Table: p.Name, Count: 1, Do: func() {
			p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("stays", "b")}))
		}})
		source, target := p.open(t)
		o := soon(Sync)
		o.RunDir, o.Slice, o.AllowEmptySource = t.TempDir(), &query.Query{Partition: "open", Sort: "= a", Index: "by-status"}, true
		s, err := source.Copy(t.Context(), target, o)
		if err != nil || s.Deleted != 1 || p.prod.Proxy.Fired(id) != 1 {
			t.Errorf("local %v: %d deleted, %v; asked %d times", local, s.Deleted, err, p.prod.Proxy.Fired(id))
		}
		if now := p.fingerprints(t, p.dev); len(now) != 1 || now[`{"pk":{"S":"open"},"sk":{"S":"stays"}}`] == "" {
			t.Errorf("local %v: there are %v", local, now)
		}
	}
}
