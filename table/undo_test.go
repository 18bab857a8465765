package table

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
)

// saved copies dev's table, by the plain SDK, into a table of its own, and returns the oracle's question
// whether dev's is still the same.
func (p pair) saved(t *testing.T) (requireSame func()) {
	t.Helper()
	shape := p.Table
	shape.Name += "-saved-" + fmt.Sprint(tables.Add(1))
	if err := p.dev.CreateTable(t.Context(), shape); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.dev.DeleteTable(context.Background(), shape.Name); err != nil {
			t.Error(err)
		}
	})
	var items []ddbtest.Item
	pages := dynamodb.NewScanPaginator(p.dev.Client(), &dynamodb.ScanInput{TableName: aws.String(p.Name), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, page.Items...)
	}
	if err := p.dev.Fill(t.Context(), shape.Name, slices.Values(items)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		ddbtest.RequireEqual(t, p.dev.Client(), p.dev.Client(), shape.Name, p.Name)
	}
}

// muddle fills both tables at random: items that are equal, that differ, and that only one side has.
func (p pair) muddle(t *testing.T, random *rand.Rand, n int) {
	t.Helper()
	var inProd, inDev []ddbtest.Item
	for i, it := range slices.Collect(ddbtest.EdgeItems(p.Table, n, random.Uint64())) {
		if ddbtest.ItemSize(it) > 100_000 { // what is larger than most costs the time of most, and one has no room for more
			continue
		}
		other := it
		switch random.IntN(6) {
		case 0, 1:
			other = ddbtest.Item{"changed": &types.AttributeValueMemberN{Value: fmt.Sprint(i)}}
			for name, v := range it {
				other[name] = v
			}
		case 2:
			other = nil
		case 3:
			it = nil
		}
		if it != nil {
			inProd = append(inProd, it)
		}
		if other != nil {
			inDev = append(inDev, other)
		}
	}
	p.fill(t, p.prod, slices.Values(inProd))
	p.fill(t, p.dev, slices.Values(inDev))
}

// breaking returns a context that ends when dev's table gets its nth batch.
func (p pair) breaking(t *testing.T, batches int) context.Context {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	t.Cleanup(func() { stop(nil) })
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "BatchWriteItem", Table: p.Name, Skip: batches, Count: 1, Do: func() { stop(errEnough) }})
	t.Cleanup(func() { p.dev.Proxy.Remove(id) })
	return ctx
}

func journalled(t *testing.T) CopyOptions {
	o := soon(Sync)
	o.NoBackup, o.RunDir, o.Workers = false, t.TempDir(), 2
	return o
}

// TestUndo undoes copies of random tables, whole or broken off, also when they were gone on with: the table is
// what it was. Undoing the undo does the thing again.
func TestUndo(t *testing.T) {
	t.Parallel()
	shapes := []ddbtest.Table{{}, {Sort: ddbtest.N("sk")}, {Partition: ddbtest.B("a.b-c #:"), Sort: ddbtest.S("size")}, {Partition: ddbtest.N("pk")}}
	for seed := range undoCases {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), 7))
			p := newPair(t, shapes[seed%len(shapes)])
			p.muddle(t, random, 60+random.IntN(140))
			requireBefore := p.saved(t)
			o := journalled(t)
			source, target := p.open(t)
			ctx := t.Context()
			if seed%3 > 0 {
				ctx = p.breaking(t, random.IntN(6))
			}
			s, err := source.Copy(ctx, target, o)
			if err != nil && !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			if err != nil && seed%3 == 2 {
				if _, err := Resume(p.breaking(t, random.IntN(4)), s.Run, ResumeOptions{RunDir: o.RunDir}); err != nil && !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
			}
			requireAfter := p.saved(t)
			planned, err := PlanUndo(t.Context(), "", UndoOptions{RunDir: o.RunDir})
			if err != nil || planned.Undoes != s.Run || planned.Rejected != 0 {
				t.Fatalf("plan %+v, %v", planned, err)
			}
			requireAfter()
			u, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir})
			if err != nil {
				t.Fatalf("%v; %+v", err, u)
			}
			requireBefore()
			if u.Command != "undo" || u.Undoes != s.Run || u.Run == s.Run || u.Rejected != 0 || u.Written != planned.Written ||
				u.Deleted != planned.Deleted || u.Unchanged != planned.Unchanged || u.Written+u.Deleted+u.Unchanged != planned.Keys {
				t.Fatalf("summary %+v of plan %+v", u, planned.UndoPlan)
			}
			again, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir})
			if err != nil || again.Undoes != u.Run || again.Written+again.Deleted != u.Written+u.Deleted {
				t.Fatalf("the undo of the undo: %+v, %v", again, err)
			}
			requireAfter()
			if _, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir}); err != nil {
				t.Fatal(err)
			}
			requireBefore()
		})
	}
}

