package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aastypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/scaling"
)

// scaledTable is a table of prod, with a run directory of its own.
type scaledTable struct {
	*Table
	account *ddbtest.Account
	runDir  string
}

// newScaled makes a table with fixed capacity, 20 read and 30 write, and so many indexes.
func newScaled(t *testing.T, indexes int) scaledTable {
	t.Helper()
	shape := ddbtest.Table{Name: fmt.Sprintf("scaled-%d", tables.Add(1)), Partition: ddbtest.S("pk"), ReadUnits: 20, WriteUnits: 30}
	for i := range indexes {
		shape.Indexes = append(shape.Indexes, ddbtest.Index{Name: fmt.Sprintf("by-%d", i), Partition: ddbtest.S(fmt.Sprintf("g%d", i))})
	}
	s := scaledTable{account: world.Account("prod"), runDir: filepath.Join(t.TempDir(), "runs")}
	if err := s.account.CreateTable(t.Context(), shape); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.account.DeleteTable(context.Background(), shape.Name); err != nil {
			t.Error(err)
		}
	})
	s.Table = open(t, "prod", shape.Name, AccountOptions{})
	return s
}

func (s scaledTable) scale(ctx context.Context, w scaling.Want) (ScaleSummary, error) {
	return s.Scale(ctx, ScaleOptions{Want: w, RunDir: s.runDir})
}

func (s scaledTable) must(t *testing.T, w scaling.Want) ScaleSummary {
	t.Helper()
	m, err := s.scale(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// changes counts the calls so far that were meant to change the table.
func (s scaledTable) changes() (n int) {
	for _, r := range s.account.Proxy.Mutations() {
		if r.Table == s.name {
			n++
		}
	}
	return n
}

// sides are what the plain SDK says of the table: a line for its billing mode
// and one for each direction of the table and of each index.
func (s scaledTable) sides(t *testing.T) map[string]string {
	t.Helper()
	ctx := t.Context()
	d, err := s.account.ProxyClient().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(s.name)})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"billing": "PROVISIONED"}
	if b := d.Table.BillingModeSummary; b != nil {
		all["billing"] = string(b.BillingMode)
	}
	note := func(id string, p *types.ProvisionedThroughputDescription) {
		all[id+" Read"], all[id+" Write"] = fmt.Sprint(aws.ToInt64(p.ReadCapacityUnits)), fmt.Sprint(aws.ToInt64(p.WriteCapacityUnits))
	}
	note("table", d.Table.ProvisionedThroughput)
	ids := []string{"table/" + s.name}
	for _, g := range d.Table.GlobalSecondaryIndexes {
		ids = append(ids, "table/"+s.name+"/index/"+*g.IndexName)
		note(*g.IndexName, g.ProvisionedThroughput)
	}
	side := func(id *string, dimension aastypes.ScalableDimension) string {
		name := "table"
		if _, index, ok := strings.Cut(*id, "/index/"); ok {
			name = index
		}
		_, d, _ := strings.Cut(strings.TrimSuffix(string(dimension), "CapacityUnits"), ":")
		_, d, _ = strings.Cut(d, ":")
		return name + " " + d
	}
	c := s.account.AutoScaling()
	targets := aas.NewDescribeScalableTargetsPaginator(c, &aas.DescribeScalableTargetsInput{ServiceNamespace: aastypes.ServiceNamespaceDynamodb, ResourceIds: ids})
	for targets.HasMorePages() {
		page, err := targets.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.ScalableTargets {
			text := fmt.Sprintf(" from %d to %d", *x.MinCapacity, *x.MaxCapacity)
			if aws.ToBool(x.SuspendedState.DynamicScalingInSuspended) && aws.ToBool(x.SuspendedState.DynamicScalingOutSuspended) && aws.ToBool(x.SuspendedState.ScheduledScalingSuspended) {
				text += " suspended"
			}
			policies, err := c.DescribeScalingPolicies(ctx, &aas.DescribeScalingPoliciesInput{ServiceNamespace: aastypes.ServiceNamespaceDynamodb, ResourceId: x.ResourceId, ScalableDimension: x.ScalableDimension})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range policies.ScalingPolicies {
				k := p.TargetTrackingScalingPolicyConfiguration
				text += fmt.Sprintf(" at %g of %s", *k.TargetValue, k.PredefinedMetricSpecification.PredefinedMetricType)
				if aws.ToBool(k.DisableScaleIn) || k.ScaleInCooldown != nil || k.ScaleOutCooldown != nil {
					text += fmt.Sprintf(" (%v, %d, %d)", aws.ToBool(k.DisableScaleIn), aws.ToInt32(k.ScaleInCooldown), aws.ToInt32(k.ScaleOutCooldown))
				}
			}
			actions, err := c.DescribeScheduledActions(ctx, &aas.DescribeScheduledActionsInput{ServiceNamespace: aastypes.ServiceNamespaceDynamodb, ResourceId: x.ResourceId, ScalableDimension: x.ScalableDimension})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range actions.ScheduledActions {
				text += fmt.Sprintf(", %s %s", *a.ScheduledActionName, *a.Schedule)
			}
			all[side(x.ResourceId, x.ScalableDimension)] += text
		}
	}
	return all
}

