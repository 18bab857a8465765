package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A mutant is the program with one real bug in it. The suite must find it: one
// that kills no mutants proves nothing.
type mutant struct {
	name  string
	file  string // below the module's root
	old   string // occurs exactly once in the file
	new   string
	part  string // of the suite that must find it
	where string // part of the names of the cards or guards that should; those come first. Of tests, the package and the test
}

// root is the module's root directory.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/dynamo-cmdline/dynamo").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// source is the mutant's file with the bug in it. A mutant whose code has moved
// must be written anew: it no longer applies, and would prove nothing.
func (m mutant) source(root string) (path string, text []byte, err error) {
	path = filepath.Join(root, filepath.FromSlash(m.file))
	have, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("mutant %q: %w", m.name, err)
	}
	if n := strings.Count(string(have), m.old); n != 1 {
		return "", nil, fmt.Errorf("mutant %q no longer applies: %s has its code %d times", m.name, m.file, n)
	}
	return path, []byte(strings.Replace(string(have), m.old, m.new, 1)), nil
}

// overlay writes the mutant's file into dir, and what the go command needs to
// build with it.
func (m mutant) overlay(root, dir string) (string, error) {
	path, text, err := m.source(root)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: file}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// mutants lets the suite look for each mutant's bug, and fails for those that
// it did not find.
func (s *suite) mutants(ctx context.Context, only string) error {
	root, err := root(ctx)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(allMutants(), func(m mutant) bool { return !strings.Contains(m.name, only) })
	var survivors []string
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2) // each runs several trials at a time itself
	for _, m := range list {
		g.Go(func() error {
			at := time.Now()
			killed, err := s.hunt(gctx, root, m)
			if err != nil {
				return fmt.Errorf("mutant %q: %w", m.name, err)
			}
			if killed == "" {
				s.mu.Lock()
				survivors = append(survivors, m.name)
				s.mu.Unlock()
				killed = "SURVIVED"
			}
			s.say("mutant %-50s %6.1fs  %s", m.name, time.Since(at).Seconds(), killed)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.say("mutants: %d of %d killed in %s", len(list)-len(survivors), len(list), time.Since(began).Round(time.Second))
	if len(survivors) > 0 {
		return fmt.Errorf("mutants: %d survived: %s", len(survivors), strings.Join(survivors, "; "))
	}
	return nil
}

// hunt builds the mutant, runs its part of the suite until that finds
// something, and returns what; "" for nothing.
func (s *suite) hunt(ctx context.Context, root string, m mutant) (found string, err error) {
	dir, err := os.MkdirTemp("", "dynamo-mutant-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return "", err
	}
	hunter := &suite{seed: s.seed, parallel: s.parallel, fast: true, brief: true, overlay: []string{"-overlay", overlay}}
	if hunter.binary, err = build(ctx, dir, hunter.overlay...); err != nil {
		return "", err
	}
	err = hunter.short(ctx, m.part, m.where)
	if len(hunter.failed) == 0 {
		return "", err
	}
	for line := range strings.Lines(hunter.failed[0]) {
		if rest, ok := strings.CutPrefix(line, "  * "); ok {
			return strings.TrimSpace(clip(rest, 160)), nil
		}
	}
	return hunter.failed[0], nil
}

// shortParts are the parts that have a short form.
var shortParts = []string{"schedules", "guards", "kills", "verbs", "signals", "indexes", "joins", "values", "tests"}

// short is a part of the suite in its short form. What where names comes first.
func (s *suite) short(ctx context.Context, part, where string) error {
	switch part {
	case "schedules":
		return s.schedules(ctx, s.likely(where))
	case "guards":
		return s.guards(ctx, -1)
	case "kills":
		return s.kills(ctx, killsShort, 0, shortStops)
	case "verbs":
		return s.verbs(ctx, upTo(24))
	case "signals":
		return s.signals(ctx, signalsShort, 0, shortStops)
	case "indexes":
		return s.indexes(ctx, upTo(24))
	case "lines":
		return s.lines(ctx, -1)
	case "joins", "values":
		return s.stressed(ctx, part)
	case "tests":
		return s.tested(ctx, where)
	}
	return fmt.Errorf("the suite has no part %q", part)
}

// likely are the schedules that deal every card, those first that have the one
// in question.
func (s *suite) likely(where string) []int {
	numbers := upTo(whole(s.seed))
	has := func(n int) bool {
		plan := newSchedule(s.seed, n)
		return slices.ContainsFunc(plan.strikes, func(k strike) bool { return k.sure && strings.Contains(k.String(), where) })
	}
	first := map[int]bool{}
	for _, n := range numbers {
		first[n] = where != "" && has(n)
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return b2i(first[b]) - b2i(first[a]) })
	return numbers
}
