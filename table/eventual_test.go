package table

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// Eventually consistent scans of both tables see them as they were a moment ago. What is told, written,
// deleted and kept for undo is what the tables hold now.
func TestEventualReadsAreHints(t *testing.T) {
	t.Parallel()
	// Versions of an item, "" for none: in prod then and now, in dev then and now.
	cases := map[string][4]string{
		"equal by now":         {"1", "2", "0", "2"},
		"older in the target":  {"1", "2", "0", "1"},
		"newer in the target":  {"1", "1", "0", "2"},
		"came to the target":   {"1", "2", "", "2"},
		"came, older":          {"1", "2", "", "1"},
		"gone from the target": {"1", "2", "0", ""},
		"gone from the source": {"1", "", "0", "1"},
		"gone from both":       {"1", "", "0", ""},
		"deleted":              {"1", "", "", ""},
		"new":                  {"1", "2", "", ""},
		"came to the source":   {"", "2", "1", "1"},
		"extra":                {"", "", "0", "1"},
		"extra, gone":          {"", "", "0", ""},
		"same":                 {"1", "1", "1", "1"},
	}
	differ := map[string]DifferenceKind{
		"older in the target": Differs, "newer in the target": Differs, "came, older": Differs, "gone from the target": OnlySource,
		"new": OnlySource, "came to the source": Differs, "extra": OnlyTarget,
	}
	const times = 20 // of each, so that more than one request is made
	for _, emptied := range []bool{false, true} {
		t.Run(fmt.Sprintf("an empty target then %t", emptied), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			var items [4][]ddbtest.Item
			for name, versions := range cases {
				if emptied {
					versions[2] = ""
				}
				for which, v := range versions {
					for n := range times {
						if v != "" {
							items[which] = append(items[which], ddbtest.Item{
								"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(name, " ", n)}, "v": &types.AttributeValueMemberS{Value: v}})
						}
					}
				}
			}
			p.fill(t, p.prod, slices.Values(items[1]))
			p.fill(t, p.dev, slices.Values(items[3]))
			old := []int{p.lagging(t, p.prod, items[0]), p.lagging(t, p.dev, items[2])}
			before, source := p.fingerprints(t, p.dev), p.fingerprints(t, p.prod)
			from, to := p.open(t)

			want := map[string]DifferenceKind{}
			after := maps.Clone(before)
			for name, kind := range differ {
				if emptied && cases[name][0] == "" {
					continue // no scan shows it
				}
				for n := range times {
					id := fmt.Sprint(name, " ", n)
					key := `{"pk":{"S":"` + id + `"}}`
					want[id], after[key] = kind, source[key]
					if kind == OnlyTarget {
						delete(after, key)
					}
				}
			}
			got := map[string]DifferenceKind{}
			for d, err := range from.Compare(to, CompareOptions{Eventual: true}).All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got[d.Values()[0]] = d.Kind
			}
			if !maps.Equal(got, want) {
				t.Errorf("compare says %v,\nwant %v", got, want)
			}

			o := soon(Sync)
			o.NoBackup, o.RunDir, o.Eventual = false, t.TempDir(), true
			s, err := from.Copy(t.Context(), to, o)
			if err != nil {
				t.Fatal(err)
			}
			wrong := func(want map[string]string) (n int) {
				now := p.fingerprints(t, p.dev)
				for _, list := range []map[string]string{want, now} {
					for key := range list {
						if now[key] != want[key] {
							t.Logf("%s is %q, and should be %q", key, now[key], want[key])
							n++
						}
					}
				}
				return n
			}
			if n := wrong(after); n != 0 {
				t.Errorf("%d items are wrong after the sync: %+v", n, s)
			}
			if _, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir}); err != nil {
				t.Fatal(err)
			}
			if n := wrong(before); n != 0 {
				t.Errorf("%d items are wrong after the undo", n)
			}
			for _, id := range old {
				if p.dev.Proxy.Fired(id)+p.prod.Proxy.Fired(id) == 0 {
					t.Error("no old answer was given")
				}
			}
		})
	}
}
