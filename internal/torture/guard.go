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

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A guard is a copy that must not happen: it ends with this exit code, says
// why, and no call that could change anything was sent.
type guard struct {
	name     string
	exit     int
	says     string   // part of what it says, on stdout or stderr
	args     []string // beside those of every copy; the last of a flag's values holds
	modes    []string // merge and replace, if nil
	without, // arguments of every copy that this one lacks
	whole []string // or all of its arguments
	env     []string
	stdin   string
	files   map[string]string // in its working directory
	profile string            // added to AWS's config
	target  ddbtest.Table     // where it is not like the source's
	empty   bool              // the source has no items
	prepare func(context.Context, *trial) error
	within  time.Duration // how fast; 0 for no matter
}

// keyed is the table that guards are about, unless they say otherwise.
var keyed = ddbtest.Table{Partition: ddbtest.S("pk")}

// guards runs the whole matrix, each guard in all modes; in brief, each in one,
// by turns.
func (s *suite) guards(ctx context.Context, only int) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	type combination struct {
		guard
		mode string
	}
	var all []combination
	for i, g := range slices.Concat(identityGuards(), schemaGuards(), stateGuards(), accessGuards(), confirmGuards(), runGuards(), lockGuards()) {
		in := g.modes
		if in == nil {
			in = modes
		}
		if s.brief {
			in = in[i%len(in):][:1]
		}
		for _, mode := range in {
			all = append(all, combination{g, mode})
		}
	}
	numbers := upTo(len(all))
	if only >= 0 {
		numbers = []int{only}
	}
	var calls atomic.Int64
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		g := all[n]
		if err := s.guard(ctx, st, n, g.guard, g.mode, &calls); err != nil {
			return fmt.Errorf("guard %q: %w", g.name, err)
		}
		return nil
	})
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	s.say("guards: %d combinations, %d mutating calls", len(numbers), calls.Load())
	return s.result("guards")
}

func (s *suite) guard(ctx context.Context, st *stage, number int, g guard, mode string, calls *atomic.Int64) (err error) {
	other := g.target
	if other.Partition.Name == "" {
		other = keyed
	}
	t, err := st.newTrial(ctx, keyed, other)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	t.mode = mode
	items := lean(keyed, 120, 1)
	if g.empty {
		items = nil
	}
	if err := t.fill(ctx, items, lean(other, 40, 2)); err != nil {
		return err
	}
	if g.prepare != nil {
		if err := g.prepare(ctx, t); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	t.prod.Proxy.Take(t.source.Name)
	t.dev.Proxy.Take(t.target.Name)
	before, err := t.now(ctx)
	if err != nil {
		return err
	}
	kept := t.keepsakes()
	o, err := t.refused(ctx, g, mode)
	if err != nil {
		return err
	}
	h := &history{trial: t}
	for _, a := range []*ddbtest.Account{t.prod, t.dev} {
		for _, r := range a.Proxy.Take(t.source.Name).Requests {
			if r.Mutates() {
				calls.Add(1)
				h.blame("%s was sent %s", a.Name, r)
			}
		}
	}
	after, err := t.now(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		h.blame("the target has changed: %s", differences(before, after))
	}
	switch {
	case o.hung:
		h.blame("it hung")
	case o.code != g.exit:
		h.blame("exit code %d, want %d", o.code, g.exit)
	case !strings.Contains(o.stdout+o.stderr, g.says):
		h.blame("it does not say %q", g.says)
	case g.exit != 0 && (o.summary == nil || o.summary.Error == nil || o.summary.Error.Code != g.exit):
		h.blame("its JSON does not say exit %d", g.exit)
	case g.within > 0 && o.took > g.within:
		h.blame("it took %s, more than %s", o.took, g.within)
	}
	if g.exit == noGood && !maps.Equal(kept, t.keepsakes()) {
		h.blame("the runs' directory is not what it was")
	}
	h.secrets(o)
	replay := fmt.Sprintf("guards -only %d", number)
	if s.brief {
		replay = fmt.Sprintf("guards -short -only %d", number)
	}
	return s.fail(replay, fmt.Sprintf("guard %d: %s, %s", number, g.name, mode), h.wrong, o)
}

// refused runs the copy that must not happen.
func (t *trial) refused(ctx context.Context, g guard, mode string) (outcome, error) {
	expand := func(list []string) (out []string) {
		for _, text := range list {
			out = append(out, t.expand(text))
		}
		return out
	}
	for name, text := range g.files {
		if err := os.WriteFile(filepath.Join(t.home, name), []byte(t.expand(text)), 0o600); err != nil {
			return outcome{}, err
		}
	}
	args := t.copyArgs(mode, "--source", "prod", "--target", "dev", "--run-dir", t.runDir())
	if g.whole != nil {
		args = nil
	}
	args = slices.DeleteFunc(args, func(a string) bool { return slices.Contains(g.without, a) })
	args = append(args, expand(slices.Concat(g.whole, g.args))...)
	env := append(t.env(), expand(g.env)...)
	if g.profile != "" {
		file, err := t.addProfile(t.expand(g.profile))
		if err != nil {
			return outcome{}, err
		}
		env = append(env, "AWS_CONFIG_FILE="+file)
	}
	c, err := start(ctx, launch{binary: t.binary, dir: t.home, env: env, args: args, limit: hangLimit, stdin: strings.NewReader(g.stdin)})
	if err != nil {
		return outcome{}, err
	}
	return c.wait(), nil
}

// keepsakes are the files of the runs: a run that cannot be gone on with is
// left as it is.
func (t *trial) keepsakes() map[string]string {
	all := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(t.runDir(), "2*", "*")) // the pattern is good
	for _, file := range files {
		text, err := os.ReadFile(file)
		all[file] = fmt.Sprintf("%q %v", text, err)
	}
	return all
}

// expand puts the trial's own names into a text.
func (t *trial) expand(text string) string {
	return strings.NewReplacer(
		"$TABLE", t.source.Name, "$RUNS", t.runDir(), "$HOME", t.home, "$DEV_KEY", t.dev.Credentials().AccessKeyID,
		"$DEV_SECRET", t.dev.Credentials().SecretAccessKey, "$DEV", t.dev.Endpoint(),
		"$LOCALDEV", strings.Replace(t.dev.Endpoint(), "127.0.0.1", "localhost", 1),
	).Replace(text)
}

// addProfile writes AWS's config anew, with another profile. It lies beside
// the child's home, because it holds keys.
func (t *trial) addProfile(text string) (string, error) {
	config, err := os.ReadFile(filepath.Join(t.world.ConfigDir, "config"))
	if err != nil {
		return "", err
	}
	file := t.home + ".aws-config"
	return file, os.WriteFile(file, append(append(config, '\n'), text...), 0o600)
}
