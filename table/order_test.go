package table

import (
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

// Two accounts that return their items in different orders, so that no segment
// has what its counterpart has: a comparison and a sync are exact all the same,
// within their memory.
func TestAnotherOrder(t *testing.T) {
	const items, missing, differ, extra = 60_000, 300, 200, 250
	server, err := sim.Start(sim.Config{
		Items: items, ItemBytes: 300, SortKey: true, Target: sim.SideConfig{Shuffled: true},
		Drift: sim.Drift{Fill: true, Missing: missing, Differ: differ, Extra: extra},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	env, err := server.WriteProfiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	source, target := open(t, "simprod", "orders", AccountOptions{}), open(t, "simdev", "orders", AccountOptions{})

	var joined *copier.JoinStats
	watch := func(ph Phase) {
		if ph.Joined != nil {
			joined = ph.Joined
		}
	}
	c := source.Compare(target, CompareOptions{Segments: 2, Memory: 1 << 20, Watch: watch})
	for _, err := range c.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Summary(); s.Equal != items-missing-differ || s.OnlySource != missing || s.Differs != differ || s.OnlyTarget != extra {
		t.Errorf("compared: %+v", s)
	}
	if n := joined.Count(); n.Spilled == 0 || n.Held > 2<<20 {
		t.Errorf("it did not spill, or kept too much: %+v", n)
	}

	o := soon(Sync)
	o.NoBackup, o.RunDir, o.Segments, o.Memory, o.Watch = false, t.TempDir(), 2, 1<<20, watch
	s, err := source.Copy(t.Context(), target, o)
	if err != nil || s.Written != missing+differ || s.Deleted != extra || s.Unchanged != items-missing-differ {
		t.Fatalf("summary %+v, %v", s, err)
	}
	if n := joined.Count(); n.Spilled == 0 || n.Held > 2<<20 {
		t.Errorf("it did not spill, or kept too much: %+v", n)
	}
	r := server.Report()
	if r.Right != items || r.Wrong+r.Missing+r.Extra+r.Target.Corrupt+r.Target.Unknown != 0 || r.Target.Written != missing+differ {
		t.Errorf("the target has %+v", r)
	}
}
