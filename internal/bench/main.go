// Command bench measures a copy: the CPU time, speed and memory of this
// program beside those of a typed SDK loop and of a floor that does no more
// than must be done. See docs/benchmarks.md, which it writes.
//
//	go build -o bin/dynamo ./cmd/dynamo && go run ./internal/bench -out docs/benchmarks.md
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the harness, or, as its own child, one of the programs in it.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "sim":
			return sim.Command(ctx, args[1:], in, out)
		case "typed":
			return typedCommand(ctx, args[1:])
		case "floor":
			return floorCommand(ctx, args[1:])
		case "pinned":
			return pinnedCommand(args[1:])
		}
	}
	h, err := parse(args)
	if err != nil {
		return err
	}
	return h.measure(ctx, out)
}

// sections are the parts of a measurement, in order.
var sections = []string{"speed", "throttle", "memory", "sync", "dump", "engines"}

// A harness is a measurement and what it has found so far.
type harness struct {
	binary string   // ours; a path
	out    string   // the page to write; "" means none
	only   []string // sections
	sizes  []int    // item bytes
	rounds int
	quick  bool // small volumes: does it work?

	self string // this executable
	page page
}

func parse(args []string) (*harness, error) {
	var h harness
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&h.binary, "binary", "bin/dynamo", "the program to measure; left out where there is none")
	flags.StringVar(&h.out, "out", "", "the page to write; it goes to standard output too")
	flags.IntVar(&h.rounds, "rounds", 3, "rounds; figures are medians")
	flags.BoolVar(&h.quick, "quick", false, "small volumes and one round, to see that it works")
	only := flags.String("only", strings.Join(sections, ","), "sections to measure")
	sizes := flags.String("sizes", "200,1000,10000", "bytes of an item")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for name := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(sections, name) {
			return nil, fmt.Errorf("unknown section %q: it is one of %s", name, strings.Join(sections, ", "))
		}
		h.only = append(h.only, name)
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 200 {
			return nil, fmt.Errorf("item size %q: it is a number from 200 on", text)
		}
		h.sizes = append(h.sizes, n)
	}
	if h.quick {
		h.rounds = 1
	}
	return &h, nil
}

func (h *harness) measure(ctx context.Context, out io.Writer) (err error) {
	if h.self, err = os.Executable(); err != nil {
		return err
	}
	if h.binary, err = filepath.Abs(h.binary); err != nil {
		return err
	}
	if _, err := os.Stat(h.binary); err != nil {
		fmt.Fprintln(os.Stderr, "bench: without ours:", err)
		h.binary = ""
	}
	h.page.begin(h)
	for _, name := range sections {
		if !slices.Contains(h.only, name) {
			continue
		}
		section := map[string]func(context.Context) error{
			"speed": h.speed, "throttle": h.throttle, "memory": h.memory, "sync": h.sync, "dump": h.dump, "engines": h.engines,
		}[name]
		if err := section(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
	if _, err := io.WriteString(out, h.page.String()); err != nil {
		return err
	}
	if h.out == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(h.out, []byte(h.page.String()), 0o644)
}
