package table

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
)

// requireUntouched fails if anything but reads was sent for the table.
func (p pair) requireUntouched(t *testing.T) {
	t.Helper()
	for _, a := range []*ddbtest.Account{p.prod, p.dev} {
		if calls := p.mutations(a); len(calls) > 0 {
			t.Errorf("%s was sent %v", a.Name, calls)
		}
	}
}

// small is a pair with a few items on both sides.
func small(t *testing.T, shape ddbtest.Table) pair {
	t.Helper()
	p := newPair(t, shape)
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 8, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 11, 2)) // the twelfth is too large for the server that keeps the backups
	return p
}

// The same table under two names is refused, whatever the disguise.
func TestSameTable(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	dev := p.dev.Endpoint()
	for _, c := range []struct {
		name           string
		source, target func() *Table
	}{
		{"one profile twice", func() *Table { return open(t, "dev", p.Name, AccountOptions{}) }, func() *Table { return open(t, "dev", p.Name, AccountOptions{}) }},
		{"keys and role of one account", func() *Table { return open(t, "dev", p.Name, AccountOptions{}) }, func() *Table { return open(t, "dev-role", p.Name, AccountOptions{}) }},
		{"name and ARN", func() *Table { return open(t, "dev", p.Name, AccountOptions{}) }, func() *Table { return open(t, "dev", p.dev.TableARN(p.Name), AccountOptions{}) }},
		{"one endpoint in two forms", func() *Table { return open(t, "dev", p.Name, AccountOptions{Endpoint: dev + "/"}) }, func() *Table { return open(t, "dev", p.Name, AccountOptions{}) }},
	} {
		for _, mode := range []Mode{Replace, Merge} {
			t.Run(c.name+" "+string(mode), func(t *testing.T) {
				_, err := c.source().Copy(t.Context(), c.target(), soon(mode))
				requireKind(t, err, Refused)
			})
		}
	}
	p.requireUntouched(t)
}

func TestKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		other ddbtest.Table
	}{
		{"another type", ddbtest.Table{Partition: ddbtest.N("pk")}},
		{"another name", ddbtest.Table{Partition: ddbtest.S("id")}},
		{"a sort key more", ddbtest.Table{Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, q := small(t, ddbtest.Table{}), small(t, c.other)
			source, _ := p.open(t)
			_, target := q.open(t)
			_, err := source.Copy(t.Context(), target, soon(Replace))
			requireKind(t, err, Mismatch)
			if !strings.Contains(err.Error(), "pk (S)") {
				t.Errorf("the error does not show the keys: %v", err)
			}
			p.requireUntouched(t)
			q.requireUntouched(t)
		})
	}
}

func TestTableStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status string
		heals  time.Duration
		want   Kind // 0 for a copy that goes on
	}{
		{"CREATING", 3 * time.Second, 0}, {"UPDATING", 0, 0},
		{"DELETING", 0, Mismatch}, {"ARCHIVED", 0, Mismatch}, {"INACCESSIBLE_ENCRYPTION_CREDENTIALS", 0, Mismatch},
	} {
		t.Run(c.status, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableStatus, Op: "DescribeTable", Table: p.Name, Text: c.status, For: c.heals})
			source, target := p.open(t)
			_, err := source.Copy(t.Context(), target, soon(Replace))
			if c.want != 0 {
				requireKind(t, err, c.want)
				p.requireUntouched(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.requireEqual(t)
		})
	}
}

func TestMissingTable(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	source, _ := p.open(t)
	_, err := source.Copy(t.Context(), open(t, "dev", "no-such-table", AccountOptions{}), soon(Replace))
	requireKind(t, err, Mismatch)
	_, err = open(t, "prod", "no-such-table", AccountOptions{}).Copy(t.Context(), open(t, "dev", p.Name, AccountOptions{}), soon(Replace))
	requireKind(t, err, Mismatch)
	_, err = open(t, "prod", p.Name, AccountOptions{Region: "us-east-1"}).Copy(t.Context(), open(t, "dev", p.Name, AccountOptions{}), soon(Replace))
	if err == nil {
		t.Fatal("a source in the wrong region was read")
	}
	p.requireUntouched(t)
}