// undoCases is how many tables TestUndo makes.
const undoCases = 12

// An undo that is broken off goes on, and its own journal undoes all of it.
func TestResumeUndo(t *testing.T) {
	t.Parallel()
	for _, batches := range []int{0, 2, 6} {
		t.Run(fmt.Sprint(batches), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			p.muddle(t, rand.New(rand.NewPCG(uint64(batches), 1)), 300)
			requireBefore := p.saved(t)
			o := journalled(t)
			source, target := p.open(t)
			s, err := source.Copy(t.Context(), target, o)
			if err != nil {
				t.Fatal(err)
			}
			total := s.Written + s.Deleted
			first, err := Undo(p.breaking(t, batches), s.Run, UndoOptions{RunDir: o.RunDir, Workers: 1})
			if !errors.Is(err, errEnough) || first.Written+first.Deleted == total {
				t.Fatalf("%+v, %v", first, err)
			}
			list, err := Runs(o.RunDir)
			if err != nil || list[0].Command != "undo" || list[0].State != "unfinished" || list[0].Phase != "undo" {
				t.Fatalf("%+v, %v", list, err)
			}
			second, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if err != nil || second.Run != first.Run || second.Undoes != s.Run || second.Written+second.Deleted != total || second.Unchanged+second.Rejected != 0 {
				t.Fatalf("%+v, %v", second, err)
			}
			requireBefore()
			if _, err := Undo(t.Context(), first.Run, UndoOptions{RunDir: o.RunDir}); err != nil {
				t.Fatal(err)
			}
			p.requireEqual(t)
			if _, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch {
				t.Fatalf("what was undone was gone on with: %v", err)
			}
		})
	}
}

// What has changed since the run stays, and is told of; with Force it does not.
func TestUndoChangedSince(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	put := func(a *ddbtest.Account, key, v string) {
		p.fill(t, a, slices.Values([]ddbtest.Item{{"pk": str(key), "v": str(v)}}))
	}
	remove := func(key string) {
		_, err := p.dev.Client().DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(p.Name), Key: ddbtest.Item{"pk": str(key)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	value := func(key string) string {
		out, err := p.dev.Client().GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(p.Name), Key: ddbtest.Item{"pk": str(key)}, ConsistentRead: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		if out.Item == nil {
			return "-"
		}
		return out.Item["v"].(*types.AttributeValueMemberS).Value
	}
	keys := []string{"differs", "differs-changed", "differs-gone", "differs-back", "new", "new-changed", "new-gone", "extra", "extra-changed", "extra-back"}
	for _, key := range keys {
		kind, _, _ := strings.Cut(key, "-")
		if kind != "extra" {
			put(p.prod, key, "source")
		}
		if kind != "new" {
			put(p.dev, key, "old")
		}
	}
	requireBefore := p.saved(t)
	o := journalled(t)
	source, target := p.open(t)
	s, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		switch _, since, _ := strings.Cut(key, "-"); since {
		case "changed":
			put(p.dev, key, "since")
		case "gone":
			remove(key)
		case "back":
			put(p.dev, key, "old")
		}
	}
	u, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir})
	requireKind(t, err, Rejected)
	if u.Written != 2 || u.Deleted != 1 || u.Unchanged != 3 || u.Rejected != 4 || !strings.Contains(hintOf(err), "dynamo undo "+s.Run+" --force") {
		t.Fatalf("%+v, %v", u, err)
	}
	want := map[string]string{"differs": "old", "differs-changed": "since", "differs-gone": "-", "differs-back": "old",
		"new": "-", "new-changed": "since", "new-gone": "-", "extra": "old", "extra-changed": "since", "extra-back": "old"}
	for _, key := range keys {
		if got := value(key); got != want[key] {
			t.Errorf("%s is %q, want %q", key, got, want[key])
		}
	}
	letters, err := os.ReadFile(u.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`{"S":"differs-changed"}`, `"Error":"it was changed since run ` + s.Run, `"v":{"S":"old"}`, `{"S":"differs-gone"}`,
		`{"Key":{"pk":{"S":"new-changed"}},"Error":"it was changed since`, `{"S":"extra-changed"}`, "it was deleted since", "it was added since"} {
		if !strings.Contains(string(letters), line) {
			t.Errorf("no %s in\n%s", line, letters)
		}
	}
	if n := strings.Count(string(letters), "\n"); n != 4 {
		t.Errorf("%d letters", n)
	}
	plan, err := PlanUndo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir})
	if err != nil || plan.Rejected != 4 || plan.Unchanged != 6 || plan.Written+plan.Deleted != 0 {
		t.Fatalf("%+v, %v", plan.UndoPlan, err)
	}
	forced, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir, Force: true})
	if err != nil || forced.Written != 3 || forced.Deleted != 1 || forced.Rejected != 0 {
		t.Fatalf("%+v, %v", forced, err)
	}
	requireBefore()
	if _, err := Undo(t.Context(), forced.Run, UndoOptions{RunDir: o.RunDir}); err != nil { // also what it did by force
		t.Fatal(err)
	}
	for _, key := range []string{"differs-changed", "new-changed", "extra-changed"} {
		if got := value(key); got != "since" {
			t.Errorf("%s is %q", key, got)
		}
	}
}

