package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
)

var errEnough = errors.New("enough")

// breakOff copies until the target has been asked for so many batches, and
// returns the run's name.
func (p pair) breakOff(t *testing.T, o CopyOptions, batches int) string {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Skip: batches, Count: 1, Do: func() { stop(errEnough) }})
	defer p.dev.Proxy.Remove(id)
	source, target := p.open(t)
	summary, err := source.Copy(ctx, target, o)
	if !errors.Is(err, errEnough) {
		t.Fatalf("got %v after %+v", err, summary)
	}
	return summary.Run
}

// applied counts the puts and deletes that the target has really seen.
func (p pair) applied() (puts, deletes int) {
	for _, w := range p.dev.Proxy.Writes() {
		switch {
		case w.Table != p.Name:
		case w.Delete:
			deletes++
		default:
			puts++
		}
	}
	return puts, deletes
}

// A copy that is broken off anywhere, again and again, ends equal, with true
// counts, and writes hardly anything twice.
func TestResume(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 1500, seed))
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 300, seed+100))
			o := soon([]Mode{Merge, Replace}[seed%2])
			o.RunDir, o.Segments, o.Workers = t.TempDir(), 1+random.IntN(8), 1+random.IntN(4)
			name := p.breakOff(t, o, random.IntN(40))
			for range 3 {
				ctx, stop := context.WithCancelCause(t.Context())
				id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Skip: random.IntN(20), Count: 1, Do: func() { stop(errEnough) }})
				_, err := Resume(ctx, name, ResumeOptions{RunDir: o.RunDir})
				p.dev.Proxy.Remove(id)
				stop(nil)
				if err == nil {
					break
				}
				if !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
			}
			list, err := Runs(o.RunDir)
			if err != nil || len(list) != 1 || list[0].Name != name {
				t.Fatalf("runs %+v, %v", list, err)
			}
			if list[0].State != "done" {
				summary, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
				if err != nil || summary.Run != name || summary.Read != 1500 || summary.Written != 1500 {
					t.Fatalf("summary %+v, %v", summary, err)
				}
			}
			if o.Mode == Replace {
				p.requireEqual(t)
			}
			puts, _ := p.applied()
			if twice := puts - 1500; twice > 0 {
				t.Logf("%d items written twice", twice)
			}
			if puts > 1500+5*25*4 {
				t.Errorf("%d puts for 1,500 items", puts)
			}
		})
	}
}

// What does not fit is refused, and nothing is written.
func TestResumeRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 500, 1))
	o := soon(Merge)
	o.RunDir, o.Segments, o.Workers, o.Unattended = t.TempDir(), 4, 1, true
	name := p.breakOff(t, o, 5)
	path := filepath.Join(o.RunDir, name, "checkpoint.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(good), p.dev.Credentials().SecretAccessKey) || strings.Contains(string(good), p.dev.Credentials().AccessKeyID) {
		t.Fatal("the checkpoint holds a secret")
	}
	// edit saves a state that is whole, but of something else.
	edit := func(change func(*runs.State)) func(*testing.T) {
		return func(t *testing.T) {
			store, err := runs.Open(o.RunDir)
			if err != nil {
				t.Fatal(err)
			}
			dir, state, err := store.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			change(state)
			if err := dir.Save(state); err != nil {
				t.Fatal(err)
			}
		}
	}
	inject := func(a *ddbtest.Account, f ddbtest.Fault) func(*testing.T) {
		return func(t *testing.T) {
			f.Table, f.Op = p.Name, "DescribeTable"
			id := a.Proxy.Inject(f)
			t.Cleanup(func() { a.Proxy.Remove(id) })
		}
	}
	for _, test := range []struct {
		name string
		make func(*testing.T)
		kind Kind
	}{
		{"a flipped bit", func(t *testing.T) { write(t, path, append([]byte{good[0] ^ 4}, good[1:]...)) }, Mismatch},
		{"half of it", func(t *testing.T) { write(t, path, good[:len(good)/2]) }, Mismatch},
		{"nothing", func(t *testing.T) { write(t, path, nil) }, Mismatch},
		{"the future", func(t *testing.T) {
			write(t, path, []byte(strings.Replace(string(good), `"version":2`, `"version":9`, 1)))
		}, Mismatch},
		{"another segment count", edit(func(s *runs.State) { s.Segments = 8 }), Mismatch},
		{"no segments", edit(func(s *runs.State) { s.Segments = 0 }), Mismatch},
		{"another source table", edit(func(s *runs.State) { s.Source.ID = "x" }), Mismatch},
		{"another target table", edit(func(s *runs.State) { s.Target.ID = "x" }), Mismatch},
		{"another account", edit(func(s *runs.State) { s.Target.Account = "333333333333" }), Mismatch},
		{"another region", edit(func(s *runs.State) { s.Source.Region = "us-east-1" }), Mismatch},
		{"another target profile", edit(func(s *runs.State) { s.Target.Profile = "prod" }), Refused},
		{"another command", edit(func(s *runs.State) { s.Command = "dance" }), Mismatch},
		{"another mode", edit(func(s *runs.State) { s.Mode = "replace" }), Mismatch},
		{"an unknown phase", edit(func(s *runs.State) { s.Phase = "later" }), Mismatch},
		{"finished", edit(func(s *runs.State) { s.Ended = &runs.End{Done: true} }), Mismatch},
		{"options that are none", edit(func(s *runs.State) { s.Options = json.RawMessage(`7`) }), Mismatch},
		{"counts that are none", edit(func(s *runs.State) { s.Counts = json.RawMessage(`[]`) }), Mismatch},
		{"a function of its program", edit(func(s *runs.State) {
			s.Options = json.RawMessage(strings.Replace(string(s.Options), "{", `{"shaped":true,`, 1))
		}), Mismatch},
		{"letters that are gone", edit(func(s *runs.State) { s.Letters = 100 }), Failed},
		{"the target was made anew", inject(p.dev, ddbtest.Fault{Kind: ddbtest.TableID, Text: "00000000-0000-0000-0000-000000000000"}), Mismatch},
		{"the source was made anew", inject(p.prod, ddbtest.Fault{Kind: ddbtest.TableID, Text: "00000000-0000-0000-0000-000000000000"}), Mismatch},
		{"the target is being deleted", inject(p.dev, ddbtest.Fault{Kind: ddbtest.TableStatus, Text: "DELETING"}), Mismatch},
		{"a later run on the target", func(t *testing.T) {
			store, err := runs.Open(o.RunDir)
			if err != nil {
				t.Fatal(err)
			}
			_, state, err := store.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			state.Ended = &runs.End{Done: true}
			later, err := store.New(p.Name, time.Now().Add(time.Hour), state)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(later.Dir) })
		}, Mismatch},
		{"a link in its place", func(t *testing.T) {
			elsewhere := filepath.Join(t.TempDir(), "x")
			write(t, elsewhere, good)
			if err := errors.Join(os.Remove(path), os.Symlink(elsewhere, path)); err != nil {
				t.Fatal(err)
			}
		}, Mismatch},
		{"a directory in its place", func(t *testing.T) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, Mismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, good)
			test.make(t)
			before := len(p.mutations(p.dev))
			_, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir})
			if kindOf(err) != test.kind {
				t.Errorf("got %v, want an error of kind %d", err, test.kind)
			}
			for _, m := range p.mutations(p.dev)[before:] {
				t.Errorf("it was written to: %s", m)
			}
		})
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, good)
	if _, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	p.requireEqual(t)
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A run that changes items by a function goes on with that function only.
func TestResumeShaped(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	o := soon(Merge)
	o.RunDir, o.Workers, o.Segments = t.TempDir(), 1, 1
	half := func(it item.Item) (item.Item, error) {
		if len(it)%2 == 0 {
			return nil, nil
		}
		return it, nil
	}
	o.Shape = half
	name := p.breakOff(t, o, 2)
	if _, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch {
		t.Fatalf("got %v", err)
	}
	summary, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir, Shape: half})
	if err != nil || summary.Read != 300 || summary.Written+summary.Skipped != 300 || summary.Skipped == 0 {
		t.Fatalf("summary %+v, %v", summary, err)
	}
}

