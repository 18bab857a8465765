package table

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/item"
)

// stateOf is a run's checkpoint as it is on disk.
func stateOf(t *testing.T, dir, run string) *runs.State {
	t.Helper()
	store, err := runs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, state, err := store.Load(run)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// otherSource returns a further table in prod, with so many items that are not the pair's.
func (p pair) otherSource(t *testing.T, n int) *Table {
	t.Helper()
	shape := p.Table
	shape.Name = fmt.Sprintf("orders-%d", tables.Add(1))
	if err := p.prod.CreateTable(t.Context(), shape); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.prod.DeleteTable(context.Background(), shape.Name); err != nil {
			t.Error(err)
		}
	})
	if err := p.prod.Fill(t.Context(), shape.Name, ddbtest.EdgeItems(shape, n, 99)); err != nil {
		t.Fatal(err)
	}
	return open(t, "prod", shape.Name, AccountOptions{})
}

// A sync that --max-delete stopped has put items: an older run does not go on over them, be it a copy or a
// truncate that would empty the table.
func TestRefusedRunHasChanged(t *testing.T) {
	t.Parallel()
	for _, older := range []string{"merge", "truncate"} {
		t.Run(older, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 200, 2))
			dir := t.TempDir()
			_, target := p.open(t)
			var first string
			if older == "merge" {
				o := soon(Merge)
				o.RunDir, o.Workers, o.Segments, o.Unattended = dir, 1, 1, true
				first = p.breakOff(t, o, 2)
			} else {
				s, err := target.Truncate(p.breaking(t, 2), TruncateOptions{NoBackup: true, RunDir: dir, Workers: 1, Segments: 1, Unattended: true})
				if !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				first = s.Run
			}
			o := soon(Sync)
			o.NoBackup, o.RunDir, o.MaxDelete = false, dir, &Share{}
			s, err := p.otherSource(t, 100).Copy(t.Context(), target, o)
			requireKind(t, err, Refused)
			if s.Written != 100 || s.Deleted != 0 || s.Resumable {
				t.Fatalf("%+v", s)
			}
			if state := stateOf(t, dir, s.Run); !state.Changed || !state.Done() || state.Ended.Outcome != runs.Refused {
				t.Fatalf("%+v, %+v", state, state.Ended)
			}
			requireSame := p.saved(t)
			_, err = Resume(t.Context(), first, ResumeOptions{RunDir: dir})
			requireKind(t, err, Mismatch)
			if !strings.Contains(err.Error(), s.Run) {
				t.Error(err)
			}
			_, err = Resume(t.Context(), "", ResumeOptions{RunDir: dir})
			requireKind(t, err, Usage)
			requireSame()
			u, err := Undo(t.Context(), "", UndoOptions{RunDir: dir})
			if err != nil || u.Undoes != s.Run {
				t.Fatalf("%+v, %v", u, err)
			}
		})
	}
}

