package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A batch is stuck until nothing has been written beside it for a while, in
// which several checkpoints are saved: none may be ahead of it. At the latest it
// is before the client gives the batch up.
const (
	sticking    = 600 * time.Millisecond
	stickingEnd = 8 * time.Second
)

// heeding is how long a copy that is told to stop may still come to its end.
const heeding = 2 * time.Second

// lasting is how long after a batch was acknowledged it may still be unknown
// to the checkpoint: the save's interval, and a slow disk. What is older is
// not written again.
const lasting = 3 * time.Second

// lastingBeside is the same on a machine that has other tests to run: there a
// process of two may not come to its turn for seconds.
const lastingBeside = 10 * time.Second

// A toll is what many breakdowns came to.
type toll struct {
	mu       sync.Mutex
	stops    int
	finished int // had ended by themselves before the stop
	byMoment map[string]int
	damages  map[string]int // undos by damaged journals
	items    int
	twice    int
	ends     []time.Duration // from the signal to the end
	peak     int64
}

// damage notes an undo by a damaged journal.
func (t *toll) damage(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.damages[name]++
}

// breakdowns breaks copies off until there have been so many stops, and lets
// each go on to its end.
func (s *suite) breakdowns(ctx context.Context, p pattern, from, stops int) (*toll, error) {
	sum := &toll{byMoment: map[string]int{}}
	var numbers []int
	for planned, n := 0, from; planned < stops; n++ {
		numbers = append(numbers, n)
		planned += len(newBreakdown(p, s.seed, n).stops)
	}
	err := s.breakdown(ctx, p, numbers, sum)
	// Some had ended before their stop came.
	for next := from + len(numbers); err == nil && sum.stops < stops && len(s.failed) == 0; next++ {
		err = s.breakdown(ctx, p, []int{next}, sum)
	}
	return sum, err
}

func (s *suite) breakdown(ctx context.Context, p pattern, numbers []int, sum *toll) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		if err := s.oneBreakdown(ctx, st, p, n, sum); err != nil {
			return fmt.Errorf("breakdown %d: %w", n, err)
		}
		return nil
	})
	return errors.Join(err, st.close())
}

func (s *suite) oneBreakdown(ctx context.Context, st *stage, p pattern, number int, sum *toll) (err error) {
	b := newBreakdown(p, s.seed, number)
	t, err := st.newTrial(ctx, b.shape, b.shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	r := rand.New(rand.NewPCG(s.seed, uint64(number)|3<<40))
	items, older := lean(b.shape, b.items, r.Uint64()), lean(b.shape, b.older, r.Uint64())
	if b.mode == syncing {
		older = append(older[:b.older/2], lean(b.shape, b.items+b.older/2, r.Uint64())[b.items:]...)
	}
	if err := t.fill(ctx, items, older); err != nil {
		return err
	}
	t.patience = 5 * p.pace * time.Duration((b.items+b.older)/25) // other copies run beside it
	x := &breaking{trial: t, breakdown: &b, sum: sum, grace: p.grace, lasting: lasting}
	if s.brief {
		x.lasting = lastingBeside
	}
	if err := x.run(ctx); err != nil {
		return err
	}
	after, err := t.now(ctx)
	if err != nil {
		return err
	}
	h := look(t, b.mode, after)
	x.judge(h)
	return s.fail(fmt.Sprintf("%s -seed %d -only %d", p.name, s.seed, number), b.String(), h.wrong, t.children...)
}

// breaking is a breakdown under way.
type breaking struct {
	*trial
	*breakdown
	sum      *toll
	grace    time.Duration
	lasting  time.Duration
	ends     []time.Time // when children that were stopped had gone
	wrong    []string
	finished bool
}

// run copies, is stopped, goes on, and so forth; the last one is let alone.
func (x *breaking) run(ctx context.Context) error {
	for i, st := range x.stops {
		args, err := x.goOn(i)
		if err != nil {
			return err
		}
		done, err := x.stopped(ctx, st, args)
		if err != nil || done {
			return err
		}
	}
	x.heal()
	args, err := x.goOn(len(x.stops))
	if err != nil {
		return err
	}
	c, err := x.begin(ctx, args...)
	if err != nil {
		return err
	}
	_, err = x.end(ctx, c)
	return err
}

// goOn is the command line of the child of that number: the copy itself where
// no run was begun so far.
func (x *breaking) goOn(i int) ([]string, error) {
	args := x.copyArgs(x.breakdown.mode, "--run-dir", x.runDir(), "--source", "prod", "--target", "dev",
		"--segments", fmt.Sprint(x.segments), "--workers", fmt.Sprint(x.workers))
	if i == 0 {
		return args, nil
	}
	run, err := x.latestRun()
	if err != nil {
		return nil, err
	}
	switch {
	case x.byCopy[i-1]:
		return append(args, "--resume"), nil
	case run == "":
		return args, nil
	case i%2 == 0:
		return []string{"resume", "--run-dir", x.runDir(), "--yes", "--json", "--no-progress", run}, nil
	}
	return []string{"resume", "--run-dir", x.runDir(), "--yes", "--json", "--no-progress"}, nil
}

// stopped runs one child and stops it. It reports whether the child had ended
// well before that.
func (x *breaking) stopped(ctx context.Context, st stop, args []string) (done bool, err error) {
	x.heal()
	var c *child
	reached := make(chan struct{})
	var once sync.Once
	if st.batch >= 0 {
		f := ddbtest.Fault{Op: "BatchWriteItem", Skip: st.batch, Count: 1, Do: func() { once.Do(func() { close(reached) }) }}
		switch st.moment {
		case applied:
			f.Kind, f.After = ddbtest.Hang, true
		case unsent, stuck:
			f.Kind = ddbtest.Hang
		case made, unmade:
			f.Op, f.Kind, f.After = "CreateTable", ddbtest.Hang, st.moment == made
		case slow, unheard:
			f.Kind, f.Count = ddbtest.Hang, 3
		case late:
			x.inject(target, ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Skip: st.batch, Count: 1, Delay: st.lateness()})
			f.Kind, f.Skip = ddbtest.Hang, st.batch+1
		default:
			f.Kind = ddbtest.Observe
		}
		x.inject(target, f)
	}
	paced := x.inject(target, ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Delay: x.pace})
	if c, err = x.begin(ctx, args...); err != nil {
		return false, err
	}
	timer := time.NewTimer(hangLimit)
	if st.batch < 0 {
		timer.Reset(st.after)
	}
	defer timer.Stop()
	select {
	case <-reached:
		if st.moment == stuck {
			outlast(paced)
		}
	case <-timer.C:
	case <-c.ended:
	}
	sent := time.Now()
	early := c.gone()
	c.signal(st.signal)
	if st.second {
		sent = c.again(st.signal)
	}
	o := c.wait()
	x.children = append(x.children, o)
	if st.moment != late {
		err = x.quiet(ctx)
	}
	x.count(st, o, early, x.deaf(o, c.began), c.began.Add(c.took), c.began.Add(c.took).Sub(sent))
	if early || o.code == 0 {
		if o.code != 0 {
			x.wrong = append(x.wrong, fmt.Sprintf("it ended by itself with exit %d", o.code))
		}
		x.finished = true
	}
	return x.finished, err
}