// The five states that a table is moved between.
var scaleKinds = []string{"on-demand", "fixed", "scaled reads", "scaled writes", "scaled both"}

func wantOf(kind string) scaling.Want {
	w := scaling.Want{Billing: scaling.Provisioned, Read: scaling.Side{Units: 20}, Write: scaling.Side{Units: 30}}
	switch kind {
	case "on-demand":
		return scaling.Want{Billing: scaling.OnDemand}
	case "scaled reads", "scaled both":
		w.Read = scaling.Side{Min: 5, Max: 100, Utilization: 65}
	}
	if kind == "scaled writes" || kind == "scaled both" {
		w.Write = scaling.Side{Min: 6, Max: 50, Utilization: 75}
	}
	return w
}

// sidesOf is what the plain SDK should say of such a table.
func sidesOf(kind string, indexes int) map[string]string {
	all := map[string]string{"billing": "PROVISIONED"}
	if kind == "on-demand" {
		all["billing"] = "PAY_PER_REQUEST"
	}
	for i := range indexes + 1 {
		name := "table"
		if i > 0 {
			name = fmt.Sprintf("by-%d", i-1)
		}
		read, write := "20", "30"
		switch kind {
		case "on-demand":
			read, write = "0", "0"
		case "scaled reads", "scaled both":
			read += " from 5 to 100 at 65 of DynamoDBReadCapacityUtilization"
		}
		if kind == "scaled writes" || kind == "scaled both" {
			write += " from 6 to 50 at 75 of DynamoDBWriteCapacityUtilization"
		}
		all[name+" Read"], all[name+" Write"] = read, write
	}
	return all
}

func requireSides(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %q, want %q", name, got[name], want[name])
		}
	}
	t.Fatalf("the table is %v", got)
}

// Every way from one of the states to another, for tables with and without
// indexes. Each is seen by the plain SDK, and changes nothing the second time.
func TestScaleTransitions(t *testing.T) {
	t.Parallel()
	var done atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, indexes := range []int{0, 3} {
			for _, from := range scaleKinds {
				t.Run(fmt.Sprintf("%s, %d indexes", from, indexes), func(t *testing.T) {
					t.Parallel()
					s := newScaled(t, indexes)
					for _, to := range scaleKinds {
						s.must(t, wantOf(from))
						requireSides(t, s.sides(t), sidesOf(from, indexes))
						before := s.changes()
						m := s.must(t, wantOf(to))
						requireSides(t, s.sides(t), sidesOf(to, indexes))
						if n := s.changes() - before; n != len(m.Steps) || m.Changed != (from != to) {
							t.Fatalf("to %s: %d calls for %v", to, n, m.Steps)
						}
						before = s.changes()
						again := s.must(t, wantOf(to))
						if n := s.changes() - before; n != 0 || again.Changed || again.Record != "" || again.After.String() != m.After.String() {
							t.Fatalf("to %s the second time: %d calls, %+v", to, n, again)
						}
						done.Add(1)
					}
				})
			}
		}
	})
	if done.Load() != 50 {
		t.Errorf("%d transitions, want 50", done.Load())
	}
}