// A run that went on has put something else than it was about to at first: both are its own.
func TestUndoKnowsBothAttempts(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	put := func(a *ddbtest.Account, v string) {
		p.fill(t, a, slices.Values([]ddbtest.Item{{"pk": &types.AttributeValueMemberS{Value: "x"}, "v": &types.AttributeValueMemberS{Value: v}}}))
	}
	put(p.prod, "first")
	put(p.dev, "old")
	requireBefore := p.saved(t)
	o := journalled(t)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchWriteItem", Table: p.Name})
	source, target := p.open(t)
	s, err := source.Copy(t.Context(), target, o)
	requireKind(t, err, Denied)
	p.dev.Proxy.Remove(id)
	put(p.prod, "second")
	if _, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	u, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir})
	if err != nil || u.Written != 1 {
		t.Fatalf("%+v, %v", u, err)
	}
	requireBefore()
}

// Nothing is written where anything about the run or the table is in doubt.
func TestUndoRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.muddle(t, rand.New(rand.NewPCG(1, 2)), 200)
	o := journalled(t)
	source, target := p.open(t)
	s, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.Journal, "000001.json.gz")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	describe := func(kind ddbtest.Kind, text string) func(*testing.T) {
		return func(t *testing.T) {
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: kind, Op: "DescribeTable", Table: p.Name, Text: text})
			t.Cleanup(func() { p.dev.Proxy.Remove(id) })
		}
	}
	for _, test := range []struct {
		name string
		make func(*testing.T)
		o    UndoOptions
		run  string
		kind Kind
	}{
		{"a flipped bit", func(t *testing.T) {
			bad := slices.Clone(good)
			bad[len(bad)/3] ^= 1
			write(t, file, bad)
		}, UndoOptions{}, s.Run, Mismatch},
		{"a missing file", func(t *testing.T) {
			write(t, filepath.Join(s.Journal, "000002.json.gz"), good)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, UndoOptions{}, s.Run, Mismatch},
		{"a link in its place", func(t *testing.T) {
			if err := errors.Join(os.Remove(file), os.Symlink("/dev/zero", file)); err != nil {
				t.Fatal(err)
			}
		}, UndoOptions{}, s.Run, Failed},
		{"the table was made anew", describe(ddbtest.TableID, "00000000-0000-0000-0000-000000000000"), UndoOptions{}, s.Run, Mismatch},
		{"the table is being deleted", describe(ddbtest.TableStatus, "DELETING"), UndoOptions{}, s.Run, Mismatch},
		{"protected", nil, UndoOptions{Protected: Guard{Profiles: []string{"dev"}}}, s.Run, Refused},
		{"not confirmed", nil, UndoOptions{Confirm: func(Plan) error { return refused("", "no") }}, s.Run, Refused},
		{"no such run", nil, UndoOptions{}, "20200101T000000Z-none", Usage},
		{"no run at all", nil, UndoOptions{RunDir: t.TempDir()}, "", Usage},
		{"a way out", nil, UndoOptions{}, "../" + s.Run, Usage},
		{"BatchGetItem denied", func(t *testing.T) {
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchGetItem", Table: p.Name})
			t.Cleanup(func() { p.dev.Proxy.Remove(id) })
		}, UndoOptions{}, s.Run, Denied},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := errors.Join(os.RemoveAll(s.Journal), os.Mkdir(s.Journal, 0o700)); err != nil {
				t.Fatal(err)
			}
			write(t, file, good)
			if test.make != nil {
				test.make(t)
			}
			test.o.RunDir = or(test.o.RunDir, o.RunDir)
			before := len(p.mutations(p.dev))
			_, err := Undo(t.Context(), test.run, test.o)
			if kindOf(err) != test.kind {
				t.Errorf("got %v, want an error of kind %d", err, test.kind)
			}
			for _, m := range p.mutations(p.dev)[before:] {
				t.Errorf("it was written to: %s", m)
			}
		})
	}
	if err := os.RemoveAll(s.Journal); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.Journal, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, good)
	// While it asks nobody else writes, and the run itself is not gone on with.
	_, err = Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir, Confirm: func(Plan) error {
		if _, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir}); kindOf(err) != Held {
			t.Errorf("two at once: %v", err)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// A run that kept neither a journal nor a backup cannot be undone.
func TestUndoWithoutJournal(t *testing.T) {
	p := small(t, ddbtest.Table{})
	source, target := p.open(t)
	dir := t.TempDir()
	o := soon(Merge)
	o.RunDir = dir
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	before := len(p.mutations(p.dev))
	_, err := Undo(t.Context(), "", UndoOptions{RunDir: dir})
	requireKind(t, err, Usage)
	if !strings.Contains(err.Error(), "neither a journal nor a backup") {
		t.Fatal(err)
	}
	if n := len(p.mutations(p.dev)); n != before {
		t.Fatalf("%d calls", n-before)
	}
}

// A run that kept no journal is undone by its backup: after a truncate if the table is still empty,
// otherwise as a whole, with Force only.
func TestUndoByBackup(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 0))
	for _, c := range []struct {
		what         string
		since, force bool // something has changed since the run; undo what has
		kind         Kind // of the refusal; 0 for none
	}{
		{"truncate", false, false, 0},
		{"truncate", true, false, Refused},
		{"truncate", true, true, 0},
		{"replace", false, false, Refused},
		{"replace", false, true, 0},
		{"merge", true, true, 0},
	} {
		t.Run(fmt.Sprint(c.what, c.since, c.force), func(t *testing.T) {
			p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
			p.muddle(t, random, 150)
			same := p.saved(t)
			source, target := p.open(t)
			dir := t.TempDir()
			var run Summary
			var err error
			if c.what == "truncate" {
				run, err = target.Truncate(t.Context(), TruncateOptions{RunDir: dir, BackupSettle: 1})
			} else {
				o := soon(Mode(c.what))
				o.NoBackup, o.BackupSettle, o.RunDir = false, 1, dir
				run, err = source.Copy(t.Context(), target, o)
			}
			if err != nil || run.Backup == "" {
				t.Fatalf("%+v, %v", run, err)
			}
			if c.since {
				p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 3, 77))
			}
			before := len(p.mutations(p.dev))
			plan, err := PlanUndo(t.Context(), "", UndoOptions{RunDir: dir, Force: c.force})
			s, again := Undo(t.Context(), "", UndoOptions{RunDir: dir, Force: c.force})
			if c.kind != 0 {
				requireKind(t, err, c.kind)
				requireKind(t, again, c.kind)
				if n := len(p.mutations(p.dev)); n != before || !strings.Contains(hintOf(again), "dynamo undo "+run.Run+" --force") {
					t.Fatalf("%d calls, hint %q", n-before, hintOf(again))
				}
				return
			}
			if err != nil || again != nil {
				t.Fatal(err, again)
			}
			if plan.Source.Backup != run.Backup || !strings.Contains(fmt.Sprint(plan.Warnings), run.Run) {
				t.Errorf("plan %+v", plan)
			}
			if s.Command != commandUndo || s.Undoes != run.Run || s.Journal == "" {
				t.Errorf("summary %+v", s)
			}
			same()
			if left := p.temporary(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			// That is a run with a journal. What the truncate has left comes back.
			if c.what == "truncate" && !c.since {
				if _, err := Undo(t.Context(), s.Run, UndoOptions{RunDir: dir}); err != nil {
					t.Fatal(err)
				}
				p.requireCount(t, 0)
			}
		})
	}
}

