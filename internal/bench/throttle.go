package main

import (
	"context"
	"fmt"
	"strconv"
)

// throttleLimits are the write units per second of the limited targets.
var throttleLimits = []float64{4000, 20_000}

// throttle copies to a target that takes so much and no more. What it took per
// second, the burst at the start left out, is to be near the limit.
func (h *harness) throttle(ctx context.Context) error {
	seconds := 15.0
	if h.quick {
		seconds = 3
	}
	var results []result
	for _, limit := range throttleLimits {
		for _, p := range h.programs(progTyped, progOurs) {
			r, err := h.run(ctx, spec{
				program: p, items: int64(limit * seconds), itemBytes: 1000, workers: 64,
				sim: []string{"-target-units", strconv.FormatFloat(limit, 'f', -1, 64), "-target-latency", "5ms", "-target-jitter", "5ms"},
			})
			if err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	h.page.heading("At the target's limit",
		"1 KB items, 64 writers, 5 to 10 ms for each request, a table with so many write units a second and one second of burst. "+
			"The share is what the table gave between the first write and the last, less the burst, of what it would have given.")
	h.page.row("limit, WCU/s", "program", "WCU/s", "share of the limit", "throttled requests", "writes not taken", "peak MB", "result")
	h.page.rule(8)
	for i, r := range results {
		limit := throttleLimits[i/len(h.programs(progTyped, progOurs))]
		t := r.report.Target
		share, given := "–", "–"
		if r.failure == "" {
			share = fmt.Sprintf("%.1f %%", 100*(t.Units-limit)/(t.WriteSeconds*limit))
			given = fmt.Sprintf("%.0f", (t.Units-limit)/t.WriteSeconds)
		}
		h.page.row(fmt.Sprint(limit), string(r.program), given, share,
			fmt.Sprint(t.Throttled), fmt.Sprint(t.Unprocessed), r.megabytesPeak(), r.outcome())
	}
	return nil
}

// outcome says in a table's cell how a run ended.
func (r result) outcome() string {
	if r.failure == "" {
		return "complete"
	}
	return "**failed**: " + cell(r.failure)
}
