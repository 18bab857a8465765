package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// atOnce are options that do not wait for what takes minutes with AWS.
func atOnce(t *testing.T) TruncateOptions {
	return TruncateOptions{NoBackup: true, BackupSettle: time.Millisecond, Stall: 5 * time.Minute, Workers: 8, RunDir: t.TempDir()}
}

// requireCount fails if dev's table has another number of items.
func (p pair) requireCount(t *testing.T, want int) {
	t.Helper()
	if n, err := p.dev.Count(t.Context(), p.Name); err != nil || n != want {
		t.Fatalf("%d items are left, want %d; %v", n, want, err)
	}
}

// Every key shape and odd key names, with empty pages in between; the table and its settings stay.
func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, shape := range []ddbtest.Table{
		{}, {Partition: ddbtest.N("size")}, {Partition: ddbtest.B("a.b-c #:"), Sort: ddbtest.S("size")},
		{Sort: ddbtest.N("a.b-c #:")}, {Sort: ddbtest.B("Größe"), Indexes: []ddbtest.Index{{Name: "by-x", Partition: ddbtest.S("by")}}},
	} {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s%s %s empty=%v", shape.Partition.Type, shape.Sort.Type, shape.Sort.Name, empty), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, shape)
				p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 500, 1))
				describe := func() *dynamodb.DescribeTableOutput {
					d, err := p.dev.Client().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(p.Name)})
					if err != nil {
						t.Fatal(err)
					}
					return d
				}
				before := describe()
				fault := 0
				if empty {
					fault = p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.EmptyPages, Op: "Scan", Table: p.Name, Skip: 1, Count: 60})
					defer p.dev.Proxy.Remove(fault)
				}
				_, target := p.open(t)
				o := atOnce(t)
				o.Segments = 3
				s, err := target.Truncate(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				p.requireCount(t, 0)
				if s.Command != "truncate" || s.Deleted != 500 || s.Read+s.Written+s.Rejected != 0 || s.Source.Table != "" || s.Target.Account != "222222222222" {
					t.Fatalf("summary %+v", s)
				}
				if puts, deletes := p.applied(); puts != 0 || deletes != 500 {
					t.Fatalf("%d puts and %d deletes", puts, deletes)
				}
				if fired := p.dev.Proxy.Fired(fault); empty && fired < 20 {
					t.Fatalf("%d empty pages: the test shows nothing", fired)
				}
				if after := describe(); *after.Table.TableId != *before.Table.TableId || len(after.Table.GlobalSecondaryIndexes) != len(shape.Indexes) {
					t.Fatal("it is another table")
				}
				again, err := target.Truncate(t.Context(), o)
				if err != nil || again.Deleted != 0 {
					t.Fatalf("the second one: %+v, %v", again, err)
				}
			})
		}
	}
}

// What a scan has missed, another finds; a table that never gets empty is an error.
func TestTruncateUntilNothingIsFound(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 30, 1))
	late := slices.Collect(ddbtest.EdgeItems(p.Table, 40, 1))[30:]
	put := func() {
		if err := p.dev.Fill(context.Background(), p.Name, slices.Values(late)); err != nil {
			t.Error(err)
		}
	}
	once := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Count: 1, Skip: 1, Do: put})
	_, target := p.open(t)
	o := atOnce(t)
	o.Segments, o.Workers = 1, 1
	s, err := target.Truncate(t.Context(), o)
	if err != nil || s.Deleted != 40 {
		t.Fatalf("%+v, %v", s, err)
	}
	p.requireCount(t, 0)
	p.dev.Proxy.Remove(once)
	put()
	always := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Do: put})
	defer p.dev.Proxy.Remove(always)
	if _, err := target.Truncate(t.Context(), o); kindOf(err) != Failed || !strings.Contains(err.Error(), "still had items") {
		t.Fatalf("got %v", err)
	}
}

