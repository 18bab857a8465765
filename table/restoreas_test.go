package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/scaling"
)

// adorned is a table of dev's, provisioned, with everything that AWS drops at a restore.
func adorned(t *testing.T) pair {
	t.Helper()
	p := newPair(t, ddbtest.Table{ReadUnits: 5, WriteUnits: 5, Indexes: []ddbtest.Index{{Name: "by-city", Partition: ddbtest.S("city")}}})
	c, name := p.dev.ProxyClient(), aws.String(p.Name)
	_, dev := p.open(t)
	if _, err := dev.Scale(t.Context(), ScaleOptions{Want: scaling.Want{Read: scaling.Side{Min: 5, Max: 50, Utilization: 60}, Write: scaling.Side{Min: 3, Max: 30}}, RunDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	_, err := p.dev.AutoScaling().PutScheduledAction(t.Context(), &applicationautoscaling.PutScheduledActionInput{
		ServiceNamespace: aas.ServiceNamespaceDynamodb, ResourceId: aws.String("table/" + p.Name), ScalableDimension: aas.ScalableDimensionDynamoDBTableReadCapacityUnits,
		ScheduledActionName: aws.String("night"), Schedule: aws.String("cron(0 20 * * ? *)"), ScalableTargetAction: &aas.ScalableTargetAction{MinCapacity: aws.Int32(5), MaxCapacity: aws.Int32(8)}})
	for _, call := range []func() error{
		func() error { return err },
		func() error {
			_, err := c.TagResource(t.Context(), &dynamodb.TagResourceInput{ResourceArn: aws.String(p.dev.TableARN(p.Name)),
				Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("shop")}, {Key: aws.String("empty"), Value: aws.String("")}}})
			return err
		},
		func() error {
			_, err := c.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: name,
				StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages}})
			return err
		},
		func() error {
			_, err := c.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: name,
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(true)}})
			return err
		},
		func() error {
			_, err := c.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: name,
				PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true), RecoveryPeriodInDays: aws.Int32(9)}})
			return err
		},
		func() error {
			_, err := c.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: name, DeletionProtectionEnabled: aws.Bool(true)})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { p.unprotect(p.Name) })
	return p
}

func (p pair) unprotect(name string) {
	_, _ = p.dev.Client().UpdateTable(context.Background(), &dynamodb.UpdateTableInput{TableName: aws.String(name), DeletionProtectionEnabled: aws.Bool(false)})
}

// another is a name for a new table of dev's, which goes with the test.
func (p pair) another(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("%s-new-%d", p.Name, tables.Add(1))
	t.Cleanup(func() {
		p.unprotect(name)
		if err := p.dev.DeleteTable(context.Background(), name); err != nil && !strings.Contains(err.Error(), "ResourceNotFound") {
			t.Error(err)
		}
	})
	return name
}

// requireSettings fails unless the new table has all that the adorned one has.
func (p pair) requireSettings(t *testing.T, name string) {
	t.Helper()
	all := func(name string) (settings, scaling.State) {
		s, err := open(t, "dev", name, AccountOptions{}).settings(t.Context())
		if err != nil || s.Scaling == nil || len(s.Unknown) > 0 {
			t.Fatalf("%v, %+v", err, s)
		}
		state := *s.Scaling
		s.Scaling, s.Of = nil, ""
		state.Name = ""
		return s, state
	}
	want, scaled := all(p.Name)
	got, scaledNow := all(name)
	if fmt.Sprintf("%+v", flat(want)) != fmt.Sprintf("%+v", flat(got)) || got.Stream == "" || got.TTL == "" || !got.Recovery || got.Days != 9 || !got.Protect || len(got.Tags) != 2 {
		t.Errorf("got %+v, want %+v", flat(got), flat(want))
	}
	if c := scaling.Diff(scaledNow, scaled); len(c.Steps) > 0 || !scales(&scaledNow) || len(scaledNow.Table.Read.Actions) != 1 {
		t.Errorf("auto scaling differs: %s", c)
	}
}

// flat has tags by value.
func flat(s settings) string {
	var tags []string
	for _, tag := range s.Tags {
		tags = append(tags, *tag.Key+"="+*tag.Value)
	}
	s.Tags = nil
	return fmt.Sprintf("%+v %q", s, tags)
}

