package table

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// What a filter has let through, and what has changed since, is held against the filter as it is now: it comes, or is
// hidden, but is never left out because it has changed.
func TestFilterOfWhatHasChangedSince(t *testing.T) {
	t.Parallel()
	cases := map[string][3]string{ // status and version in prod then and now, and in dev; "" for none
		"changed":       {"open 1", "open 2", "open 0"},
		"new":           {"open 1", "open 2", ""},
		"equal by now":  {"open 1", "open 2", "open 2"},
		"hidden by now": {"open 1", "done 2", "open 0"},
		"gone by now":   {"open 1", "", "open 0"},
		"hidden, new":   {"open 1", "done 2", ""},
	}
	want := map[string]string{
		"changed": "open 2", "new": "open 2", "equal by now": "open 2", "hidden by now": "open 0", "gone by now": "open 0",
	}
	for name, slice := range map[string]query.Query{"scan": {All: true}, "partition": {Partition: "c"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			var items [3][]ddbtest.Item
			row := func(key, text string) ddbtest.Item {
				var status, v string
				if _, err := fmt.Sscan(text, &status, &v); err != nil {
					t.Fatal(err)
				}
				it := ddbtest.Item{}
				for name, value := range map[string]string{"pk": "c", "sk": key, "status": status, "v": v} {
					it[name] = &types.AttributeValueMemberS{Value: value}
				}
				return it
			}
			for key, versions := range cases {
				for which, text := range versions {
					if text != "" {
						items[which] = append(items[which], row(key, text))
					}
				}
			}
			p.fill(t, p.prod, slices.Values(items[1]))
			p.fill(t, p.dev, slices.Values(items[2]))
			p.lagging(t, p.prod, items[0])
			o := soon(Sync)
			slice.Filter, slice.Names, slice.Values = "#s = :s", map[string]string{"#s": "status"}, map[string]string{":s": `"open"`}
			o.RunDir, o.Eventual, o.Verify, o.Slice = t.TempDir(), true, true, &slice
			from, to := p.open(t)
			s, err := from.Copy(t.Context(), to, o)
			if err != nil {
				t.Fatal(err)
			}
			var after []ddbtest.Item
			for key, text := range want {
				after = append(after, row(key, text))
			}
			other := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			other.fill(t, other.dev, slices.Values(after))
			if now, want := p.fingerprints(t, p.dev), other.fingerprints(t, other.dev); !maps.Equal(now, want) {
				t.Errorf("the target has %v,\nwant %v: %+v", now, want, s)
			}
		})
	}
}
