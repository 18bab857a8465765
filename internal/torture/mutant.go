package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A mutant is the program with one real bug in it, which breaks one promise. The suite must find
// it: one that kills no mutants proves nothing. Each is a patch:
//
//	a sync deletes before it has put everything
//
//	Promise: A sync deletes last of all.
//	Found by: schedules, target's BatchWriteItem
//
//	--- a/table/sync.go
//	…
type mutant struct {
	name    string // its file's, without the ending
	what    string // the bug
	promise string // what is true of the program without it
	part    string // of the suite that must find it
	where   string // part of the names of the cards or guards that should; those come first. Of tests, the package and the test
	hunks   []hunk
}

// mutantsDir is where the patches are, below the module's root.
const mutantsDir = "internal/torture/mutants"

func (m mutant) path() string { return mutantsDir + "/" + m.name + ".patch" }

// head is the part of the patch that says what it is.
func (m mutant) head() string {
	by := m.part
	if m.where != "" {
		by += ", " + m.where
	}
	return fmt.Sprintf("%s\n\nPromise: %s\nFound by: %s\n", m.what, m.promise, by)
}

func parseMutant(name, text string) (mutant, error) {
	m := mutant{name: name}
	head, _, _ := strings.Cut(text, "\n--- ")
	m.what, head, _ = strings.Cut(head, "\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Promise":
			m.promise = value
		case "Found by":
			m.part, m.where, _ = strings.Cut(value, ", ")
		}
	}
	if m.what == "" || m.promise == "" || m.part == "" {
		return m, fmt.Errorf("%s does not begin with what it is, a line \"Promise: …\" and a line \"Found by: …\"", m.path())
	}
	var err error
	if m.hunks, err = parseHunks(text); err != nil {
		return m, fmt.Errorf("%s: %w", m.path(), err)
	}
	return m, nil
}

// readMutants reads all patches of a module, by name.
func readMutants(module fs.FS) ([]mutant, error) {
	names, err := fs.Glob(module, mutantsDir+"/*.patch")
	if err != nil {
		return nil, err
	}
	var list []mutant
	for _, name := range names {
		text, err := fs.ReadFile(module, name)
		if err != nil {
			return nil, err
		}
		m, err := parseMutant(strings.TrimSuffix(path.Base(name), ".patch"), string(text))
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// root is the module's root directory.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/dynamo-cmdline/dynamo").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// source is the files that the bug is in, with it.
func (m mutant) source(module fs.FS) (map[string]string, error) {
	have, err := files(module, m.hunks)
	if err != nil {
		return nil, err
	}
	text, err := change(have, m.hunks)
	if err == nil {
		return text, nil
	}
	if hunks, lost := follow(module, m.hunks); lost == nil && errors.Is(err, errAbsent) {
		for i, h := range hunks {
			if h.file != m.hunks[i].file {
				return nil, m.hint(fmt.Errorf("%w %s", errMoved, h.file))
			}
		}
	}
	return nil, m.hint(err)
}

// hint says what to do about a patch that does not apply any more, or whose program is none.
func (m mutant) hint(err error) error {
	do := "`git add` what is yours, edit the same bug into the code as it is, and run `go run ./internal/torture patch -mutant " + m.name +
		"`; if nothing promises any more that \"" + m.promise + "\", delete the patch"
	if errors.Is(err, errMoved) {
		do = "run `go run ./internal/torture patch`"
	}
	return fmt.Errorf("%s: %w: %s", m.path(), err, do)
}

// overlay writes the mutant's files into dir, and what the go command needs to build with them.
func (m mutant) overlay(root, dir string) (string, error) {
	texts, err := m.source(os.DirFS(root))
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range texts {
		file := filepath.Join(dir, fmt.Sprintf("mutant%d.go", len(replace)))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(name))] = file
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
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
	list, err := readMutants(os.DirFS(root))
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(m mutant) bool { return !strings.Contains(m.name, only) })
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
