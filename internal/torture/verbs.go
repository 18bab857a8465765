package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// The verbs beside copy that are killed. A copy is undone whether it has come
// to its end or not, and half of what was undone is undone again.
const (
	undoSync  = "undo a sync"
	undoSlice = "undo a slice"
	truncate  = "truncate"
	restore   = "restore"
	restoreAs = "restore to a new table"
)

var errands = []string{undoSync, undoSlice, undoSync, truncate, undoSlice, restore, restoreAs}

// An errand is one verb, done through kills.
type errand struct {
	seed   uint64
	number int
	brief  bool
	verb   string
	mode   string // of a restore
	shape  ddbtest.Table
	items  []ddbtest.Item
	older  []ddbtest.Item
	kills  [3][]stop // of the copy, of the verb, of what undoes the undo
	broken bool      // the copy is not gone on with after its last kill
	again  bool      // the undo is undone
}

const errandItems = 1500

func newErrand(seed uint64, number int) errand {
	r := rand.New(rand.NewPCG(seed, uint64(number)|5<<40))
	e := errand{seed: seed, number: number, verb: errands[number%len(errands)], mode: modes[r.IntN(len(modes))], shape: shape(r),
		broken: r.IntN(2) == 0, again: r.IntN(2) == 0}
	if e.verb == undoSlice {
		e.shape = ddbtest.Table{Partition: ddbtest.S("pk"), Sort: ddbtest.N("sk")}
		e.items, e.older = sliced(0, 2*errandItems, "new"), sliced(errandItems/2, errandItems*5/2, "old")
	} else {
		all := lean(e.shape, errandItems*3/2, r.Uint64())
		other := lean(e.shape, errandItems*3/2, r.Uint64()) // the same keys
		e.items, e.older = all[:errandItems], slices.Concat(all[:errandItems/4], other[errandItems/4:errandItems/2], other[errandItems:])
	}
	moments := []string{byWrites, applied, unsent, byTime, atStart}
	kill := pattern{signals: []syscall.Signal{syscall.SIGKILL}, items: errandItems / 2, pace: errandPace}
	for i := range e.kills {
		for range r.IntN(3) {
			p := kill
			if e.verb == truncate {
				p.pace = slowPace
			}
			e.kills[i] = append(e.kills[i], p.stop(r, moments[r.IntN(len(moments))]))
		}
		if e.verb == restoreAs {
			e.kills[i] = append([]stop{kill.stop(r, []string{made, unmade}[number/len(errands)%2])}, e.kills[i]...)
		}
	}
	return e
}

// errandPace is how long a batch takes, and slowPace where there is one at a
// time: long enough for a few checkpoints.
const (
	errandPace = 20 * time.Millisecond
	slowPace   = 80 * time.Millisecond
)

// sliced are items half of which are under one key.
func sliced(from, to int, version string) (list []ddbtest.Item) {
	for i := from; i < to; i++ {
		list = append(list, ddbtest.Item{
			"pk": &types.AttributeValueMemberS{Value: []string{"one", "two"}[i%2]}, "sk": &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
			"s": &types.AttributeValueMemberS{Value: []string{version, "same", version}[i%3]},
		})
	}
	return list
}

func (e *errand) String() string {
	return fmt.Sprintf("errand %d: %s (%s) of %d items over %d, key %s %s, kills %v, left broken %t, and back %t",
		e.number, e.verb, e.mode, len(e.items), len(e.older), e.shape.Partition, e.shape.Sort, e.kills, e.broken, e.again)
}

// verbs does the errands with those numbers.
func (s *suite) verbs(ctx context.Context, numbers []int) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	began, sum := time.Now(), &toll{byMoment: map[string]int{}, damages: map[string]int{}}
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		if err := s.errand(ctx, st, n, sum); err != nil {
			return fmt.Errorf("errand %d: %w", n, err)
		}
		return nil
	})
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	damaged := 0
	for _, n := range sum.damages {
		damaged += n
	}
	s.say("verbs: %d undone, truncated or restored in %s, %d kill -9, %v; %d undos by damaged journals, %v; peak %d MB",
		len(numbers), time.Since(began).Round(time.Second), sum.stops, sum.byMoment, damaged, sum.damages, sum.peak>>20)
	return s.result("verbs")
}