// A new table from a backup, from a point in time and from a dump has the items, and gets the settings that AWS drops.
func TestRestoreAs(t *testing.T) {
	t.Parallel()
	p := adorned(t)
	made := p.backedUp(t, 1, 150)
	_, dev := p.open(t)
	dumps := t.TempDir()
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	for what, from := range map[string]string{"arn": made.ARN, "name": made.Name, "pitr": pitrLatest, "dump": dumps} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := p.another(t)
			o := CopyOptions{RunDir: t.TempDir()}
			plan, err := dev.PlanRestoreAs(t.Context(), from, name, o)
			if err != nil || !plan.Creates || plan.Target.Table != name || len(plan.PutsBack) != 6 {
				t.Fatalf("%v, %+v", err, plan)
			}
			asked := 0
			o.Confirm = func(Plan) error { asked++; return nil }
			s, err := dev.RestoreAs(t.Context(), from, name, o)
			if err != nil || len(s.NotPutBack) > 0 || s.Target.Table != name || s.Temporary != "" || asked != 1 {
				t.Fatalf("%v, %+v", err, s)
			}
			if what == "dump" && s.Read != 150 {
				t.Errorf("%+v", s)
			}
			ddbtest.RequireEqual(t, p.prod.Client(), p.dev.Client(), p.Name, name)
			p.requireSettings(t, name)
			if d, err := open(t, "dev", name, AccountOptions{}).Describe(t.Context()); err != nil || d.OnDemand || d.ReadCapacity != 5 || len(d.Indexes) != 1 {
				t.Errorf("%v, %+v", err, d)
			}
			if list, err := Runs(o.RunDir); err != nil || len(list) != 1 || list[0].State != "done" || list[0].Target.Table != name {
				t.Errorf("%v, %+v", err, list)
			}
			before := len(mutations(p.dev, name))
			if _, err := dev.RestoreAs(t.Context(), from, name, o); kindOf(err) != Mismatch || asked != 1 {
				t.Errorf("a second time: %v", err)
			}
			if list := mutations(p.dev, name)[before:]; len(list) > 0 {
				t.Errorf("a second time: %q", list)
			}
		})
	}
}

// What is gone is made anew by what the backup and the dump know.
func TestRestoreAsOfATableThatIsGone(t *testing.T) {
	t.Parallel()
	p := adorned(t)
	made := p.backedUp(t, 1, 30)
	_, dev := p.open(t)
	dumps := t.TempDir()
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	p.unprotect(p.Name)
	if err := p.dev.DeleteTable(t.Context(), p.Name); err != nil {
		t.Fatal(err)
	}
	for what, from := range map[string]string{"name": made.Name, "dump": dumps} {
		name := p.another(t)
		// Which account it is, only the new table says.
		_, err := dev.RestoreAs(t.Context(), from, name, CopyOptions{RunDir: t.TempDir(), Protected: Guard{Accounts: []string{p.dev.ID}}})
		if all, e := dev.account.Tables(t.Context()); kindOf(err) != Refused || e != nil || slices.Contains(all, name) {
			t.Errorf("%s: %v, %v, %q", what, err, e, all)
		}
		s, err := dev.RestoreAs(t.Context(), from, name, CopyOptions{RunDir: t.TempDir()})
		if err != nil || !slices.ContainsFunc(s.NotPutBack, func(s string) bool { return strings.Contains(s, "auto scaling") }) {
			t.Fatalf("%s: %v, %+v", what, err, s)
		}
		ddbtest.RequireEqual(t, p.prod.Client(), p.dev.Client(), p.Name, name)
		got, err := open(t, "dev", name, AccountOptions{}).settings(t.Context())
		if err != nil || what == "dump" && (got.TTL != "expires" || got.Stream == "" || !got.Recovery || !got.Protect || len(got.Tags) != 2) {
			t.Errorf("%s: %v, %+v", what, err, got)
		}
	}
	there, err := dev.Restorable(t.Context())
	if err != nil || there.Exists || len(there.Backups) != 1 || there.Recovery != nil {
		t.Errorf("%v, %+v", err, there)
	}
}

// An AWS export does not describe its table, nor do dead letters: the new table is like the one that is named.
func TestRestoreAsOfAnExport(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Indexes: []ddbtest.Index{{Name: "by-city", Partition: ddbtest.S("city")}}})
	_, dev := p.open(t)
	e := awsExport{t: t, dir: t.TempDir()}
	e.file("a", `{"Item":{"pk":{"S":"one"}}}`)
	e.finish(1)
	name := p.another(t)
	s, err := dev.RestoreAs(t.Context(), e.dir, name, CopyOptions{RunDir: t.TempDir()})
	if err != nil || s.Written != 1 {
		t.Fatalf("%v, %+v", err, s)
	}
	if d, err := open(t, "dev", name, AccountOptions{}).Describe(t.Context()); err != nil || len(d.Indexes) != 1 || !d.OnDemand {
		t.Errorf("%v, %+v", err, d)
	}
	_, err = open(t, "dev", p.Name+"-gone", AccountOptions{}).RestoreAs(t.Context(), e.dir, p.another(t), CopyOptions{RunDir: t.TempDir()})
	if kindOf(err) != Usage || !strings.Contains(err.Error(), "does not describe its table") {
		t.Error(err)
	}
}

