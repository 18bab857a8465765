package main

import (
	"context"
	"fmt"
)

// sync measures what it costs to make a table equal that nearly is: by writing
// what differs, and by writing everything anew.
func (h *harness) sync(ctx context.Context) error {
	items := int64(1_000_000)
	if h.quick {
		items = 20_000
	}
	same := []string{"-fill"}
	drift := []string{"-fill", "-differ", fmt.Sprint(items / 100), "-missing", fmt.Sprint(items / 200), "-extra", fmt.Sprint(items / 200)}
	lines := []struct {
		name string
		spec
	}{
		{"sync, nothing differs", spec{sim: same, args: []string{"--mode", "sync"}}},
		{"sync, 2 % differ", spec{sim: drift, args: []string{"--mode", "sync"}}},
		{"the same, --eventual", spec{sim: drift, args: []string{"--mode", "sync", "--eventual"}}},
		{"replace, 2 % differ", spec{sim: drift, args: []string{"--mode", "replace", "--no-backup"}}},
	}
	results := make([]result, len(lines))
	for i, l := range lines {
		s := l.spec
		s.program, s.items, s.itemBytes, s.workers = progOurs, items, 1000, 16
		var err error
		if results[i], err = h.run(ctx, s); err != nil {
			return err
		}
	}
	h.page.heading("Making a table equal that nearly is", fmt.Sprintf("%d items of 1 KB on both sides over http; 2 %% is half of them changed, a quarter missing, a quarter extra. "+
		"Units are what the simulator counts as consumed, weighed as on demand: one written costs as much as five read. CPU is for a gigabyte of one side's items.", items))
	h.page.row("copy", "read units", "write units", "weighed", "of replace", "CPU-s/GB", "peak MB", "seconds", "result")
	h.page.rule(9)
	last := results[len(results)-1].weighed()
	for i, r := range results {
		h.page.row(lines[i].name, fmt.Sprintf("%.0f", r.readUnits), fmt.Sprintf("%.0f", r.writeUnits), fmt.Sprintf("%.0f", r.weighed()),
			fmt.Sprintf("%.1f %%", 100*r.weighed()/last), fmt.Sprintf("%.2f", r.cpuPerGB()), r.megabytesPeak(), fmt.Sprintf("%.1f", r.wall.Seconds()), r.outcome())
	}
	return nil
}

// weighed is the price of a run in read units.
func (r result) weighed() float64 { return r.readUnits + 5*r.writeUnits }
