//go:build !windows

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/creack/pty"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// The question is asked on a terminal; only a plain yes goes on.
func TestQuestion(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		code         int
		copied       bool
		text         string
	}{
		{"y goes on", "y\n", 0, true, "copied"},
		{"yes goes on", "YES\n", 0, true, "copied"},
		{"n does not", "n\n", 5, false, "not confirmed; nothing was changed"},
		{"Enter does not", "\n", 5, false, "not confirmed; nothing was changed"},
		{"anything else does not", "yep\n", 5, false, "not confirmed; nothing was changed"},
		{"the end of input does not", "\x04", 5, false, "not confirmed; nothing was changed"},
		{"Ctrl-C ends it", "\x03", 130, false, "interrupted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := newTables(t, 20, 10)
			c := onTerminal(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--mode", "replace")
			c.expect("Go on? [y/N] ")
			c.expect("account 111111111111, eu-west-1, profile prod")
			c.expect("account 222222222222, eu-west-1, profile dev")
			c.expect("deletes ALL")
			c.send(test.answer)
			if code := c.wait(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			c.expect(test.text)
			if changed := len(mutationsOf("dev", name)) > 0; changed != test.copied {
				t.Errorf("changed the target: %v, want %v", changed, test.copied)
			}
		})
	}
}

// A question needs both ends: a terminal on stderr alone cannot answer.
func TestNoQuestionWithoutBothEnds(t *testing.T) {
	t.Parallel()
	name := newTables(t, 5, 5)
	c := newCommand(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--mode", "replace")
	c.cmd.Stdin = strings.NewReader("y\ny\n")
	c.open(false)
	if code := c.wait(); code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
	c.expect("no terminal to ask on")
	if list := mutationsOf("dev", name); len(list) > 0 {
		t.Errorf("changed the target: %v", list)
	}
}

func TestTableQuestion(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(name string) string
		code   int
	}{
		{"a name", func(name string) string { return name + "\n" }, 0},
		{"no such name", func(string) string { return "no-such-table\n" }, 2},
		{"no such number", func(string) string { return "100000\n" }, 2},
		{"Enter", func(string) string { return "\n" }, 2},
		{"Ctrl-C", func(string) string { return "\x03" }, 130},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := newTables(t, 5, 0)
			c := onTerminal(t, "copy", "--source", "prod", "--target", "dev", "--no-backup", "--yes")
			c.expect("Tables of prod:")
			c.expect("  " + name + "\r\n")
			c.expect("Which one? [1-")
			c.send(test.answer(name))
			if code := c.wait(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if copied := len(mutationsOf("dev", name)) > 0; copied != (test.code == 0) {
				t.Errorf("copied: %v", copied)
			}
		})
	}
}

// Without --from a terminal is asked which backup; then comes the question.
func TestChooseBackup(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		code         int
		text         string
	}{
		{"a number", "1\n", 0, "restored"},
		{"a name", "before\n", 0, "restored"},
		{"a point in time", "pitr:latest\n", 0, "restored"},
		{"Enter", "\n", 5, "not confirmed; nothing was changed"},
		{"another number", "2\n", 2, "is none of them"},
		{"Ctrl-C", "\x03", 130, "interrupted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := newTables(t, 20, 10)
			c := world.Account("dev").ProxyClient()
			if _, err := c.CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String(name), BackupName: aws.String("before")}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String(name),
				PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}}); err != nil {
				t.Fatal(err)
			}
			made := len(mutationsOf("dev", name))
			run := onTerminal(t, "restore", "--table", name, "--env", "dev")
			run.expect(" before  arn:aws:dynamodb:")
			run.expect("Which one? [1-1, a name, an ARN, pitr:latest, pitr:TIME; nothing for none] ")
			run.send(test.answer)
			if test.code == 0 {
				run.expect("Go on? [y/N] ")
				run.send("y\n")
			}
			if code := run.wait(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			run.expect(test.text)
			if changed := len(mutationsOf("dev", name)) > made; changed != (test.code == 0) {
				t.Errorf("asked AWS to restore: %v", changed)
			}
		})
	}
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	name := newTables(t, 120, 0)
	slow(t, name, 300*time.Millisecond)
	c := onTerminal(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--workers", "1", "--mode", "replace")
	c.expect("units/s")
	c.expect("/120, ")
	c.expect("throttled 0")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	c.expect("copied")
}