// No backup that can be relied on, no delete.
func TestTruncateBackupFirst(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		kind  Kind // 0 for one that is broken off
	}{
		{"denied", ddbtest.Fault{Kind: ddbtest.Deny, Op: "CreateBackup"}, Denied},
		{"failing", ddbtest.Fault{Kind: ddbtest.Error, Op: "CreateBackup", Code: "LimitExceededException", Text: "too many"}, Failed},
		{"unknown to the endpoint", ddbtest.Fault{Kind: ddbtest.Error, Op: "CreateBackup", Code: "UnknownOperationException"}, Refused},
		{"deleted meanwhile", ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Text: "DELETED"}, Refused},
		{"for ever CREATING", ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Text: "CREATING"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			test.fault.Table = p.Name
			asked := 0
			if test.kind == 0 {
				test.fault.Do = func() {
					if asked++; asked == 2 { // it has waited, and asks again
						stop(errEnough)
					}
				}
			}
			id := p.dev.Proxy.Inject(test.fault)
			defer p.dev.Proxy.Remove(id)
			_, target := p.open(t)
			o := atOnce(t)
			o.NoBackup = false
			if test.kind == Failed { // it may pass, and is waited for
				o.Stall = time.Second
			}
			s, err := target.Truncate(ctx, o)
			if test.kind == 0 && (!errors.Is(err, errEnough) || s.Backup == "") || test.kind != 0 && kindOf(err) != test.kind {
				t.Fatalf("got %v, %+v", err, s)
			}
			p.requireCount(t, 11)
			if _, deletes := p.applied(); deletes != 0 || s.Deleted != 0 {
				t.Fatalf("%d deletes, %+v", deletes, s)
			}
			if test.kind != 0 {
				return
			}
			p.dev.Proxy.Remove(id) // and then it is AVAILABLE: gone on with, it is not asked for again
			again, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if err != nil || again.Backup != s.Backup || again.Deleted != 11 || again.Command != "truncate" {
				t.Fatalf("%+v, %v", again, err)
			}
			p.requireCount(t, 0)
		})
	}
}

// Broken off anywhere it goes on, by name and by its options, and its books close.
func TestResumeTruncate(t *testing.T) {
	t.Parallel()
	for batches := range 4 {
		t.Run(fmt.Sprint(batches), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 700, 1))
			_, target := p.open(t)
			o := atOnce(t)
			o.Segments, o.Workers = 1+batches, 2
			ctx, stop := context.WithCancelCause(t.Context())
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Skip: 7 * batches, Count: 1, Do: func() { stop(errEnough) }})
			defer p.dev.Proxy.Remove(id)
			first, err := target.Truncate(ctx, o)
			if !errors.Is(err, errEnough) || first.Deleted == 700 {
				t.Fatalf("%+v, %v", first, err)
			}
			list, err := Runs(o.RunDir)
			if err != nil || len(list) != 1 || list[0].Command != "truncate" || list[0].State != "unfinished" || list[0].Phase != "truncate" || list[0].Mode != "" {
				t.Fatalf("%+v, %v", list, err)
			}
			var s Summary
			if batches%2 == 0 {
				s, err = Resume(t.Context(), first.Run, ResumeOptions{RunDir: o.RunDir})
			} else {
				again := o
				again.Resume = true
				s, err = target.Truncate(t.Context(), again)
			}
			if err != nil || s.Run != first.Run || s.Deleted != 700 {
				t.Fatalf("%+v, %v", s, err)
			}
			p.requireCount(t, 0)
			if _, deletes := p.applied(); deletes > 700+2*25 {
				t.Fatalf("%d deletes of 700 items", deletes)
			}
			if _, err := Resume(t.Context(), first.Run, ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch {
				t.Fatalf("it went on after its end: %v", err)
			}
		})
	}
}

// A copy's directory is not gone on with as a truncate, nor the other way round.
func TestTruncateIsNoCopy(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 300, 2))
	o := atOnce(t)
	copied := soon(Replace)
	copied.RunDir, copied.Workers, copied.Segments = o.RunDir, 1, 1
	name := p.breakOff(t, copied, 3)
	_, target := p.open(t)
	o.Resume = true
	s, err := target.Truncate(t.Context(), o)
	if err != nil || s.Run == name {
		t.Fatalf("%+v, %v", s, err)
	}
	p.requireCount(t, 0)
}