func (s *suite) errand(ctx context.Context, st *stage, number int, sum *toll) (err error) {
	e := newErrand(s.seed, number)
	e.brief = s.brief
	t, err := st.newTrial(ctx, e.shape, e.shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.fill(ctx, e.items, e.older); err != nil {
		return err
	}
	x := &breaking{trial: t, breakdown: &breakdown{pace: errandPace}, sum: sum}
	if e.verb == truncate {
		x.pace = slowPace
	}
	if err := x.errand(ctx, &e); err != nil {
		return err
	}
	for _, v := range t.dev.Proxy.Take(t.target.Name).Violations {
		x.wrong = append(x.wrong, "against the protocol: "+v)
	}
	for _, r := range t.prod.Proxy.Take(t.source.Name).Requests {
		if r.Mutates() {
			x.wrong = append(x.wrong, fmt.Sprintf("the source was written to: %s", r))
		}
	}
	return s.fail(fmt.Sprintf("verbs -seed %d -only %d", s.seed, number), e.String(), x.wrong, t.children...)
}

func (x *breaking) errand(ctx context.Context, e *errand) error {
	common := []string{"--run-dir", x.runDir(), "--yes", "--json", "--no-progress"}
	switch e.verb {
	case truncate:
		_, err := x.through(ctx, slices.Concat([]string{"truncate", "--table", x.target.Name, "--env", "dev", "--no-backup",
			"--segments", "3", "--workers", "1"}, common), e.kills[1], false)
		return x.must(ctx, err, "truncated", map[string]string{})
	case restore, restoreAs:
		dumps := filepath.Join(x.home, "dumps")
		_, err := x.through(ctx, []string{"backup", "--table", x.source.Name, "--env", "prod", "--to", dumps, "--json", "--no-progress"}, nil, false)
		if err != nil {
			return err
		}
		args := slices.Concat([]string{"restore", "--table", x.target.Name, "--env", "dev", "--from", dumps}, common)
		if e.verb == restoreAs { // the target is gone, and made anew
			if err := x.dev.DeleteTable(ctx, x.target.Name); err != nil {
				return err
			}
			_, err = x.through(ctx, append(args, "--as", x.target.Name), e.kills[1], false)
			return x.must(ctx, err, "restored to a new table", x.trial.items)
		}
		args = append(args, "--mode", e.mode)
		if e.mode != syncing {
			args = append(args, "--no-backup")
		}
		_, err = x.through(ctx, args, e.kills[1], false)
		return x.must(ctx, err, "restored", x.wanted(e.mode, nil))
	}
	args := x.copyArgs(syncing, "--run-dir", x.runDir(), "--source", "prod", "--target", "dev")
	if e.verb == undoSlice {
		args = append(args, "--pk", "one")
	}
	run, err := x.through(ctx, args, e.kills[0], e.broken)
	if err != nil || run == "" {
		return err // killed before it was anything
	}
	between, err := x.now(ctx)
	if err != nil {
		return err
	}
	if last := x.children[len(x.children)-1]; last.code == 0 && e.verb == undoSync && !maps.Equal(between, x.trial.items) {
		x.wrong = append(x.wrong, "copied: "+differences(x.trial.items, between))
	}
	if maps.Equal(between, x.before) {
		return nil // killed before it has changed anything
	}
	if last := x.children[len(x.children)-1]; last.code == 0 {
		if err := x.spoil(ctx, e, run, between); err != nil || len(x.wrong) > 0 {
			return err
		}
	}
	undone, err := x.through(ctx, append([]string{"undo"}, append(common, run)...), e.kills[1], false)
	if err := x.must(ctx, err, "undone", x.before); err != nil || !e.again || undone == "" || len(x.wrong) > 0 {
		return err
	}
	if err := x.spoil(ctx, e, undone, x.before); err != nil || len(x.wrong) > 0 {
		return err
	}
	_, err = x.through(ctx, append([]string{"undo"}, append(common, undone)...), e.kills[2], false)
	return x.must(ctx, err, "undone again", between)
}

// must blames a target that is not as it must be.
func (x *breaking) must(ctx context.Context, err error, what string, want map[string]string) error {
	if err != nil {
		return err
	}
	have, err := x.now(ctx)
	if err == nil && !maps.Equal(have, want) {
		x.wrong = append(x.wrong, what+": "+differences(want, have))
	}
	return err
}

// through runs a command, kills it, and goes on with it until it has come to
// its end, or to its last kill. It returns the name of the run.
func (x *breaking) through(ctx context.Context, args []string, kills []stop, broken bool) (run string, err error) {
	before, err := x.latestRun()
	if err != nil {
		return "", err
	}
	next := func() ([]string, error) {
		if run, err = x.latestRun(); err != nil || run == before {
			run = ""
			return args, err
		}
		return []string{"resume", "--run-dir", x.runDir(), "--yes", "--json", "--no-progress", run}, nil
	}
	x.finished = false
	for _, st := range kills {
		goOn, err := next()
		if err != nil {
			return "", err
		}
		done, err := x.stopped(ctx, st, goOn)
		if err != nil {
			return "", err
		}
		if done {
			_, err := next()
			return run, err
		}
	}
	goOn, err := next()
	if err != nil || broken && len(kills) > 0 {
		return run, err
	}
	x.heal()
	c, err := x.begin(ctx, goOn...)
	if err != nil {
		return "", err
	}
	o, err := x.end(ctx, c)
	if err != nil {
		return "", err
	}
	if o.code != 0 || o.hung {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: exit code %d, want 0", args[0], o.code))
	}
	_, err = next()
	return run, err
}
