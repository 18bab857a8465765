package table

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// What the source's filter hides is in the source all the same: neither is it written, nor what it
// hides deleted, and a copy that left it alone is verified.
func TestFilterHidesItemsOfTheSource(t *testing.T) {
	t.Parallel()
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	row := func(key, status, v string) ddbtest.Item {
		return ddbtest.Item{"pk": str("c"), "sk": str(key), "status": str(status), "v": str(v)}
	}
	inProd := []ddbtest.Item{
		row("hidden", "done", "2"), row("hidden and equal", "done", "1"), row("changed", "open", "2"),
		row("shown there only", "open", "2"), row("new", "open", "1"), row("same", "open", "1"), row("hidden and new", "done", "1"),
	}
	inDev := []ddbtest.Item{
		row("hidden", "open", "1"), row("hidden and equal", "done", "1"), row("changed", "open", "1"),
		row("shown there only", "done", "1"), row("extra", "open", "1"), row("same", "open", "1"), row("hidden extra", "done", "1"),
	}
	filter := query.Query{Filter: "#s = :s", Names: map[string]string{"#s": "status"}, Values: map[string]string{":s": `"open"`}}
	slice := func(change func(*query.Query)) query.Query {
		q := filter
		change(&q)
		return q
	}
	for _, test := range []struct {
		name  string
		mode  Mode
		slice query.Query
	}{
		{"sync", Sync, slice(func(q *query.Query) { q.All = true })},
		{"merge", Merge, slice(func(q *query.Query) { q.All = true })},
		{"sync of a partition", Sync, slice(func(q *query.Query) { q.Partition = "c" })},
		{"merge of a partition", Merge, slice(func(q *query.Query) { q.Partition = "c" })},
		{"sync of a partition of an index", Sync, slice(func(q *query.Query) { q.Partition, q.Index = "c", "by-v" })},
		{"sync, eventually", Sync, slice(func(q *query.Query) { q.All, q.Eventual = true, true })},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk"), Indexes: []ddbtest.Index{
				{Name: "by-v", Partition: ddbtest.S("pk"), Sort: ddbtest.S("v"), Projection: types.ProjectionTypeAll}}})
			p.fill(t, p.prod, slices.Values(inProd))
			p.fill(t, p.dev, slices.Values(inDev))
			want, source := p.fingerprints(t, p.dev), p.fingerprints(t, p.prod)
			from, to := p.open(t)
			eventual := test.slice.Eventual

			got := map[string]string{}
			compared := from.Compare(to, CompareOptions{Slice: &test.slice, Eventual: eventual, Detail: true})
			for d, err := range compared.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got[d.Values()[1]] = fmt.Sprint(d.Kind, " ", d.Attributes, " ", d.Hidden)
			}
			if want := map[string]string{
				"hidden": "differs [status v] true", "changed": "differs [v] false", "shown there only": "differs [status v] false",
				"new": "only_source [] false", "extra": "only_target [] false",
			}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("compare says %v, want %v", got, want)
			}
			if s := compared.Summary(); s.Read != 4 || s.Equal != 1 || s.Differs != 3 {
				t.Errorf("compare counts %+v", s)
			}

			o := soon(test.mode)
			o.NoBackup, o.RunDir, o.Slice, o.Eventual, o.Verify = true, t.TempDir(), &test.slice, eventual, true
			s, err := from.Copy(t.Context(), to, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"changed", "shown there only", "new"} {
				key := `{"pk":{"S":"c"},"sk":{"S":"` + name + `"}}`
				want[key] = source[key]
			}
			now := p.fingerprints(t, p.dev)
			for _, list := range []map[string]string{want, now} {
				for key := range list {
					if now[key] != want[key] {
						t.Errorf("%s is %q, and should be %q", key, now[key], want[key])
					}
				}
			}
			if s.Read != 4 || s.Written+s.Unchanged != 4 || s.Written < 3 || s.Deleted != 0 || s.Verified == nil || !*s.Verified {
				t.Errorf("the copy counts %+v", s)
			}
		})
	}
}
