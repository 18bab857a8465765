package table

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A dump that is broken off leaves nothing, and no goroutine.
func TestDumpBrokenOff(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	source, _ := p.open(t)
	why := errors.New("enough")
	for _, name := range []string{"cancelled", "scan denied"} {
		dir := filepath.Join(t.TempDir(), "dumps")
		ctx, cancel := context.WithCancelCause(t.Context())
		o := DumpOptions{Segments: 1}
		defer cancel(nil)
		var id int
		if name == "cancelled" {
			o.Watch = func(Phase) { cancel(why) }
		} else {
			id = p.prod.Proxy.Inject(ddbtest.Fault{Op: "Scan", Table: p.Name, Kind: ddbtest.Deny})
		}
		s, err := source.Dump(ctx, dir, o)
		switch {
		case name == "cancelled" && !errors.Is(err, why), name != "cancelled" && kindOf(err) != Denied:
			t.Errorf("%s: %v", name, err)
		case s.Manifest != "":
			t.Errorf("%s: manifest %s", name, s.Manifest)
		}
		if id != 0 {
			p.prod.Proxy.Remove(id)
		}
		left, err := os.ReadDir(filepath.Join(dir, "AWSDynamoDB"))
		if err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
