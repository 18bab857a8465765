package table

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// world has the accounts prod and dev, shared by all tests; each makes tables
// of its own, and faults are for those.
var world *ddbtest.World

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests mostly wait: for engines, for faults, for ten seconds of silence.
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "dynamo-table-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	world, err = ddbtest.Open(context.Background(), dir, ddbtest.WithMoto(), ddbtest.WithAccount("twin", "222222222222", "eu-west-1"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, v := range os.Environ() { // not the caller's: a profile, or a bundle of certificates to be parsed at each Open
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	for _, v := range world.Env() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") || name == "XDG_STATE_HOME" {
			if err := os.Setenv(name, value); err != nil {
				panic(err)
			}
		}
	}
	if err := makeExample(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := world.Close(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := os.RemoveAll(dir); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var tables atomic.Int64

// pair is the same table, new, in prod and dev.
type pair struct {
	ddbtest.Table
	prod, dev *ddbtest.Account
}

func newPair(t *testing.T, shape ddbtest.Table) pair {
	t.Helper()
	if shape.Partition.Name == "" {
		shape.Partition = ddbtest.S("pk")
	}
	shape.Name = fmt.Sprintf("orders-%d", tables.Add(1))
	p := pair{shape, world.Account("prod"), world.Account("dev")}
	t.Cleanup(func() { // else the log of all tests is looked through, and held, by each
		p.prod.Proxy.Take(p.Name)
		p.dev.Proxy.Take(p.Name)
	})
	for _, a := range []*ddbtest.Account{p.prod, p.dev} {
		if err := a.CreateTable(t.Context(), shape); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := a.DeleteTable(context.Background(), shape.Name); err != nil && !strings.Contains(err.Error(), "ResourceNotFound") {
				t.Error(err)
			}
		})
	}
	return p
}

func (p pair) fill(t *testing.T, a *ddbtest.Account, items iter.Seq[ddbtest.Item]) {
	t.Helper()
	if err := a.Fill(t.Context(), p.Name, items); err != nil {
		t.Fatal(err)
	}
}

// open opens the pair as a user would.
func (p pair) open(t *testing.T) (source, target *Table) {
	t.Helper()
	return open(t, "prod", p.Name, AccountOptions{}), open(t, "dev", p.Name, AccountOptions{})
}

func open(t *testing.T, profile, name string, a AccountOptions) *Table {
	t.Helper()
	tab, err := Open(t.Context(), profile, name, a)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func (p pair) requireEqual(t *testing.T) {
	t.Helper()
	ddbtest.RequireEqual(t, p.prod.Client(), p.dev.Client(), p.Name, p.Name)
}

// mutations are the calls that could have changed the table.
func (p pair) mutations(a *ddbtest.Account) []string { return mutations(a, p.Name) }

func mutations(a *ddbtest.Account, table string) (list []string) {
	for _, r := range a.Proxy.Mutations() {
		if r.Table == table {
			list = append(list, r.String())
		}
	}
	return list
}

// requireNoLeak fails if goroutines of the product outlive the call.
func requireNoLeak(t *testing.T) func() {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	return func() {
		t.Helper()
		if err := goleak.Find(ignore, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
			goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead")); err != nil {
			t.Error(err)
		}
	}
}

// soon are options that do not wait for what takes minutes with AWS.
func soon(mode Mode) CopyOptions {
	return CopyOptions{Mode: mode, NoBackup: true, BackupSettle: time.Millisecond, Stall: 5 * time.Minute, Workers: 16}
}

// makeExample makes the table that the package's example copies.
func makeExample(ctx context.Context) error {
	shape := ddbtest.Table{Name: "example", Partition: ddbtest.S("pk")}
	for _, name := range []string{"prod", "dev"} {
		if err := world.Account(name).CreateTable(ctx, shape); err != nil {
			return err
		}
	}
	return world.Account("prod").Fill(ctx, shape.Name, func(yield func(ddbtest.Item) bool) {
		for i, customer := range []string{"acme", "globex", "initech", "umbrella"} {
			text := func(s string) *types.AttributeValueMemberS { return &types.AttributeValueMemberS{Value: s} }
			if !yield(ddbtest.Item{"pk": text(fmt.Sprint("order#", i)), "customer": text(customer)}) {
				return
			}
		}
	})
}