// A truncate that waited for its backup while an older run was gone on with asks again, and backs up again.
func TestResumeAsksAgain(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 20, 2))
	o := soon(Merge)
	o.RunDir, o.Workers, o.Segments = t.TempDir(), 1, 1
	copied := p.breakOff(t, o, 2)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Table: p.Name, Text: "CREATING", After: true, Do: func() { stop(errEnough) }})
	_, target := p.open(t)
	first, err := target.Truncate(ctx, TruncateOptions{BackupSettle: 1, RunDir: o.RunDir, Unattended: true})
	p.dev.Proxy.Remove(id)
	if !errors.Is(err, errEnough) || first.Backup == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if state := stateOf(t, o.RunDir, first.Run); state.Changed {
		t.Fatalf("it has changed nothing: %+v", state)
	}
	if _, err := Resume(t.Context(), copied, ResumeOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	requireSame := p.saved(t)
	_, err = Resume(t.Context(), first.Run, ResumeOptions{RunDir: o.RunDir, Confirm: func(plan Plan) error {
		if plan.Unattended || !strings.Contains(fmt.Sprint(plan.Warnings), copied) {
			t.Errorf("the question is not asked: %+v", plan)
		}
		return refused("", "no")
	}})
	requireKind(t, err, Refused)
	requireSame()
	second, err := Resume(t.Context(), first.Run, ResumeOptions{RunDir: o.RunDir})
	if err != nil || second.Deleted == 0 || second.Backup == first.Backup {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	requireSame()
}

// That a run has changed something is on disk before its first write is sent, whatever the command; and
// only then.
func TestChangedBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 40, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 40, 2))
	source, target := p.open(t)
	dir := t.TempDir()
	copied := func(mode Mode) func() (Summary, error) {
		return func() (Summary, error) {
			o := soon(mode)
			o.RunDir, o.NoBackup, o.Backup, o.BackupSettle = dir, mode != Sync, false, 1
			return source.Copy(t.Context(), target, o)
		}
	}
	for _, c := range []struct {
		what   string
		do     func() (Summary, error)
		writes bool
	}{
		{"sync", copied(Sync), true},
		{"sync of what is equal", copied(Sync), false},
		{"undo", func() (Summary, error) { return Undo(t.Context(), "", UndoOptions{RunDir: dir}) }, true},
		{"merge", copied(Merge), true},
		{"replace", copied(Replace), true},
		{"truncate", func() (Summary, error) {
			return target.Truncate(t.Context(), TruncateOptions{NoBackup: true, RunDir: dir})
		}, true},
		{"truncate of nothing", func() (Summary, error) {
			return target.Truncate(t.Context(), TruncateOptions{NoBackup: true, RunDir: dir})
		}, false},
	} {
		sent, noted := false, false
		id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Count: 1, Do: func() {
			sent = true
			store, err := runs.Open(dir)
			if err != nil {
				return
			}
			if list, err := store.List(); err == nil {
				noted = list[0].State.Changed
			}
		}})
		s, err := c.do()
		p.dev.Proxy.Remove(id)
		if err != nil || sent != c.writes || noted != c.writes {
			t.Fatalf("%s: %v; sent %t, noted before %t", c.what, err, sent, noted)
		}
		state := stateOf(t, dir, s.Run)
		if state.Changed != c.writes || state.Ended.Outcome != runs.Done || !state.Done() {
			t.Errorf("%s: %+v, %+v", c.what, state, state.Ended)
		}
	}
	list, err := Runs(dir)
	if err != nil || list[0].Changed || !list[1].Changed || list[0].Outcome != "done" {
		t.Errorf("%+v, %v", list, err)
	}
	// The latest that has changed something is not the latest.
	_, err = Undo(t.Context(), "", UndoOptions{RunDir: dir})
	if kindOf(err) != Usage || !strings.Contains(err.Error(), list[1].Name) {
		t.Errorf("got %v", err)
	}
}

// What another run's error says, that a Shape has returned, is not how this run ends.
func TestErrorOfAnotherRun(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 40, 1))
	source, target := p.open(t)
	for _, kind := range []Kind{Rejected, Refused} {
		o := soon(Merge)
		o.RunDir = t.TempDir()
		inner := new(copying).ends(runs.Done, &Error{kind, "", errors.New("another's")})
		o.Shape = copier.Shape(func(item.Item) (item.Item, error) { return nil, inner })
		s, err := source.Copy(t.Context(), target, o)
		state := stateOf(t, o.RunDir, s.Run)
		if !errors.Is(err, inner) || state.Done() || state.Ended.Outcome != runs.Failed || state.Phase != phaseCopy || !s.Resumable {
			t.Errorf("%v; %+v, %+v", err, state, state.Ended)
		}
	}
}