// Each operation fails once, in each way, on the way there and back.
func TestScaleWithstands(t *testing.T) {
	faults := []ddbtest.Fault{
		{Kind: ddbtest.Throttle, Code: "ThrottlingException"},
		{Kind: ddbtest.InternalError},
		{Kind: ddbtest.InternalError, After: true},
		{Kind: ddbtest.Error, Code: "ConcurrentUpdateException"},
		{Kind: ddbtest.Error, Code: "ResourceInUseException"},
		{Kind: ddbtest.Unavailable},
		{Kind: ddbtest.EmptyOK, After: true},
		{Kind: ddbtest.EmptyObject, After: true},
		{Kind: ddbtest.Reset, After: true},
	}
	ops := []string{"UpdateTable", "RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy"}
	reads := []string{"DescribeTable", "DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"}
	for _, f := range faults {
		t.Run(fmt.Sprintf("%s %s after=%v", f.Kind, f.Code, f.After), func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 1)
			ids := map[int]string{}
			of := ops
			if f.Code != "ResourceInUseException" {
				of = slices.Concat(ops, reads)
			}
			for _, op := range of {
				f.Op, f.Table, f.Count = op, s.name, 1
				if op == "DescribeTable" {
					f.Skip = 1 // the first is Describe's, whose retries are the SDK's own
				}
				ids[s.account.Proxy.Inject(f)] = op
				f.Skip = 0
			}
			for _, kind := range []string{"scaled both", "on-demand", "scaled both"} {
				s.must(t, wantOf(kind))
				requireSides(t, s.sides(t), sidesOf(kind, 1))
			}
			for id, op := range ids {
				if s.account.Proxy.Fired(id) != 1 {
					t.Errorf("%s: the fault struck %d times", op, s.account.Proxy.Fired(id))
				}
				s.account.Proxy.Remove(id)
			}
		})
	}
}

// A table that is UPDATING for 20 s is waited for, and the caller hears of it.
func TestScaleWaits(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	s.account.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableStatus, Table: s.name, Text: "UPDATING", For: 20 * time.Second})
	var told []string
	began := time.Now()
	_, err := s.Scale(t.Context(), ScaleOptions{Want: wantOf("on-demand"), RunDir: s.runDir, Watch: func(doing string) { told = append(told, doing) }})
	if err != nil || time.Since(began) < 15*time.Second {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	if len(told) == 0 || !strings.Contains(told[0], "now UPDATING") {
		t.Errorf("told %q", told)
	}
	requireSides(t, s.sides(t), sidesOf("on-demand", 0))
}

