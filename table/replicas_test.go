package table

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// The replicas of one global table are one table: what is deleted in the one is deleted in the other.
func TestReplicas(t *testing.T) {
	t.Parallel()
	const global = `"RegionName":"us-east-1","ReplicaStatus":"ACTIVE"`
	for _, c := range []struct {
		name           string
		source, target string // what each says of its replicas; $PROD and $DEV are the tables' ARNs
		want           string // part of the refusal; "" for two tables
	}{
		{"each names the other", `[{"ReplicaArn":"$DEV"}]`, `[{"ReplicaArn":"$PROD"}]`, "one global table"},
		{"only the source names the target, in another account", `[{"RegionName":"eu-west-1","ReplicaArn":"$DEV"}]`, `[]`, "one global table"},
		{"only the target names the source", `[]`, `[{` + global + `},{"RegionName":"eu-west-1","ReplicaArn":"$PROD"}]`, "one global table"},
		{"both name a third", `[{"ReplicaArn":"arn:aws:dynamodb:us-east-1:333333333333:table/x"}]`, `[{"ReplicaArn":"arn:aws:dynamodb:us-east-1:333333333333:table/x"}]`, "one global table"},
		{"two global tables", `[{` + global + `}]`, `[{` + global + `}]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := small(t, ddbtest.Table{})
			arns := strings.NewReplacer("$PROD", p.prod.TableARN(p.Name), "$DEV", p.dev.TableARN(p.Name))
			for a, text := range map[*ddbtest.Account]string{p.prod: c.source, p.dev: c.target} {
				text := arns.Replace(text)
				if !json.Valid([]byte(text)) {
					t.Fatal(text)
				}
				id := a.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Replicas, Table: p.Name, Text: text})
				defer a.Proxy.Remove(id)
			}
			source, target := p.open(t)
			for _, mode := range []Mode{Replace, Sync, Merge} {
				_, err := source.PlanCopy(t.Context(), target, soon(mode))
				if c.want == "" {
					if err != nil {
						t.Errorf("%s: %v", mode, err)
					}
					continue
				}
				requireKind(t, err, Refused)
				if _, err = source.Copy(t.Context(), target, soon(mode)); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v", mode, err)
				}
			}
			p.requireUntouched(t)
		})
	}
}

// What replicas there are, as AWS says it.
func TestReplicaARNs(t *testing.T) {
	own := "arn:aws:dynamodb:eu-west-1:111111111111:table/orders"
	there := "arn:aws:dynamodb:us-east-1:111111111111:table/orders"
	for _, c := range []struct {
		name string
		a, b Description
		want bool
	}{
		{"none", Description{ARN: own}, Description{ARN: there}, false},
		{"two engines that call themselves alike", Description{ARN: own}, Description{ARN: own}, false},
		{"one names the other", Description{ARN: own, Replicas: []string{there}}, Description{ARN: there}, true},
		{"another table of that name", Description{ARN: own, Replicas: []string{there}}, Description{ARN: strings.Replace(there, "1111", "2222", 1)}, false},
		{"of the first kind of global tables, which name no replicas", Description{ARN: own, Account: "1", Table: "orders", globalByName: true}, Description{ARN: there, Account: "1", Table: "orders", globalByName: true}, true},
		{"in another account", Description{ARN: own, Account: "1", Table: "orders", globalByName: true}, Description{ARN: there, Account: "2", Table: "orders", globalByName: true}, false},
		{"only one of them", Description{ARN: own, Account: "1", Table: "orders", globalByName: true}, Description{ARN: there, Account: "1", Table: "orders"}, false},
	} {
		if got := c.a.replicates(c.b); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
		if got := c.b.replicates(c.a); got != c.want {
			t.Errorf("%s, the other way round: got %t", c.name, got)
		}
	}
}
