package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A stage is two accounts that many trials share. Each trial has tables of its
// own, and faults only for those.
type stage struct {
	world     *ddbtest.World
	prod, dev *ddbtest.Account
	binary    string
	dir       string
	names     atomic.Int64
}

// pageItems are in a page of a scan in one piece: so small tables have many
// pages. They are whole batches, so that a page ends where a batch does.
const pageItems = 100

func openStage(ctx context.Context, binary string) (*stage, error) {
	dir, err := os.MkdirTemp("", "dynamo-torture-")
	if err != nil {
		return nil, err
	}
	w, err := ddbtest.Open(ctx, dir, ddbtest.WithPageItems(pageItems))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &stage{world: w, prod: w.Account("prod"), dev: w.Account("dev"), binary: binary, dir: dir}, nil
}

func (s *stage) close() error {
	return errors.Join(s.world.Close(), os.RemoveAll(s.dir))
}

// A trial is what is done to one pair of tables, and all that is known of them
// from elsewhere than the program.
type trial struct {
	*stage
	home           string // the child's, with its run directories
	source, target ddbtest.Table
	keys           []string          // the key attributes' names
	items          map[string]string // the source's: digest by key
	before         map[string]string // the target's, before anything was done
	injected       []func()          // remove the faults
	children       []outcome
	patience       time.Duration // how much longer than others a child may take
	mode           string        // of the copy, for what is prepared
	later          []func()      // to do when the trial is over
	protected      bool          // the target has deletion protection
}

// newTrial makes the two tables. The target's may have other indexes.
func (s *stage) newTrial(ctx context.Context, source, target ddbtest.Table) (*trial, error) {
	n := s.names.Add(1)
	t := &trial{stage: s, home: filepath.Join(s.dir, fmt.Sprintf("trial-%d", n)), source: source, target: target}
	t.source.Name, t.target.Name = fmt.Sprintf("orders-%d", n), fmt.Sprintf("orders-%d", n)
	t.keys = keyNames(source)
	if err := os.MkdirAll(t.home, 0o700); err != nil {
		return nil, err
	}
	if err := s.prod.CreateTable(ctx, t.source); err != nil {
		return nil, err
	}
	return t, s.dev.CreateTable(ctx, t.target)
}

func keyNames(t ddbtest.Table) []string {
	names := []string{t.Partition.Name}
	if t.Sort.Name != "" {
		names = append(names, t.Sort.Name)
	}
	return names
}

// fill puts the items that there are at first, and remembers them.
func (t *trial) fill(ctx context.Context, items, older []ddbtest.Item) error {
	t.items, t.before = t.digests(items), t.digests(older)
	return errors.Join(
		t.prod.Fill(ctx, t.source.Name, slices.Values(items)),
		t.dev.Fill(ctx, t.target.Name, slices.Values(older)))
}

func (t *trial) digests(items []ddbtest.Item) map[string]string {
	all := make(map[string]string, len(items))
	for _, item := range items {
		all[ddbtest.KeyOf(item, t.keys...)] = ddbtest.DigestOf(item)
	}
	return all
}

// close takes the faults and tables away. What is still under way is waited for.
func (t *trial) close() error {
	t.heal()
	for _, do := range t.later {
		do()
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	err := t.quiet(ctx)
	t.dev.Proxy.Take(t.target.Name)
	t.prod.Proxy.Take(t.source.Name)
	if t.protected {
		_, off := t.dev.Client().UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String(t.target.Name), DeletionProtectionEnabled: aws.Bool(false)})
		err = errors.Join(err, off)
	}
	return errors.Join(err, t.prod.DeleteTable(ctx, t.source.Name), t.dev.DeleteTable(ctx, t.target.Name), os.RemoveAll(t.home))
}

// inject puts a fault in place for this trial's table and returns how often it
// has struck so far.
func (t *trial) inject(side side, f ddbtest.Fault) (struck func() int) {
	account, table := t.prod, t.source.Name
	if side == target {
		account, table = t.dev, t.target.Name
	}
	if f.Table = table; f.Op == stsOp {
		f.Table = ""
	}
	id := account.Proxy.Inject(f)
	t.injected = append(t.injected, func() { account.Proxy.Remove(id) })
	return func() int { return account.Proxy.Fired(id) }
}

// heal takes all faults away. What they hold up goes on waiting until the
// child has gone.
func (t *trial) heal() {
	for _, remove := range t.injected {
		remove()
	}
	t.injected = nil
}

// env is a child's environment: a home of its own, so that trials share no run
// directory and no lock.
func (t *trial) env() []string {
	env := slices.DeleteFunc(t.world.Env(), func(v string) bool {
		return strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "XDG_STATE_HOME=")
	})
	return append(env, "HOME="+t.home, "XDG_STATE_HOME="+filepath.Join(t.home, "state"))
}

// runDir is where the child keeps its runs.
func (t *trial) runDir() string { return filepath.Join(t.home, "runs") }

// begin starts the program on this trial's tables.
func (t *trial) begin(ctx context.Context, args ...string) (*child, error) {
	return start(ctx, launch{binary: t.binary, dir: t.home, env: t.env(), args: args, limit: hangLimit + t.patience})
}

// end waits for the child, and then for its requests: what it has sent may be
// applied after it has gone.
func (t *trial) end(ctx context.Context, c *child) (outcome, error) {
	o := c.wait()
	t.children = append(t.children, o)
	return o, t.quiet(ctx)
}

func (t *trial) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hangLimit)
	defer cancel()
	return errors.Join(t.dev.Proxy.Quiet(ctx, t.target.Name), t.prod.Proxy.Quiet(ctx, t.source.Name))
}

// copyArgs are a copy's arguments that all trials have.
func (t *trial) copyArgs(mode string, more ...string) []string {
	args := []string{"copy", "--table", t.source.Name, "--target-table", t.target.Name, "--mode", mode, "--yes", "--json", "--no-progress"}
	if mode != syncing { // which keeps a journal
		args = append(args, "--no-backup")
	}
	return append(args, more...)
}

// now reads the target as it is.
func (t *trial) now(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return ddbtest.Digests(ctx, t.dev.Client(), t.target.Name)
}

// wanted is what the target must be after a copy in that mode that has
// rejected some keys.
func (t *trial) wanted(mode string, rejected []string) map[string]string {
	want := map[string]string{}
	if mode == merge || mode == syncing && len(rejected) > 0 { // nothing is deleted in doubt
		maps.Copy(want, t.before)
	}
	for key, d := range t.items {
		if !slices.Contains(rejected, key) {
			want[key] = d
		}
	}
	return want
}
