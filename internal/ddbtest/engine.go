package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// EnginePath returns the installed Dynoxide binary. Its error says how to
// install it: a test without an engine fails, it is never skipped.
func EnginePath() (string, error) {
	return tool("node_modules/@dynoxide/linux-x64/dynoxide")
}

func motoPath() (string, error) { return tool("moto/bin/moto_server") }

// tool finds a program below .tools at the root of the module.
func tool(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the test engines: no go.mod above the working directory")
		}
		dir = parent
	}
	file := filepath.Join(dir, ".tools", filepath.FromSlash(path))
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("find %s: not installed; run: make engines", filepath.Base(file))
	}
	return file, nil
}

// A process is a server that we started on a port of this machine.
type process struct {
	url    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// startProcess starts a server on a free port and waits until it answers.
// Between the choice of the port and its use another process may take it;
// then the server ends at once and another port is tried.
func startProcess(ctx context.Context, path string, args func(port string) []string) (*process, error) {
	var last error
	for range 5 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p := &process{url: "http://127.0.0.1:" + port, cmd: exec.Command(path, args(port)...), exited: make(chan struct{})}
		// The engine's threads wait for one another: with one it takes a third less CPU.
		p.cmd.Env = append(os.Environ(), "TOKIO_WORKER_THREADS=1")
		output := &tail{}
		p.cmd.Stdout, p.cmd.Stderr = output, output
		if err := p.run(); err != nil {
			return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
		}
		if last = p.awaitReady(ctx); last == nil {
			return p, nil
		}
		p.stop()
		last = fmt.Errorf("start %s: %w: %s", filepath.Base(path), last, output)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// run starts the process from a thread that lives as long as it does: the
// kernel kills the child when the thread that made it ends (see dieWithParent).
func (p *process) run() error {
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // killed: the error says nothing
		}
		close(p.exited)
	}()
	return <-started
}

func (p *process) awaitReady(ctx context.Context) error {
	// moto imports for seconds on a busy machine
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			answer.Body.Close()
		}
		select {
		case <-p.exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		case <-poll.C:
			if err == nil {
				return nil
			}
		}
	}
}

func (p *process) stop() {
	if p == nil || p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // already gone is as good
	<-p.exited
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// A tail keeps the end of what a process says, for the error message.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if len(t.text) > 4096 {
		t.text = append([]byte(nil), t.text[len(t.text)-2048:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
