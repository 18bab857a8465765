package table

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// No answer that is none ends a verb, nor is it believed: each call of the control plane that a verb makes meets each fault five times.
func TestControlPlaneBlips(t *testing.T) {
	t.Parallel()
	busy := func(code string) ddbtest.Fault { return ddbtest.Fault{Kind: ddbtest.Error, Code: code, Text: "later"} }
	faults := []ddbtest.Fault{
		{Kind: ddbtest.EmptyOK}, {Kind: ddbtest.EmptyObject}, {Kind: ddbtest.HTML}, {Kind: ddbtest.Truncate}, {Kind: ddbtest.FlipByte},
		{Kind: ddbtest.TrailingBytes}, {Kind: ddbtest.ResetInside}, {Kind: ddbtest.InternalError}, {Kind: ddbtest.Unavailable},
		{Kind: ddbtest.Reset}, {Kind: ddbtest.Close}, {Kind: ddbtest.Throttle, Code: "ThrottlingException"},
	}
	verbs := map[string]func(t *testing.T, p pair) error{
		"DescribeTable": func(t *testing.T, p pair) error {
			_, dev := p.open(t)
			_, err := dev.Describe(t.Context())
			return err
		},
		"CreateBackup": func(t *testing.T, p pair) error {
			_, dev := p.open(t)
			_, err := dev.Backup(t.Context(), BackupOptions{})
			return err
		},
		"DescribeBackup": func(t *testing.T, p pair) error {
			_, dev := p.open(t)
			_, err := dev.Backup(t.Context(), BackupOptions{})
			return err
		},
	}
	for op, verb := range verbs {
		list := faults
		switch op {
		case "CreateBackup":
			list = append(list[:len(list):len(list)], busy("ContinuousBackupsUnavailableException"), busy("TableInUseException"), busy("BackupInUseException"), busy("LimitExceededException"))
		case "DescribeBackup": // of which there is one for all that wait
			list = list[:4]
		}
		for _, fault := range list {
			t.Run(op+" "+string(fault.Kind)+fault.Code, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{})
				fault.Op, fault.Count = op, 5
				if op != "DescribeBackup" { // a request that names no table
					fault.Table = p.Name
				}
				id := p.dev.Proxy.Inject(fault)
				t.Cleanup(func() { p.dev.Proxy.Remove(id) })
				if err := verb(t, p); err != nil {
					t.Fatal(err)
				}
				if n := p.dev.Proxy.Fired(id); n == 0 {
					t.Error("it did not strike")
				}
			})
		}
	}
}