func TestNoProgress(t *testing.T) {
	t.Parallel()
	name := newTables(t, 120, 0)
	slow(t, name, 300*time.Millisecond)
	c := onTerminal(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--workers", "1", "--no-progress", "--mode", "replace")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if strings.Contains(c.text(), "units/s") {
		t.Errorf("--no-progress shows some:\n%q", c.text())
	}
}

// What could steer the terminal is shown, not sent.
func TestTerminalIsNotSteered(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"copy", "--table", "a\x1b]52;c;eA==\x07", "--source", "prod", "--target", "dev"},
		{"copy", "--table", "orders", "--source", "p\x1b[2Jrod", "--target", "dev"},
		{"copy", "--table", "orders", "--source", "prod", "--target", "\u202egnp\u009b"},
		{"copy", "--table", "orders\u2028x", "--bogus\x1b[2J\u202e\u2066\ufeff"},
		{"copy", "\x1b[2J"},
		{"\x1b[2J"},
	} {
		c := onTerminal(t, args...)
		if code := c.wait(); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
		// Our own colours are the only escapes.
		plain := strings.NewReplacer("\x1b[1;31m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(c.text())
		if strings.ContainsAny(plain, "\x1b\x07\u202e\u2066\ufeff\u009b\u2028") {
			t.Errorf("%q: a control character gets through: %q", args, plain)
		}
	}
}

func TestColors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		args  []string
		env   string
		color bool
	}{
		{"on a terminal", nil, "", true},
		{"with --no-color", []string{"--no-color"}, "", false},
		{"with NO_COLOR", nil, "NO_COLOR=1", false},
		{"on a dumb terminal", nil, "TERM=dumb", false},
	} {
		c := newCommand(t, append([]string{"copy", "--table", "orders", "--source", "nobody", "--target", "dev"}, test.args...)...)
		if test.env != "" {
			c.cmd.Env = append(c.cmd.Env, test.env)
		}
		c.open(true)
		if code := c.wait(); code != 2 {
			t.Errorf("%s: exit code %d, want 2", test.name, code)
		}
		if got := strings.Contains(c.text(), "\x1b["); got != test.color {
			t.Errorf("%s: colours: %v, want %v: %q", test.name, got, test.color, c.text())
		}
	}
}

// A signal stops a copy in good time, and the last lines say how things stand.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		code   int
		text   string
	}{
		{"interrupted", syscall.SIGINT, 130, "error: interrupted"},
		{"terminated", syscall.SIGTERM, 143, "error: terminated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := newTables(t, 1000, 3)
			c := newCommand(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--workers", "1", "--mode", "replace")
			// The eighth batch tells when to strike; the copy is in its middle then.
			reached := make(chan struct{})
			var once sync.Once
			inject(t, ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: name, Skip: 8, Count: 1, Do: func() { once.Do(func() { close(reached) }) }})
			slow(t, name, 100*time.Millisecond)
			c.pipe()
			<-reached
			began := time.Now()
			if err := c.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			if code := c.wait(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s to stop", took)
			}
			c.expect(test.text)
			lines := strings.Split(strings.TrimSpace(c.text()), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, "the target is not complete") || !strings.Contains(last, "to go on: dynamo resume 20") {
				t.Errorf("the last line is %q", last)
			}
			n, err := world.Account("dev").Count(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 || n == 1000 {
				t.Errorf("the target has %d items, so this test shows nothing", n)
			}
		})
	}
}

// The second signal ends the program at once, whatever it waits for.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	name := newTables(t, 5, 0)
	slow(t, name, 8*time.Second)
	c := onTerminal(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--workers", "1", "--mode", "replace")
	c.expect("copy ")
	began := time.Now()
	c.send("\x03")
	c.expect("a second signal ends it at once")
	c.send("\x03")
	if code := c.wait(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s to stop", took)
	}
}