func TestProtected(t *testing.T) {
	for _, c := range []struct {
		name  string
		d     Description
		guard Guard
		want  string // part of the reason; "" for not protected
	}{
		{"nothing said", Description{Profile: "dev", Table: "orders", Account: "1"}, Guard{}, ""},
		{"a profile of production", Description{Profile: "prod", Table: "orders"}, Guard{}, `word "prod"`},
		{"in capitals, among other words", Description{Profile: "acme-PROD-eu", Table: "orders"}, Guard{}, `word "PROD"`},
		{"in camel case", Description{Profile: "acmeProd", Table: "orders"}, Guard{}, `word "Prod"`},
		{"a table of production", Description{Profile: "dev", Table: "orders.production"}, Guard{}, `word "production"`},
		{"a live table", Description{Profile: "dev", Table: "live_orders"}, Guard{}, `word "live"`},
		{"only a part of a word", Description{Profile: "product", Table: "deliverables-alive"}, Guard{}, ""},
		{"a listed account", Description{Profile: "dev", Table: "orders", Account: "123"}, Guard{Accounts: []string{"123"}}, "account 123"},
		{"a listed profile", Description{Profile: "stage", Table: "orders"}, Guard{Profiles: []string{"stage"}}, `profile "stage"`},
		{"a listed table", Description{Profile: "dev", Table: "ledger"}, Guard{Tables: []string{"ledger"}}, `table "ledger"`},
		{"deletion protection", Description{Profile: "dev", Table: "orders", DeletionProtected: true}, Guard{}, "deletion protection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.guard.Protects(c.d)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestProtectedTarget(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	_, err := p.dev.Client().UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &p.Name, DeletionProtectionEnabled: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := p.dev.Client().UpdateTable(context.Background(), &dynamodb.UpdateTableInput{TableName: &p.Name, DeletionProtectionEnabled: aws.Bool(false)})
		if err != nil {
			t.Error(err)
		}
	})
	source, target := p.open(t)
	for _, allow := range []string{"", p.Name, "dev", "dev/other", "prod/" + p.Name} {
		o := soon(Replace)
		o.AllowProtected = allow
		_, err := source.Copy(t.Context(), target, o)
		requireKind(t, err, Refused)
	}
	p.requireUntouched(t)
	o := soon(Replace)
	o.AllowProtected = "dev/" + p.Name
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	p.requireEqual(t)
}

// A source that reads as empty while AWS counts items is not believed.
func TestEmptyBySurprise(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 11, 2)) // the twelfth is too large for the server that keeps the backups
	p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.ItemCount, Op: "DescribeTable", Table: p.Name, N: 5000})
	source, target := p.open(t)
	_, err := source.Copy(t.Context(), target, soon(Replace))
	requireKind(t, err, Refused)
	p.requireUntouched(t)
	o := soon(Replace)
	o.AllowEmptySource = true
	if _, err := source.Copy(t.Context(), target, o); err != nil {
		t.Fatal(err)
	}
	p.requireEqual(t)
}

// What the source cannot read is found before the target is touched.
func TestDeniedBeforeAnythingIsChanged(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"DescribeTable", "Scan"} {
		p := small(t, ddbtest.Table{})
		p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: op, Table: p.Name})
		source, target := p.open(t)
		_, err := source.Copy(t.Context(), target, soon(Replace))
		requireKind(t, err, Denied)
		p.requireUntouched(t)
	}
}

// Credentials that no refresh mends stop the copy, and the hint says what to do.
func TestExpiredLogin(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 400, 1))
	p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Error, Code: "ExpiredTokenException", Text: "expired", Op: "BatchWriteItem", Table: p.Name, Skip: 3})
	source, target := p.open(t)
	_, err := source.Copy(t.Context(), target, soon(Merge))
	requireKind(t, err, Denied)
	if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Hint, "aws sso login --profile dev") {
		t.Fatalf("got %v with hint %q", err, e.Hint)
	}
}

func TestBackupComesFirst(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	source, target := p.open(t)
	o := soon(Replace)
	o.NoBackup, o.BackupSettle = false, 3*time.Second
	began := time.Now()
	summary, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(summary.Backup, "arn:aws:dynamodb:eu-west-1:222222222222:table/"+p.Name+"/backup/") {
		t.Fatalf("backup %q", summary.Backup)
	}
	for _, w := range p.dev.Proxy.Writes() {
		if w.Table == p.Name && w.Time.Sub(began) < 3*time.Second && w.Time.After(began) {
			t.Fatalf("a write came %s after the backup was asked for", w.Time.Sub(began))
		}
	}
	p.requireEqual(t)
}