// A truncate that is over is never entered again: what was copied stays.
func TestResumeDeletesNothingTwice(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 400, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 100, 2))
	o := soon(Replace)
	o.RunDir, o.Workers, o.Segments = t.TempDir(), 1, 1
	name := p.breakOff(t, o, 12) // four batches of deletes, then puts
	_, deletes := p.applied()
	puts, _ := p.applied()
	if deletes != 100 || puts == 0 {
		t.Fatalf("%d deletes and %d puts: the test shows nothing", deletes, puts)
	}
	summary, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir})
	if err != nil || summary.Deleted != 100 || summary.Written != 400 {
		t.Fatalf("summary %+v, %v", summary, err)
	}
	if _, deletes := p.applied(); deletes != 100 {
		t.Fatalf("%d deletes after it went on", deletes)
	}
	p.requireEqual(t)
}

// A backup that was asked for is waited for again, not made again.
func TestResumeWaitsForTheBackup(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 10, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 5, 2))
	o := soon(Replace)
	o.NoBackup, o.RunDir = false, t.TempDir()
	ctx, stop := context.WithCancelCause(t.Context())
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Table: p.Name, Text: "CREATING", After: true, Do: func() { stop(errEnough) }})
	source, target := p.open(t)
	first, err := source.Copy(ctx, target, o)
	p.dev.Proxy.Remove(id)
	if !errors.Is(err, errEnough) || first.Backup == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := Resume(t.Context(), first.Run, ResumeOptions{RunDir: o.RunDir})
	if err != nil || second.Backup != first.Backup {
		t.Fatalf("%+v, %v", second, err)
	}
	p.requireEqual(t)
}

// Two copies never write to one target at once.
func TestOneRunPerTarget(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 50, 1))
	source, target := p.open(t)
	o := soon(Merge)
	o.RunDir = t.TempDir()
	o.Confirm = func(Plan) error {
		again := o
		again.Confirm = nil
		_, err := source.Copy(t.Context(), target, again)
		if kindOf(err) != Held || len(p.mutations(p.dev)) != 0 {
			t.Errorf("got %v", err)
		}
		return nil
	}
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	o.Confirm = nil
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
}

func TestBudgetOfCapacity(t *testing.T) {
	table := Description{ReadCapacity: 200, WriteCapacity: 50}
	for _, test := range []struct {
		text string
		want float64
		bad  bool
	}{
		{"40%", 80, false}, {"0.5%", 0, true}, {"100%", 200, false}, {"7.5", 7.5, false}, {" 12 ", 12, false},
		{"", 0, true}, {"%", 0, true}, {"-1", 0, true}, {"1e12", 0, true}, {"NaN", 0, true}, {"101%", 0, true}, {"Inf", 0, true},
	} {
		b, err := ParseBudget(test.text)
		if (err != nil) != test.bad || kindOf(err) != Usage && test.bad {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got, err := b.of(table, table.ReadCapacity, "read"); !test.bad && (err != nil || got != test.want) {
			t.Errorf("%q: %v, %v", test.text, got, err)
		}
	}
	half := Budget{Percent: 50}
	if _, err := half.of(Description{}, 0, "read"); kindOf(err) != Usage {
		t.Errorf("half of what is not known: %v", err)
	}
}
