//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
)

const canPin = false

func pinnedCommand([]string) error { return errors.New("pinned: only on Linux") }

func allowedCores() []int {
	cores := make([]int, runtime.NumCPU())
	for i := range cores {
		cores[i] = i
	}
	return cores
}

// peakBytes is not known here.
func peakBytes(*os.ProcessState) int64 { return 0 }

func dieWithParent(*exec.Cmd) {}

func processorName() string { return runtime.GOOS + " " + runtime.GOARCH }
