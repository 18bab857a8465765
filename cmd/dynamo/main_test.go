package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// world has the accounts prod and dev, shared by all tests; each makes tables
// of its own, and faults are for those.
var world *ddbtest.World

// TestMain makes this binary the command dynamo, too: scripts and terminal
// tests run it as a process of its own, race detector included.
func TestMain(m *testing.M) {
	testscript.Main(inWorld{m}, map[string]func(){"dynamo": main})
}

// inWorld runs the tests, but not the command, with the test accounts open.
type inWorld struct{ *testing.M }

func (m inWorld) Run() int {
	dir, err := os.MkdirTemp("", "dynamo-command-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	world, err = ddbtest.Open(context.Background(), dir, ddbtest.WithMoto())
	if err != nil {
		return failed(err)
	}
	code := m.M.Run()
	if err := world.Close(); err != nil {
		return failed(err)
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// createTable makes a table that ends with the test.
func createTable(account, name, keys string) (func(), error) {
	a, shape := world.Account(account), ddbtest.Table{Name: name}
	switch keys {
	case "pk:S":
		shape.Partition = ddbtest.S("pk")
	case "pk:N":
		shape.Partition = ddbtest.N("pk")
	case "pk:S,sk:N":
		shape.Partition, shape.Sort = ddbtest.S("pk"), ddbtest.N("sk")
	default:
		return nil, fmt.Errorf("no such keys: %q", keys)
	}
	if err := a.CreateTable(context.Background(), shape); err != nil {
		return nil, err
	}
	return func() { _ = a.DeleteTable(context.Background(), name) }, nil // its engine ends soon anyway
}

// fillTable puts n items with attributes of all types.
func fillTable(account, name string, n int, seed uint64) error {
	shape := ddbtest.Table{Name: name, Partition: ddbtest.S("pk")}
	return world.Account(account).Fill(context.Background(), name, ddbtest.EdgeItems(shape, n, seed))
}

// mutationsOf are the calls that could have changed the table.
func mutationsOf(account, name string) (list []ddbtest.Request) {
	for _, r := range world.Account(account).Proxy.Mutations() {
		if r.Table == name {
			list = append(list, r)
		}
	}
	return list
}
