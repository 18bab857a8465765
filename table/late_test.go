package table

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// lateness is how long after its answer a late request is applied in these tests.
const lateness = 8 * time.Second

// late has the table's deletes answered at once and applied later: so many of them, 0 for all.
func (p pair) late(status, count int, do func()) int {
	return p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Late, Op: "BatchWriteItem", Table: p.Name, N: status, Count: count, Delay: lateness, Do: do})
}

// awaitLate returns when all that was late has been applied.
func (p pair) awaitLate(t *testing.T) {
	t.Helper()
	sent := 0
	for _, r := range p.dev.Proxy.Requests() {
		if r.Table == p.Name && (r.Applied || r.Fault == ddbtest.Late) {
			sent += r.Writes
		}
	}
	for puts, deletes := p.applied(); puts+deletes < sent; puts, deletes = p.applied() {
		if err := pause(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatalf("%d puts and %d deletes of %d are applied: %v", puts, deletes, sent, err)
		}
	}
}

// A delete whose answer was an error, or made no sense, may be applied late: no put of its key may come before it.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 200, 1))
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 200, 2))
			p.late(status, 3, nil)
			source, target := p.open(t)
			if _, err := source.Copy(t.Context(), target, soon(Replace)); err != nil {
				t.Fatal(err)
			}
			p.awaitLate(t)
			p.requireEqual(t)
		})
	}
}

// What deletes of a run may come late, the next run waits for, before it looks at the table.
func TestLateDeletesOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		killed bool
		older  bool // its checkpoint is of the first format, which does not say what may be late
		next   func(t *testing.T, p pair, o CopyOptions, run string) error
	}{
		{"resumed", false, false, resumeRun},
		{"killed and resumed", true, false, resumeRun},
		{"another run", false, false, copyAgain},
		{"killed, then another run", true, false, copyAgain},
		{"killed and undone", true, false, undoRun}, // puts back what the source has by now
		{"of an older version, resumed", false, true, resumeRun},
		{"of an older version, killed and resumed", true, true, resumeRun},
		{"of an older version, then another run", false, true, copyAgain},
		{"of an older version, killed, then another run", true, true, copyAgain},
		{"of an older version, undone", false, true, undoRun},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			all := slices.Collect(ddbtest.EdgeItems(p.Table, 150, 1))
			p.fill(t, p.prod, slices.Values(all[:100]))
			p.fill(t, p.dev, slices.Values(all))
			o := soon(Sync)
			o.NoBackup, o.RunDir, o.Stall = false, t.TempDir(), 5*time.Second
			var asKilled []byte // the checkpoint while deletes are under way
			checkpoint := func() string {
				found, err := filepath.Glob(filepath.Join(o.RunDir, "*", "checkpoint.json"))
				if err != nil || len(found) != 1 {
					t.Fatalf("%v, %v", found, err)
				}
				return found[0]
			}
			id := p.late(500, 0, func() {
				if asKilled != nil {
					return
				}
				var err error
				if asKilled, err = os.ReadFile(checkpoint()); err != nil {
					t.Error(err)
				}
			})
			source, target := p.open(t)
			summary, err := source.Copy(t.Context(), target, o)
			if kindOf(err) != Failed {
				t.Fatalf("got %v", err)
			}
			p.dev.Proxy.Remove(id)
			if test.killed {
				write(t, checkpoint(), asKilled)
			}
			if test.older {
				older(t, o.RunDir, summary.Run)
			}
			p.fill(t, p.prod, slices.Values(all[100:])) // now the source has them, and the target still has
			o.Stall = 0
			if err := test.next(t, p, o, summary.Run); err != nil {
				t.Fatal(err)
			}
			p.awaitLate(t)
			p.requireEqual(t)
			store, err := runs.Open(o.RunDir)
			if err != nil {
				t.Fatal(err)
			}
			if list, err := store.List(); err != nil || list[0].State == nil || !list[0].State.Done() {
				t.Fatalf("%v, %v", list, err)
			}
		})
	}
}

func resumeRun(t *testing.T, _ pair, o CopyOptions, run string) error {
	_, err := Resume(t.Context(), run, ResumeOptions{RunDir: o.RunDir, Stall: time.Minute})
	return err
}

func undoRun(t *testing.T, _ pair, o CopyOptions, run string) error {
	_, err := Undo(t.Context(), run, UndoOptions{RunDir: o.RunDir})
	return err
}

func copyAgain(t *testing.T, p pair, o CopyOptions, _ string) error {
	source, target := p.open(t)
	_, err := source.Copy(t.Context(), target, o)
	return err
}

// Where nobody can say when a run last sent something, it was just now: its checkpoint may be old, as nothing is saved
// while nothing is acknowledged.
func TestLateWrite(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	ended := &runs.End{Time: long}
	first := func(s runs.State) runs.State { // whose Late is not known
		s.Version, s.Late = 1, time.Time{}
		return s
	}
	for _, test := range []struct {
		name  string
		state runs.State
		any   bool
		now   bool
	}{
		{"ended", runs.State{Version: 2, Saved: long, Late: long, Ended: ended, Deletes: true}, true, false},
		{"of the first format, ended while it deleted", first(runs.State{Mode: "sync", Phase: phaseSync, Ended: ended}), false, false},
		{"of the first format, done", first(runs.State{Mode: "replace", Phase: phaseDone, Ended: ended}), false, false},
		{"of the first format, killed in a sync", first(runs.State{Mode: "sync", Phase: phaseSync}), false, true},
		{"of the first format, killed in an undo", first(runs.State{Phase: phaseUndo}), false, true},
		{"of the first format, killed after it emptied the table", first(runs.State{Mode: "replace", Phase: phaseCopy}), false, true},
		{"of the first format, killed in a merge, to be undone", first(runs.State{Mode: "merge", Phase: phaseCopy}), true, true},
		{"killed while it copied", runs.State{Version: 2, Saved: long, Late: long, Phase: phaseCopy}, false, false},
		{"killed while it copied, to be undone", runs.State{Version: 2, Saved: long, Late: long, Phase: phaseCopy}, true, true},
		{"killed while it emptied the table", runs.State{Version: 2, Saved: long, Late: long, Phase: phaseTruncate}, false, true},
		{"killed while it deleted", runs.State{Version: 2, Saved: long, Late: long, Phase: phaseSync, Deletes: true}, false, true},
	} {
		got := lateWrite(&test.state, test.any)
		if now := time.Since(got) < time.Minute; now != test.now || !now && !got.Equal(long) {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	// Only puts were under way.
	if got := lateWrite(&runs.State{Version: 1, Mode: "merge", Phase: phaseCopy}, false); !got.IsZero() {
		t.Errorf("a merge of the first format: %s", got)
	}
}
