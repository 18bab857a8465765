package table

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// withoutID has accounts say no TableId, as some engines do.
func (p pair) withoutID(t *testing.T, accounts ...*ddbtest.Account) {
	for _, a := range accounts {
		id := a.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableID, Op: "DescribeTable", Table: p.Name})
		t.Cleanup(func() { a.Proxy.Remove(id) })
	}
}

// An engine without TableId can be written to, in every verb, and its runs resumed and undone.
func TestWithoutTableID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		of   func(p pair) []*ddbtest.Account
	}{
		{"neither has one", func(p pair) []*ddbtest.Account { return []*ddbtest.Account{p.prod, p.dev} }},
		{"only the source has one", func(p pair) []*ddbtest.Account { return []*ddbtest.Account{p.dev} }},
		{"only the target has one", func(p pair) []*ddbtest.Account { return []*ddbtest.Account{p.prod} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			p.withoutID(t, c.of(p)...)
			source, target := p.open(t)
			dir := t.TempDir()
			for _, mode := range []Mode{Replace, Merge, Sync} {
				o := soon(mode)
				o.RunDir = dir
				if mode == Sync {
					o.NoBackup = false
				}
				if _, err := source.Copy(t.Context(), target, o); err != nil {
					t.Fatalf("%s: %v", mode, err)
				}
			}
			p.requireEqual(t)
			// What was cut off goes on, and what was done is undone.
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 3, 4))
			fault := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchWriteItem", Table: p.Name})
			o := soon(Sync)
			o.RunDir, o.NoBackup = dir, false
			_, err := source.Copy(t.Context(), target, o)
			requireKind(t, err, Denied)
			p.dev.Proxy.Remove(fault)
			if _, err = Resume(t.Context(), "", ResumeOptions{RunDir: dir}); err != nil {
				t.Fatal(err)
			}
			p.requireEqual(t)
			if _, err = Undo(t.Context(), "", UndoOptions{RunDir: dir}); err != nil {
				t.Fatal(err)
			}
			if _, err = target.Truncate(t.Context(), TruncateOptions{RunDir: dir, NoBackup: true}); err != nil {
				t.Fatal(err)
			}
			if n, err := p.dev.Count(t.Context(), p.Name); err != nil || n != 0 {
				t.Errorf("%d items are left, %v", n, err)
			}
		})
	}
}

// Without ids, one table is one account, region, name and endpoint, however that is written.
func TestSameTableWithoutID(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	p.withoutID(t, p.dev)
	local := strings.Replace(p.dev.Endpoint(), "127.0.0.1", "localhost", 1)
	for _, endpoint := range []string{"", local, local + "/", strings.ToUpper(local[:4]) + local[4:]} {
		source, target := open(t, "dev", p.Name, AccountOptions{Endpoint: endpoint}), open(t, "dev-role", p.Name, AccountOptions{})
		_, err := source.Copy(t.Context(), target, soon(Merge))
		requireKind(t, err, Refused)
		for d, err := range source.Compare(target, CompareOptions{}).All(t.Context()) {
			requireKind(t, err, Refused)
			_ = d
		}
	}
	p.requireUntouched(t)
}

// A table that was made anew is another one, also where only its date tells.
func TestMadeAnewWithoutID(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	p.withoutID(t, p.prod)
	before := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableID, Op: "DescribeTable", Table: p.Name})
	source, target := p.open(t)
	o := soon(Sync)
	o.RunDir = t.TempDir()
	o.Confirm = func(Plan) error {
		p.dev.Proxy.Remove(before)
		after := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableID, Op: "DescribeTable", Table: p.Name, N: 1700000000})
		t.Cleanup(func() { p.dev.Proxy.Remove(after) })
		return nil
	}
	_, err := source.Copy(t.Context(), target, o)
	requireKind(t, err, Mismatch)
	if calls := p.mutations(p.dev); len(calls) > 0 {
		t.Errorf("dev was sent %v", calls)
	}
}

// Two engines that call themselves alike have two tables: neither waits for a run on the other, or takes up its run.
func TestLockKnowsTheEndpoint(t *testing.T) {
	t.Parallel()
	place := func(address string) runs.Place {
		return runs.Place{Account: "000000000000", Region: "local", Table: "orders", Address: address}
	}
	store, err := runs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var held []*runs.Lock
	for _, address := range []string{"", "127.0.0.1:8000", "127.0.0.1:8001", "10.0.0.1:8000/a", "10.0.0.1:8000/b"} {
		l, err := store.Lock(place(address))
		if err != nil {
			t.Fatalf("%q: %v", address, err)
		}
		held = append(held, l)
		if l, err := store.Lock(place(address)); err == nil {
			t.Errorf("%q is locked twice", address)
			held = append(held, l)
		}
	}
	for _, l := range held {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		d    Description
		want string
	}{
		{Description{ID: "x"}, ""},
		{Description{ID: "x", Endpoint: "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com", address: "10.0.0.1:443"}, ""},
		{Description{ID: "x", Endpoint: "http://localhost:8000", address: "127.0.0.1:8000"}, "127.0.0.1:8000"},
		{Description{Endpoint: "https://engine", created: time.Unix(1, 0), address: "10.0.0.1:443"}, "10.0.0.1:443"},
	} {
		if got := c.d.engine(); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.d, got, c.want)
		}
	}
	for i, a := range []runs.Place{place("a"), place("b")} {
		for j, b := range []runs.Place{place("a"), place("b")} {
			if got := sameTarget(a, b); got != (i == j) {
				t.Error(fmt.Sprint(a, b, got))
			}
		}
	}
}

// A run on one engine holds up none on another that calls itself alike, nor is it in the history of that one's table.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	twin := world.Account("twin") // its account and region are dev's
	if err := twin.CreateTable(t.Context(), p.Table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := twin.DeleteTable(context.Background(), p.Name); err != nil {
			t.Error(err)
		}
	})
	source, target := p.open(t)
	other := open(t, "twin", p.Name, AccountOptions{})
	o := soon(Sync)
	o.RunDir, o.NoBackup = t.TempDir(), false
	inner := o
	o.Confirm = func(Plan) error {
		_, err := source.Copy(t.Context(), other, inner)
		return err
	}
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	// The latest run of the one's table does not stand in the way of the other's.
	list, err := Runs(o.RunDir)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d runs, %v", len(list), err)
	}
	for _, r := range list {
		if _, err := Undo(t.Context(), r.Name, UndoOptions{RunDir: o.RunDir}); err != nil {
			t.Errorf("undo of the run on %s: %v", r.Target.Profile, err)
		}
	}
}
