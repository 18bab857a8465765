package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	flag.Parse()
	// The tests mostly wait: for faults, for ten seconds of silence.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "dynamo-torture-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// short is the suite as the tests run it. What it says goes to the test's log.
func short(t *testing.T) *suite {
	return &suite{binary: binary, seed: 1, parallel: 12, brief: true, out: logger{t}}
}

type logger struct{ t *testing.T }

func (l logger) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// Every card of both decks is dealt, and must strike.
func TestSchedules(t *testing.T) {
	t.Parallel()
	s := short(t)
	if n := whole(s.seed); n < 60 {
		t.Fatalf("%d schedules deal every card; at least 60 are wanted", n)
	}
	if err := s.schedules(t.Context(), s.likely("")); err != nil {
		t.Fatal(err)
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	s := short(t)
	s.parallel = 4 // they do not wait
	if err := s.guards(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
}

func TestKills(t *testing.T) {
	t.Parallel()
	if err := short(t).kills(t.Context(), killsShort, 0, shortStops); err != nil {
		t.Fatal(err)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	if err := short(t).signals(t.Context(), signalsShort, 0, shortStops); err != nil {
		t.Fatal(err)
	}
}

func TestVerbs(t *testing.T) {
	t.Parallel()
	if err := short(t).verbs(t.Context(), upTo(2*len(errands))); err != nil {
		t.Fatal(err)
	}
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	if err := short(t).indexes(t.Context(), upTo(12)); err != nil {
		t.Fatal(err)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	if err := short(t).lines(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
}

func TestSoak(t *testing.T) {
	t.Parallel()
	if err := short(t).soak(t.Context(), 300_000, 100_000); err != nil {
		t.Fatal(err)
	}
}

// A schedule follows from its seed and number, so that it can be seen again.
func TestSchedulesCanBeSeenAgain(t *testing.T) {
	seen := map[string]bool{}
	for n := range 50 {
		a, b := newSchedule(7, n), newSchedule(7, n)
		if a.String() != b.String() || len(a.items) != len(b.items) {
			t.Fatalf("schedule %d differs:\n%s\n%s", n, a.String(), b.String())
		}
		_, rest, _ := strings.Cut(a.String(), ":")
		seen[rest] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d different schedules of 50", len(seen))
	}
	if a, b := newSchedule(7, 1), newSchedule(8, 1); a.String() == b.String() {
		t.Error("another seed makes the same schedule")
	}
}

// Every card is dealt within whole's number of schedules, and none strikes a
// request that may never come.
func TestEveryCardIsDealt(t *testing.T) {
	for seed := range uint64(3) {
		dealt := map[string]int{}
		for n := range whole(seed) {
			s := newSchedule(seed, n)
			if n := len(s.strikes); n < 1 || n > 7 {
				t.Errorf("seed %d: %d faults in %s", seed, n, s.String())
			}
			for _, k := range s.strikes {
				if k.sure {
					dealt[k.String()]++
				}
				if k.modes != nil && !slices.Contains(k.modes, s.mode) {
					t.Errorf("seed %d: the fault cannot happen in %s", seed, s.String())
				}
			}
		}
		for _, c := range append(survivable(), lethal()...) {
			if dealt[c.String()] == 0 {
				t.Errorf("seed %d: never dealt: %s", seed, c)
			}
		}
	}
}

// The judge finds what a wrong program would have left in the log.
func TestHistoryBlames(t *testing.T) {
	write := func(sequence int, key, digest string) ddbtest.Write {
		return ddbtest.Write{Sequence: sequence, Request: sequence, Key: key, Digest: digest, Delete: digest == ""}
	}
	now := time.Now()
	read := ddbtest.Request{Number: 90, Op: "Scan", Status: 200, Start: now.Add(-time.Minute)}
	for _, c := range []struct {
		name   string
		mode   string
		source []ddbtest.Request
		target []ddbtest.Request
		writes []ddbtest.Write
		want   string // of the blame; "" for none
	}{
		{"a merge", "merge", nil, nil, []ddbtest.Write{write(1, "a", "A"), write(2, "b", "B")}, ""},
		{"an item that was put twice", "merge", nil, nil, []ddbtest.Write{write(1, "a", "A"), write(2, "a", "A")}, ""},
		{"an item from nowhere", "merge", nil, nil, []ddbtest.Write{write(1, "x", "A")}, "invented x"},
		{"another value", "merge", nil, nil, []ddbtest.Write{write(1, "a", "B")}, "corrupted a"},
		{"a delete in a merge", "merge", nil, nil, []ddbtest.Write{write(1, "old", "")}, "a merge deleted old"},
		{"a replace", "replace", []ddbtest.Request{read}, []ddbtest.Request{{Number: 1, Start: now}}, []ddbtest.Write{write(1, "old", ""), write(2, "a", "A")}, ""},
		{"a sync", "sync", []ddbtest.Request{read}, []ddbtest.Request{{Number: 2, Start: now}}, []ddbtest.Write{write(1, "a", "A"), write(2, "old", "")}, ""},
		{"a put after a delete", "sync", []ddbtest.Request{read}, nil, []ddbtest.Write{write(1, "old", ""), write(2, "a", "A")}, "after the first delete"},
		{"a put of what was equal", "sync", nil, nil, []ddbtest.Write{write(1, "b", "B")}, "which was equal"},
		{"a delete of what the source has", "sync", []ddbtest.Request{read}, nil, []ddbtest.Write{write(1, "b", "")}, "which the source has"},
		{"a delete of nothing", "replace", []ddbtest.Request{read}, nil, []ddbtest.Write{write(1, "c", "")}, "deleted c, which the target did not have"},
		{"a delete after a put", "replace", []ddbtest.Request{read}, nil, []ddbtest.Write{write(1, "a", "A"), write(2, "old", "")}, "after the first put"},
		{"a delete before the source was read", "replace", nil, []ddbtest.Request{{Number: 1, Start: now}}, []ddbtest.Write{write(1, "old", "")}, "before the source had been read"},
		{"a delete after a garbled read only", "replace", []ddbtest.Request{{Op: "Scan", Status: 200, Fault: ddbtest.EmptyOK, Start: now.Add(-time.Minute)}},
			[]ddbtest.Request{{Number: 1, Start: now}}, []ddbtest.Write{write(1, "old", "")}, "before the source had been read"},
		{"a delete after a refusal", "replace", []ddbtest.Request{read, {Number: 91, Op: "Scan", Fault: ddbtest.Deny, Start: now.Add(-time.Second)}},
			[]ddbtest.Request{{Number: 1, Start: now}}, []ddbtest.Write{write(1, "old", "")}, "deleted after"},
	} {
		h := &history{
			trial: &trial{items: map[string]string{"a": "A", "b": "B", "c": "C"}, before: map[string]string{"old": "O", "b": "B"}},
			mode:  c.mode, source: ddbtest.Calls{Requests: c.source}, target: ddbtest.Calls{Requests: c.target, Writes: c.writes},
			puts: map[string]int{}, deletes: map[string]int{}, state: map[string]string{"old": "O", "b": "B"},
		}
		h.replay()
		if got := strings.Join(h.wrong, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: blamed %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	want := map[string]string{"a": "1", "b": "2", "c": "3"}
	have := map[string]string{"a": "1", "b": "x", "d": "4"}
	if got := differences(want, have); got != "1 missing, as c; 1 too many, as d; 1 different, as b; " {
		t.Errorf("got %q", got)
	}
	if got := differences(want, want); got != "" {
		t.Errorf("equal ones: %q", got)
	}
}