// Guards and the lock are a copy's, and what is refused is not touched.
func TestTruncateGuards(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	source, target := p.open(t)
	_, err := source.Truncate(t.Context(), atOnce(t)) // profile prod
	requireKind(t, err, Refused)
	o := atOnce(t)
	o.Protected = Guard{Tables: []string{p.Name}}
	_, err = target.Truncate(t.Context(), o)
	requireKind(t, err, Refused)
	_, err = target.PlanTruncate(t.Context(), o, true)
	requireKind(t, err, Refused)
	o.Protected = Guard{}
	o.Confirm = func(plan Plan) error {
		if plan.Command != "truncate" || !plan.Deletes || plan.Backup || plan.Target.Table != p.Name {
			t.Errorf("plan %+v", plan)
		}
		again := o
		again.Confirm = nil
		_, err := target.Truncate(t.Context(), again)
		requireKind(t, err, Held)
		copied := soon(Merge)
		copied.RunDir = o.RunDir
		_, err = source.Copy(t.Context(), target, copied)
		requireKind(t, err, Held)
		return errEnough
	}
	if _, err := target.Truncate(t.Context(), o); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	denied := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Table: p.Name})
	o.Confirm, o.NoBackup = nil, false
	_, err = target.Truncate(t.Context(), o)
	requireKind(t, err, Denied)
	p.dev.Proxy.Remove(denied)
	p.requireUntouched(t) // no backup either
	p.requireCount(t, 11)
	o.NoBackup, o.Protected, o.AllowProtected = true, Guard{Profiles: []string{"dev"}}, "dev/"+p.Name
	if _, err := target.Truncate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	p.requireCount(t, 0)
}

// A dry run counts what is there, prices the deletes and changes nothing.
func TestPlanTruncate(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{{Name: "by-x", Partition: ddbtest.S("by")}}})
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 300, 1))
	_, target := p.open(t)
	plan, err := target.PlanTruncate(t.Context(), TruncateOptions{Segments: 2}, true)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for it := range ddbtest.EdgeItems(p.Table, 300, 1) {
		size += ddbtest.ItemSize(it)
	}
	e := plan.Estimate
	if e == nil || e.Items != 300 || e.ReadUnits == 0 || !plan.Backup || !strings.Contains(e.Basis, "read units") || !strings.Contains(e.Basis, "1 indexes") {
		t.Fatalf("%+v", plan)
	}
	if float64(e.Bytes) < 0.5*float64(size) || float64(e.Bytes) > 2*float64(size) || e.WriteUnits < 600 {
		t.Fatalf("%+v of %d bytes", e, size)
	}
	if fast, err := target.PlanTruncate(t.Context(), TruncateOptions{}, false); err != nil || fast.Estimate != nil {
		t.Fatalf("%+v, %v", fast, err)
	}
	p.requireUntouched(t)
	p.requireCount(t, 300)
	empty := newPair(t, ddbtest.Table{})
	if plan, err := open(t, "dev", empty.Name, AccountOptions{}).PlanTruncate(t.Context(), TruncateOptions{}, true); err != nil || plan.Items != 0 || plan.Estimate.WriteUnits != 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
}

func TestTruncatePrice(t *testing.T) {
	for _, test := range []struct {
		e      Estimate
		pages  int64
		copies int
		want   float64
	}{
		{Estimate{Items: 1000, ReadUnits: 25.5}, 1, 1, 1000},  // 100 bytes each
		{Estimate{Items: 1000, ReadUnits: 275.5}, 1, 1, 2000}, // 1,126 bytes each
		{Estimate{Items: 10, ReadUnits: 1}, 1, 3, 30},
		{Estimate{Items: 7}, 1, 1, 7}, // an endpoint that says nothing about units
	} {
		if test.e.price(test.pages, test.copies); test.e.WriteUnits != test.want {
			t.Errorf("got %+v, want %g", test.e, test.want)
		}
	}
}
