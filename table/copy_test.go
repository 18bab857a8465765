package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/scaling"
)

// TestHundredThousand copies 100,000 items of all types with edge values; fewer
// under the race detector.
func TestHundredThousand(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, many, 1))
	source, target := p.open(t)
	o := soon(Replace)
	o.Segments = 1 // the engine reads the whole table for each page of a segment
	summary, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	if summary.Read != many || summary.Written != many || summary.Rejected != 0 {
		t.Fatalf("summary %+v", summary)
	}
	p.requireEqual(t)
}

// TestEveryKeyShape replaces other items with edge values, for every key shape.
func TestEveryKeyShape(t *testing.T) {
	t.Parallel()
	names := []string{"size", "a.b-c #:"} // a reserved word, and no identifier
	kinds := []func(string) ddbtest.Attr{ddbtest.S, ddbtest.N, ddbtest.B}
	var shapes []ddbtest.Table
	for _, pk := range kinds {
		shapes = append(shapes, ddbtest.Table{Partition: pk(names[0])})
		for _, sk := range kinds {
			shapes = append(shapes, ddbtest.Table{Partition: pk(names[0]), Sort: sk(names[1])})
		}
	}
	for _, shape := range shapes {
		t.Run(string(shape.Partition.Type+shape.Sort.Type), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, shape)
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 400, 2))
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 600, 3))
			source, target := p.open(t)
			summary, err := source.Copy(t.Context(), target, soon(Replace))
			if err != nil {
				t.Fatal(err)
			}
			if summary.Read != 400 || summary.Deleted != 600 {
				t.Fatalf("summary %+v", summary)
			}
			p.requireEqual(t)
		})
	}
}

func TestMergeDeletesNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 500, 2)) // the first 300 have the same keys
	source, target := p.open(t)
	summary, err := source.Copy(t.Context(), target, soon(Merge))
	if err != nil {
		t.Fatal(err)
	}
	report, err := ddbtest.Diff(t.Context(), p.prod.Client(), p.dev.Client(), p.Name, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	if summary.Deleted != 0 || len(report.OnlyA)+len(report.Differ) != 0 || len(report.OnlyB) != 200 {
		t.Fatalf("deleted %d, %s", summary.Deleted, report)
	}
	for _, w := range p.dev.Proxy.Writes() {
		if w.Table == p.Name && w.Delete {
			t.Fatal("merge sent a delete")
		}
	}
}

// A summary counts what the proxy saw.
func TestSummaryIsTheTruth(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 700, 1))
	source, target := p.open(t)
	summary, err := source.Copy(t.Context(), target, soon(Merge))
	if err != nil {
		t.Fatal(err)
	}
	puts := 0
	for _, w := range p.dev.Proxy.Writes() {
		if w.Table == p.Name {
			puts++
		}
	}
	if int64(puts) != summary.Written || summary.Read != summary.Written+summary.Unchanged+summary.Skipped+summary.Rejected {
		t.Fatalf("%d puts, summary %+v", puts, summary)
	}
	if summary.Source.Account != "111111111111" || summary.Target.Account != "222222222222" || summary.Target.Region != "eu-west-1" {
		t.Fatalf("identities %+v %+v", summary.Source, summary.Target)
	}
	if summary.ReadUnits == 0 || summary.WriteUnits < 700 {
		t.Fatalf("units %v read, %v written", summary.ReadUnits, summary.WriteUnits)
	}
	for _, v := range p.dev.Proxy.Violations() {
		t.Error(v)
	}
}

func TestShapeOfCopy(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 100, 1))
	source, target := p.open(t)
	o := soon(Merge)
	n := 0
	o.Workers, o.Segments = 1, 1
	o.Shape = func(it item.Item) (item.Item, error) {
		if n++; n%2 == 0 {
			return nil, nil
		}
		return it, nil
	}
	summary, err := source.Copy(t.Context(), target, o)
	if err != nil || summary.Skipped != 50 || summary.Written != 50 {
		t.Fatalf("summary %+v, %v", summary, err)
	}
	bad := errors.New("cannot mask")
	o.Shape = func(item.Item) (item.Item, error) { return nil, bad }
	if _, err := source.Copy(t.Context(), target, o); !errors.Is(err, bad) {
		t.Fatalf("got %v", err)
	}
}

