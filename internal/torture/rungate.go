package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// runGuards: a checkpoint that does not fit, or not any more.
func runGuards() []guard {
	resume := []string{"resume", "--run-dir", "$RUNS", "--yes", "--json", "--no-progress"}
	checkpoint := func(name, says string, change func(*trial, string) error) guard {
		return guard{name: "a checkpoint " + name, exit: noGood, says: says, whole: resume, prepare: func(ctx context.Context, t *trial) error {
			file, err := t.begun(ctx)
			if err != nil {
				return err
			}
			return change(t, file)
		}}
	}
	all := []guard{
		checkpoint("that is empty", "cut", func(_ *trial, f string) error { return os.Truncate(f, 0) }),
		checkpoint("that was cut in the middle", "checksum", func(_ *trial, f string) error { return cut(f, 2) }),
		checkpoint("that lacks its last byte", "checksum", func(_ *trial, f string) error { return rewrite(f, func(b []byte) []byte { return b[:len(b)-1] }) }),
		checkpoint("with something behind it", "checksum", func(_ *trial, f string) error { return rewrite(f, func(b []byte) []byte { return append(b, '\n') }) }),
		checkpoint("without its first line", "no checkpoint", func(_ *trial, f string) error {
			return rewrite(f, func(b []byte) []byte { _, rest, _ := bytes.Cut(b, []byte{'\n'}); return rest })
		}),
		checkpoint("that is missing, with its backup beside it", "missing", func(_ *trial, f string) error { return os.Rename(f, f+".old") }),
		checkpoint("that is a directory", "no plain file", func(_ *trial, f string) error {
			if err := os.Remove(f); err != nil {
				return err
			}
			return os.Mkdir(f, 0o700)
		}),
		checkpoint("that is a link to a good one", "no plain file", func(_ *trial, f string) error {
			good := f + ".good"
			if err := os.Rename(f, good); err != nil {
				return err
			}
			return os.Symlink(good, f)
		}),
		checkpoint("from a later version", "newer version", func(_ *trial, f string) error {
			return rewrite(f, func(b []byte) []byte { return bytes.Replace(b, []byte(`"version":2`), []byte(`"version":3`), 1) })
		}),
		checkpoint("of another format", "no checkpoint", func(_ *trial, f string) error {
			return rewrite(f, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"format":"dynamo run"`), []byte(`"format":"other"`), 1)
			})
		}),
		positioned(checkpoint("with fewer positions than segments", "positions", func(_ *trial, f string) error {
			return restate(f, func(s map[string]any) { s["positions"] = s["positions"].([]any)[:1] })
		})),
		positioned(checkpoint("with another number of segments", "positions", func(_ *trial, f string) error {
			return restate(f, func(s map[string]any) { s["segments"] = 2 * s["segments"].(float64) })
		})),
		checkpoint("of an unknown phase", "phase", func(_ *trial, f string) error {
			return restate(f, func(s map[string]any) { s["phase"] = "sideways" })
		}),
		checkpoint("of another command", "follow", func(_ *trial, f string) error {
			return restate(f, func(s map[string]any) { s["command"] = "follow" })
		}),
		checkpoint("of another mode", "sideways", func(_ *trial, f string) error {
			return restate(f, func(s map[string]any) { s["mode"] = "sideways" })
		}),
	}
	for _, side := range []side{source, target} {
		for _, field := range []string{"id", "account", "region", "table"} {
			all = append(all, checkpoint(fmt.Sprintf("of another %s %s", side, field), "another", func(_ *trial, f string) error {
				return restate(f, func(s map[string]any) { s[string(side)].(map[string]any)[field] = "another" })
			}))
		}
	}
	for i := range 12 { // from its first byte to its last
		all = append(all, checkpoint(fmt.Sprintf("with bit %d of a byte %d/12 through it flipped", i%8, i), "run", func(_ *trial, f string) error {
			return rewrite(f, func(b []byte) []byte { b[i*(len(b)-1)/12] ^= 1 << (i % 8); return b })
		}))
	}
	return append(all,
		guard{name: "a target that was made anew", exit: noGood, says: "replaced by another", whole: resume, prepare: remade(target)},
		guard{name: "a source that was made anew", exit: noGood, says: "replaced by another", whole: resume, prepare: remade(source)},
		guard{name: "a target that was made anew, by the same command", exit: noGood, says: "replaced by another", args: []string{"--resume", "--segments", "4"}, prepare: remade(target)},
		guard{name: "another number of segments", exit: noGood, says: "segments", args: []string{"--resume", "--segments", "8"}, prepare: unfinished},
		guard{name: "a damaged checkpoint, by the same command", exit: noGood, says: "checksum", args: []string{"--resume", "--segments", "4"},
			prepare: func(ctx context.Context, t *trial) error {
				f, err := t.begun(ctx)
				if err != nil {
					return err
				}
				return rewrite(f, func(b []byte) []byte { b[len(b)-20] ^= 4; return b })
			}},
		guard{name: "a run that is not there", exit: 2, says: "run", whole: append(slices.Clone(resume), "20260101T000000Z-orders"), prepare: unfinished},
		guard{name: "a run that is somewhere else", exit: 2, says: "run", whole: append(slices.Clone(resume), "../runs"), prepare: unfinished},
		guard{name: "no run at all", exit: 2, says: "no unfinished run", whole: resume},
		guard{name: "a run directory that is a file", exit: 1, says: "run", args: []string{"--run-dir", "$HOME/file"}, files: map[string]string{"file": "x"}},
	)
}

// positioned makes a guard one of the modes that go on where they were; a sync
// reads again.
func positioned(g guard) guard {
	g.modes = []string{merge, replace}
	return g
}

// lockGuards: another run holds the target.
func lockGuards() []guard {
	const held, says = 8, "another run is at work"
	resume := []string{"resume", "--run-dir", "$RUNS", "--yes", "--json", "--no-progress"}
	const soon = 5 * time.Second
	return []guard{
		{name: "the target is held", exit: held, says: says, prepare: holding, within: soon},
		{name: "the target is held, by a role", exit: held, says: says, args: []string{"--target", "dev-role"}, prepare: holding, within: soon},
		{name: "the target is held, by its ARN", exit: held, says: says, args: []string{"--target-table", "arn:aws:dynamodb:eu-west-1:222222222222:table/$TABLE"}, prepare: holding, within: soon},
		{name: "the run that is to be gone on with is at work", exit: held, says: says, whole: resume, prepare: holding, within: soon},
		{name: "the run that is to be gone on with by the same command is at work", exit: held, says: says, args: []string{"--resume", "--segments", "4"}, prepare: holding, within: soon},
		{name: "a dry run while the target is held", exit: 0, says: "dry_run", args: []string{"--dry-run"}, prepare: holding, within: soon},
	}
}

// begun leaves an unfinished copy behind, killed in its middle, and returns
// its checkpoint.
func (t *trial) begun(ctx context.Context) (string, error) {
	c, err := t.halfway(ctx)
	if err != nil {
		return "", err
	}
	c.signal(syscall.SIGKILL)
	if _, err := t.end(ctx, c); err != nil {
		return "", err
	}
	t.heal()
	files, err := t.checkpoints()
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("find the checkpoint: %v, %w", files, err)
	}
	return files[0], nil
}

func unfinished(ctx context.Context, t *trial) error {
	_, err := t.begun(ctx)
	return err
}

// halfway starts a copy that hangs when some is done, and is in its checkpoint.
func (t *trial) halfway(ctx context.Context) (*child, error) {
	reached := make(chan struct{})
	t.inject(target, ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Count: 3, Delay: 150 * time.Millisecond})
	t.inject(target, ddbtest.Fault{Kind: ddbtest.Hang, Op: "BatchWriteItem", Do: func() { close(reached) }, Count: 1})
	t.inject(target, ddbtest.Fault{Kind: ddbtest.Hang, Op: "BatchWriteItem"})
	c, err := t.begin(ctx, t.copyArgs(t.mode, "--source", "prod", "--target", "dev", "--run-dir", t.runDir(), "--segments", "4", "--workers", "1")...)
	if err != nil {
		return nil, err
	}
	select {
	case <-reached:
		return c, nil
	case <-c.ended:
		return nil, fmt.Errorf("the copy ended before it was half done: %s", c.wait())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// holding leaves a copy at work until the trial is over.
func holding(ctx context.Context, t *trial) error {
	c, err := t.halfway(ctx)
	if err != nil {
		return err
	}
	t.later = append(t.later, func() {
		c.signal(syscall.SIGKILL)
		c.wait()
	})
	return nil
}

// remade leaves an unfinished copy behind whose table on that side is another
// one of the same name.
func remade(side side) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		if _, err := t.begun(ctx); err != nil {
			return err
		}
		account, table := t.prod, t.source
		if side == target {
			account, table = t.dev, t.target
		}
		if err := account.DeleteTable(ctx, table.Name); err != nil {
			return err
		}
		if err := account.CreateTable(ctx, table); err != nil {
			return err
		}
		return account.Fill(ctx, table.Name, ddbtest.EdgeItems(table, 30, 9))
	}
}

func cut(file string, by int64) error {
	about, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.Truncate(file, about.Size()/by)
}

func rewrite(file string, change func([]byte) []byte) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, change(b), 0o600)
}

// restate changes what a checkpoint says, and makes its checksum right again.
func restate(file string, change func(map[string]any)) error {
	return rewrite(file, func(b []byte) []byte {
		line, body, _ := bytes.Cut(b, []byte{'\n'})
		var state map[string]any
		if json.Unmarshal(body, &state) != nil {
			return b // which leaves a good checkpoint, and the guard fails
		}
		before := sha256.Sum256(body)
		change(state)
		body, _ = json.Marshal(state) // it was JSON
		body = append(body, '\n')
		after := sha256.Sum256(body)
		line = bytes.Replace(line, hexed(before), hexed(after), 1)
		return slices.Concat(line, []byte{'\n'}, body)
	})
}

func hexed(sum [sha256.Size]byte) []byte { return []byte(hex.EncodeToString(sum[:])) }

// checkpoints lists the checkpoint files that there are.
func (t *trial) checkpoints() ([]string, error) {
	return filepath.Glob(filepath.Join(t.runDir(), "*", "checkpoint.json"))
}

// latestRun is the name of the last run that has a checkpoint; "" for none.
func (t *trial) latestRun() (string, error) {
	found, err := t.checkpoints()
	if err != nil || len(found) == 0 {
		return "", err
	}
	latest := slices.MaxFunc(found, func(a, b string) int { // of one second, a later one has a number behind its name
		return cmp.Or(strings.Compare(runName(a)[:len("20060102T150405Z")], runName(b)[:len("20060102T150405Z")]), len(a)-len(b), strings.Compare(a, b))
	})
	return runName(latest), nil
}

// runName is the name of the run that a checkpoint is of.
func runName(checkpoint string) string { return filepath.Base(filepath.Dir(checkpoint)) }
