package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest/sim"
)

// A simulation is the simulator in a process of its own.
type simulation struct {
	ready  sim.Ready
	cmd    *exec.Cmd
	in     io.Closer
	client *http.Client
}

// simulate starts the simulator, bound to the first core where it can be.
func (h *harness) simulate(ctx context.Context, bound bool, args ...string) (*simulation, error) {
	words := append([]string{h.self, "sim", "-until-eof"}, args...)
	if bound {
		words = h.bind(words, 0)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	dieWithParent(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the simulator: %w", err)
	}
	s := &simulation{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.ready)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the simulator: %w", err), s.stop())
	}
	trusted, err := trust(s.ready.CA)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trusted}}
	return s, nil
}

func (s *simulation) report(ctx context.Context) (r sim.Report, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.ready.Target+"/_sim/report", nil)
	if err != nil {
		return r, err
	}
	resp, err := s.client.Do(q)
	if err != nil {
		return r, err
	}
	err = json.NewDecoder(resp.Body).Decode(&r)
	return r, errors.Join(err, resp.Body.Close())
}

func (s *simulation) stop() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}

// bind makes a command line run on some of the cores that we have.
func (h *harness) bind(words []string, which ...int) []string {
	cores := allowedCores()
	if !canPin || len(cores) < 2 {
		return words
	}
	var list []string
	for _, i := range which {
		list = append(list, strconv.Itoa(cores[i]))
	}
	return append([]string{h.self, "pinned", strings.Join(list, ",")}, words...)
}

// A program is one of those that are compared.
type program string

const (
	progTyped program = "typed"
	progOurs  program = "ours"
	progFloor program = "floor"
	// progNetHTTP is the floor over the standard library's client: what part of
	// the way to the floor is net/http's?
	progNetHTTP program = "floor over net/http"
)

// programs are those that there are.
func (h *harness) programs(all ...program) []program {
	var have []program
	for _, p := range all {
		if p != progOurs || h.binary != "" {
			have = append(have, p)
		}
	}
	return have
}

// command is how to make a program copy.
func (h *harness) command(s spec, ready sim.Ready) []string {
	p, workers := s.program, s.workers
	switch p {
	case progTyped:
		return []string{h.self, "typed", "-workers", strconv.Itoa(workers), "-table", ready.Table,
			"-source", ready.Profiles[0], "-target", ready.Profiles[1]}
	case progFloor, progNetHTTP:
		return []string{h.self, "floor", fmt.Sprintf("-net-http=%t", p == progNetHTTP), "-table", ready.Table, "-ca", ready.CA,
			"-source", ready.Source, "-source-key", ready.SourceKey, "-target", ready.Target, "-target-key", ready.TargetKey}
	}
	how := s.args
	if how == nil {
		how = []string{"--mode", "merge", "--no-backup"}
	}
	return append([]string{h.binary, "copy", "--table", ready.Table, "--source", ready.Profiles[0], "--target", ready.Profiles[1],
		"--yes", "--json", "--no-progress", "--workers", strconv.Itoa(workers)}, how...)
}

// A spec is one run to make.
type spec struct {
	program   program
	items     int64
	itemBytes int
	tls       bool
	escapes   bool
	cores     int // the client's; 0 means that nothing is bound
	workers   int
	sim       []string // more of the simulator's arguments
	args      []string // how ours copies; nil for the plain way
}

// A result is what came of a run. Failure is set where the program failed or
// the target is not what it must be.
type result struct {
	spec
	wall    time.Duration
	cpu     time.Duration // user and system
	peak    int64         // bytes resident
	simCPU  float64       // seconds
	report  sim.Report
	failure string

	readUnits, writeUnits float64 // as our summary says
}