// A table that was empty before is empty again.
func TestUndoByBackupOfNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 20, 1))
	source, target := p.open(t)
	o := soon(Replace)
	o.NoBackup, o.BackupSettle, o.RunDir = false, 1, t.TempDir()
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	if _, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir, Force: true}); err != nil {
		t.Fatal(err)
	}
	p.requireCount(t, 0)
}

// Whatever goes wrong on the way: the table is what it was.
func TestUndoFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []ddbtest.Fault{
		{Kind: ddbtest.UnprocessedKeys, Op: "BatchGetItem"}, {Kind: ddbtest.Throttle, Op: "BatchGetItem"}, {Kind: ddbtest.Truncate, Op: "BatchGetItem"},
		{Kind: ddbtest.MissingItems, Op: "BatchGetItem"}, {Kind: ddbtest.Reset, Op: "BatchGetItem"}, {Kind: ddbtest.Unprocessed, Op: "BatchWriteItem"},
		{Kind: ddbtest.InternalError, Op: "BatchWriteItem", After: true},
	} {
		t.Run(fmt.Sprintf("%s %s", fault.Kind, fault.Op), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			p.muddle(t, rand.New(rand.NewPCG(3, 4)), 250)
			requireBefore := p.saved(t)
			o := journalled(t)
			source, target := p.open(t)
			if _, err := source.Copy(t.Context(), target, o); err != nil {
				t.Fatal(err)
			}
			fault.Table, fault.Probability = p.Name, 0.4
			id := p.dev.Proxy.Inject(fault)
			defer p.dev.Proxy.Remove(id)
			u, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir, Workers: 4})
			if err != nil || u.Rejected != 0 {
				t.Fatalf("%+v, %v", u, err)
			}
			requireBefore()
		})
	}
}

