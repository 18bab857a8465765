//go:build !linux

package ddbtest

import "os/exec"

// dieWithParent has no equivalent here: a killed test leaves its engine behind.
func dieWithParent(*exec.Cmd) {}
