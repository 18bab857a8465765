package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// backedUp gives prod's and dev's tables the same items, and makes a backup of dev's.
func (p pair) backedUp(t *testing.T, seed uint64, n int) Backup {
	t.Helper()
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, n, seed))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, n, seed))
	_, dev := p.open(t)
	made, err := dev.Backup(t.Context(), BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// recoverable switches point-in-time recovery on.
func (p pair) recoverable(t *testing.T) {
	t.Helper()
	_, err := p.dev.ProxyClient().UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String(p.Name),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
}

// temporary are the tables of dev's that a restore of this one has left.
func (p pair) temporary(t *testing.T) (names []string) {
	t.Helper()
	all, err := open(t, "dev", p.Name, AccountOptions{}).account.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, p.Name+temporaryMark) {
			names = append(names, name)
		}
	}
	return names
}

// afterwards changes dev's table: items go, others change, others come.
func (p pair) afterwards(t *testing.T, seed uint64, n int) {
	t.Helper()
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, n, seed+100))
}

// wrote are the calls that could have changed an item of dev's table.
func (p pair) wrote() []string {
	return slices.DeleteFunc(p.mutations(p.dev), func(s string) bool { return !strings.Contains(s, "BatchWriteItem") })
}

// A backup, by its ARN and by its name, makes the table what it was, in every mode, for every type and edge value, twice
// in a row; and nothing but the table is left.
func TestRestoreOfAWSBackup(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Sync, Replace, Merge} {
		for _, by := range []string{"arn", "name"} {
			t.Run(string(mode)+" by "+by, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk"), Indexes: []ddbtest.Index{{Name: "by-city", Partition: ddbtest.S("city")}}})
				made := p.backedUp(t, 1, 200)
				if mode != Merge {
					p.afterwards(t, 1, 150)
				} else if _, err := p.dev.Client().DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(p.Name), Key: p.anyKey(t)}); err != nil {
					t.Fatal(err)
				}
				p.dev.Proxy.Inject(ddbtest.Fault{Op: "BatchWriteItem", Table: p.Name, Kind: ddbtest.Unprocessed, Probability: 0.3})
				p.dev.Proxy.Inject(ddbtest.Fault{Op: "Scan", Table: p.Name + temporaryMark + "*", Kind: ddbtest.Throttle, Count: 3})
				_, dev := p.open(t)
				from := map[string]string{"arn": made.ARN, "name": made.Name}[by]
				o := restoring(t, mode)
				o.NoBackup = mode != Sync
				for i := range 2 {
					plan, err := dev.PlanRestore(t.Context(), from, o)
					if err != nil || plan.Source.Backup != made.ARN || plan.Source.Items == 0 || !strings.HasPrefix(plan.Temporary, p.Name+temporaryMark) {
						t.Fatalf("%v, %+v", err, plan)
					}
					if list := p.temporary(t); len(list) > 0 {
						t.Fatalf("the plan made %q", list)
					}
					s, err := dev.Restore(t.Context(), from, o)
					if err != nil {
						t.Fatal(err)
					}
					if s.Command != "restore" || s.Mode != mode || s.Source.Backup != made.ARN || s.Read != 200 || s.Read != s.Written+s.Unchanged || s.Temporary != "" {
						t.Fatalf("%+v", s)
					}
					if i == 1 && mode == Sync && (s.Unchanged != 200 || s.Deleted != 0) {
						t.Fatalf("the second time: %+v", s)
					}
					p.requireEqual(t)
				}
				if list := p.temporary(t); len(list) > 0 {
					t.Errorf("left: %q", list)
				}
			})
		}
	}
}

// anyKey is the key of one of dev's items.
func (p pair) anyKey(t *testing.T) ddbtest.Item {
	t.Helper()
	out, err := p.dev.Client().Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(p.Name), Limit: aws.Int32(1)})
	if err != nil || len(out.Items) != 1 {
		t.Fatal(err)
	}
	key := ddbtest.Item{p.Partition.Name: out.Items[0][p.Partition.Name]}
	if p.Sort.Name != "" {
		key[p.Sort.Name] = out.Items[0][p.Sort.Name]
	}
	return key
}

