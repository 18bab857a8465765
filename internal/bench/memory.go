package main

import (
	"context"
	"fmt"
)

// memory takes the peak resident size of copies of growing tables, and of one
// to a target that is far slower than the source.
func (h *harness) memory(ctx context.Context) error {
	counts := []int64{100_000, 1_000_000, 10_000_000}
	slow := int64(100_000)
	if h.quick {
		counts, slow = []int64{10_000, 100_000}, 5000
	}
	type line struct {
		name string
		spec
	}
	var lines []line
	for _, n := range counts {
		lines = append(lines, line{fmt.Sprintf("%d items", n), spec{items: n}})
	}
	// 16 writers that wait 80 ms each write 5 MB/s; the source gives hundreds.
	lines = append(lines, line{fmt.Sprintf("%d items, target 100 times slower", slow),
		spec{items: slow, sim: []string{"-target-latency", "80ms"}}})

	h.page.heading("Memory", "Peak resident size of a copy of 1 KB items with 16 writers, over http. "+
		"The typed loop copies the largest table in too many minutes to wait for.")
	h.page.row("copy", "program", "peak MB", "seconds", "items/s", "result")
	h.page.rule(6)
	for _, l := range lines {
		for _, p := range h.programs(progTyped, progOurs) {
			if p == progTyped && l.items > 1_000_000 {
				continue
			}
			s := l.spec
			s.program, s.itemBytes, s.workers = p, 1000, 16
			r, err := h.run(ctx, s)
			if err != nil {
				return err
			}
			h.page.row(l.name, string(p), r.megabytesPeak(), fmt.Sprintf("%.1f", r.wall.Seconds()),
				fmt.Sprintf("%.0f", r.itemsPerSec()), r.outcome())
		}
	}
	return nil
}
