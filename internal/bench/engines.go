package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

// An engineRun is one copy between two engines.
type engineRun struct {
	wall, cpu time.Duration
	failure   string
}

// engines copies between two real engines, each behind the proxy that makes it
// an account. They are slower than any client: this shows that what is saved
// on the simulator is saved here too, not what the engines can do.
func (h *harness) engines(ctx context.Context) (err error) {
	if _, missing := ddbtest.EnginePath(); missing != nil {
		h.page.heading("Two engines", "Not measured: "+missing.Error())
		return nil
	}
	items := 20_000
	if h.quick {
		items = 1000
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := ddbtest.Open(ctx, dir, ddbtest.WithoutWriteLog())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	orders := ddbtest.Table{Name: "orders", Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk")}
	if err := w.Account("prod").CreateTable(ctx, orders); err != nil {
		return err
	}
	if err := w.Account("prod").Fill(ctx, orders.Name, ordinaryItems(items)); err != nil {
		return err
	}
	runs := map[program][]engineRun{}
	for range h.rounds {
		for _, p := range h.programs(progTyped, progOurs) {
			r, err := h.copyBetween(ctx, w, orders, p, items)
			if err != nil {
				return err
			}
			runs[p] = append(runs[p], r)
		}
	}
	h.page.engines(items, runs)
	return nil
}

// copyBetween copies into a new table and has the oracle compare.
func (h *harness) copyBetween(ctx context.Context, w *ddbtest.World, t ddbtest.Table, p program, items int) (engineRun, error) {
	prod, dev := w.Account("prod"), w.Account("dev")
	if err := dev.CreateTable(ctx, t); err != nil {
		return engineRun{}, err
	}
	r := result{spec: spec{program: p, items: int64(items)}}
	r.client(ctx, h.command(spec{program: p, workers: 16}, sim.Ready{Table: t.Name, Profiles: []string{"prod", "dev"}}), w.Env(), h)
	out := engineRun{r.wall, r.cpu, r.failure}
	difference, err := ddbtest.Diff(ctx, prod.Client(), dev.Client(), t.Name, t.Name)
	if err != nil {
		return out, err
	}
	if out.failure == "" && !difference.Same() {
		out.failure = difference.String()
	}
	fmt.Fprintf(os.Stderr, "bench: %s between engines: wall %.2fs cpu %.2fs %s\n", p, out.wall.Seconds(), out.cpu.Seconds(), out.failure)
	return out, dev.DeleteTable(ctx, t.Name)
}

// ordinaryItems are like the simulator's of 1 KB.
func ordinaryItems(n int) iter.Seq[ddbtest.Item] {
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n int) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
	return func(yield func(ddbtest.Item) bool) {
		for i := range n {
			var lines []types.AttributeValue
			for j := range 4 {
				lines = append(lines, &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
					"sku": text(fmt.Sprintf("SKU-%06d", i*7+j)), "quantity": number(1 + j), "price": number(100 + i),
					"title": text("yellow kettle for a quiet winter"),
				}})
			}
			item := ddbtest.Item{
				"pk": text(fmt.Sprintf("CUST#%016x", i)), "sk": text(fmt.Sprintf("ORDER#%08d", i)),
				"amount": number(i), "paid": &types.AttributeValueMemberBOOL{Value: i%2 == 0},
				"lines": &types.AttributeValueMemberL{Value: lines},
				"note":  text(strings.Repeat("under the silver castle ", 11)),
			}
			if !yield(item) {
				return
			}
		}
	}
}

func (p *page) engines(items int, runs map[program][]engineRun) {
	p.heading("Two engines", fmt.Sprintf("%d items of about 1 KB between two Dynoxide engines, each behind the proxy that makes it an account. "+
		"An oracle compares the tables after each copy. The engines and proxies share the cores with the client.", items))
	p.row("program", "client's CPU seconds", "seconds", "items/s", "result")
	p.rule(5)
	for _, name := range []program{progTyped, progOurs} {
		if len(runs[name]) == 0 {
			continue
		}
		well := func(r engineRun) bool { return r.failure == "" }
		wall, ok := median(runs[name], well, func(r engineRun) time.Duration { return r.wall })
		if !ok {
			p.row(string(name), "–", "–", "–", "**failed**: "+cell(runs[name][0].failure))
			continue
		}
		cpu, _ := median(runs[name], well, func(r engineRun) time.Duration { return r.cpu })
		p.row(string(name), fmt.Sprintf("%.2f", cpu.Seconds()), fmt.Sprintf("%.2f", wall.Seconds()),
			fmt.Sprintf("%.0f", float64(items)/wall.Seconds()), "complete")
	}
}