// A point in time is restored. The accounts of the tests keep no past: the items are those at the moment of the
// request, and are changed right after.
func TestRestoreOfAPointInTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode           Mode
		after, deleted int // items that it has later, and that go
	}{{Sync, 180, 30}, {Replace, 180, 180}, {Merge, 150, 0}} {
		for _, from := range []string{pitrLatest, pitrPrefix + "now"} {
			t.Run(string(test.mode)+" "+from, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{})
				p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 150, 1))
				p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 150, 1))
				p.recoverable(t)
				if from != pitrLatest {
					from = pitrPrefix + time.Now().UTC().Format(time.RFC3339)
				}
				later := make(chan error, 1)
				p.dev.Proxy.Inject(ddbtest.Fault{Op: "RestoreTableToPointInTime", Table: p.Name, Kind: ddbtest.Observe, After: true, Count: 1, Do: func() {
					later <- p.dev.Fill(context.Background(), p.Name, ddbtest.EdgeItems(p.Table, test.after, 2))
				}})
				_, dev := p.open(t)
				o := restoring(t, test.mode)
				o.NoBackup = test.mode == Replace
				s, err := dev.Restore(t.Context(), from, o)
				if err != nil {
					t.Fatal(err)
				}
				if err := <-later; err != nil {
					t.Fatal(err)
				}
				if s.Source.Backup != from || s.Read != 150 || s.Written == 0 || s.Deleted != int64(test.deleted) {
					t.Fatalf("%+v", s)
				}
				p.requireEqual(t)
				if list := p.temporary(t); len(list) > 0 {
					t.Errorf("left: %q", list)
				}
			})
		}
	}
}

// What cannot be restored is refused before anything is made or written.
func TestRestoreFromAWSRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	prod, dev := p.open(t)
	for range 2 {
		if _, err := dev.Backup(t.Context(), BackupOptions{Name: "twice"}); err != nil {
			t.Fatal(err)
		}
	}
	other := newPair(t, ddbtest.Table{Partition: ddbtest.S("another")})
	others := other.backedUp(t, 1, 3)
	foreign, err := prod.Backup(t.Context(), BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, from string
		o          CopyOptions
		fault      ddbtest.Fault
		kind       Kind
		text       string
	}{
		{"no such name", "missing", CopyOptions{}, ddbtest.Fault{}, Usage, "no directory or file"},
		{"no such path", "./missing/dump", CopyOptions{}, ddbtest.Fault{}, Usage, "missing/dump"},
		{"two of a name", "twice", CopyOptions{}, ddbtest.Fault{}, Usage, "has 2 backups"},
		{"no such backup", made.ARN[:len(made.ARN)-1] + "-", CopyOptions{}, ddbtest.Fault{}, Mismatch, "there is no such backup"},
		{"no backup's ARN", p.dev.TableARN(p.Name), CopyOptions{}, ddbtest.Fault{}, Usage, "not the ARN of a backup"},
		{"another account's", foreign.ARN, CopyOptions{}, ddbtest.Fault{}, 0, ""},
		{"other keys", others.ARN, CopyOptions{}, ddbtest.Fault{}, Mismatch, "keys do not fit"},
		{"recovery off", pitrLatest, CopyOptions{}, ddbtest.Fault{}, Mismatch, "is off"},
		{"no time", "pitr:yesterday", CopyOptions{}, ddbtest.Fault{}, Usage, "no point in time"},
		{"a slice", made.ARN, CopyOptions{SkipExpired: true}, ddbtest.Fault{}, Usage, "as a whole"},
		{"protected", made.ARN, CopyOptions{Protected: Guard{Profiles: []string{"dev"}}}, ddbtest.Fault{}, Refused, "is protected"},
		{"still being made", made.ARN, CopyOptions{}, ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Text: "CREATING"}, Mismatch, "is CREATING"},
		{"look denied", made.ARN, CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeBackup"}, Denied, ""},
		{"list denied", "name", CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "ListBackups"}, Denied, ""},
		{"recovery denied", pitrLatest, CopyOptions{}, ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeContinuousBackups"}, Denied, ""},
		{"not confirmed", made.ARN, CopyOptions{Confirm: func(Plan) error { return refused("", "no") }}, ddbtest.Fault{}, Refused, "no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.fault.Kind != "" {
				test.fault.Table = p.Name
				id := p.dev.Proxy.Inject(test.fault)
				defer p.dev.Proxy.Remove(id)
			}
			test.o.RunDir = t.TempDir()
			s, err := dev.Restore(t.Context(), test.from, test.o)
			if test.kind == 0 { // denied, not there or not for this account: as AWS says it
				test.kind = max(kindOf(err), Usage)
			}
			if kindOf(err) != test.kind || !strings.Contains(fmt.Sprint(err), test.text) || s.Run != "" || s.Temporary != "" {
				t.Errorf("kind %d: %v, %+v", kindOf(err), err, s)
			}
		})
	}
	p.recoverable(t)
	for _, from := range []string{"pitr:2020-01-01T00:00:00Z", "pitr:2199-01-01T00:00:00Z"} {
		if _, err := dev.Restore(t.Context(), from, restoring(t, Sync)); kindOf(err) != Usage || !strings.Contains(hintOf(err), "from 20") {
			t.Errorf("%s: %v", from, err)
		}
	}
	if list := p.wrote(); len(list) > 0 {
		t.Errorf("written: %q", list)
	}
	if list := p.temporary(t); len(list) > 0 {
		t.Errorf("made: %q", list)
	}
}

