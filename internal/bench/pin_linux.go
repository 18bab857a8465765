package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const canPin = true

// pinnedCommand binds this process to cores and becomes another program:
// pinned 0,1 program arguments…
func pinnedCommand(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("pinned: cores and a program are needed")
	}
	var set unix.CPUSet
	for core := range strings.SplitSeq(args[0], ",") {
		n, err := strconv.Atoi(core)
		if err != nil {
			return fmt.Errorf("pinned: core %q: %w", core, err)
		}
		set.Set(n)
	}
	// The binding is the thread's, and exec keeps the thread that calls it.
	runtime.LockOSThread()
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind to cores %s: %w", args[0], err)
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args[1:], os.Environ())
}

// allowedCores are the cores that this process may use.
func allowedCores() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var cores []int
	for n := range 1024 {
		if set.IsSet(n) {
			cores = append(cores, n)
		}
	}
	return cores
}

// peakBytes is the most memory that an ended process had resident. The kernel
// never says less than this process had when it started the other, some 15 MB.
func peakBytes(state *os.ProcessState) int64 {
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}

// dieWithParent ends a child whose parent was killed.
func dieWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// processorName is what the processor calls itself.
func processorName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	facts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); facts[name] == "" {
			facts[name] = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s (family %s, model %s), %s", facts["model name"], facts["cpu family"], facts["model"], runtime.GOARCH)
}
