package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// What a person has said yes to is asked again when it is resumed: on a terminal, or by --yes.
func TestResumeQuestion(t *testing.T) {
	t.Parallel()
	name := newTables(t, 300, 0)
	dir := t.TempDir()
	c := newCommand(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--mode", "merge", "--workers", "1", "--run-dir", dir)
	reached := make(chan struct{})
	inject(t, ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: name, Skip: 4, Count: 1, Do: func() { close(reached) }})
	slow(t, name, 50*time.Millisecond)
	c.open(true)
	c.expect("Go on? [y/N] ")
	c.send("y\n")
	<-reached
	c.send("\x03")
	if code := c.wait(); code != 130 {
		t.Fatalf("exit code %d", code)
	}
	c.expect("to go on: dynamo resume 20")
	c.expect("--run-dir " + dir)

	resume := func(code int, terminal bool, answer, text string, more ...string) {
		t.Helper()
		before := len(mutationsOf("dev", name))
		c := newCommand(t, append([]string{"resume", "--run-dir", dir}, more...)...)
		if terminal {
			c.open(true)
			c.expect("is gone on with")
			c.expect("Go on? [y/N] ")
			c.send(answer)
		} else {
			c.pipe()
		}
		if got := c.wait(); got != code {
			t.Fatalf("exit code %d, want %d:\n%s", got, code, c.text())
		}
		c.expect(text)
		if changed := len(mutationsOf("dev", name)) > before; changed != (code == 0) {
			t.Fatalf("changed the target: %v", changed)
		}
	}
	resume(5, false, "", "no terminal to ask on")
	resume(5, true, "n\n", "not confirmed")
	resume(0, true, "y\n", "copied")
	resume(2, false, "", "there is no unfinished run")
}

// A second signal ends the process at once, and what it had saved is good.
func TestResumeAfterTwoSignals(t *testing.T) {
	t.Parallel()
	name := newTables(t, 600, 0)
	dir := t.TempDir()
	c := newCommand(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--mode", "merge", "--workers", "2", "--run-dir", dir, "--yes")
	reached := make(chan struct{})
	hang := ddbtest.Fault{Kind: ddbtest.Hang, Op: "BatchWriteItem", Table: name, Skip: 12, Count: 1, After: true, Do: func() { close(reached) }}
	id := world.Account("dev").Proxy.Inject(hang)
	slow(t, name, 50*time.Millisecond)
	c.pipe()
	<-reached
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.expect("a second signal ends it at once")
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(); code != 143 || time.Since(began) > 2*time.Second {
		t.Fatalf("exit code %d after %s:\n%s", code, time.Since(began), c.text())
	}
	world.Account("dev").Proxy.Remove(id)
	again := newCommand(t, "resume", "--run-dir", dir)
	again.pipe()
	if code := again.wait(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, again.text())
	}
	r, err := ddbtest.Diff(t.Context(), world.Account("prod").Client(), world.Account("dev").Client(), name, name)
	if err != nil || !r.Same() {
		t.Fatalf("%s, %v", r, err)
	}
}