// An empty backup is believed when it is said to be empty, and not before; the temporary table goes.
func TestRestoreOfAnEmptyBackup(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	made, err := dev.Backup(t.Context(), BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 5, 1))
	o := restoring(t, Sync)
	if s, err := dev.Restore(t.Context(), made.ARN, o); kindOf(err) != Refused || s.Temporary != "" {
		t.Fatalf("%v, %+v", err, s)
	}
	if list := p.temporary(t); len(list) > 0 || len(p.wrote()) > 0 {
		t.Errorf("left: %q, written: %q", list, p.wrote())
	}
	o.AllowEmptySource = true
	if s, err := dev.Restore(t.Context(), made.ARN, o); err != nil || s.Deleted != 5 {
		t.Fatalf("%v, %+v", err, s)
	}
	if list := p.temporary(t); len(list) > 0 {
		t.Errorf("left: %q", list)
	}
}

// The name is on disk before AWS is asked, and the TableId before anything is read: who is killed leaves no table unknown.
func TestRestoreNotesItsTableFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	_, dev := p.open(t)
	o := restoring(t, Sync)
	noted := make(chan runs.Made, 2)
	look := func() {
		store, err := runs.Open(o.RunDir)
		var list []runs.Info
		if err == nil {
			list, err = store.List()
		}
		if err != nil || len(list) != 1 || list[0].State == nil || list[0].State.Made == nil {
			t.Errorf("%v, %+v", err, list)
			noted <- runs.Made{}
			return
		}
		noted <- *list[0].State.Made
	}
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "RestoreTableFromBackup", Table: p.Name, Count: 1, Do: look})
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "DescribeTable", Table: p.Name + temporaryMark + "*", Count: 1, Do: look})
	if _, err := dev.Restore(t.Context(), made.ARN, o); err != nil {
		t.Fatal(err)
	}
	if m := <-noted; m.Name == "" || m.ID != "" || m.Asked.IsZero() {
		t.Errorf("when AWS is asked: %+v", m)
	}
	if m := <-noted; m.Name == "" || m.ID == "" || m.ARN == "" {
		t.Errorf("when it is waited for: %+v", m)
	}
}

// That the keys are of another type shows only once the backup is restored. Then nothing is written, and nothing left.
func TestRestoreOfKeysOfAnotherType(t *testing.T) {
	t.Parallel()
	p, other := newPair(t, ddbtest.Table{}), newPair(t, ddbtest.Table{Partition: ddbtest.N("pk")})
	made := other.backedUp(t, 1, 5)
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 5, 1))
	_, dev := p.open(t)
	o := restoring(t, Merge)
	s, err := dev.Restore(t.Context(), made.ARN, o)
	if kindOf(err) != Mismatch || !strings.Contains(err.Error(), "the keys do not fit") || s.Temporary != "" || len(p.wrote()) > 0 {
		t.Fatalf("%v, %+v", err, s)
	}
	if list := append(p.temporary(t), other.temporary(t)...); len(list) > 0 {
		t.Errorf("left: %q", list)
	}
	if list, err := Runs(o.RunDir); err != nil || list[0].State != "done" || list[0].Code != int(Mismatch) {
		t.Errorf("%v, %+v", err, list)
	}
}

