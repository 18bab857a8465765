package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// A page is the Markdown that a measurement writes.
type page struct{ strings.Builder }

func (p *page) begin(h *harness) {
	fmt.Fprintf(p, "# Benchmarks\n\nWritten by `make bench`, all in one run on one machine: %d cores, %s, %s, %s.\n",
		len(allowedCores()), processorName(), runtime.Version(), time.Now().UTC().Format("January 2006"))
	fmt.Fprintf(p, "%s of %d interleaved rounds.\n", "Speed figures are medians", h.rounds)
	if h.quick {
		p.WriteString("\n**Small volumes: these figures say that the measurement works, not how fast anything is.**\n")
	}
	p.WriteString(`
The programs:

* **a, typed**: the obvious loop with the AWS SDK for Go: Scan paginators over 8 segments, typed items through a channel to
  the writers, 25 PutRequests a call, UnprocessedItems sent again with growing waits, 256 idle connections kept.
* **b, ours**: ` + "`dynamo copy --mode merge --no-backup`" + `, the whole program: signatures, strict checks, ledger and counts included.
* **c, floor**: reads pages, splits them by what an item is known to begin with, hashes bodies (SHA-256, as SigV4 needs) and
  sends the same bytes, over HTTP written by hand for this server: one write and one read a call. No checks, no signatures, no
  retries, no counts. It cannot serve as a tool; it says what there is to gain.
* **d, the same over net/http**, with 64 KiB buffers: from c to d is what the standard library's client costs.

Each copies from a simulated source to a simulated target, which compares every put with what it must be: a run counts
only if the target is complete. CPU is user and system time of the whole process, as the kernel accounts it, for a gigabyte of item JSON.
`)
}

func (p *page) heading(title, text string) { fmt.Fprintf(p, "\n## %s\n\n%s\n\n", title, text) }

func (p *page) row(cells ...string) { fmt.Fprintf(p, "| %s |\n", strings.Join(cells, " | ")) }

func (p *page) rule(columns int) { p.WriteString(strings.Repeat("| --- ", columns) + "|\n") }

// cell makes a text fit into one cell.
func cell(s string) string {
	s = strings.NewReplacer("|", "/", "\n", " ").Replace(s)
	if runes := []rune(s); len(runes) > 120 {
		s = string(runes[:120]) + "…"
	}
	return s
}

func (p *page) speed(cases []speedCase, results []map[program][]result) {
	p.heading("Speed", "The simulator is a process of its own on the first core; the client has the second (one core) or both (two cores, "+
		"the first shared). 16 writers. What lies between b and c is, in profiles of 1 KB items on one core: the standard library's HTTP client "+
		"(from c to d), finding and checking every value of a page (a fifth of b), a signature for each request (a tenth), and memory "+
		"management (a tenth).")
	p.row("items", "over", "client's cores", "a: CPU-s/GB", "b: CPU-s/GB", "c: CPU-s/GB", "d: CPU-s/GB", "a / b", "b / c",
		"a: items/s", "b: items/s", "c: items/s", "d: items/s", "simulator (with c): CPU-s/GB")
	p.rule(14)
	var failures []string
	for i, c := range cases {
		over := "http"
		if c.tls {
			over = "TLS"
		}
		cells := []string{c.name(), over, fmt.Sprint(c.cores)}
		var cpu [4]float64
		var speeds []string
		for j, name := range []program{progTyped, progOurs, progFloor, progNetHTTP} {
			runs := results[i][name]
			var text string
			text, cpu[j] = figure(runs, "%.2f", result.cpuPerGB)
			cells = append(cells, text)
			text, _ = figure(runs, "%.0f", result.itemsPerSec)
			speeds = append(speeds, text)
			for _, r := range runs {
				if r.failure != "" {
					failures = append(failures, fmt.Sprintf("%s, %s, %s: %s", name, c.name(), over, cell(r.failure)))
				}
			}
		}
		simulator, _ := figure(results[i][progFloor], "%.2f", result.simCPUPerGB)
		cells = append(cells, ratio(cpu[0], cpu[1]), ratio(cpu[1], cpu[2]))
		p.row(append(append(cells, speeds...), simulator)...)
	}
	for _, text := range failures {
		fmt.Fprintf(p, "\n* **failed** %s\n", text)
	}
}

func figure(runs []result, format string, of func(result) float64) (string, float64) {
	m, ok := median(runs, wentWell, of)
	if !ok {
		return "–", 0
	}
	return fmt.Sprintf(format, m), m
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}