// Interrupted as each change is made, the table works; the same call completes
// it, also where only the records know what is to be done. All other ways are
// interrupted in package scaling.
func TestScaleInterrupted(t *testing.T) {
	back := scaling.Want{Billing: scaling.Provisioned}
	for _, c := range []struct {
		name     string
		from, to string
		want     scaling.Want
		most     int // changing calls
	}{
		{"to on-demand", "scaled both", "on-demand", wantOf("on-demand"), 5},
		{"back by the records", "on-demand", "scaled both", back, 9},
	} {
		for k := range c.most {
			t.Run(fmt.Sprintf("%s, at change %d", c.name, k+1), func(t *testing.T) {
				t.Parallel()
				s := newScaled(t, 1)
				s.must(t, wantOf("scaled both"))
				s.must(t, wantOf(c.from))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				stop := errors.New("stopped")
				var seen atomic.Int64
				var ids []int
				for _, op := range []string{"UpdateTable", "RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy"} {
					ids = append(ids, s.account.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Observe, Op: op, Table: s.name, Do: func() {
						if seen.Add(1) == int64(k+1) {
							cancel(stop)
						}
					}}))
				}
				m, err := s.scale(ctx, c.want)
				if !errors.Is(err, stop) || m.Record == "" {
					t.Fatalf("interrupted: %v, %+v", err, m)
				}
				for _, id := range ids {
					s.account.Proxy.Remove(id)
				}
				s.must(t, c.want)
				requireSides(t, s.sides(t), sidesOf(c.to, 1))
				if plan, err := s.PlanScale(t.Context(), ScaleOptions{Want: c.want, RunDir: s.runDir}); err != nil || len(plan.Steps) > 0 {
					t.Errorf("a third run would do %v: %v", plan.Steps, err)
				}
			})
		}
	}
}

// What makes no sense is refused before anything is changed.
func TestScaleRefuses(t *testing.T) {
	t.Parallel()
	fixed, free := newScaled(t, 1), newScaled(t, 1)
	free.must(t, wantOf("on-demand"))
	free.runDir = filepath.Join(t.TempDir(), "none") // what was recorded is lost
	for _, c := range []struct {
		name  string
		table scaledTable
		want  scaling.Want
		kind  Kind
		text  string
	}{
		{"the least over the most", fixed, scaling.Want{Read: scaling.Side{Min: 9, Max: 5}}, Usage, "the least is more than the most"},
		{"a utilization of 19 %", fixed, scaling.Want{Read: scaling.Side{Min: 5, Max: 9, Utilization: 19}}, Usage, "utilization 19"},
		{"a utilization of 91 %", fixed, scaling.Want{Write: scaling.Side{Min: 5, Max: 9, Utilization: 91}}, Usage, "utilization 91"},
		{"an unknown index", fixed, scaling.Want{Read: scaling.Side{Units: 5}, Index: "by-9"}, Usage, `unknown index "by-9"`},
		{"no numbers, and none known", free, scaling.Want{Billing: scaling.Provisioned}, Usage, "is not known"},
		{"numbers of the table alone", free, scaling.Want{Billing: scaling.Provisioned, Read: scaling.Side{Units: 5}, Write: scaling.Side{Units: 5}, Index: "none"}, Usage, "index by-0: what its read capacity was"},
		{"an unknown mode", fixed, scaling.Want{Billing: "free"}, Usage, "unknown billing mode"},
	} {
		before := c.table.changes()
		_, err := c.table.scale(t.Context(), c.want)
		requireKind(t, err, c.kind)
		if _, planErr := c.table.PlanScale(t.Context(), ScaleOptions{Want: c.want, RunDir: c.table.runDir}); planErr == nil || planErr.Error() != err.Error() {
			t.Errorf("%s: the plan says %v, not %v", c.name, planErr, err)
		}
		if !strings.Contains(err.Error(), c.text) || c.table.changes() != before {
			t.Errorf("%s: %v, %d changes", c.name, err, c.table.changes()-before)
		}
	}
	if _, err := os.Stat(free.runDir); !os.IsNotExist(err) {
		t.Errorf("a refusal left a run directory: %v", err)
	}
	missing := open(t, "prod", "no-such-table", AccountOptions{})
	_, err := missing.Scale(t.Context(), ScaleOptions{Want: wantOf("on-demand")})
	requireKind(t, err, Mismatch)
}