// What is refused leaves no table behind.
func TestRestoreAsRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	_, dev := p.open(t)
	damaged := awsExport{t: t, dir: t.TempDir()}
	damaged.file("a", `{"Item":{"pk":{"S":"one"}}}`, `{"Item":{"no":{"S":"key"}}}`)
	damaged.finish(2)
	whole := awsExport{t: t, dir: t.TempDir()}
	whole.file("a", `{"Item":{"pk":{"S":"one"}}}`)
	whole.finish(1)
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "nothing"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, from, as string
		o              CopyOptions
		fault          ddbtest.Fault
		kind           Kind
	}{
		{"exists", made.ARN, p.Name, CopyOptions{}, ddbtest.Fault{}, Mismatch},
		{"a mode", made.ARN, "", CopyOptions{Mode: Replace}, ddbtest.Fault{}, Usage},
		{"a bad name", made.ARN, "a b", CopyOptions{}, ddbtest.Fault{}, Usage},
		{"an ARN", made.ARN, p.dev.TableARN("x-y-z"), CopyOptions{}, ddbtest.Fault{}, Usage},
		{"no such backup", "missing", "", CopyOptions{}, ddbtest.Fault{}, Usage},
		{"recovery off", pitrLatest, "", CopyOptions{}, ddbtest.Fault{}, Mismatch},
		{"no dump", other, "", CopyOptions{}, ddbtest.Fault{}, Usage},
		{"a protected name", made.ARN, p.Name + "-prod", CopyOptions{}, ddbtest.Fault{}, Refused},
		{"a listed name", damaged.dir, "listed", CopyOptions{Protected: Guard{Tables: []string{"listed"}}}, ddbtest.Fault{}, Refused},
		{"not confirmed", made.ARN, "", CopyOptions{Confirm: func(Plan) error { return refused("", "no") }}, ddbtest.Fault{}, Refused},
		{"a damaged dump", damaged.dir, "", CopyOptions{}, ddbtest.Fault{}, Mismatch},
		{"restore denied", made.ARN, "", CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "RestoreTableFromBackup"}, Denied},
		{"look denied", made.ARN, "", CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeTable", Table: "*"}, Denied},
		{"create denied", whole.dir, "", CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "CreateTable", Table: "*"}, Denied},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.fault.Kind != "" {
				test.fault.Table = p.Name + test.fault.Table
				id := p.dev.Proxy.Inject(test.fault)
				defer p.dev.Proxy.Remove(id)
			}
			if test.as == "" {
				test.as = p.another(t)
			}
			test.o.RunDir = t.TempDir()
			if _, err := dev.RestoreAs(t.Context(), test.from, test.as, test.o); kindOf(err) != test.kind {
				t.Errorf("kind %d: %v", kindOf(err), err)
			}
			if all, err := dev.account.Tables(t.Context()); err != nil || test.as != p.Name && slices.Contains(all, test.as) {
				t.Errorf("%v: %s is there", err, test.as)
			}
		})
	}
}

// A table that somebody else makes in the meantime is not taken for the new one.
func TestRestoreAsLosesARace(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	_, dev := p.open(t)
	dumps := t.TempDir()
	if _, err := dev.Dump(t.Context(), dumps, DumpOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{made.ARN, dumps} {
		other := p.Table
		other.Name = p.another(t)
		o := CopyOptions{RunDir: t.TempDir(), Confirm: func(Plan) error { return p.dev.CreateTable(t.Context(), other) }}
		if s, err := dev.RestoreAs(t.Context(), from, other.Name, o); kindOf(err) != Mismatch || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("%v, %+v", err, s)
		}
		if n, err := p.dev.Count(t.Context(), other.Name); err != nil || n != 0 {
			t.Errorf("%d items, %v", n, err)
		}
	}
}

// A setting that cannot be put back is named; the others are, and it is no failure.
func TestRestoreAsWithoutPermissions(t *testing.T) {
	t.Parallel()
	p := adorned(t)
	made := p.backedUp(t, 1, 5)
	_, dev := p.open(t)
	name := p.another(t)
	for _, op := range []string{"UpdateTimeToLive", "RegisterScalableTarget"} {
		p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: op, Table: name})
	}
	s, err := dev.RestoreAs(t.Context(), made.ARN, name, CopyOptions{RunDir: t.TempDir()})
	if err != nil || len(s.NotPutBack) != 2 || !strings.HasPrefix(s.NotPutBack[0], "auto scaling: ") || !strings.HasPrefix(s.NotPutBack[1], "TTL: AccessDenied") {
		t.Fatalf("%v, %+v", err, s)
	}
	got, err := open(t, "dev", name, AccountOptions{}).settings(t.Context())
	if err != nil || got.TTL != "" || scales(got.Scaling) || got.Stream == "" || !got.Recovery || !got.Protect || len(got.Tags) != 2 {
		t.Errorf("%v, %+v", err, got)
	}
}

