package table

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// That a table is gone is AWS's word alone: an answer that makes no sense does not say it. Who believed that would make
// the new table without its settings, or tell people that the old one is gone.
func TestNonsenseIsNoMissingTable(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	taken := newPair(t, ddbtest.Table{})
	dev := open(t, "dev", p.Name, AccountOptions{Stall: time.Second})
	for _, nonsense := range []string{taken.Name, p.Name} {
		id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableARN, Op: "DescribeTable", Table: nonsense, Text: "nonsense"})
		name := taken.Name
		if nonsense == p.Name {
			name = p.another(t)
			there, err := dev.Restorable(t.Context())
			if kindOf(err) != Failed {
				t.Errorf("%v, %+v", err, there)
			}
		}
		asked := false
		_, err := dev.RestoreAs(t.Context(), made.ARN, name, CopyOptions{RunDir: t.TempDir(), Stall: time.Second, Confirm: func(Plan) error {
			asked = true
			return refused("", "no")
		}})
		if kindOf(err) != Failed || asked {
			t.Errorf("nonsense about %s: kind %d: %v, asked %v", nonsense, kindOf(err), err, asked)
		}
		p.dev.Proxy.Remove(id)
	}
}

// A table that is named by an ARN is not gone because this account has none of its name.
func TestForeignIsNoMissingTable(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Error, Code: "ResourceNotFoundException", Op: "DescribeTable", Table: p.Name, Skip: 1, Count: 2})
	defer p.dev.Proxy.Remove(id)
	dev := open(t, "dev", p.dev.TableARN(p.Name), AccountOptions{})
	there, err := dev.Restorable(t.Context())
	requireKind(t, err, Usage)
	if there.Exists || made.ARN == "" {
		t.Errorf("%+v", there)
	}
}

// A restore goes on without the backup that it is from only when AWS says that this is gone.
func TestResumeWithoutItsBackup(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		kind  Kind
	}{
		{"no answer", ddbtest.Fault{Kind: ddbtest.InternalError, Op: "DescribeBackup"}, Failed},
		{"gone", ddbtest.Fault{Kind: ddbtest.Error, Code: "BackupNotFoundException", Op: "DescribeBackup"}, 0},
		{"deleted", ddbtest.Fault{Kind: ddbtest.BackupStatus, Text: "DELETED", Op: "DescribeBackup"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			made := p.backedUp(t, 1, 20)
			p.afterwards(t, 1, 30)
			_, dev := p.open(t)
			o := restoring(t, Sync)
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Table: p.Name + temporaryMark + "*"})
			s, err := dev.Restore(t.Context(), made.ARN, o)
			p.dev.Proxy.Remove(id)
			if kindOf(err) != Denied || s.Temporary == "" {
				t.Fatalf("%v, %+v", err, s)
			}
			test.fault.Table = p.Name
			id = p.dev.Proxy.Inject(test.fault)
			resumed, err := Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir, Stall: 2 * time.Second})
			p.dev.Proxy.Remove(id)
			if kindOf(err) != test.kind || p.dev.Proxy.Fired(id) == 0 {
				t.Fatalf("kind %d: %v, %+v, struck %d", kindOf(err), err, resumed, p.dev.Proxy.Fired(id))
			}
			if test.kind != 0 {
				if _, err = Resume(t.Context(), s.Run, ResumeOptions{RunDir: o.RunDir}); err != nil {
					t.Fatal(err)
				}
			}
			p.requireEqual(t)
		})
	}
}

// A directory that may have a backup's name is taken only by who may not look for backups. Anybody else could be
// restored something else than asked for.
func TestNoAnswerIsNoMissingBackup(t *testing.T) {
	p := newPair(t, ddbtest.Table{})
	made := p.backedUp(t, 1, 5)
	dev := open(t, "dev", p.Name, AccountOptions{Stall: time.Second})
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir(filepath.Join(dir, made.Name), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		fault ddbtest.Fault
		text  string
	}{
		{ddbtest.Fault{Kind: ddbtest.InternalError}, "gave up"},
		{ddbtest.Fault{Kind: ddbtest.Deny}, "no dump"},
		{ddbtest.Fault{Kind: ddbtest.Error, Code: "UnknownOperationException"}, "no dump"},
	} {
		test.fault.Op, test.fault.Table = "ListBackups", p.Name
		id := p.dev.Proxy.Inject(test.fault)
		o := restoring(t, Sync)
		o.Stall = time.Second
		_, err := dev.PlanRestore(t.Context(), made.Name, o)
		p.dev.Proxy.Remove(id)
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s %s: %v", test.fault.Kind, test.fault.Code, err)
		}
	}
}