// Nor does it keep the one JSON object back.
func TestSecondSignalInJSON(t *testing.T) {
	t.Parallel()
	name := newTables(t, 5, 0)
	reached := make(chan struct{})
	var once sync.Once
	inject(t, ddbtest.Fault{Kind: ddbtest.Hang, Op: "BatchWriteItem", Table: name, Do: func() { once.Do(func() { close(reached) }) }})
	c := newCommand(t, "copy", "--table", name, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--workers", "1", "--mode", "replace", "--json=1")
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, write
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	go c.collect(read)
	<-reached
	for _, said := range []string{"a second signal ends it at once", "terminated"} {
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.expect(said)
	}
	code := c.wait()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	requireOneObject(t, wayOut{code: 143}, string(text), c.text(), code)
}

// Tables that were not begun when the signal came are in the result, too.
func TestSignalBetweenTables(t *testing.T) {
	t.Parallel()
	first, second := newTables(t, 100, 0), newTables(t, 5, 0)
	reached := make(chan struct{})
	var once sync.Once
	inject(t, ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: first, Count: 1, Do: func() { once.Do(func() { close(reached) }) }})
	slow(t, first, 500*time.Millisecond)
	c := newCommand(t, "copy", "--table", first, "--table", second, "--source", "prod", "--target", "dev", "--no-backup", "--yes", "--json", "--workers", "1", "--mode", "replace")
	c.pipe()
	<-reached
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	c.expect(`"tables":[`)
	c.expect(`"failed":2`)
	c.expect(`"error":{"code":143,"message":"not begun: terminated"`)
	if list := mutationsOf("dev", second); len(list) > 0 {
		t.Errorf("the second table was begun: %v", list)
	}
}

var tables struct {
	sync.Mutex
	last int
}

// newTables makes one table in both accounts, with so many items.
func newTables(t *testing.T, inProd, inDev int) string {
	t.Helper()
	tables.Lock()
	tables.last++
	name := "terminal-" + string(rune('a'+tables.last/26)) + string(rune('a'+tables.last%26))
	tables.Unlock()
	for account, n := range map[string]int{"prod": inProd, "dev": inDev} {
		remove, err := createTable(account, name, "pk:S")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(remove)
		if err := fillTable(account, name, n, 1); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func inject(t *testing.T, f ddbtest.Fault) {
	t.Helper()
	proxy := world.Account("dev").Proxy
	id := proxy.Inject(f)
	t.Cleanup(func() { proxy.Remove(id) })
}

// slow makes each batch into dev's table wait.
func slow(t *testing.T, name string, d time.Duration) {
	t.Helper()
	inject(t, ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Table: name, Delay: d})
}

// A command is dynamo as a process, and what it has shown so far.
type command struct {
	t       *testing.T
	cmd     *exec.Cmd
	ctx     context.Context
	answers *os.File      // the terminal; nil for none
	over    chan struct{} // closed when all output has come

	mu    sync.Mutex
	shown bytes.Buffer
	more  chan struct{} // one token: there is more to look at
}

func newCommand(t *testing.T, args ...string) *command {
	t.Helper()
	path, err := exec.LookPath("dynamo")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := &command{t: t, ctx: ctx, cmd: exec.CommandContext(ctx, path, args...), over: make(chan struct{}), more: make(chan struct{}, 1)}
	c.cmd.Dir = t.TempDir()
	c.cmd.Env = append(world.Env(), "TERM=xterm", quickRace)
	return c
}

// onTerminal starts dynamo with all three streams on a terminal.
func onTerminal(t *testing.T, args ...string) *command {
	t.Helper()
	c := newCommand(t, args...)
	c.open(true)
	return c
}

// open starts the command on a terminal, stdin as well if asked.
func (c *command) open(stdin bool) {
	c.t.Helper()
	terminal, its, err := pty.Open()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: 200}); err != nil {
		c.t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = its, its
	if stdin {
		c.cmd.Stdin = its
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	its.Close()
	c.answers = terminal
	c.t.Cleanup(func() { terminal.Close() })
	go c.collect(terminal)
}

// pipe starts the command with stdout and stderr in one pipe.
func (c *command) pipe() {
	c.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = write, write
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	write.Close()
	c.t.Cleanup(func() { read.Close() })
	go c.collect(read)
}

// collect keeps what is shown until the command's end is closed, which a
// terminal tells by an error.
func (c *command) collect(from *os.File) {
	defer close(c.over)
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		c.mu.Lock()
		c.shown.Write(b[:n])
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *command) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// expect waits until the text has been shown.
func (c *command) expect(text string) {
	c.t.Helper()
	for !strings.Contains(c.text(), text) {
		select {
		case <-c.more:
		case <-c.over:
			if !strings.Contains(c.text(), text) {
				c.t.Fatalf("ended without showing %q:\n%s", text, c.text())
			}
		case <-c.ctx.Done():
			c.t.Fatalf("waited in vain for %q:\n%s", text, c.text())
		}
	}
}

func (c *command) send(keys string) {
	c.t.Helper()
	if _, err := c.answers.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// wait returns the exit code, when all output has come.
func (c *command) wait() int {
	c.t.Helper()
	<-c.over
	_ = c.cmd.Wait() // the exit code says it
	return c.cmd.ProcessState.ExitCode()
}
