package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// A stress is a test of one package that goes on for as long as it is told: make test gives it
// seconds, and runs it where it stands.
type stress struct {
	part, dir, test string
	short, long     string // how much; short is for mutants
	race            bool
}

var stresses = []stress{
	{"joins", "./copier", "TestJoinUnderStress", "-stress=1m", "-stress=10m", true},
	{"values", "./item", "TestSmallValues", "-values=100000", "-values=10000000", false},
}

// stressed runs such a test.
func (s *suite) stressed(ctx context.Context, part string) error {
	test := stresses[slices.IndexFunc(stresses, func(t stress) bool { return t.part == part })]
	size := test.long
	if s.brief {
		size = test.short
	}
	args := []string{test.dir, size}
	if test.race {
		args = slices.Insert(args, 0, "-race")
	}
	return s.goTest(ctx, part, test.test, args...)
}

// tested runs a test of a package, as "./table TestCopy": for mutants that no part of the suite would find in time.
func (s *suite) tested(ctx context.Context, test string) error {
	dir, name, _ := strings.Cut(test, " ")
	return s.goTest(ctx, "tests", name, dir)
}

func (s *suite) goTest(ctx context.Context, part, test string, args ...string) error {
	root, err := root(ctx)
	if err != nil {
		return err
	}
	args = slices.Concat([]string{"test", "-vet=off", "-timeout=30m", "-v", "-run=^" + test + "$"}, s.overlay, args)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && strings.Contains(string(out), "[build failed]") {
		return fmt.Errorf("%s: %w: %s", test, err, out)
	}
	var said []string // by the test
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "   ") || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "WARNING: ") {
			said = append(said, strings.TrimSpace(line))
		}
	}
	if err == nil {
		s.say("%s: %s: %s", part, test, strings.Join(said, "\n"))
		return s.result(part)
	}
	return s.fail(part, test, slices.Concat(said[:min(len(said), 30)], []string{err.Error()}))
}
