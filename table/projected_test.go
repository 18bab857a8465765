package table

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// A filter is on items, whatever the index has of them.
func TestFilterOfWhatAnIndexLacks(t *testing.T) {
	t.Parallel()
	row := func(key, color, v string) ddbtest.Item {
		it := ddbtest.Item{}
		for name, value := range map[string]string{"pk": key, "status": "open", "v": v, "color": color} {
			if value != "" {
				it[name] = &types.AttributeValueMemberS{Value: value}
			}
		}
		return it
	}
	for _, projection := range []types.ProjectionType{types.ProjectionTypeKeysOnly, types.ProjectionTypeInclude, types.ProjectionTypeAll} {
		for filter, want := range map[string][]string{"#c = :c": {"red", "red too"}, "attribute_not_exists(#c)": {"none"}} {
			t.Run(fmt.Sprint(projection, " ", filter), func(t *testing.T) {
				t.Parallel()
				index := ddbtest.Index{Name: "by-status", Partition: ddbtest.S("status"), Projection: projection}
				if projection == types.ProjectionTypeInclude {
					index.Attributes = []string{"v"}
				}
				p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{index}})
				p.fill(t, p.prod, slices.Values([]ddbtest.Item{row("red", "red", "2"), row("grey", "grey", "2"), row("none", "", "2"), row("red too", "red", "2")}))
				p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("red too", "grey", "1")}))
				source, target := p.open(t)
				o := soon(Sync)
				o.RunDir, o.Verify = t.TempDir(), true
				o.Slice = &query.Query{Partition: "open", Index: "by-status", Filter: filter, Names: map[string]string{"#c": "color"}}
				if filter == "#c = :c" {
					o.Slice.Values = map[string]string{":c": `"red"`}
				}
				s, err := source.Copy(t.Context(), target, o)
				if err != nil {
					t.Fatal(err)
				}
				was, now := p.fingerprints(t, p.prod), p.fingerprints(t, p.dev)
				var got []string
				for _, key := range []string{"grey", "none", "red", "red too"} {
					if raw := fmt.Sprintf(`{"pk":{"S":"%s"}}`, key); now[raw] == was[raw] {
						got = append(got, key)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("copied %q, want %q: %+v", got, want, s)
				}
			})
		}
	}
}

// While an index lags behind, the filter is asked again item by item. What was got is kept when one of these requests fails.
func TestFilterThroughALaggingIndexThatIsThrottled(t *testing.T) {
	t.Parallel()
	const n = 80
	items := func(v string) (list []ddbtest.Item) {
		for i := range n {
			it := ddbtest.Item{}
			for name, value := range map[string]string{"pk": fmt.Sprint(i), "status": "open", "v": v} {
				it[name] = &types.AttributeValueMemberS{Value: value}
			}
			list = append(list, it)
		}
		return list
	}
	p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{{Name: "by-status", Partition: ddbtest.S("status"), Projection: types.ProjectionTypeAll}}})
	p.fill(t, p.prod, slices.Values(items("new")))
	p.lagging(t, p.prod, items("old"))
	id := p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Throttle, Op: "Query", Table: p.Name, Probability: 0.3})
	defer p.prod.Proxy.Remove(id)
	source, target := p.open(t)
	o := soon(Sync)
	o.RunDir, o.Stall = t.TempDir(), 30*time.Second
	o.Slice = &query.Query{Partition: "open", Index: "by-status", Filter: "v <> :v", Values: map[string]string{":v": `"x"`}}
	if s, err := source.Copy(t.Context(), target, o); err != nil || s.Written != n {
		t.Fatalf("%d written, %v", s.Written, err)
	}
	p.requireEqual(t)
}
