package main

import (
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

// A program that loses items would be fast for the wrong reason.
func TestProgramsCopyEverything(t *testing.T) {
	for _, tls := range []bool{false, true} {
		s, err := sim.Start(sim.Config{Items: 3333, SortKey: true, TLS: tls})
		if err != nil {
			t.Fatal(err)
		}
		env, err := s.WriteProfiles(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range env {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		if err := typedCommand(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if r := s.Report(); r.Missing != 0 || r.Target.Unknown != 0 || r.Target.Written != 3333 {
			t.Errorf("typed: %+v", r)
		}
		for _, how := range []string{"-net-http=false", "-net-http=true"} {
			s.Reset()
			err = floorCommand(t.Context(), []string{how, "-source", s.Source.URL(), "-target", s.Target.URL(), "-ca", s.CAFile(),
				"-source-key", "AKIASIM111111111111", "-target-key", "AKIASIM222222222222"})
			if err != nil {
				t.Error(err)
			}
			if r := s.Report(); r.Right != 3333 || r.Target.Written != 3333 {
				t.Errorf("floor, %s: %+v", how, r)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMedianLeavesFailuresOut(t *testing.T) {
	runs := []result{{wall: 3}, {wall: 1, failure: "lost"}, {wall: 5}, {wall: 4}}
	wall := func(r result) time.Duration { return r.wall }
	if m, ok := median(runs, wentWell, wall); m != 4 || !ok {
		t.Errorf("got %d, %t", m, ok)
	}
	if _, ok := median(runs[1:2], wentWell, wall); ok {
		t.Error("a median of failures")
	}
}

func TestVerdicts(t *testing.T) {
	for _, row := range []struct {
		name    string
		program program
		report  sim.Report
		good    bool
	}{
		{"complete", progOurs, sim.Report{Right: 10}, true},
		{"one is missing", progOurs, sim.Report{Missing: 1}, false},
		{"one differs", progOurs, sim.Report{Wrong: 1}, false},
		{"the typed loop writes another form", progTyped, sim.Report{Wrong: 10}, true},
		{"a key from nowhere", progTyped, sim.Report{Target: sim.SideReport{Unknown: 1}}, false},
	} {
		r := result{spec: spec{program: row.program}, report: row.report}
		if got := r.verdict(); (got == "") != row.good {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}

func TestUnknownSectionsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-only", "speed,sped"}, {"-sizes", "1"}, {"speed"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