// A run goes on by --resume only where it is this very one: each option that decides what is written is bound.
func TestResumeOfThisVeryCopy(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	if _, err := p.prod.Client().UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(p.Name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	source, target := p.open(t)
	for name, change := range map[string]func(*CopyOptions){
		"--skip-expired":       func(o *CopyOptions) { o.SkipExpired = true },
		"--eventual":           func(o *CopyOptions) { o.Eventual = true },
		"--allow-empty-source": func(o *CopyOptions) { o.AllowEmptySource = true },
		"--verify":             func(o *CopyOptions) { o.Verify = true },
		"--max-delete":         func(o *CopyOptions) { o.MaxDelete = &Share{Percent: 50} },
		"--no-backup":          func(o *CopyOptions) { o.NoBackup = false },
		"nothing": func(o *CopyOptions) {
			o.Workers, o.Stall, o.Unattended, o.WriteUnits = 3, time.Hour, true, Budget{Units: 1e6}
		},
	} {
		o := soon(Sync)
		o.RunDir, o.Workers, o.Segments = t.TempDir(), 1, 1
		first := p.breakOff(t, o, 2)
		change(&o)
		o.Resume = true
		var plan Plan
		stop := errors.New("stop")
		o.Confirm = func(p Plan) error { plan = p; return stop }
		if _, err := source.Copy(t.Context(), target, o); !errors.Is(err, stop) {
			t.Fatal(err)
		}
		said := fmt.Sprint(plan.Warnings)
		if name == "nothing" && plan.Resumes != first {
			t.Errorf("other speeds: it does not resume %s: %+v", first, plan)
		}
		if name != "nothing" && (plan.Resumes != "" || !strings.Contains(said, first) || !strings.Contains(said, name)) {
			t.Errorf("%s: it resumes %q and says %q", name, plan.Resumes, said)
		}
		if _, err := target.Truncate(t.Context(), TruncateOptions{NoBackup: true, RunDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	}
}

// Each option that a run keeps is either bound, or known not to decide what is written: a new one is one of the two.
func TestEveryOptionIsBoundOrFree(t *testing.T) {
	free := []string{"Mode", "BackupSettle", "Segments", "Workers", "ReadUnits", "WriteUnits", "Stall", "Memory", "Protected", "AllowProtected", "Unattended"}
	all := reflect.TypeFor[CopyOptions]()
	for field := range all.Fields() {
		if field.Tag.Get("json") == "-" || slices.Contains(free, field.Name) {
			continue
		}
		var o CopyOptions
		value := reflect.ValueOf(&o).Elem().FieldByIndex(field.Index)
		switch value.Kind() {
		case reflect.Bool:
			value.SetBool(true)
		case reflect.Pointer:
			value.Set(reflect.New(value.Type().Elem()))
		default:
			t.Errorf("%s: is it bound?", field.Name)
		}
		c := &copying{command: commandCopy, CopyOptions: o}
		saved, err := json.Marshal(savedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if other := c.otherOptions(&runs.State{Command: commandCopy, Options: saved}); other == "" {
			t.Errorf("another %s is the same run", field.Name)
		}
	}
}

// older makes a run's checkpoint one of the first format, which knew less.
func older(t *testing.T, dir, run string) {
	t.Helper()
	file := filepath.Join(dir, run, "checkpoint.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(raw, []byte("\n"))
	var state map[string]any
	if err := json.Unmarshal(body, &state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"changed", "journal", "late", "deletes"} {
		delete(state, name)
	}
	for _, side := range []string{"source", "target"} {
		delete(state[side].(map[string]any), "address")
	}
	if ended, ok := state["ended"].(map[string]any); ok {
		delete(ended, "outcome")
	}
	if body, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	write(t, file, append([]byte(`{"format":"dynamo run","version":1,"sha256":"`+hex.EncodeToString(sum[:])+"\"}\n"), body...))
}

// Checkpoints of before are gone on with and undone, and what they do not say is told from what they do.
func TestOlderCheckpoints(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 310, 2))
	requireBefore := p.saved(t)
	o := journalled(t)
	o.Workers, o.Segments = 1, 1
	run := p.breakOff(t, o, 3)
	older(t, o.RunDir, run)
	s, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
	if err != nil || s.Run != run {
		t.Fatalf("%+v, %v", s, err)
	}
	p.requireEqual(t)
	if state := stateOf(t, o.RunDir, run); !state.Changed || state.Version != 2 || state.Journal == nil || state.Journal.Entries < s.Written+s.Deleted {
		t.Fatalf("%+v", state)
	}
	older(t, o.RunDir, run)
	if _, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	requireBefore()

	// A journal of then has a line at least for each item that was written.
	source, target := p.open(t)
	if s, err = source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	older(t, o.RunDir, s.Run)
	file := filepath.Join(s.Journal, "000001.json.gz")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, good[:len(good)/2])
	_, err = Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir})
	requireKind(t, err, Mismatch)
	write(t, file, good)
	if _, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	requireBefore()

	// A refusal of then may have put something, or not.
	dir := t.TempDir()
	o.RunDir, o.MaxDelete = dir, &Share{}
	s, err = source.Copy(t.Context(), target, o)
	requireKind(t, err, Refused)
	again, err := source.Copy(t.Context(), target, o)
	requireKind(t, err, Refused)
	older(t, dir, s.Run)
	older(t, dir, again.Run)
	list, err := Runs(dir)
	if err != nil || !list[1].Changed || list[0].Changed || s.Written == 0 || again.Written != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}

// A run of an older version that has changed something is one that has, also where nothing was left to write when it was
// gone on with.
func TestOlderCheckpointWithNothingLeft(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 300, 2))
	o := journalled(t)
	o.Workers, o.Segments = 1, 1
	run := p.breakOff(t, o, 3)
	older(t, o.RunDir, run)
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 300, 1))
	if s, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir}); err != nil || s.Run != run {
		t.Fatalf("%+v, %v", s, err)
	}
	if state := stateOf(t, o.RunDir, run); !state.Changed || state.Version != 2 {
		t.Fatalf("%+v", state)
	}
}
