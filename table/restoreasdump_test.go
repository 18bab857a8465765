package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// creations are the CreateTables that were sent for a table.
func creations(a *ddbtest.Account, table string) (n int) {
	for _, m := range mutations(a, table) {
		if strings.Contains(m, "CreateTable") {
			n++
		}
	}
	return n
}

// A dump is checked before AWS is asked for a table.
func TestRestoreAsChecksTheDumpFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	damaged := awsExport{t: t, dir: t.TempDir()}
	damaged.file("a", `{"Item":{"pk":{"S":"one"}}}`, `{"Item":{"no":{"S":"key"}}}`)
	damaged.finish(2)
	name := p.another(t)
	o := CopyOptions{RunDir: t.TempDir(), Confirm: func(Plan) error { t.Error("asked about a dump that is damaged"); return nil }}
	if _, err := dev.RestoreAs(t.Context(), damaged.dir, name, o); kindOf(err) != Mismatch || !strings.Contains(err.Error(), "a.json.gz, line 2") {
		t.Error(err)
	}
	if n := creations(p.dev, name); n != 0 {
		t.Errorf("%d CreateTables were sent for a dump that is damaged", n)
	}
}

// That a table is about to be made for a dump is on disk before AWS is asked: a run that is killed at any moment takes up
// its own table, and no other.
func TestRestoreAsNotesFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 20, 1))
	dumps := t.TempDir()
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		fault  ddbtest.Fault
		meddle func(name string) error // once it is stopped
		kind   Kind
	}{
		{"the answer is lost", ddbtest.Fault{Kind: ddbtest.Reset, Op: "CreateTable", After: true, Count: 1}, nil, 0},
		{"somebody else's table", ddbtest.Fault{Kind: ddbtest.Hang, Op: "CreateTable", Count: 1}, func(name string) error {
			other := ddbtest.Table{Name: name, Partition: ddbtest.S("other")}
			return p.dev.CreateTable(t.Context(), other)
		}, Mismatch},
		{"somebody else's table with the same keys", ddbtest.Fault{Kind: ddbtest.Hang, Op: "CreateTable", Count: 1}, func(name string) error {
			other := p.Table
			other.Name, other.Indexes = name, []ddbtest.Index{{Name: "by-color", Partition: ddbtest.S("color")}}
			return p.dev.CreateTable(t.Context(), other)
		}, Mismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := p.another(t)
			o := CopyOptions{RunDir: t.TempDir()}
			noted := ""
			c.fault.Table = name
			stopped := errors.New("killed")
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			c.fault.Do = func() {
				list, err := Runs(o.RunDir)
				if err == nil && len(list) == 1 && list[0].Target.Table == name {
					noted = list[0].Name
				}
				stop(stopped)
			}
			p.dev.Proxy.Inject(c.fault)
			s, err := dev.RestoreAs(ctx, dumps, name, o)
			if !errors.Is(err, stopped) || noted == "" || s.Run != noted {
				t.Fatalf("%v, %+v; noted as CreateTable was sent: %q", err, s, noted)
			}
			if c.meddle != nil {
				if err := c.meddle(name); err != nil {
					t.Fatal(err)
				}
			}
			done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if kindOf(err) != c.kind || err == nil && (done.Run != noted || done.Written != 20) {
				t.Fatalf("%v, %+v", err, done)
			}
			if err == nil {
				ddbtest.RequireEqual(t, p.dev.Client(), p.dev.Client(), p.Name, name)
			} else if n, err := p.dev.Count(t.Context(), name); err != nil || n != 0 {
				t.Errorf("%v: %d items in somebody else's table", err, n)
			}
		})
	}
}

// A table that AWS has made, although the answer was lost, is taken up in the same breath.
func TestRestoreAsHearsNoAnswer(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 20, 1))
	dumps, name := t.TempDir(), p.another(t)
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Reset, Op: "CreateTable", Table: name, After: true, Count: 1})
	s, err := dev.RestoreAs(t.Context(), dumps, name, CopyOptions{RunDir: t.TempDir()})
	if n := creations(p.dev, name); err != nil || s.Written != 20 || n != 2 {
		t.Fatalf("%v, %+v; %d CreateTables", err, s, n)
	}
	ddbtest.RequireEqual(t, p.dev.Client(), p.dev.Client(), p.Name, name)
}

// What is restored is of another table, or had replicas: that is said.
func TestRestoreSaysWhatItIsFrom(t *testing.T) {
	t.Parallel()
	p, q := newPair(t, ddbtest.Table{}), newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	_, dev := p.open(t)
	dumps := t.TempDir()
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	_, other := q.open(t)
	for what, from := range map[string]string{"backup": made.ARN, "dump": dumps} {
		want := fmt.Sprintf("the %s is of table %s, not of %s", what, p.Name, q.Name)
		o := CopyOptions{RunDir: t.TempDir()}
		plan, err := other.PlanRestore(t.Context(), from, o)
		if err != nil || !slices.Contains(plan.Warnings, want) {
			t.Errorf("%s: %v, %q", what, err, plan.Warnings)
		}
		as, err := other.PlanRestoreAs(t.Context(), from, q.another(t), o)
		if err != nil || !slices.Contains(as.Warnings, want) {
			t.Errorf("%s: %v, %q", what, err, as.Warnings)
		}
		if own, err := dev.PlanRestore(t.Context(), from, o); err != nil || slices.ContainsFunc(own.Warnings, func(w string) bool { return strings.Contains(w, "is of table") }) {
			t.Errorf("%s: %v, %q", what, err, own.Warnings)
		}
	}
	e := awsExport{t: t, dir: t.TempDir()}
	e.file("a", `{"Item":{"pk":{"S":"one"}}}`)
	e.finish(1)
	about := `{"Table":{"TableName":"gone","BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"Replicas":[{"RegionName":"eu-west-2"},{"RegionName":"us-east-1"}]}}`
	if err := os.WriteFile(filepath.Join(e.dir, "table.json"), []byte(about), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "replicas in eu-west-2, us-east-1: the new table has none"
	gone := open(t, "dev", p.Name+"-gone", AccountOptions{})
	o := CopyOptions{RunDir: t.TempDir()}
	name := p.another(t)
	plan, err := gone.PlanRestoreAs(t.Context(), e.dir, name, o)
	if err != nil || !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
		t.Errorf("%v, %q", err, plan.Warnings)
	}
	if s, err := gone.RestoreAs(t.Context(), e.dir, name, o); err != nil || !slices.Contains(s.NotPutBack, want) {
		t.Errorf("%v, %q", err, s.NotPutBack)
	}
}