// The old images are in the undo's own journal before anything is written.
func TestUndoJournalsFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
	p.muddle(t, rand.New(rand.NewPCG(5, 6)), 300)
	o := journalled(t)
	source, target := p.open(t)
	s, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	before := p.fingerprints(t, p.dev)
	done := len(p.mutations(p.dev))
	first, err := Undo(p.breaking(t, 2), s.Run, UndoOptions{RunDir: o.RunDir, Workers: 1})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	old := p.oldImages(t, first.Journal)
	for key, image := range old {
		if before[key] != image {
			t.Fatalf("%s: the journal has %q, and it was %q", key, image, before[key])
		}
	}
	if writes := len(p.mutations(p.dev)) - done; writes == 0 || len(old) < int(first.Written+first.Deleted) {
		t.Fatalf("%d calls that write seen, %d keys in the journal, %+v", writes, len(old), first)
	}
	schema := item.Schema{Partition: item.Attr{Name: "pk", Type: item.String}, Sort: item.Attr{Name: "sk", Type: item.String}}
	for line, err := range archive.ReadJournal(first.Journal, schema, archive.JournalRecord{}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Old == nil && line.NewDigest == "" {
			t.Fatal("an entry says nothing")
		}
	}
}

// Whatever is done to the journal of a finished run: all of it is undone, or nothing, with exit 7. By force it is not; what
// is left of it is undone with Incomplete only, and it is said how much is lost.
func TestUndoByADamagedJournal(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.muddle(t, rand.New(rand.NewPCG(8, 9)), 400)
	o := journalled(t)
	o.Workers = 1
	run := p.breakOff(t, o, 4)
	s, err := Resume(t.Context(), run, ResumeOptions{RunDir: o.RunDir}) // so there are two files
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]byte{}
	for _, name := range []string{"000001.json.gz", "000002.json.gz"} {
		if good[name], err = os.ReadFile(filepath.Join(s.Journal, name)); err != nil {
			t.Fatal(err)
		}
	}
	reset := func(t *testing.T) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(s.Journal), os.Mkdir(s.Journal, 0o700)); err != nil {
			t.Fatal(err)
		}
		for name, raw := range good {
			write(t, filepath.Join(s.Journal, name), raw)
		}
	}
	type damage struct {
		what string
		do   func(t *testing.T)
	}
	remove := func(path string) func(*testing.T) {
		return func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := []damage{
		{"no directory", remove(s.Journal)},
		{"an empty directory", func(t *testing.T) {
			remove(s.Journal)(t)
			if err := os.Mkdir(s.Journal, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file more", func(t *testing.T) { write(t, filepath.Join(s.Journal, "000003.json.gz"), good["000001.json.gz"]) }},
	}
	for name, raw := range good {
		path := filepath.Join(s.Journal, name)
		all = append(all, damage{name + " gone", remove(path)}, damage{name + " empty", func(t *testing.T) { write(t, path, nil) }},
			damage{name + " with a byte behind it", func(t *testing.T) { write(t, path, append(slices.Clone(raw), 0)) }})
		for part := range 7 {
			at := part * (len(raw) - 1) / 6
			all = append(all, damage{fmt.Sprintf("%s cut at %d", name, at), func(t *testing.T) { write(t, path, raw[:at]) }})
			bad := slices.Clone(raw)
			bad[at] ^= 4
			if !bytes.Equal(inflated(bad), inflated(raw)) { // gzip has bits that mean nothing
				all = append(all, damage{fmt.Sprintf("%s flipped at %d", name, at), func(t *testing.T) { write(t, path, bad) }})
			}
		}
	}
	before := len(p.mutations(p.dev))
	for _, d := range all {
		for _, force := range []bool{false, true} {
			reset(t)
			d.do(t)
			_, err := Undo(t.Context(), run, UndoOptions{RunDir: o.RunDir, Force: force})
			if kindOf(err) != Mismatch {
				t.Fatalf("%s, force %t: got %v, want exit 7", d.what, force, err)
			}
		}
	}
	for _, m := range p.mutations(p.dev)[before:] {
		t.Errorf("it was written to: %s", m)
	}
	reset(t)
	whole, err := PlanUndo(t.Context(), run, UndoOptions{RunDir: o.RunDir})
	if err != nil || whole.Lost != 0 {
		t.Fatalf("%+v, %v", whole.UndoPlan, err)
	}
	name := "000001.json.gz"
	write(t, filepath.Join(s.Journal, name), good[name][:len(good[name])/2])
	u, err := Undo(t.Context(), run, UndoOptions{RunDir: o.RunDir, Incomplete: true, Confirm: func(plan Plan) error {
		if plan.Lost == 0 || !strings.Contains(fmt.Sprint(plan.Warnings), "are lost") {
			t.Errorf("plan %+v, %+v", plan.UndoPlan, plan.Warnings)
		}
		return nil
	}})
	if err != nil || u.Written+u.Deleted == 0 || u.Written+u.Deleted >= whole.Written+whole.Deleted {
		t.Fatalf("%+v, %v; of %+v", u, err, whole.UndoPlan)
	}
}

// inflated is what gzip has made of it; nil where it is damaged.
func inflated(raw []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return plain
}

// A sync whose journal has lost what it had is not gone on with: what was changed would not be written down again.
func TestResumeWithADamagedJournal(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.muddle(t, rand.New(rand.NewPCG(8, 9)), 300)
	o := journalled(t)
	o.Workers = 1
	run := p.breakOff(t, o, 3)
	file := filepath.Join(o.RunDir, run, "journal", "000001.json.gz")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before := len(p.mutations(p.dev))
	for _, bad := range [][]byte{nil, good[:len(good)/2]} {
		write(t, file, bad)
		_, err := Resume(t.Context(), run, ResumeOptions{RunDir: o.RunDir})
		requireKind(t, err, Mismatch)
	}
	if n := len(p.mutations(p.dev)); n != before {
		t.Errorf("%d calls", n-before)
	}
	write(t, file, good)
	if _, err := Resume(t.Context(), run, ResumeOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
}