// A denial, a limit, a missing permission: what it was, at which step, and the right kind.
func TestScaleFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault ddbtest.Fault
		to    string
		kind  Kind
		text  string
		hint  string
	}{
		{"no permission to look", ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeScalableTargets"}, "on-demand", Denied, "AccessDeniedException", "docs/iam/scale.json"},
		{"no permission to update", ddbtest.Fault{Kind: ddbtest.Deny, Op: "UpdateTable"}, "on-demand", Denied, "switch to on-demand: AccessDeniedException", "docs/iam/scale.json"},
		{"no permission to register", ddbtest.Fault{Kind: ddbtest.Deny, Op: "RegisterScalableTarget"}, "scaled reads", Denied, "register auto scaling of table read 5–100: AccessDenied", "docs/iam/scale.json"},
		{"no permission for alarms", ddbtest.Fault{Kind: ddbtest.Error, Code: "FailedResourceAccessException", Op: "PutScalingPolicy"}, "scaled reads", Denied, "put policy", "CloudWatch"},
		{"four switches a day", ddbtest.Fault{Kind: ddbtest.Error, Code: "LimitExceededException", Op: "UpdateTable",
			Text: "Update to PayPerRequest mode are limited. Next update can be made at [Sun Nov 22 10:30:00 UTC 2026]"}, "on-demand", Failed, "until 2026-11-22 10:30:00 UTC", "stays as it is"},
		{"keys that are not good", ddbtest.Fault{Kind: ddbtest.Error, Code: "UnrecognizedClientException", Op: "UpdateTable"}, "on-demand", Denied, "UnrecognizedClient", "aws sso login --profile prod"},
		{"no auto scaling there", ddbtest.Fault{Kind: ddbtest.Error, Code: "UnknownOperationException", Op: "DescribeScalableTargets"}, "on-demand", Failed, "UnknownOperation", "no Application Auto Scaling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 0)
			c.fault.Table = s.name
			s.account.Proxy.Inject(c.fault)
			_, err := s.scale(t.Context(), wantOf(c.to))
			requireKind(t, err, c.kind)
			var known *Error
			if errors.As(err, &known); !strings.Contains(err.Error(), c.text) || !strings.Contains(known.Hint, c.hint) {
				t.Errorf("%v\nhint: %s", err, known.Hint)
			}
		})
	}
}

// A decrease that AWS refuses takes nothing with it, and what the table is then is said.
func TestScaleRefusedDecrease(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	s.must(t, wantOf("scaled both"))
	s.account.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Error, Code: "LimitExceededException", Op: "UpdateTable", Table: s.name, Skip: 1,
		Text: "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day."})
	m, err := s.scale(t.Context(), scaling.Want{Read: scaling.Side{Units: 7}, Write: scaling.Side{Units: 400}})
	requireKind(t, err, Failed)
	want := sidesOf("scaled reads", 0)
	want["table Write"] = "400"
	requireSides(t, s.sides(t), want)
	var known *Error
	if errors.As(err, &known); !strings.HasPrefix(known.Hint, "done before that: 2 steps; the table as last read: provisioned: table read 20 (5–100 at 65 %), write 400") || len(m.Steps) != 2 {
		t.Errorf("%v\nhint: %s\nsteps: %v", err, known.Hint, m.Steps)
	}
}

// Temporary credentials that end in the middle are fetched anew.
func TestScaleRefreshes(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 1)
	role := open(t, "prod-role", s.name, AccountOptions{})
	for _, op := range []string{"RegisterScalableTarget", "UpdateTable"} {
		id := s.account.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.ExpiredToken, Op: op, Table: s.name})
		if _, err := role.Scale(t.Context(), ScaleOptions{Want: scaling.Want{Read: scaling.Side{Min: 40, Max: 50 + int64(len(op))}}, RunDir: s.runDir}); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		s.account.Proxy.Remove(id)
	}
	if got := s.sides(t)["by-0 Read"]; !strings.HasPrefix(got, "40 from 40 to 61") {
		t.Error(got)
	}
}

