package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

var (
	killMoments   = []string{stuck, applied, late, byTime, atStart, byWrites, unsent, applied}
	signalMoments = []string{stuck, late, unheard, byTime, slow, atStart, byWrites, applied, byTime, unsent}

	killsLong = pattern{name: "kills", signals: []syscall.Signal{syscall.SIGKILL}, moments: killMoments,
		most: 5, items: 8000, pace: 20 * time.Millisecond}
	killsShort = pattern{name: "kills -short", signals: killsLong.signals, moments: killMoments,
		most: 5, items: shortItems, pace: 40 * time.Millisecond}
	signalsLong = pattern{name: "signals", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, moments: signalMoments,
		most: 3, items: 1500, pace: 20 * time.Millisecond, twice: true, grace: 10 * time.Second}
	signalsShort = pattern{name: "signals -short", signals: signalsLong.signals, moments: signalMoments,
		most: 3, items: 800, pace: 40 * time.Millisecond, twice: true, grace: 12 * time.Second} // other tests run beside it
)

// shortItems are the most that a stop of the short form has.
const shortItems = 1000

// shortStops is how many stops the short form has.
const shortStops = 10

// The share of items that kills may have written twice. A short copy writes
// more twice for its size: what was under way does not grow with it.
const (
	twiceLimit      = 0.02
	twiceLimitShort = 0.2
)

// kills kills copies and lets them go on.
func (s *suite) kills(ctx context.Context, p pattern, from, stops int) error {
	began := time.Now()
	sum, err := s.breakdowns(ctx, p, from, stops)
	if err != nil {
		return err
	}
	share := float64(sum.twice) / float64(max(1, sum.items))
	s.say("kills: %d kill -9 in %s, %v; %d copies had ended before; %d items, %d written twice (%.2f %%); peak %d MB",
		sum.stops, time.Since(began).Round(time.Second), sum.byMoment, sum.finished, sum.items, sum.twice, 100*share, sum.peak>>20)
	limit := twiceLimit
	if p.items < killsLong.items || stops == 1 {
		limit = twiceLimitShort
	}
	if share > limit {
		err := s.fail(fmt.Sprintf("kills -seed %d", s.seed), "kills", []string{fmt.Sprintf("%.1f %% of the items were written twice, more than %.0f %%", 100*share, 100*limit)})
		if err != nil && !errors.Is(err, errFound) {
			return err
		}
	}
	return s.result("kills")
}

// signals interrupts copies and lets them go on.
func (s *suite) signals(ctx context.Context, p pattern, from, stops int) error {
	began := time.Now()
	sum, err := s.breakdowns(ctx, p, from, stops)
	if err != nil {
		return err
	}
	s.say("signals: %d in %s, %v; %d copies had ended before; from the signal to the end: %s; peak %d MB",
		sum.stops, time.Since(began).Round(time.Second), sum.byMoment, sum.finished, spread(sum.ends), sum.peak>>20)
	return s.result("signals")
}

// A soaked is what a soak came to.
type soaked struct {
	kills int
	peaks []int64
	wall  time.Duration
}

// soak copies very many items in the simulator, with faults on both sides and
// a kill -9 after each so many items.
func (s *suite) soak(ctx context.Context, items, each int64) (err error) {
	faults := sim.Faults{Probability: 0.02}
	server, err := sim.Start(sim.Config{
		Items: items, ItemBytes: 400, SortKey: true, Seed: s.seed, Escapes: true,
		Source: sim.SideConfig{Faults: faults}, Target: sim.SideConfig{Faults: faults},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	home, err := os.MkdirTemp("", "dynamo-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	env, err := server.WriteProfiles(home)
	if err != nil {
		return err
	}
	env = append(env, "HOME="+home, "XDG_STATE_HOME="+home, "PATH="+os.Getenv("PATH"))
	var r soaked
	began := time.Now()
	last := outcome{code: -1}
	for goal := each; last.code != 0; goal += each {
		args := []string{"copy", "--table", "orders", "--source", "simprod", "--target", "simdev", "--mode", "merge", "--no-backup",
			"--yes", "--json", "--no-progress", "--workers", "32"}
		if r.kills > 0 {
			args = append(args, "--resume")
		}
		c, err := start(ctx, launch{binary: s.binary, dir: home, env: env, args: args, limit: time.Hour})
		if err != nil {
			return err
		}
		if goal < items && reaches(ctx, server, c, goal) {
			c.signal(syscall.SIGKILL)
			r.kills++
		}
		last = c.wait()
		r.peaks = append(r.peaks, last.peak)
		if last.code > 0 || last.hung {
			return fmt.Errorf("soak: %s", last)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	r.wall = time.Since(began)
	return s.soaked(server.Report(), last, r, items, each)
}

// reaches waits until the target has taken so many items, and reports false
// where the child ends before that.
func reaches(ctx context.Context, server *sim.Server, c *child, goal int64) bool {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		r := server.Report()
		if r.Items-r.Missing >= goal {
			return true
		}
		select {
		case <-look.C:
		case <-c.ended:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// soaked judges a soak by the simulator's bitmap.
func (s *suite) soaked(r sim.Report, last outcome, of soaked, items, each int64) error {
	var wrong []string
	blame := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if r.Right != items || r.Wrong+r.Missing+r.Extra+r.Target.Unknown+r.Target.Corrupt != 0 {
		blame("%d right of %d, %d wrong, %d missing, %d extra, %d unknown, %d corrupt", r.Right, items, r.Wrong, r.Missing, r.Extra, r.Target.Unknown, r.Target.Corrupt)
	}
	if last.summary == nil || last.summary.Written != items || last.summary.Read != items {
		blame("the summary says something else: %s", last.stdout)
	}
	if want := int((items - 1) / each); of.kills != want {
		blame("%d kills, want %d", of.kills, want)
	}
	least, most := slices.Min(of.peaks), slices.Max(of.peaks)
	if most > peakLimit || most > 2*least {
		blame("the peak grew from %d to %d MB", least>>20, most>>20)
	}
	faults := int64(0)
	for _, side := range []sim.SideReport{r.Source, r.Target} {
		for _, n := range side.Faults {
			faults += n
		}
	}
	s.say("soak: %d items of %.0f bytes in %s, %d kills, %d faults in %d requests; %d written twice (%.2f %%, of which %d after a spoilt answer); peak %d to %d MB",
		r.Right, r.ItemBytes, of.wall.Round(time.Second), of.kills, faults, r.Source.Requests+r.Target.Requests,
		r.Target.Duplicates, 100*float64(r.Target.Duplicates)/float64(items), r.Target.Unacknowledged, least>>20, most>>20)
	if err := s.fail("soak", "soak", wrong, last); err != nil {
		return err
	}
	return s.result("soak")
}