// TestFaults has each fault alone, once for sure and then at 30 %. A copy ends equal and without
// error, or with an error: never with a difference and a success.
func TestFaults(t *testing.T) {
	t.Parallel()
	type fault struct {
		ddbtest.Fault
		fails bool // a copy that meets it cannot succeed
	}
	var faults []fault
	for _, code := range []string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"} {
		reasons := []ddbtest.Reason{{Reason: "TableWriteKeyRangeThroughputExceeded", Resource: "arn:aws:dynamodb:eu-west-1:222222222222:table/x"}}
		for _, op := range []string{"Scan", "BatchWriteItem"} {
			faults = append(faults, fault{ddbtest.Fault{Kind: ddbtest.Throttle, Op: op, Code: code, Reasons: reasons}, false})
		}
	}
	for _, op := range []string{"Scan", "BatchWriteItem"} {
		for _, after := range []bool{false, true} {
			for _, kind := range []ddbtest.Kind{ddbtest.InternalError, ddbtest.Unavailable, ddbtest.Reset, ddbtest.Close} {
				faults = append(faults, fault{ddbtest.Fault{Kind: kind, Op: op, After: after}, false})
			}
		}
		for _, kind := range []ddbtest.Kind{
			ddbtest.ResetInside, ddbtest.CloseInside, ddbtest.Truncate, ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.HTML,
			ddbtest.FlipByte, ddbtest.WrongCRC, ddbtest.TrailingBytes, ddbtest.MissingItems, ddbtest.Trickle, ddbtest.Hang, ddbtest.ExpiredToken,
		} {
			faults = append(faults, fault{ddbtest.Fault{Kind: kind, Op: op}, false})
		}
		faults = append(faults, fault{ddbtest.Fault{Kind: ddbtest.Deny, Op: op}, true})
	}
	faults = append(faults,
		fault{ddbtest.Fault{Kind: ddbtest.Unprocessed, Op: "BatchWriteItem"}, false},
		fault{ddbtest.Fault{Kind: ddbtest.TooLarge, Op: "BatchWriteItem", Count: 2}, false},
		fault{ddbtest.Fault{Kind: ddbtest.ForgeUnprocessed, Op: "BatchWriteItem"}, true},
		fault{ddbtest.Fault{Kind: ddbtest.EmptyPages, Op: "Scan"}, false},
		fault{ddbtest.Fault{Kind: ddbtest.UnknownTag, Op: "Scan"}, false},
		fault{ddbtest.Fault{Kind: ddbtest.LoneSurrogate, Op: "Scan"}, false},
		fault{ddbtest.Fault{Kind: ddbtest.CountMismatch, Op: "Scan"}, false},
		fault{ddbtest.Fault{Kind: ddbtest.RepeatLEK, Op: "Scan"}, true},
	)
	for _, f := range faults {
		modes := []Mode{Replace} // it scans both tables
		if f.Op == "BatchWriteItem" {
			modes = []Mode{Merge, Replace} // the first is a put, the first is a delete
		}
		for _, mode := range modes {
			t.Run(fmt.Sprintf("%s %s %s after=%v %s", f.Kind, f.Op, f.Code, f.After, mode), func(t *testing.T) {
				t.Parallel()
				copyUnderFault(t, f.Fault, mode, f.fails)
			})
		}
	}
}

func copyUnderFault(t *testing.T, fault ddbtest.Fault, mode Mode, fails bool) {
	p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 200, 4))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 50, 5))
	fault.Table = p.Name
	once, often := fault, fault // the first request is sure to meet it: small tables make few requests
	once.Count, often.Probability = 1, 0.3
	if fault.Kind == ddbtest.Hang || fault.Kind == ddbtest.Trickle {
		often.Count = 1 // each costs ten seconds
	}
	struck := func() int { return 0 }
	for _, a := range []*ddbtest.Account{p.prod, p.dev} {
		for _, f := range []ddbtest.Fault{once, often} {
			id, before := a.Proxy.Inject(f), struck
			defer a.Proxy.Remove(id)
			struck = func() int { return before() + a.Proxy.Fired(id) }
		}
	}
	profile := map[bool]string{false: "", true: "-role"}[fault.Kind == ddbtest.ExpiredToken]
	source, target := open(t, "prod"+profile, p.Name, AccountOptions{}), open(t, "dev"+profile, p.Name, AccountOptions{})
	o := soon(mode)
	o.Segments = 8
	_, err := source.Copy(t.Context(), target, o)
	if (fails && struck() > 0) != (err != nil) {
		t.Errorf("got %v, want an error: %v", err, fails)
	}
	if err == nil {
		p.requireEqual(t)
	}
	if struck() == 0 && fault.Kind != ddbtest.RepeatLEK { // which needs a second page of a segment
		t.Error("the fault never struck")
	}
}

// Items that the table refuses are noted with AWS's own words, and stop nothing.
func TestRefusedItem(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 100, 1))
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Validation, Op: "BatchWriteItem", Table: p.Name, Text: "Type mismatch for Index Key g"})
	source, target := p.open(t)
	summary, err := source.Copy(t.Context(), target, soon(Merge))
	if kindOf(err) != Rejected || summary.Rejected != 100 || summary.Read != 100 {
		t.Fatalf("got %v, %+v", err, summary)
	}
	letters, err := os.ReadFile(summary.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(letters), `"Error":"ValidationException: Type mismatch for Index Key g"}`); n != 100 {
		t.Fatalf("%d letters in\n%.1000s", n, letters)
	}
}

