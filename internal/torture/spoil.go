package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// unheeded are the flags with which an undo by a damaged journal is asked for in vain.
var unheeded = []string{"", "--force", "--dry-run"}

// briefDamages is how many damages the short form does to a journal.
const briefDamages = 3

// spoil damages the journal of a finished run in one way after the other, and has the run undone: nothing must come of it.
// Then it has undone what one of them leaves, and undoes that. In the end the journal is whole again.
func (x *breaking) spoil(ctx context.Context, e *errand, run string, now map[string]string) error {
	x.heal()
	dir := filepath.Join(x.runDir(), run, "journal")
	good, err := readJournal(dir)
	if err != nil {
		return err
	}
	if len(good.parts(nil)) == 0 {
		x.wrong = append(x.wrong, "nothing is in the journal of run "+run)
		return nil
	}
	most := len(damages)
	if e.brief {
		most = briefDamages
	}
	for i := range most {
		number, way := (briefDamages*e.number+i)%len(damages), unheeded[(e.number+i)%len(unheeded)]
		bad, _ := e.damaged(good, number)
		if err := bad.lay(dir); err != nil {
			return err
		}
		x.sum.damage(damages[number].name)
		if err := x.undoes(ctx, strings.TrimSpace(damages[number].name+" "+way), append(strings.Fields(way), run), noGood, "", now); err != nil {
			return err
		}
	}
	if err := x.undoesPart(ctx, e, run, good, now); err != nil {
		return err
	}
	return good.lay(dir)
}

// undoesPart has undone what a damage leaves of a journal, and undoes that.
func (x *breaking) undoesPart(ctx context.Context, e *errand, run string, good journal, now map[string]string) error {
	number := e.number % len(damages)
	bad, r := e.damaged(good, number)
	if err := bad.lay(filepath.Join(x.runDir(), run, "journal")); err != nil {
		return err
	}
	args := []string{"--incomplete", run}
	if r.IntN(2) == 0 {
		args = slices.Insert(args, 0, "--force")
	}
	entries, lost := good.left(bad, x.keys)
	code, says := 0, ""
	switch {
	case len(entries) == 0:
		code = noGood
	case lost > 0:
		says = fmt.Sprintf("%d of %d entries of the journal of run %s are lost", lost, lost+len(entries), run)
	}
	x.sum.damage(damages[number].name)
	if err := x.undoes(ctx, damages[number].name+", --incomplete", args, code, says, rewound(now, entries)); err != nil || code != 0 {
		return err
	}
	undone, err := x.latestRun()
	if err != nil || len(x.wrong) > 0 {
		return err
	}
	return x.undoes(ctx, damages[number].name+", --incomplete, and back", []string{undone}, 0, "", now)
}

// damaged is the journal after a damage, and what random choices go on with.
func (e *errand) damaged(good journal, number int) (journal, *rand.Rand) {
	r := rand.New(rand.NewPCG(e.seed, uint64(e.number)|uint64(100+number)<<40))
	return damages[number].do(r, slices.Clone(good)), r
}

// undoes has a run undone, and blames what comes of it if it is not what it must be. With another code than 0 nothing must.
func (x *breaking) undoes(ctx context.Context, what string, args []string, code int, says string, want map[string]string) error {
	kept, began, wrong := x.keepsakes(), time.Now(), len(x.wrong)
	c, err := x.begin(ctx, append([]string{"undo", "--run-dir", x.runDir(), "--yes", "--json", "--no-progress"}, args...)...)
	if err != nil {
		return err
	}
	o := c.wait()
	if err := x.quiet(ctx); err != nil {
		return err
	}
	blame := func(format string, args ...any) { x.wrong = append(x.wrong, what+": "+fmt.Sprintf(format, args...)) }
	if o.code != code || o.hung || code != 0 && (o.summary == nil || o.summary.Error == nil || o.summary.Error.Code != code) {
		blame("exit code %d, want %d, in its JSON, too", o.code, code)
	}
	if !strings.Contains(o.stdout, says) || says == "" && strings.Contains(o.stdout, "are lost") {
		blame("it does not say %q of what is lost", says)
	}
	if code != 0 {
		for _, r := range x.dev.Proxy.Requests() {
			if r.Table == x.target.Name && r.Mutates() && r.Start.After(began) {
				blame("it sent %s", r)
			}
		}
		if !maps.Equal(kept, x.keepsakes()) {
			blame("the runs' directory is not what it was")
		}
	}
	err = x.must(ctx, nil, what, want)
	if len(x.wrong) > wrong {
		x.children = append(x.children, o)
	}
	return err
}
