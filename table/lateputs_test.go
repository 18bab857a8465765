package table

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// What puts of a run may come late, the next run waits for, before it looks at the table or empties it. Half of the items
// of the first one are others by then, or are gone.
func TestLatePutsOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		for _, next := range []string{"sync", "replace", "truncate"} {
			t.Run(fmt.Sprintf("%s, killed %t", next, killed), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{})
				all := slices.Collect(ddbtest.EdgeItems(p.Table, 100, 1))
				p.fill(t, p.prod, slices.Values(all))
				o := soon(Merge)
				o.RunDir, o.Stall = t.TempDir(), 5*time.Second
				var asKilled []byte
				checkpoint := func() string {
					found, err := filepath.Glob(filepath.Join(o.RunDir, "*", "checkpoint.json"))
					if err != nil || len(found) != 1 {
						t.Fatalf("%v, %v", found, err)
					}
					return found[0]
				}
				id := p.late(500, 0, func() {
					if asKilled != nil {
						return
					}
					var err error
					if asKilled, err = os.ReadFile(checkpoint()); err != nil {
						t.Error(err)
					}
				})
				source, target := p.open(t)
				if _, err := source.Copy(t.Context(), target, o); kindOf(err) != Failed {
					t.Fatalf("got %v", err)
				}
				p.dev.Proxy.Remove(id)
				if killed {
					write(t, checkpoint(), asKilled)
				}
				truncate := func(table *Table, profile, dir string) {
					o := TruncateOptions{RunDir: dir, NoBackup: true, AllowProtected: profile + "/" + p.Name}
					if _, err := table.Truncate(t.Context(), o); err != nil {
						t.Fatal(err)
					}
				}
				truncate(source, "prod", t.TempDir())
				o.Stall, o.Mode = 0, Sync
				if next == "truncate" {
					truncate(target, "dev", o.RunDir)
				} else {
					p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 50, 2))
					if next == "replace" {
						o.Mode = Replace
					}
					if _, err := source.Copy(t.Context(), target, o); err != nil {
						t.Fatal(err)
					}
				}
				p.awaitLate(t)
				p.requireEqual(t)
			})
		}
	}
}
