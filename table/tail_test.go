package table

import (
	"slices"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// An outage that begins when one batch is left makes no dead letters: the run has failed, and goes on when it is over. A
// key that the target leaves back each time, beside others that it takes, is a dead letter also when it is the last.
func TestTheLastBatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		kind  Kind
	}{
		{"500", ddbtest.Fault{Kind: ddbtest.InternalError, Skip: 3}, Failed},
		{"503", ddbtest.Fault{Kind: ddbtest.Unavailable, Skip: 3}, Failed},
		{"throttled", ddbtest.Fault{Kind: ddbtest.Throttle, Skip: 3}, Failed},
		{"throttled, on demand", ddbtest.Fault{Kind: ddbtest.Throttle, Code: "ThrottlingException", Skip: 3}, Failed},
		{"nothing taken", ddbtest.Fault{Kind: ddbtest.Unprocessed, N: 25, Skip: 3}, Failed},
		{"one key", ddbtest.Fault{Kind: ddbtest.Unprocessed, Key: "last"}, Rejected},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			items := slices.Collect(ddbtest.EdgeItems(p.Table, 100, 1))
			p.fill(t, p.prod, slices.Values(items))
			f := test.fault
			f.Op, f.Table = "BatchWriteItem", p.Name
			if f.Key != "" {
				f.Key = ddbtest.KeyOf(items[99], "pk")
			}
			id := p.dev.Proxy.Inject(f)
			source, target := p.open(t)
			o := soon(Merge)
			o.RunDir, o.Segments, o.Stall = t.TempDir(), 1, 2*time.Second
			summary, err := source.Copy(t.Context(), target, o)
			if kindOf(err) != test.kind || test.kind == Failed && summary.Rejected > 0 {
				t.Fatalf("got %v, %d rejected", err, summary.Rejected)
			}
			if test.kind == Rejected {
				if summary.Rejected != 1 || summary.Written != 99 {
					t.Fatalf("%+v", summary)
				}
				return
			}
			p.dev.Proxy.Remove(id)
			if err := resumeRun(t, p, o, summary.Run); err != nil {
				t.Fatal(err)
			}
			p.requireEqual(t)
		})
	}
}
