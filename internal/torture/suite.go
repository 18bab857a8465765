package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A suite is what is done to one program.
type suite struct {
	binary   string
	seed     uint64
	overlay  []string  // the go command's, where the program is a mutant
	parallel int       // trials at a time
	fast     bool      // stop at the first failure
	brief    bool      // as the tests have it
	out      io.Writer // figures and failures; nil for none

	mu     sync.Mutex
	failed []string
}

// errFound ends a suite that stops at its first failure.
var errFound = errors.New("a failure was found")

// say prints a line.
func (s *suite) say(format string, args ...any) {
	if s.out == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // nobody to tell
}

// fail notes what went wrong in a trial, and how to see it again.
func (s *suite) fail(replay, trial string, wrong []string, children ...outcome) error {
	if len(wrong) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "FAILED %s\n", trial)
	for _, w := range wrong {
		fmt.Fprintf(&b, "  * %s\n", w)
	}
	for _, o := range children {
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(o.String(), "\n", "\n  "))
	}
	fmt.Fprintf(&b, "  again: go run ./internal/torture %s", replay)
	s.say("%s", b.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, b.String())
	if s.fast {
		return errFound
	}
	return nil
}

// result is the error of a part: what failed.
func (s *suite) result(part string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d failures", part, len(s.failed))
}

// each calls do for the numbers, several at a time.
func (s *suite) each(ctx context.Context, numbers []int, do func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, s.parallel))
	for _, n := range numbers {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(ctx, n) })
	}
	err := g.Wait()
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// spread says how a list of durations lies.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "none"
	}
	list = slices.Sorted(slices.Values(list))
	at := func(p float64) time.Duration { return list[int(p*float64(len(list)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("median %s, 95 %% %s, most %s", at(0.5), at(0.95), at(1))
}