// An answer that holds nothing is not taken for a table without auto scaling.
func TestScaleBelievesNoEmptyAnswer(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	s.must(t, wantOf("scaled both"))
	s.decorate(t)
	want := s.must(t, scaling.Want{}).After
	for _, kind := range []ddbtest.Kind{ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.HTML} {
		for _, op := range []string{"DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"} {
			id := s.account.Proxy.Inject(ddbtest.Fault{Kind: kind, Op: op, Table: s.name, Count: 1})
			got := s.must(t, scaling.Want{}).After
			if len(scaling.Diff(got, want).Steps)+len(scaling.Diff(want, got).Steps) > 0 || s.account.Proxy.Fired(id) != 1 {
				t.Errorf("%s of %s, struck %d times: %s", kind, op, s.account.Proxy.Fired(id), got)
			}
		}
	}
	clients := s.scalers()
	// One owner of retries.
	if n := clients.Scaling.(*aas.Client).Options().Retryer.MaxAttempts() + clients.Tables.(*dynamodb.Client).Options().Retryer.MaxAttempts(); n != 2 {
		t.Errorf("the clients make %d attempts by themselves", n)
	}
}

// The policies' own settings, kept targets, one index, and coming back to them.
func TestScaleDetails(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 2)
	in, out, yes := 60*time.Second, 30*time.Second, true
	s.must(t, scaling.Want{Read: scaling.Side{Min: 25, Max: 100}, Index: "by-1", DisableScaleIn: &yes, ScaleIn: &in, ScaleOut: &out})
	want := sidesOf("fixed", 2)
	const policy = " at 70 of DynamoDBReadCapacityUtilization (true, 60, 30)"
	want["table Read"], want["by-1 Read"] = "25 from 25 to 100"+policy, "25 from 25 to 100"+policy
	requireSides(t, s.sides(t), want)

	m := s.must(t, scaling.Want{Billing: scaling.OnDemand, KeepTargets: true})
	if len(m.Steps) != 3 {
		t.Errorf("steps: %v", m.Steps)
	}
	kept := sidesOf("on-demand", 2)
	kept["table Read"], kept["by-1 Read"] = "0 from 25 to 100 suspended"+policy, "0 from 25 to 100 suspended"+policy
	requireSides(t, s.sides(t), kept)

	s.must(t, scaling.Want{Billing: scaling.Provisioned})
	requireSides(t, s.sides(t), want)

	// Targets that are gone, or that somebody else has removed in between, are no error.
	s.account.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Error, Code: "ObjectNotFoundException", Op: "DeregisterScalableTarget", Table: s.name, After: true, Count: 2})
	s.must(t, scaling.Want{Billing: scaling.OnDemand})
	requireSides(t, s.sides(t), sidesOf("on-demand", 2))
}

// The documented policy names every call that scaling makes, and none that it
// does not make.
func TestScalePolicy(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/iam/scale.json")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []struct{ Action []string } }
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, s := range policy.Statement {
		for _, a := range s.Action {
			if service, op, _ := strings.Cut(a, ":"); service == "dynamodb" || service == "application-autoscaling" {
				allowed[op] = true
			}
		}
	}
	s := newScaled(t, 1)
	seen := func() map[string]bool {
		ops := map[string]bool{}
		for _, r := range s.account.Proxy.Requests() {
			if r.Table == s.name {
				ops[r.Op] = true
			}
		}
		return ops
	}
	s.must(t, wantOf("scaled both"))
	s.decorate(t)
	m := s.must(t, wantOf("on-demand"))
	used := seen()
	delete(used, "PutScheduledAction") // decorate's
	saved, err := LoadScaling(m.Record)
	if err != nil {
		t.Fatal(err)
	}
	saved[0].State.Table.Read.Actions[0].Name = "evening"
	saved[0].State.Table.Read.Policies[0].Name = "mine"
	s.must(t, wantOf("scaled both"))
	s.decorate(t)
	if _, err := s.Scale(t.Context(), ScaleOptions{From: &saved[0], RunDir: s.runDir}); err != nil {
		t.Fatal(err)
	}
	maps.Copy(used, seen())
	if !maps.Equal(used, allowed) {
		t.Errorf("used %v, allowed %v", slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(allowed)))
	}
}
