package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// A speedCase is one row of the speed table.
type speedCase struct {
	itemBytes int
	tls       bool
	escapes   bool
	cores     int
}

func (c speedCase) name() string {
	name := fmt.Sprintf("%d B", c.itemBytes)
	if c.itemBytes >= 1000 {
		name = fmt.Sprintf("%d KB", c.itemBytes/1000)
	}
	if c.escapes {
		name += ", escaped"
	}
	return name
}

// speedCases are the rows, in order. Texts with escapes and letters that are
// not ASCII are dearer to look through; one size shows by how much.
func (h *harness) speedCases() []speedCase {
	var all []speedCase
	for _, cores := range []int{1, 2} {
		for _, tls := range []bool{false, true} {
			for _, size := range h.sizes {
				all = append(all, speedCase{itemBytes: size, tls: tls, cores: cores})
				if size == 1000 && !tls && cores == 1 {
					all = append(all, speedCase{itemBytes: size, escapes: true, cores: cores})
				}
			}
		}
	}
	return all
}

// volume is how many bytes of items a program copies in one run, so that a run
// takes a few seconds.
func (h *harness) volume(p program, itemBytes int) int64 {
	million := int64(512)
	if p == progTyped {
		million = 128
	}
	if itemBytes < 1000 {
		million /= 2
	}
	if h.quick {
		million = max(16, million/16)
	}
	return million * 1_000_000
}

// speed measures every case with every program, in turn, round after round.
func (h *harness) speed(ctx context.Context) error {
	cases := h.speedCases()
	results := make([]map[program][]result, len(cases))
	for i := range results {
		results[i] = map[program][]result{}
	}
	for range h.rounds {
		for i, c := range cases {
			for _, p := range h.programs(progTyped, progOurs, progFloor, progNetHTTP) {
				r, err := h.run(ctx, spec{
					program: p, items: h.volume(p, c.itemBytes) / int64(c.itemBytes), itemBytes: c.itemBytes,
					tls: c.tls, escapes: c.escapes, cores: c.cores, workers: 16,
				})
				if err != nil {
					return err
				}
				results[i][p] = append(results[i][p], r)
			}
		}
	}
	h.page.speed(cases, results)
	return nil
}

// median is the middle of what the runs that went well measured, and false
// where none did.
func median[T any, N cmp.Ordered](runs []T, well func(T) bool, of func(T) N) (m N, ok bool) {
	var all []N
	for _, r := range runs {
		if well(r) {
			all = append(all, of(r))
		}
	}
	if len(all) == 0 {
		return m, false
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], true
}

func wentWell(r result) bool { return r.failure == "" }