// A delete that broke off may be applied late: no put may come before it.
func TestLateDelete(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 50, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 50, 2))
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Table: p.Name, Count: 1, Delay: 13 * time.Second})
	source, target := p.open(t)
	if _, err := source.Copy(t.Context(), target, soon(Replace)); err != nil {
		t.Fatal(err)
	}
	deletes := func() (n int) {
		for _, w := range p.dev.Proxy.Writes() {
			if w.Table == p.Name && w.Delete {
				n++
			}
		}
		return n
	}
	for deletes() <= 50 { // the late one is a second delete of its keys
		if err := pause(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	p.requireEqual(t)
}

func TestCancel(t *testing.T) {
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 5000, 1))
	stop := errors.New("stop")
	for _, phase := range []string{"truncate", "copy"} {
		check := requireNoLeak(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		source, target := p.open(t)
		o := soon(Replace)
		o.Watch = func(ph Phase) {
			if ph.Name == phase {
				time.AfterFunc(30*time.Millisecond, func() { cancel(stop) })
			}
		}
		if _, err := source.Copy(ctx, target, o); !errors.Is(err, stop) && err != nil {
			t.Fatalf("%s: got %v, want the cause", phase, err)
		}
		cancel(nil)
		seen := len(p.dev.Proxy.Writes())
		check()
		if now := len(p.dev.Proxy.Writes()); now != seen {
			t.Fatalf("%d writes after Copy had returned", now-seen)
		}
	}
}

// Whatever call it breaks off, the error is the cause, not the SDK's word for it.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		op   string // the first call about the table, unless it is named
		call func(ctx context.Context, source, target *Table) error
	}{
		{"copy", "", func(ctx context.Context, source, target *Table) error {
			_, err := source.Copy(ctx, target, soon(Sync))
			return err
		}},
		{"plan", "", func(ctx context.Context, source, target *Table) error {
			_, err := source.PlanCopy(ctx, target, soon(Sync))
			return err
		}},
		{"truncate", "", func(ctx context.Context, _, target *Table) error {
			_, err := target.Truncate(ctx, atOnce(t))
			return err
		}},
		{"dump", "", func(ctx context.Context, _, target *Table) error {
			_, err := target.Dump(ctx, t.TempDir(), DumpOptions{})
			return err
		}},
		{"compare", "", func(ctx context.Context, source, target *Table) error {
			for _, err := range source.Compare(target, CompareOptions{}).All(ctx) {
				return err
			}
			return nil
		}},
		{"backup", "CreateBackup", func(ctx context.Context, _, target *Table) error {
			_, err := target.Backup(ctx, BackupOptions{})
			return err
		}},
		{"recovery", "DescribeContinuousBackups", func(ctx context.Context, _, target *Table) error {
			_, err := target.Restorable(ctx)
			return err
		}},
		{"details", "DescribeTimeToLive", func(ctx context.Context, _, target *Table) error {
			_, err := target.Details(ctx)
			return err
		}},
		{"scale", "UpdateTable", func(ctx context.Context, _, target *Table) error {
			_, err := target.Scale(ctx, ScaleOptions{Want: scaling.Want{Billing: scaling.Provisioned, Read: scaling.Side{Units: 5}, Write: scaling.Side{Units: 5}}, RunDir: t.TempDir()})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Hang, Op: test.op, Table: p.Name, Do: func() { stop(errEnough) }})
			defer p.dev.Proxy.Remove(id)
			source, target := p.open(t)
			if err := test.call(ctx, source, target); !errors.Is(err, errEnough) || p.dev.Proxy.Fired(id) == 0 {
				t.Errorf("got %v, struck %d times", err, p.dev.Proxy.Fired(id))
			}
		})
	}
}

// Connections are kept: none is dialled twice for nothing.
func TestConnections(t *testing.T) {
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 5000, 1))
	source, target := p.open(t)
	before := p.dev.Proxy.Accepts()
	if _, err := source.Copy(t.Context(), target, soon(Merge)); err != nil {
		t.Fatal(err)
	}
	if n := p.dev.Proxy.Accepts() - before; n > 16+4 {
		t.Fatalf("%d connections for 16 workers", n)
	}
}

// A table that is replaced by another while the copy runs is not written on.
func TestTableReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 100, 1))
	source, target := p.open(t)
	o := soon(Replace)
	o.Confirm = func(Plan) error {
		if err := p.dev.DeleteTable(t.Context(), p.Name); err != nil {
			return err
		}
		return p.dev.CreateTable(t.Context(), p.Table)
	}
	_, err := source.Copy(t.Context(), target, o)
	requireKind(t, err, Mismatch)
	if n, err := p.dev.Count(t.Context(), p.Name); err != nil || n != 0 {
		t.Fatalf("%d items written, %v", n, err)
	}
}

func requireKind(t *testing.T, err error, want Kind) {
	t.Helper()
	e := (*Error)(nil)
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("got %v, want an Error of kind %d", err, want)
	}
}
