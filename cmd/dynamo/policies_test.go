package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// needs are the permissions that a request takes, as "action on resource" of a policy that is about the table orders.
func needs(r ddbtest.Request, name string) []string {
	table := "table/orders" + strings.TrimPrefix(r.Table, name)
	if _, _, found := strings.Cut(table, "-restore-"); found {
		table = "table/orders-restore-*"
	}
	const backup = "table/orders/backup/*"
	action := "dynamodb:" + r.Op + " on "
	switch r.Op {
	case "DescribeBackup", "DeleteBackup":
		return []string{action + backup}
	case "RestoreTableFromBackup":
		return []string{action + backup, action + "table/orders-restore-*"}
	case "RestoreTableToPointInTime":
		return []string{action + "table/orders", action + "table/orders-restore-*"}
	case "ListBackups":
		return []string{action + "*"}
	}
	return []string{action + table}
}

// allows are the permissions that a policy gives, likewise.
func allows(t *testing.T, policy string) (list []string) {
	t.Helper()
	src, err := os.ReadFile("../../docs/iam/" + policy + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Statement []struct{ Action, Resource []string }
	}
	if err := json.Unmarshal(src, &p); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Statement {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				if i := strings.Index(resource, "table/"); i >= 0 {
					resource = resource[i:]
				}
				list = append(list, action+" on "+resource)
			}
		}
	}
	return list
}

// The policies in docs/iam are enough for what the commands that write ask for, also where a run is gone on with, and an undo's
// allows nothing else.
func TestPoliciesOfWhatWrites(t *testing.T) {
	t.Parallel()
	const broken = "broken" // before a command: its first write is denied, and it is gone on with
	// AWS fills the temporary table with the caller's permissions.
	aws := []string{"BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan"}
	for _, test := range []struct {
		source, target string // policies
		runs           [][]string
	}{
		{"copy-source", "copy-target", [][]string{
			{"copy", "--mode", "replace", "--backup-settle", "0s"}, {"copy"}, {"copy", "--pk", "p1"},
			{broken, "copy", "--mode", "merge", "--backup-settle", "0s"}, {"copy", "--mode", "merge", "--no-backup", "--verify"},
		}},
		{"", "truncate", [][]string{{broken, "truncate", "--backup-settle", "0s"}}},
		{"", "undo", [][]string{
			{"truncate", "--backup-settle", "0s"}, {"undo"}, // by its backup
			{"truncate", "--backup-settle", "0s"}, {broken, "undo"},
			{"undo", "--dry-run"}, {broken, "undo"}, // by its journal
			{"copy", "--mode", "replace", "--backup-settle", "0s"}, {"undo", "--force"},
		}},
		{"", "restore-aws", [][]string{{"backup", "--name", "before"}, {"truncate", "--no-backup"}, {broken, "restore", "--from", "before"}, {"restore", "--from", "before", "--mode", "replace", "--backup-settle", "0s"}}},
	} {
		t.Run(test.target, func(t *testing.T) {
			t.Parallel()
			name, dir := newTables(t, 30, 20), t.TempDir()
			asked := map[string]map[string]bool{"prod": {}, "dev": {}}
			run := func(code int, args ...string) {
				t.Helper()
				c := newCommand(t, args...)
				c.pipe()
				if got := c.wait(); got != code {
					t.Fatalf("%q: exit code %d:\n%s", args, got, c.text())
				}
			}
			for _, args := range test.runs {
				breaks := args[0] == broken
				if breaks {
					args = args[1:]
				}
				verb := args[0]
				switch verb {
				case "copy":
					args = append(args, "--source", "prod", "--target", "dev", "--table", name)
				case "undo":
				default:
					args = append(args, "--env", "dev", "--table", name)
				}
				if verb != "backup" {
					args = append(args, "--run-dir", dir, "--yes")
				}
				proxy := world.Account("dev").Proxy
				before := len(proxy.Requests())
				beforeProd := len(world.Account("prod").Proxy.Requests())
				if breaks {
					id := proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchWriteItem", Table: name})
					run(6, args...)
					proxy.Remove(id)
					args = []string{"resume", "--run-dir", dir, "--yes"}
				}
				run(0, args...)
				if !strings.HasPrefix(test.target, verb) { // it only prepares
					continue
				}
				for account, from := range map[string]int{"dev": before, "prod": beforeProd} {
					for _, r := range world.Account(account).Proxy.Requests()[from:] {
						if strings.HasPrefix(r.Table, name) {
							for _, need := range needs(r, name) {
								asked[account][need] = true
							}
						}
					}
				}
			}
			for account, policy := range map[string]string{"prod": test.source, "dev": test.target} {
				if policy == "" {
					continue
				}
				allowed := allows(t, policy)
				for need := range asked[account] {
					if !slices.Contains(allowed, need) {
						t.Errorf("%s does not allow %s", policy, need)
					}
				}
				for _, one := range allowed {
					action, resource, _ := strings.Cut(strings.TrimPrefix(one, "dynamodb:"), " on ")
					if policy == "undo" && !asked[account][one] && (resource != "table/orders-restore-*" || !slices.Contains(aws, action)) {
						t.Errorf("%s allows %s, which nobody asks for", policy, one)
					}
				}
			}
		})
	}
}
