// Command torture proves that a copy loses nothing. It runs the built program
// against engines whose wire it spoils, kills it, interrupts it, and judges by
// the proxies' logs and the engines alone. See CONTRIBUTING.md.
//
//	go run ./internal/torture schedules -n 2000    # random schedules of faults
//	go run ./internal/torture schedules -only 137  # one of them again
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
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

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) == 0 {
		args = []string{"all"}
	}
	s := &suite{out: out}
	flags := flag.NewFlagSet("torture "+args[0], flag.ContinueOnError)
	flags.Uint64Var(&s.seed, "seed", 1, "what all random choices follow from")
	flags.IntVar(&s.parallel, "parallel", 8, "trials at a time")
	flags.StringVar(&s.binary, "binary", "", "the program; built from this module if empty")
	n := flags.Int("n", 0, "how many")
	only := flags.Int("only", -1, "only the one of this number")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if s.binary == "" {
		dir, err := os.MkdirTemp("", "dynamo-torture-build-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if s.binary, err = build(ctx, dir, ""); err != nil {
			return err
		}
	}
	switch args[0] {
	case "guards":
		return s.guards(ctx, *only)
	}
	if *n == 0 {
		*n = whole(s.seed)
	}
	numbers := upTo(*n)
	if *only >= 0 {
		numbers = []int{*only}
	}
	return s.schedules(ctx, numbers)
}

// build builds the program under test into dir; overlay is a file for the go
// command that puts other sources in place, "" for none.
func build(ctx context.Context, dir, overlay string) (string, error) {
	file := filepath.Join(dir, "dynamo")
	args := []string{"build", "-o", file}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/dynamo-cmdline/dynamo/cmd/dynamo")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program under test: %w: %s", err, text)
	}
	return file, nil
}