func TestNoBackupNoDelete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault ddbtest.Fault
		want  Kind
	}{
		{"denied", ddbtest.Fault{Kind: ddbtest.Deny, Op: "CreateBackup"}, Denied},
		{"refused", ddbtest.Fault{Kind: ddbtest.Error, Op: "CreateBackup", Code: "TableInUseException", Text: "busy"}, Failed},
		{"unknown to the endpoint", ddbtest.Fault{Kind: ddbtest.Error, Op: "CreateBackup", Code: "UnknownOperationException"}, Refused},
		{"deleted meanwhile", ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Text: "DELETED"}, Refused},
		{"not to be described", ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeBackup"}, Denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			c.fault.Table = p.Name
			id := p.dev.Proxy.Inject(c.fault)
			defer p.dev.Proxy.Remove(id)
			source, target := p.open(t)
			o := soon(Replace)
			o.NoBackup = false
			if c.want == Failed { // it may pass, and is waited for
				o.Stall = time.Second
			}
			_, err := source.Copy(t.Context(), target, o)
			requireKind(t, err, c.want)
			if n, err := p.dev.Count(t.Context(), p.Name); err != nil || n != 11 {
				t.Fatalf("%d items of 11 are left, %v", n, err)
			}
			if e := (*Error)(nil); c.want == Refused && c.fault.Code != "" && (!errors.As(err, &e) || !strings.Contains(e.Hint, "--no-backup")) {
				t.Fatalf("the hint of %v does not name --no-backup", err)
			}
		})
	}
	t.Run("for ever CREATING", func(t *testing.T) {
		t.Parallel()
		p := small(t, ddbtest.Table{})
		id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.BackupStatus, Op: "DescribeBackup", Table: p.Name, Text: "CREATING"})
		defer p.dev.Proxy.Remove(id)
		source, target := p.open(t)
		o := soon(Replace)
		o.NoBackup = false
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := source.Copy(ctx, target, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if n, err := p.dev.Count(t.Context(), p.Name); err != nil || n != 11 {
			t.Fatalf("%d items of 11 are left, %v", n, err)
		}
	})
}

func TestPlanWarns(t *testing.T) {
	t.Parallel()
	p := small(t, ddbtest.Table{})
	_, target := p.open(t)
	q := newPair(t, ddbtest.Table{})
	q.fill(t, q.dev, ddbtest.EdgeItems(q.Table, 5, 1))
	plan, err := open(t, "dev", q.Name, AccountOptions{}).PlanCopy(t.Context(), target, soon(Replace))
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Deletes || len(plan.Warnings) == 0 || !strings.Contains(plan.Warnings[0], "same account") {
		t.Fatalf("plan %+v", plan)
	}
	number := item.Schema{Partition: item.Attr{Name: "g", Type: item.Number}}
	plan.Target.Indexes = []Index{{Name: "by-g", Schema: number}}
	plan.Target.Stream, plan.Target.Replicas = "NEW_IMAGE", []string{"here", "there"}
	list := strings.Join(warnings(target, target, plan), "\n")
	for _, want := range []string{"by-g", "stream (NEW_IMAGE)", "2 replicas"} {
		if !strings.Contains(list, want) {
			t.Errorf("no warning of %s in\n%s", want, list)
		}
	}
}

func TestSegmentsAndReaders(t *testing.T) {
	for _, c := range []struct {
		bytes   int64
		readers int
		want    int
	}{{0, 2, 2}, {0, 8, 8}, {1 << 30, 2, 8}, {100 << 30, 8, 1024}, {10 << 40, 8, 4096}, {300 << 20, 2, 2}} {
		if got := segments(Description{Bytes: c.bytes}, c.readers); got != c.want {
			t.Errorf("%d bytes, %d readers: got %d segments, want %d", c.bytes, c.readers, got, c.want)
		}
	}
	for _, c := range []struct {
		d    Description
		want int
	}{{Description{WriteCapacity: 5}, 2}, {Description{WriteCapacity: 20_000}, 40}, {Description{OnDemand: true}, 8}, {Description{WriteCapacity: 90_000}, 64}} {
		if got := readers(c.d); got != c.want {
			t.Errorf("%+v: got %d readers, want %d", c.d, got, c.want)
		}
	}
}
