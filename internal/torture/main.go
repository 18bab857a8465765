// Command torture proves that a copy loses nothing. It runs the built program
// against engines whose wire it spoils, kills it, interrupts it, and judges by
// the proxies' logs and the engines alone. A mutant is the program with a real
// bug in it: the suite must find each.
//
//	go run ./internal/torture all                    # what make torture runs
//	go run ./internal/torture schedules -n 2000      # random schedules of faults
//	go run ./internal/torture schedules -only 137    # one of them again
//	go run ./internal/torture mutants -mutant crc    # those with that in their name
//	go run ./internal/torture patch                  # writes patches of mutants anew whose code has moved
//	go run ./internal/torture patch -mutant NAME     # makes what is edited into the checkout a mutant's patch
//
// The parts are schedules, kills, signals, verbs, guards, mutants, outages, lines, indexes, soak, joins and values.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// parts are those of the long form, in the order in which all has them.
var parts = []string{"guards", "schedules", "kills", "signals", "verbs", "soak", "outages", "lines", "indexes", "joins", "values", "mutants"}

// An order is what is asked for on the command line.
type order struct {
	suite
	n      int // how many; 0 for what the part has in its long form
	only   int // one of them; -1 for all
	mutant string
	race   bool
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) == 0 || args[0] != "all" && args[0] != "patch" && !slices.Contains(parts, args[0]) {
		return fmt.Errorf("usage: torture all|patch|%s [flags]", strings.Join(parts, "|"))
	}
	o := &order{suite: suite{out: out}}
	flags := flag.NewFlagSet("torture "+args[0], flag.ContinueOnError)
	flags.Uint64Var(&o.seed, "seed", 1, "what all random choices follow from")
	flags.IntVar(&o.parallel, "parallel", 8, "trials at a time")
	flags.StringVar(&o.binary, "binary", "", "the program; built from this module if empty")
	flags.BoolVar(&o.race, "race", false, "build the program with the race detector")
	flags.IntVar(&o.n, "n", 0, "how many schedules, kills, signals, verbs, indexes or soaked items")
	flags.IntVar(&o.only, "only", -1, "only the schedule, breakdown, verb, index, guard or line of this number")
	flags.BoolVar(&o.brief, "short", false, "kills, signals, verbs, guards and lines as the tests have them")
	flags.StringVar(&o.mutant, "mutant", "", "only mutants with this in their name")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if args[0] == "patch" {
		return o.patch(ctx, o.mutant)
	}
	if o.binary == "" {
		dir, err := os.MkdirTemp("", "dynamo-torture-build-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		var more []string
		if o.race {
			more = append(more, "-race")
		}
		if o.binary, err = build(ctx, dir, more...); err != nil {
			return err
		}
	}
	which := args[:1]
	if args[0] == "all" {
		which = parts
	}
	began := time.Now()
	var failed []error
	for _, part := range which {
		if err := o.part(ctx, part); err != nil {
			failed = append(failed, err)
		}
		o.failed = nil
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	o.say("%s in %s on %d cores, seed %d", strings.Join(which, ", "), time.Since(began).Round(time.Second), runtime.NumCPU(), o.seed)
	return errors.Join(failed...)
}

// part runs one part in its long form, or as much of it as was asked for.
func (o *order) part(ctx context.Context, part string) error {
	some := func(otherwise int) int {
		if o.n > 0 {
			return o.n
		}
		return otherwise
	}
	switch part {
	case "schedules":
		numbers := upTo(some(2000))
		if o.only >= 0 {
			numbers = []int{o.only}
		}
		return o.schedules(ctx, numbers)
	case "kills":
		return o.broken(ctx, o.kills, killsLong, killsShort, some(200))
	case "signals":
		return o.broken(ctx, o.signals, signalsLong, signalsShort, some(100))
	case "verbs":
		numbers := upTo(some(90))
		if o.only >= 0 {
			numbers = []int{o.only}
		}
		return o.verbs(ctx, numbers)
	case "indexes":
		numbers := upTo(some(500))
		if o.only >= 0 {
			numbers = []int{o.only}
		}
		return o.indexes(ctx, numbers)
	case "guards":
		return o.guards(ctx, o.only)
	case "mutants":
		return o.mutants(ctx, o.mutant)
	case "outages":
		return o.outages(ctx)
	case "lines":
		return o.lines(ctx, o.only)
	case "joins", "values":
		return o.stressed(ctx, part)
	}
	items := int64(some(10_000_000))
	return o.soak(ctx, items, max(items/10, 1))
}

func (o *order) broken(ctx context.Context, do func(context.Context, pattern, int, int) error, p, small pattern, stops int) error {
	if o.brief {
		p = small
	}
	if o.only >= 0 {
		return do(ctx, p, o.only, 1)
	}
	return do(ctx, p, 0, stops)
}

// build builds the program under test into dir, with more arguments for the go
// command.
func build(ctx context.Context, dir string, more ...string) (string, error) {
	file := filepath.Join(dir, "dynamo")
	args := append([]string{"build", "-o", file}, more...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/dynamo-cmdline/dynamo/cmd/dynamo")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program under test: %w: %s", err, text)
	}
	return file, nil
}