// outlast waits until a count has stood still for a while.
func outlast(count func() int) {
	end, last, since := time.Now().Add(stickingEnd), count(), time.Now()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for now := range look.C {
		if n := count(); n != last {
			last, since = n, now
		}
		if now.Sub(since) > sticking || now.After(end) {
			return
		}
	}
}

// deaf reports whether a child was ended by a signal before it had begun to
// listen, which is as good as the right exit code: it had done nothing.
func (x *breaking) deaf(o outcome, began time.Time) bool {
	if o.code != -1 || o.stderr != "" {
		return false
	}
	asked := func(p *ddbtest.Proxy, table string) bool {
		return slices.ContainsFunc(p.Requests(), func(r ddbtest.Request) bool { return r.Table == table && r.Start.After(began) })
	}
	return !asked(x.prod.Proxy, x.source.Name) && !asked(x.dev.Proxy, x.target.Name)
}

// count notes one stop, and checks what a signal promises.
func (x *breaking) count(st stop, o outcome, early, deaf bool, ended time.Time, took time.Duration) {
	x.sum.mu.Lock()
	defer x.sum.mu.Unlock()
	x.sum.peak = max(x.sum.peak, o.peak)
	if early || o.code == 0 {
		x.sum.finished++
		if !early && took > heeding {
			x.wrong = append(x.wrong, fmt.Sprintf("%s: it went on for %s to its end", st, took))
		}
		return
	}
	x.sum.stops++
	x.sum.byMoment[st.moment]++
	x.ends = append(x.ends, ended)
	if st.signal == syscall.SIGKILL {
		return
	}
	x.sum.ends = append(x.sum.ends, took)
	limit := x.grace
	if st.second {
		limit = time.Second
	}
	if took > limit {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: it took %s to end", st, took))
	}
	if deaf {
		return
	}
	if want := 128 + int(st.signal); o.code != want {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: exit code %d, want %d", st, o.code, want))
	}
	if !st.second && o.summary == nil {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: stdout is not one JSON object", st))
	}
}

// judge checks what all of it has come to.
func (x *breaking) judge(h *history) {
	h.wrong = append(h.wrong, x.wrong...)
	last := x.children[len(x.children)-1]
	h.ended(last, []int{0})
	h.equal(nil)
	for _, o := range x.children {
		h.claims(o.summary)
		h.secrets(o)
		if o.code != 0 && o.code > 0 && o.summary != nil {
			h.canGoOn(o)
		}
	}
	x.again(h)
	x.sum.mu.Lock()
	defer x.sum.mu.Unlock()
	x.sum.items += len(h.items)
	x.sum.twice += h.twice()
}

// again blames items that were written once more although they had been
// acknowledged long before the copy was stopped.
func (x *breaking) again(h *history) {
	if slices.ContainsFunc(x.stops, stop.holds) {
		return
	}
	answered := map[int]time.Time{} // by request
	for _, r := range h.target.Requests {
		if r.Status == 200 {
			answered[r.Number] = r.Start.Add(r.Took)
		}
	}
	known := map[string]time.Time{} // acknowledged at
	old := 0
	for _, w := range h.target.Writes {
		if w.Delete {
			continue
		}
		if at, ok := known[w.Key]; ok {
			for _, end := range x.ends {
				if at.Before(end.Add(-x.lasting-10*x.pace)) && w.Time.After(end) {
					old++
				}
			}
		}
		if at, ok := answered[w.Request]; ok {
			known[w.Key] = at
		}
	}
	if old > 0 {
		h.blame("%d items were written again although they had been acknowledged long before", old)
	}
}
