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
	args            []string
}

var stresses = []stress{
	{"joins", "./copier", "TestJoinUnderStress", "-stress=1m", "-stress=10m", []string{"-race"}},
	{"values", "./item", "TestSmallValues", "-values=100000", "-values=10000000", nil},
}

// stressed runs such a test.
func (s *suite) stressed(ctx context.Context, part string) error {
	root, err := root(ctx)
	if err != nil {
		return err
	}
	test := stresses[slices.IndexFunc(stresses, func(t stress) bool { return t.part == part })]
	size := test.long
	if s.brief {
		size = test.short
	}
	args := slices.Concat([]string{"test", "-vet=off", "-timeout=30m", "-v", "-run=^" + test.test + "$"}, s.overlay, test.args)
	cmd := exec.CommandContext(ctx, "go", append(args, test.dir, size)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return s.fail(part, test.test, []string{fmt.Sprintf("%v: %s", err, clip(string(out), 4000))})
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "    ") {
			s.say("%s: %s", part, strings.TrimSpace(line))
		}
	}
	return s.result(part)
}
