package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// dump measures what it takes to put a table into files, and to put these into another.
func (h *harness) dump(ctx context.Context) error {
	counts := []int64{100_000, 1_000_000}
	if h.quick {
		counts = []int64{20_000}
	}
	h.page.heading("Dump and restore", "1 KB items over http, to files on this machine's disk and from there; a restore checks all of it, keeps a copy, and then puts everything "+
		"(`--mode merge`). MB are of the items' JSON.")
	h.page.row("items", "command", "MB/s", "CPU-s/GB", "peak MB", "seconds", "result")
	h.page.rule(7)
	if h.binary == "" {
		return nil
	}
	for _, n := range counts {
		for _, kind := range []string{"gzip", "zstd"} {
			if err := h.dumpOnce(ctx, n, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// dumpOnce dumps a simulated table, and restores it into the simulator's other one.
func (h *harness) dumpOnce(ctx context.Context, items int64, kind string) (err error) {
	server, err := h.simulate(ctx, false, "-items", strconv.FormatInt(items, 10), "-bytes", "1000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	home, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	env := append([]string{"HOME=" + home, "XDG_STATE_HOME=" + home}, server.ready.Env...)
	dir, table := filepath.Join(home, "dumps"), server.ready.Table
	for _, step := range []struct {
		name  string
		words []string
	}{
		{"backup --to, " + kind, []string{"backup", "--table", table, "--env", server.ready.Profiles[0], "--to", dir, "--compress", kind}},
		{"restore, " + kind, []string{"restore", "--table", table, "--env", server.ready.Profiles[1], "--from", dir, "--mode", "merge", "--no-backup", "--yes", "--workers", "16"}},
	} {
		r := result{spec: spec{program: progOurs, items: items, itemBytes: 1000}}
		r.client(ctx, append([]string{h.binary}, append(step.words, "--json", "--no-progress")...), env, h)
		if r.report, err = server.report(ctx); err != nil {
			return err
		}
		if r.failure == "" && step.words[0] == "restore" {
			r.failure = r.verdict()
		}
		fmt.Fprintln(os.Stderr, "bench:", step.name, r)
		h.page.row(strconv.FormatInt(items, 10), step.name, fmt.Sprintf("%.0f", 1000*r.gigabytes()/r.wall.Seconds()), fmt.Sprintf("%.2f", r.cpuPerGB()),
			r.megabytesPeak(), fmt.Sprintf("%.1f", r.wall.Seconds()), r.outcome())
	}
	return nil
}
