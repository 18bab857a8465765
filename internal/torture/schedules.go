package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A tally is what many schedules came to.
type tally struct {
	mu     sync.Mutex
	fired  map[string]int // by card
	codes  map[int]int
	took   []time.Duration
	peak   int64
	puts   int
	resent int
	calls  int
}

// schedules runs the schedules with those numbers. A fault that was dealt and
// has never struck is a failure where all was dealt.
func (s *suite) schedules(ctx context.Context, numbers []int) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	began := time.Now()
	sum := &tally{fired: map[string]int{}, codes: map[int]int{}}
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		if err := s.schedule(ctx, st, n, sum); err != nil {
			return fmt.Errorf("schedule %d: %w", n, err)
		}
		return nil
	})
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	strikes := 0
	for _, n := range sum.fired {
		strikes += n
	}
	s.say("schedules: %d in %s; exit codes %v; %d faults struck, of %d sorts; %d puts applied, %d of them again; %d calls; %s; peak %d MB",
		len(sum.took), time.Since(began).Round(time.Second), sum.codes, strikes, len(sum.fired), sum.puts, sum.resent, sum.calls, spread(sum.took), sum.peak>>20)
	if len(numbers) >= whole(s.seed) {
		var never []string
		for _, c := range slices.Concat(survivable(), lethal()) {
			if sum.fired[c.String()] == 0 {
				never = append(never, "never happened: "+c.String())
			}
		}
		if err := s.fail(fmt.Sprintf("schedules -seed %d -n %d", s.seed, len(numbers)), "the deck", never); err != nil && !errors.Is(err, errFound) {
			return err
		}
	}
	return s.result("schedules")
}

// schedule runs one schedule and judges it.
func (s *suite) schedule(ctx context.Context, st *stage, number int, sum *tally) (err error) {
	plan := newSchedule(s.seed, number)
	t, err := st.newTrial(ctx, plan.source, plan.target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.fill(ctx, plan.items, plan.older); err != nil {
		return err
	}
	var struck []func() int
	for _, k := range plan.strikes {
		if k.index {
			struck = append(struck, func() int { return 1 })
			continue
		}
		if k.kind == ddbtest.Stale {
			if k.fault.Text, err = t.recall(ctx, k.side, plan.then[k.side]); err != nil {
				return err
			}
		}
		struck = append(struck, t.inject(k.side, k.fault))
	}
	c, err := t.begin(ctx, t.copyArgs(plan.mode, plan.args()...)...)
	if err != nil {
		return err
	}
	o, err := t.end(ctx, c)
	if err != nil {
		return err
	}
	after, err := t.now(ctx)
	if err != nil {
		return err
	}
	h := look(t, plan.mode, after)
	sum.add(&plan, struck, o, h)
	plan.judge(h, o, struck)
	return s.fail(fmt.Sprintf("schedules -seed %d -only %d", s.seed, number), plan.String(), h.wrong, o)
}

// judge checks what this schedule's copy must have come to.
func (s *schedule) judge(h *history, o outcome, struck []func() int) {
	exits := s.exits
	for i, k := range s.strikes {
		if k.sure && k.exits != nil && struck[i]() == 0 {
			exits = []int{0} // what might have ended it did not happen
		}
	}
	h.ended(o, exits)
	switch o.code {
	case 0:
		h.equal(nil)
		h.books(o.summary, 0)
	case 3:
		if s.rejected == nil { // which ones is not for us to say
			unknown := h.lettered(o.summary)
			h.equalBut(unknown)
			h.books(o.summary, len(unknown), unknown...)
			h.letters(o.summary, unknown)
			break
		}
		h.equal(s.rejected)
		h.books(o.summary, len(s.rejected))
		h.letters(o.summary, s.rejected)
	default:
		h.claims(o.summary)
		h.canGoOn(o)
	}
	h.resent()
	// A client that waits as it should makes a dozen attempts in the seconds
	// that it is given; one that does not wait, thousands.
	batches := (len(h.items)+len(h.before))/25 + len(h.items)/2
	if most := 200 + 6*batches + 25*(s.workers+s.segments); len(h.source.Requests)+len(h.target.Requests) > most {
		h.blame("%d requests, more than %d: it does not wait", len(h.source.Requests)+len(h.target.Requests), most)
	}
}

func (t *tally) add(s *schedule, struck []func() int, o outcome, h *history) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range s.strikes {
		t.fired[k.String()] += struck[i]()
	}
	t.codes[o.code]++
	t.took = append(t.took, o.took)
	t.peak = max(t.peak, o.peak)
	t.puts += len(h.puts)
	t.resent += h.twice()
	t.calls += len(h.source.Requests) + len(h.target.Requests)
}