// A restore to a new table that is broken off, anywhere, is waited for and completed by Resume, and asked for once.
func TestRestoreAsGoesOn(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"arn", "dump"} {
		for _, at := range []ddbtest.Fault{
			{Op: "RestoreTableFromBackup", After: true},
			{Op: "DescribeTable", Skip: 2},
			{Op: "BatchWriteItem", Skip: 1},
			{Op: "UpdateTimeToLive"},
			{Op: "UpdateTimeToLive", After: true},
			{Op: "DescribeTable", Skip: -1}, // once it is protected, last of all
		} {
			if (at.Op == "BatchWriteItem") != (what == "dump") && at.Op != "UpdateTimeToLive" && at.Skip >= 0 {
				continue
			}
			t.Run(fmt.Sprint(what, " at ", at.Op, at.After, at.Skip), func(t *testing.T) {
				t.Parallel()
				p := adorned(t)
				made := p.backedUp(t, 1, 150)
				_, dev := p.open(t)
				name, from := p.another(t), made.ARN
				if what == "dump" {
					from = t.TempDir()
					if _, err := dev.Dump(t.Context(), from, DumpOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				o := CopyOptions{RunDir: t.TempDir(), Workers: 1}
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				at := at
				at.Kind, at.Count, at.Table = ddbtest.Observe, 1, name
				if at.Op == "RestoreTableFromBackup" {
					at.Table = p.Name
				}
				at.Do = func() { stop(errEnough) }
				if at.Skip < 0 {
					at.Op, at.Skip, at.After = "UpdateTable", 1, true
				}
				id := p.dev.Proxy.Inject(at)
				s, err := dev.RestoreAs(ctx, from, name, o)
				if !errors.Is(err, errEnough) || s.Run == "" || p.dev.Proxy.Fired(id) != 1 {
					t.Fatalf("%v, %+v", err, s)
				}
				p.dev.Proxy.Remove(id)
				if at.Op == "DescribeTable" && at.Skip > 0 { // the restore is under way at AWS: what it is from may go
					if _, err := dev.account.DeleteBackup(t.Context(), made.ARN, nil); err != nil {
						t.Fatal(err)
					}
				}
				done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
				if err != nil || done.Run != s.Run || len(done.NotPutBack) > 0 || done.Target.Table != name {
					t.Fatalf("%v, %+v", err, done)
				}
				ddbtest.RequireEqual(t, p.prod.Client(), p.dev.Client(), p.Name, name)
				p.requireSettings(t, name)
				if _, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch && kindOf(err) != Refused {
					t.Errorf("a second time: %v", err)
				}
			})
		}
	}
}

// All that AWS has is listed, newest first.
func TestRestorable(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	if r, err := dev.Restorable(t.Context()); err != nil || !r.Exists || len(r.Backups) != 0 || r.Recovery != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	var made []Backup
	for range 3 {
		b, err := dev.Backup(t.Context(), BackupOptions{Name: "again"})
		if err != nil {
			t.Fatal(err)
		}
		made = append([]Backup{b}, made...)
	}
	p.recoverable(t)
	r, err := dev.Restorable(t.Context())
	if err != nil || len(r.Backups) != 3 || r.Recovery == nil || r.Recovery.Latest.Before(r.Recovery.Earliest) || time.Since(r.Recovery.Earliest) > time.Hour {
		t.Fatalf("%v, %+v", err, r)
	}
	for i := range made {
		if r.Backups[i].ARN != made[i].ARN {
			t.Errorf("%d is %s, want %s", i, r.Backups[i].ARN, made[i].ARN)
		}
	}
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeContinuousBackups", Table: p.Name})
	defer p.dev.Proxy.Remove(id)
	if r, err := dev.Restorable(t.Context()); err != nil || len(r.Backups) != 3 || !strings.Contains(r.Unknown, "AccessDenied") {
		t.Fatalf("%v, %+v", err, r)
	}
}

// What a restore into a table has changed is undone by its journal.
func TestUndoOfARestoreFromAWS(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 60)
	p.afterwards(t, 1, 80)
	if err := p.prod.Fill(t.Context(), p.Name, ddbtest.EdgeItems(p.Table, 80, 101)); err != nil { // what dev has now
		t.Fatal(err)
	}
	_, dev := p.open(t)
	o := restoring(t, Sync)
	o.NoBackup = false
	s, err := dev.Restore(t.Context(), made.ARN, o)
	if err != nil || s.Journal == "" || s.Deleted != 20 {
		t.Fatalf("%v, %+v", err, s)
	}
	if _, err := Undo(t.Context(), "", UndoOptions{RunDir: o.RunDir}); err != nil {
		t.Fatal(err)
	}
	p.requireEqual(t)
}