func (r result) gigabytes() float64    { return r.report.ItemBytes * float64(r.items) / 1e9 }
func (r result) cpuPerGB() float64     { return r.cpu.Seconds() / r.gigabytes() }
func (r result) itemsPerSec() float64  { return float64(r.items) / r.wall.Seconds() }
func (r result) simCPUPerGB() float64  { return r.simCPU / r.gigabytes() }
func (r result) megabytesPeak() string { return fmt.Sprintf("%.0f", float64(r.peak)/1e6) }

// run makes one run with a simulator of its own.
func (h *harness) run(ctx context.Context, s spec) (r result, err error) {
	args := []string{"-items", strconv.FormatInt(s.items, 10), "-bytes", strconv.Itoa(s.itemBytes),
		fmt.Sprintf("-tls=%t", s.tls), fmt.Sprintf("-escapes=%t", s.escapes)}
	server, err := h.simulate(ctx, s.cores > 0, append(args, s.sim...)...)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	home, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	r.spec = s
	before, err := server.report(ctx)
	if err != nil {
		return r, err
	}
	env := append([]string{"HOME=" + home, "XDG_STATE_HOME=" + home}, server.ready.Env...)
	r.client(ctx, h.command(s, server.ready), env, h)
	if r.report, err = server.report(ctx); err != nil {
		return r, err
	}
	r.simCPU = r.report.CPUSeconds - before.CPUSeconds
	if r.failure == "" {
		r.failure = r.verdict()
	}
	fmt.Fprintln(os.Stderr, "bench:", r)
	return r, nil
}

// client runs the copy and takes its measure.
func (r *result) client(ctx context.Context, words, env []string, h *harness) {
	switch r.cores {
	case 1:
		words = h.bind(words, 1)
	case 2:
		words = h.bind(words, 0, 1)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
	dieWithParent(cmd)
	start := time.Now()
	err := cmd.Run()
	r.wall = time.Since(start)
	if cmd.ProcessState != nil {
		r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		r.peak = peakBytes(cmd.ProcessState)
	}
	if err != nil {
		r.failure = fmt.Sprintf("%v: %s", err, lastLine(stderr.String()))
		return
	}
	if r.program == progOurs {
		r.failure = r.check(stdout.Bytes())
	}
}

// check compares our own summary with what was there to copy.
func (r *result) check(summary []byte) string {
	var s struct {
		Read, Written, Unchanged int64
		ReadUnits                float64 `json:"read_units"`
		WriteUnits               float64 `json:"write_units"`
	}
	if err := json.Unmarshal(summary, &s); err != nil {
		return fmt.Sprintf("read the summary: %v", err)
	}
	r.readUnits, r.writeUnits = s.ReadUnits, s.WriteUnits
	if s.Read != r.items || s.Written+s.Unchanged != r.items {
		return fmt.Sprintf("the summary says %d read and %d written", s.Read, s.Written)
	}
	return ""
}

// verdict says what is wrong with the target; "" if nothing. The typed loop
// writes an item's attributes in another order: right, but not byte for byte.
func (r *result) verdict() string {
	p := r.report
	wrong := p.Wrong
	if r.program == progTyped {
		wrong = 0
	}
	if p.Missing == 0 && wrong == 0 && p.Target.Unknown == 0 {
		return ""
	}
	return fmt.Sprintf("%d missing, %d wrong, %d unknown", p.Missing, wrong, p.Target.Unknown)
}

func (r result) String() string {
	return fmt.Sprintf("%-8.8s %8d x %5d B tls=%-5t cores=%d wall %6.2fs cpu %6.2fs (%.2f s/GB) sim cpu %5.2fs peak %s MB %.0f items/s %s",
		r.program, r.items, r.itemBytes, r.tls, r.cores, r.wall.Seconds(), r.cpu.Seconds(), r.cpuPerGB(), r.simCPU,
		r.megabytesPeak(), r.itemsPerSec(), r.failure)
}

// lastLine is the last line of an error output that is not advice.
func lastLine(s string) string {
	last := ""
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "hint:") {
			last = line
		}
	}
	return last
}
