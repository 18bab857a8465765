package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// hangLimit is how long a process may take. All tables here are small.
const hangLimit = 60 * time.Second

// A child is the program under test, running.
type child struct {
	cmd            *exec.Cmd
	began          time.Time
	limit          time.Duration
	stdout, stderr bytes.Buffer
	peak           atomic.Int64
	hung           atomic.Bool
	ended          chan struct{}
	err            error // of Wait; set when ended is closed
	took           time.Duration
}

// An outcome is what a child has left.
type outcome struct {
	args           []string
	code           int // exit code; -1 where a signal ended it
	hung           bool
	took           time.Duration
	peak           int64 // bytes resident
	stdout, stderr string
	summary        *summary // nil where stdout is not exactly one JSON object
}

// A summary is what the program says of itself.
type summary struct {
	Command string `json:"command"`
	Mode    string `json:"mode"`
	Run     string `json:"run"`

	Read      int64 `json:"read"`
	Written   int64 `json:"written"`
	Unchanged int64 `json:"unchanged"`
	Deleted   int64 `json:"deleted"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`

	DeadLetters string `json:"dead_letters"`
	Error       *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"error"`
}

// A launch says how to start the program.
type launch struct {
	binary, dir string
	env, args   []string
	stdin       io.Reader     // nil for nothing
	limit       time.Duration // after which it has hung
}

func start(ctx context.Context, l launch) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, l.binary, l.args...), limit: l.limit, ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdin = l.dir, l.env, l.stdin
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	c.cmd.WaitDelay = time.Second
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the program under test: %w", err)
	}
	go c.watch()
	return c, nil
}

// watch takes the child's memory until it ends, or has taken too long.
func (c *child) watch() {
	waited := make(chan error, 1)
	go func() { waited <- c.cmd.Wait() }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-waited:
			c.err, c.took = err, time.Since(c.began)
			close(c.ended)
			return
		case <-look.C:
			c.peak.Store(max(c.peak.Load(), residentPeak(c.cmd.Process.Pid)))
			switch gone := time.Since(c.began); {
			case gone > c.limit+5*time.Second:
				c.signal(syscall.SIGKILL)
			case gone > c.limit && !c.hung.Swap(true):
				c.signal(syscall.SIGQUIT) // so that it says where it hangs
			}
		}
	}
}

// signal sends a signal; a child that has gone needs none.
func (c *child) signal(s os.Signal) { _ = c.cmd.Process.Signal(s) }

// again sends a signal once more, when the child has had the time to take the
// first (the kernel keeps no two of one kind), and says when.
func (c *child) again(s os.Signal) time.Time {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-c.ended:
	}
	c.signal(s)
	return time.Now()
}

// gone reports whether the child has ended.
func (c *child) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// wait waits for the end.
func (c *child) wait() outcome {
	<-c.ended
	o := outcome{
		args: c.cmd.Args[1:], code: c.cmd.ProcessState.ExitCode(), hung: c.hung.Load(), took: c.took, peak: c.peak.Load(),
		stdout: c.stdout.String(), stderr: c.stderr.String(),
	}
	var failed *exec.ExitError
	if c.err != nil && !errors.As(c.err, &failed) {
		o.stderr += "\nwait: " + c.err.Error()
		o.code = -1
	}
	var s summary
	dec := json.NewDecoder(strings.NewReader(o.stdout))
	if dec.Decode(&s) == nil && !dec.More() {
		o.summary = &s
	}
	return o
}

// residentPeak is a process's peak resident size in bytes; 0 where the system
// does not tell. The kernel's own figure for a child that has ended includes
// its parent, so it is read while the child lives.
func residentPeak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

func (o outcome) String() string {
	text := fmt.Sprintf("$ dynamo %s\nexit %d after %s, peak %d MB", strings.Join(o.args, " "), o.code, o.took.Round(time.Millisecond), o.peak>>20)
	most := 2000
	if o.hung {
		most = 100_000 // where every goroutine is
	}
	for _, part := range []string{o.stdout, o.stderr} {
		if part = strings.TrimSpace(part); part != "" {
			text += "\n" + clip(part, most)
		}
	}
	return text
}

// clip keeps the end of a text that is too long to print.
func clip(text string, most int) string {
	if len(text) > most {
		return "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}
