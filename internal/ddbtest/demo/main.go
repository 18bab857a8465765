// Command demo shows a copy between two accounts on this machine: it starts
// them, fills a table, runs dynamo as a user would, and asks an independent
// witness whether the tables are equal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	program := flag.String("dynamo", "bin/dynamo", "the program to show")
	items := flag.Int("items", 20_000, "items in the source table")
	flag.Parse()
	err := run(ctx, *program, *items, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, items int, stdout, stderr io.Writer) (err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dynamo-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	world, err := ddbtest.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	prod, dev := world.Account("prod"), world.Account("dev")
	fmt.Fprintf(stdout, "Two accounts on this machine: prod is %s, dev is %s, both in %s.\n", prod.ID, dev.ID, prod.Region)

	if err := fillTables(ctx, prod, dev, items); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "prod/orders holds %d items, dev/orders %d of last month's.\n", items, items/10)

	args := []string{"copy", "--table", "orders", "--source", "prod", "--target", "dev", "--mode", "replace", "--no-backup", "--yes"}
	fmt.Fprintf(stdout, "\n$ dynamo %s\n", strings.Join(args, " "))
	start := time.Now()
	if err := execute(ctx, program, args, dir, world.Env(), stdout, stderr); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nIt took %.1f s. Reading both tables again, with the AWS SDK alone …\n", time.Since(start).Seconds())

	report, err := ddbtest.Diff(ctx, prod.Client(), dev.Client(), "orders", "orders")
	if err != nil {
		return err
	}
	if !report.Same() {
		return fmt.Errorf("the tables are not equal: %s", report)
	}
	if report.Equal != items {
		return fmt.Errorf("the tables hold %d items, not %d", report.Equal, items)
	}
	fmt.Fprintf(stdout, "The tables are equal: %d items, no difference.\n", report.Equal)
	return nil
}

func fillTables(ctx context.Context, prod, dev *ddbtest.Account, items int) error {
	table := ddbtest.Table{
		Name: "orders", Partition: ddbtest.S("customer"), Sort: ddbtest.S("order"),
		Indexes: []ddbtest.Index{{Name: "by-status", Partition: ddbtest.S("status"), Sort: ddbtest.S("order")}},
	}
	for _, a := range []*ddbtest.Account{prod, dev} {
		if err := a.CreateTable(ctx, table); err != nil {
			return err
		}
	}
	if err := prod.Fill(ctx, "orders", orders(0, items, "2026-11")); err != nil {
		return err
	}
	// Half of the stale items have keys that prod has too, half are extra.
	return dev.Fill(ctx, "orders", orders(items-items/20, items/10, "2026-10"))
}

// orders are what a shop would keep: a few hundred bytes each.
func orders(first, n int, month string) iter.Seq[ddbtest.Item] {
	states := []string{"open", "paid", "packed", "shipped", "returned"}
	return func(yield func(ddbtest.Item) bool) {
		for i := first; i < first+n; i++ {
			item := ddbtest.Item{
				"customer": text("customer#%05d", i/7),
				"order":    text("order#%08d", i),
				"status":   text("%s", states[i%len(states)]),
				"placed":   text("%s-%02dT10:%02d:00Z", month, 1+i%28, i%60),
				"total":    number("%d.%02d", i%900, i%100),
				"gift":     &types.AttributeValueMemberBOOL{Value: i%11 == 0},
				"tags":     &types.AttributeValueMemberSS{Value: []string{"web", fmt.Sprintf("campaign-%d", i%13)}},
				"address": &types.AttributeValueMemberM{Value: ddbtest.Item{
					"street": text("%d Rue de l'Église", 1+i%200), "city": text("%s", []string{"Lyon", "Köln", "Łódź", "Tromsø"}[i%4]), "note": text(""),
				}},
				"lines": &types.AttributeValueMemberL{Value: []types.AttributeValue{
					&types.AttributeValueMemberM{Value: ddbtest.Item{"sku": text("SKU-%06d", i%997), "count": number("%d", 1+i%5), "price": number("%d.99", i%300)}},
					&types.AttributeValueMemberM{Value: ddbtest.Item{"sku": text("SKU-%06d", i%613), "count": number("%d", 1+i%3), "price": number("%d.49", i%70)}},
				}},
			}
			if !yield(item) {
				return
			}
		}
	}
}

func text(format string, args ...any) types.AttributeValue {
	return &types.AttributeValueMemberS{Value: fmt.Sprintf(format, args...)}
}

func number(format string, args ...any) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprintf(format, args...)}
}

// execute runs the program in an empty directory, so that no dynamo.yaml of
// the caller's has a say.
func execute(ctx context.Context, program string, args []string, dir string, env []string, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run dynamo copy: %w", err)
	}
	return nil
}