// A guard that refuses in the middle ends the run: the temporary table goes.
func TestRestoreRefusedByMaxDelete(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 20)
	p.afterwards(t, 1, 30)
	_, dev := p.open(t)
	o := restoring(t, Sync)
	o.MaxDelete = &Share{Items: 1}
	s, err := dev.Restore(t.Context(), made.ARN, o)
	if kindOf(err) != Refused || s.Temporary != "" || s.Deleted != 0 {
		t.Fatalf("%v, %+v", err, s)
	}
	if list := p.temporary(t); len(list) > 0 {
		t.Errorf("left: %q", list)
	}
}

// What goes wrong with AWS on the way touches no item of the table; the temporary table is gone, or named and taken up
// again by Resume, which ends as if nothing had happened.
func TestRestoreFromAWSFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		kind  Kind
		made  bool // the temporary table is there
	}{
		{"restore denied", ddbtest.Fault{Kind: ddbtest.Deny, Op: "RestoreTableFromBackup"}, Denied, false},
		{"backup deleted", ddbtest.Fault{Kind: ddbtest.Error, Op: "RestoreTableFromBackup", Code: "BackupNotFoundException"}, Mismatch, false},
		{"restore invalid", ddbtest.Fault{Kind: ddbtest.Validation, Op: "RestoreTableFromBackup", Text: "no"}, Failed, false},
		{"wait denied", ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeTable", Table: "*"}, Denied, true},
		{"key disabled", ddbtest.Fault{Kind: ddbtest.TableStatus, Op: "DescribeTable", Text: "INACCESSIBLE_ENCRYPTION_CREDENTIALS", Table: "*"}, Mismatch, true},
		{"replaced", ddbtest.Fault{Kind: ddbtest.TableID, Op: "DescribeTable", Text: "another", Table: "*"}, Mismatch, true},
		{"read denied", ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Table: "*"}, Denied, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			made := p.backedUp(t, 1, 20)
			p.afterwards(t, 1, 30)
			_, dev := p.open(t)
			o := restoring(t, Sync)
			if test.fault.Table == "*" {
				test.fault.Table = temporaryMark + "*"
			}
			test.fault.Table = p.Name + test.fault.Table
			id := p.dev.Proxy.Inject(test.fault)
			s, err := dev.Restore(t.Context(), made.ARN, o)
			p.dev.Proxy.Remove(id)
			if kindOf(err) != test.kind || s.Run == "" || (s.Temporary != "") != test.made {
				t.Fatalf("kind %d: %v, %+v", kindOf(err), err, s)
			}
			if list := p.temporary(t); test.made && !slices.Equal(list, []string{s.Temporary}) || !test.made && len(list) > 0 {
				t.Errorf("left: %q", list)
			}
			if list := p.wrote(); len(list) > 0 {
				t.Errorf("written: %q", list)
			}
			done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if err != nil || done.Run != s.Run || done.Temporary != "" || done.Read != 20 {
				t.Fatalf("%v, %+v", err, done)
			}
			p.requireEqual(t)
			if list := p.temporary(t); len(list) > 0 {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// What passes is waited out: throttling, a limit, broken answers. An answer to the request that is lost does not make
// two tables of one.
func TestRestoreFromAWSIsPatient(t *testing.T) {
	t.Parallel()
	for _, fault := range []ddbtest.Fault{
		{Kind: ddbtest.Error, Op: "RestoreTableFromBackup", Code: "LimitExceededException", Count: 6},
		{Kind: ddbtest.InternalError, Op: "RestoreTableFromBackup", Count: 6},
		{Kind: ddbtest.Close, Op: "RestoreTableFromBackup", After: true, Count: 1},
		{Kind: ddbtest.Throttle, Op: "DescribeTable", Code: "ThrottlingException", Table: temporaryMark + "*", Count: 10},
		{Kind: ddbtest.Reset, Op: "DescribeTable", Table: temporaryMark + "*", Count: 6},
		{Kind: ddbtest.Error, Op: "DescribeTable", Code: "ResourceNotFoundException", Table: temporaryMark + "*", Count: 2},
		{Kind: ddbtest.TableStatus, Op: "DescribeTable", Text: "CREATING", Table: temporaryMark + "*", Count: 5},
		{Kind: ddbtest.Error, Op: "DeleteTable", Code: "ResourceInUseException", Table: temporaryMark + "*", Count: 3},
	} {
		t.Run(fmt.Sprint(fault.Op, " ", fault.Kind, " ", fault.Code), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			made := p.backedUp(t, 1, 20)
			p.afterwards(t, 1, 30)
			_, dev := p.open(t)
			fault.Table = p.Name + fault.Table
			id := p.dev.Proxy.Inject(fault)
			s, err := dev.Restore(t.Context(), made.ARN, restoring(t, Sync))
			if err != nil || s.Read != 20 {
				t.Fatalf("%v, %+v", err, s)
			}
			if p.dev.Proxy.Fired(id) != fault.Count {
				t.Errorf("met %d times", p.dev.Proxy.Fired(id))
			}
			p.requireEqual(t)
			if list := p.temporary(t); len(list) > 0 {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// The table cannot be deleted: the items are in all the same, it is named, and Resume deletes it and does nothing else.
func TestRestoreCannotDropItsTable(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{ReadUnits: 5, WriteUnits: 5, Indexes: []ddbtest.Index{{Name: "by-city", Partition: ddbtest.S("city")}}})
	made := p.backedUp(t, 1, 20)
	p.afterwards(t, 1, 30)
	_, dev := p.open(t)
	o := restoring(t, Sync)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "DeleteTable", Table: p.Name + temporaryMark + "*"})
	s, err := dev.Restore(t.Context(), made.ARN, o)
	if kindOf(err) != Denied || s.Temporary == "" || !strings.Contains(err.Error(), s.Temporary) {
		t.Fatalf("%v, %+v", err, s)
	}
	p.dev.Proxy.Remove(id)
	p.requireEqual(t)
	if d, err := open(t, "dev", s.Temporary, AccountOptions{}).Describe(t.Context()); err != nil || !d.OnDemand || len(d.Indexes) > 0 {
		t.Errorf("made for reading only: %v, %+v", err, d)
	}
	before := len(p.wrote())
	done, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir})
	if err != nil || done.Written != s.Written || done.Read != s.Read || done.Unchanged != s.Unchanged || done.Deleted != s.Deleted {
		t.Fatalf("%v, %+v after %+v", err, done, s)
	}
	if list := p.temporary(t); len(list) > 0 || len(p.wrote()) != before {
		t.Errorf("left: %q, written: %q", list, p.wrote()[before:])
	}
}

// A restore that is broken off, while AWS restores or while items are copied, goes on with the same temporary table.
func TestRestoreFromAWSGoesOn(t *testing.T) {
	t.Parallel()
	for _, at := range []ddbtest.Fault{
		{Op: "RestoreTableFromBackup"},
		{Op: "RestoreTableFromBackup", After: true},
		{Op: "DescribeTable", Table: temporaryMark + "*", Skip: 1},
		{Op: "Scan", Table: temporaryMark + "*"},
		{Op: "BatchWriteItem", Skip: 2},
		{Op: "DeleteTable", Table: temporaryMark + "*"},
	} {
		for _, mode := range []Mode{Sync, Merge} {
			t.Run(fmt.Sprint(mode, " at ", at.Op, at.After, at.Skip), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{})
				made := p.backedUp(t, 1, 200)
				if mode == Sync {
					p.afterwards(t, 1, 250)
				}
				_, dev := p.open(t)
				o := restoring(t, mode)
				o.NoBackup, o.Workers = mode == Merge, 1
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				at := at // the modes run side by side
				at.Kind, at.Count, at.Table = ddbtest.Observe, 1, p.Name+at.Table
				if at.Op == "DeleteTable" { // the last call: its answer would come before the end is noticed
					at.Kind = ddbtest.Hang
				}
				at.Do = func() { stop(errEnough) }
				id := p.dev.Proxy.Inject(at)
				s, err := dev.Restore(ctx, made.ARN, o)
				if !errors.Is(err, errEnough) || s.Run == "" || p.dev.Proxy.Fired(id) != 1 {
					t.Fatalf("%v, %+v", err, s)
				}
				list := p.temporary(t)
				if len(list) == 1 && at.Op != "DeleteTable" && s.Temporary != list[0] {
					t.Errorf("left %q, and named is %q", list, s.Temporary)
				}
				asked := 0
				p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: "RestoreTableFromBackup", Table: p.Name, Do: func() { asked++ }})
				done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
				if err != nil || done.Run != s.Run || done.Temporary != "" || done.Read != 200 || done.Read != done.Written+done.Unchanged {
					t.Fatalf("%v, %+v", err, done)
				}
				if asked > 0 && at.Op != "RestoreTableFromBackup" {
					t.Error("AWS was asked to restore again")
				}
				p.requireEqual(t)
				if list := p.temporary(t); len(list) > 0 {
					t.Errorf("left: %q", list)
				}
			})
		}
	}
}