// silent is an endpoint that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// An endpoint that never answers ends every verb, with exit code 1, by the time that was given for it.
func TestSilence(t *testing.T) {
	t.Parallel()
	url := silent(t)
	for name, verb := range map[string]func(context.Context, *Table) error{
		"describe":   func(ctx context.Context, tab *Table) error { _, err := tab.Describe(ctx); return err },
		"details":    func(ctx context.Context, tab *Table) error { _, err := tab.Details(ctx); return err },
		"list":       func(ctx context.Context, tab *Table) error { _, err := tab.account.Tables(ctx); return err },
		"backups":    func(ctx context.Context, tab *Table) error { _, err := tab.account.Backups(ctx, ""); return err },
		"restorable": func(ctx context.Context, tab *Table) error { _, err := tab.Restorable(ctx); return err },
		"delete a backup": func(ctx context.Context, tab *Table) error {
			_, err := tab.account.DeleteBackup(ctx, "arn:aws:dynamodb:eu-west-1:222222222222:table/orders/backup/01", nil)
			return err
		},
		"backup": func(ctx context.Context, tab *Table) error { _, err := tab.Backup(ctx, BackupOptions{}); return err },
		"copy": func(ctx context.Context, tab *Table) error {
			_, err := tab.Copy(ctx, tab, CopyOptions{Mode: Merge, RunDir: t.TempDir(), Stall: time.Second})
			return err
		},
		"truncate": func(ctx context.Context, tab *Table) error {
			_, err := tab.Truncate(ctx, TruncateOptions{RunDir: t.TempDir(), Stall: time.Second})
			return err
		},
		"scale": func(ctx context.Context, tab *Table) error {
			_, err := tab.PlanScale(ctx, ScaleOptions{RunDir: t.TempDir(), Stall: time.Second})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := open(t, "dev", "orders", AccountOptions{Endpoint: url, Stall: time.Second})
			switch name {
			case "copy", "truncate", "scale": // their own time counts
				tab = open(t, "dev", "orders", AccountOptions{Endpoint: url})
			}
			err := verb(t.Context(), tab)
			requireKind(t, err, Failed)
			if !strings.Contains(err.Error(), "gave up after") || !strings.Contains(err.Error(), "no answer within") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Reads that are never answered end what asks for them by that time as well: also the one before anything is changed.
func TestSilentReads(t *testing.T) {
	t.Parallel()
	for name, verb := range map[string]func(t *testing.T, source, target *Table) error{
		"copy": func(t *testing.T, source, target *Table) error {
			_, err := source.Copy(t.Context(), target, CopyOptions{Mode: Merge, NoBackup: true, RunDir: t.TempDir(), Stall: time.Second})
			return err
		},
		"truncate": func(t *testing.T, _, target *Table) error {
			_, err := target.Truncate(t.Context(), TruncateOptions{NoBackup: true, RunDir: t.TempDir(), Stall: time.Second})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			for _, a := range []*ddbtest.Account{p.prod, p.dev} {
				id := a.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Hang, Op: "Scan", Table: p.Name})
				t.Cleanup(func() { a.Proxy.Remove(id) })
			}
			source, target := p.open(t)
			began := time.Now()
			err := verb(t, source, target)
			requireKind(t, err, Failed)
			if took := time.Since(began); took > 40*time.Second || !strings.Contains(err.Error(), "no progress for") {
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
}

// Lists that repeat a token, at whatever distance, are an error and not read for ever.
func TestListsEnd(t *testing.T) {
	t.Parallel()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		n++
		token := fmt.Sprint("token-", n%2)
		switch op {
		case "ListTables":
			fmt.Fprintf(w, `{"TableNames":["orders"],"LastEvaluatedTableName":%q}`, token)
		case "ListBackups":
			fmt.Fprintf(w, `{"BackupSummaries":[],"LastEvaluatedBackupArn":%q}`, "arn:aws:dynamodb:eu-west-1:222222222222:table/orders/backup/"+token)
		case "ListTagsOfResource":
			fmt.Fprintf(w, `{"Tags":[],"NextToken":%q}`, token)
		}
	}))
	defer server.Close()
	tab := open(t, "dev", "orders", AccountOptions{Endpoint: server.URL})
	for name, list := range map[string]func() error{
		"tables":  func() error { _, err := tab.account.Tables(t.Context()); return err },
		"backups": func() error { _, err := tab.account.Backups(t.Context(), ""); return err },
		"tags": func() error {
			_, err := tab.tags(t.Context(), "arn:aws:dynamodb:eu-west-1:222222222222:table/orders")
			return err
		},
	} {
		if err := list(); err == nil || !strings.Contains(err.Error(), "again and again") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A table that stays as it is ends the wait for it, with exit code 1.
func TestStaysCreating(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableStatus, Op: "DescribeTable", Table: p.Name, Text: "CREATING"})
	t.Cleanup(func() { p.dev.Proxy.Remove(id) })
	tab := open(t, "dev", p.Name, AccountOptions{Stall: time.Second})
	_, err := tab.Backup(t.Context(), BackupOptions{})
	requireKind(t, err, Failed)
	if !strings.Contains(err.Error(), "is still CREATING") {
		t.Error(err)
	}
}