// A temporary table that somebody deletes is asked for again, as long as nothing was done with it; after that the run is lost.
func TestRestoreWhoseTableIsGone(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"DescribeTable", "BatchWriteItem"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			made := p.backedUp(t, 1, 120)
			p.afterwards(t, 1, 130)
			_, dev := p.open(t)
			o := restoring(t, Merge)
			o.Workers = 1
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			at := ddbtest.Fault{Kind: ddbtest.Observe, Op: op, Table: p.Name, Skip: 1, Count: 1, Do: func() { stop(errEnough) }}
			if op == "DescribeTable" {
				at.Table += temporaryMark + "*"
			}
			p.dev.Proxy.Inject(at)
			s, err := dev.Restore(ctx, made.ARN, o)
			if !errors.Is(err, errEnough) || s.Temporary == "" {
				t.Fatalf("%v, %+v", err, s)
			}
			if err := p.dev.DeleteTable(t.Context(), s.Temporary); err != nil {
				t.Fatal(err)
			}
			p.age(t, o.RunDir, s.Run)
			written := len(p.wrote())
			_, err = Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir})
			if kindOf(err) != Mismatch || !strings.Contains(err.Error(), "is gone") || len(p.wrote()) != written {
				t.Fatal(err)
			}
			if op != "DescribeTable" {
				if hintOf(err) != beginAnew {
					t.Errorf("hint %q", hintOf(err))
				}
				return
			}
			if done, err := Resume(t.Context(), "", ResumeOptions{RunDir: o.RunDir}); err != nil || done.Read != 120 {
				t.Fatalf("%v, %+v", err, done)
			}
			if list := p.temporary(t); len(list) > 0 {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// age makes a run's request to AWS an hour older than it is.
func (p pair) age(t *testing.T, dir, run string) {
	t.Helper()
	store, err := runs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, state, err := store.Load(run)
	if err != nil {
		t.Fatal(err)
	}
	state.Made.Asked = state.Made.Asked.Add(-time.Hour)
	if err := r.Save(state); err != nil {
		t.Fatal(err)
	}
}

// The table that is deleted is the one that AWS made for the run: not another of its name, and none of another name.
func TestRestoreDropsNothingElse(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 20)
	_, dev := p.open(t)
	o := restoring(t, Sync)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "DeleteTable", Table: p.Name + temporaryMark + "*"})
	s, err := dev.Restore(t.Context(), made.ARN, o)
	if kindOf(err) != Denied {
		t.Fatal(err)
	}
	p.dev.Proxy.Remove(id)
	other := p.Table
	other.Name = s.Temporary
	if err := p.dev.DeleteTable(t.Context(), s.Temporary); err != nil {
		t.Fatal(err)
	}
	if err := p.dev.CreateTable(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.dev.DeleteTable(context.Background(), other.Name); err != nil {
			t.Error(err)
		}
	})
	if _, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); kindOf(err) != Mismatch || !strings.Contains(err.Error(), "was replaced") {
		t.Fatal(err)
	}
	store, err := runs.Open(o.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	r, state, err := store.Load(s.Run)
	if err != nil {
		t.Fatal(err)
	}
	own, err := dev.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state.Made.Name, state.Made.ID, state.Made.ARN = p.Name, own.ID, own.ARN // of the table itself
	if err := r.Save(state); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Fatal(err)
	}
	if list := p.temporary(t); !slices.Equal(list, []string{other.Name}) {
		t.Errorf("there are %q", list)
	}
	p.requireEqual(t)
}
