package scaling

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

// tracking is the policy of a side, as Resolve makes it.
func tracking(index string, d Direction, percent float64) Policy {
	return Policy{Name: policyName("orders", index, d), Type: "TargetTrackingScaling", Tracking: &aas.TargetTrackingScalingPolicyConfiguration{
		TargetValue: aws.Float64(percent), PredefinedMetricSpecification: &aas.PredefinedMetricSpecification{PredefinedMetricType: metricOf(d)}}}
}

// scaled is a side's auto scaling from 5 to 100 at 70 %.
func scaled(index string, d Direction) Range {
	return Range{Min: 5, Max: 100, Utilization: 70, Policies: []Policy{tracking(index, d, 70)}}
}

// The five states that a table is moved between.
var kinds = []string{"on-demand", "fixed", "scaled reads", "scaled writes", "scaled both"}

// stateOfKind makes such a state, with so many indexes.
func stateOfKind(kind string, indexes int) State {
	s := State{Name: "orders", Billing: Provisioned, Status: active}
	if indexes > 0 {
		s.Indexes = map[string]Capacity{}
	}
	for i := range indexes + 1 {
		index := ""
		if i > 0 {
			index = fmt.Sprintf("by-%d", i)
		}
		c := Capacity{ReadUnits: 20, WriteUnits: 30}
		switch kind {
		case "on-demand":
			s.Billing, s.OnDemandSince = OnDemand, time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
			c = Capacity{}
		case "scaled reads":
			c.Read = scaled(index, Reads)
		case "scaled writes":
			c.Write = scaled(index, Writes)
		case "scaled both":
			c.Read, c.Write = scaled(index, Reads), scaled(index, Writes)
		}
		s.set(index, c)
	}
	return s
}

// wantOfKind asks for such a state.
func wantOfKind(kind string) Want {
	fixed, moving := Side{Units: 20}, Side{Min: 5, Max: 100, Utilization: 70}
	w := Want{Billing: Provisioned, Read: fixed, Write: Side{Units: 30}}
	switch kind {
	case "on-demand":
		w = Want{Billing: OnDemand}
	case "scaled reads":
		w.Read = moving
	case "scaled writes":
		w.Write = moving
	case "scaled both":
		w.Read, w.Write = moving, moving
	}
	return w
}

// The steps, in the order of safety.
func TestDiff(t *testing.T) {
	night := Action{Name: "night", Schedule: "cron(0 3 * * ? *)", Min: aws.Int32(1)}
	with := func(s State, change func(*Capacity)) State {
		s = s.clone()
		change(&s.Table)
		return s
	}
	capped := stateOfKind("on-demand", 1)
	capped.Table.Most = &Most{Read: 10}
	capped.Indexes["by-1"] = Capacity{Most: &Most{Read: 7, Write: 8}}
	suspended := func(c *Capacity) { c.Read.Suspended, c.Write.Suspended = allSuspended, allSuspended }
	for _, c := range []struct {
		name       string
		have, want State
		steps      string
	}{
		{"nothing to do", stateOfKind("scaled both", 3), stateOfKind("scaled both", 3), ""},
		{"to on-demand the switch comes before the targets go", stateOfKind("scaled both", 1), stateOfKind("on-demand", 1),
			"switch to on-demand\n" +
				"remove auto scaling of table read 5–100 at 70 %, with policy DynamoDBReadCapacityUtilization:table/orders\n" +
				"remove auto scaling of table write 5–100 at 70 %, with policy DynamoDBWriteCapacityUtilization:table/orders\n" +
				"remove auto scaling of index by-1 read 5–100 at 70 %, with policy DynamoDBReadCapacityUtilization:table/orders/index/by-1\n" +
				"remove auto scaling of index by-1 write 5–100 at 70 %, with policy DynamoDBWriteCapacityUtilization:table/orders/index/by-1"},
		{"to on-demand, targets kept", stateOfKind("scaled both", 0), with(stateOfKind("on-demand", 0), func(c *Capacity) {
			c.Read, c.Write = scaled("", Reads), scaled("", Writes)
			suspended(c)
		}), "switch to on-demand\nsuspend auto scaling of table read 5–100\nsuspend auto scaling of table write 5–100"},
		{"back, the targets are resumed when there is capacity", with(stateOfKind("on-demand", 0), func(c *Capacity) {
			c.Read = scaled("", Reads)
			suspended(c)
			c.Write = Range{}
		}), stateOfKind("scaled reads", 0), "switch to provisioned: table read 20 write 30\nresume auto scaling of table read 5–100"},
		{"to provisioned, every index gets its capacity in the one call", stateOfKind("on-demand", 2), stateOfKind("scaled reads", 2),
			"switch to provisioned: table read 20 write 30, index by-1 read 20 write 30, index by-2 read 20 write 30\n" +
				"register auto scaling of table read 5–100\nregister auto scaling of index by-1 read 5–100\nregister auto scaling of index by-2 read 5–100\n" +
				"put policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %\n" +
				"put policy DynamoDBReadCapacityUtilization:table/orders/index/by-1 on index by-1 read: 70 %\n" +
				"put policy DynamoDBReadCapacityUtilization:table/orders/index/by-2 on index by-2 read: 70 %"},
		{"a target goes when the capacity that takes its place is set", stateOfKind("scaled both", 0), with(stateOfKind("fixed", 0), func(c *Capacity) { c.ReadUnits = 7 }),
			"remove auto scaling of table write 5–100 at 70 %, with policy DynamoDBWriteCapacityUtilization:table/orders\n" +
				"set capacity: table read 7 write 30\n" +
				"remove auto scaling of table read 5–100 at 70 %, with policy DynamoDBReadCapacityUtilization:table/orders"},
		{"capacity goes into a new range before the range is set", stateOfKind("scaled reads", 0), with(stateOfKind("scaled reads", 0), func(c *Capacity) {
			c.ReadUnits, c.Read.Min, c.Read.Max = 200, 200, 300
		}), "set capacity: table read 200 write 30\nregister auto scaling of table read 200–300"},
		{"only what changes of the indexes", stateOfKind("fixed", 3), func() State {
			s := stateOfKind("fixed", 3)
			s.Indexes["by-2"] = Capacity{ReadUnits: 1, WriteUnits: 30}
			return s
		}(), "set capacity: index by-2 read 1 write 30"},
		{"a policy under another name: the old one goes first, for AWS takes one a metric", with(stateOfKind("scaled reads", 0), func(c *Capacity) {
			c.Read.Policies = []Policy{tracking("", Reads, 70)}
			c.Read.Policies[0].Name = "mine"
		}), stateOfKind("scaled reads", 0), "delete policy mine of table read\nput policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %"},
		{"what AWS fills in is no difference", with(stateOfKind("scaled reads", 0), func(c *Capacity) {
			p := tracking("", Reads, 70)
			p.Tracking.DisableScaleIn, p.Tracking.ScaleInCooldown, p.Tracking.ScaleOutCooldown = aws.Bool(false), aws.Int32(0), aws.Int32(0)
			c.Read.Policies = []Policy{p}
			c.Read.Actions = []Action{night}
		}), with(stateOfKind("scaled reads", 0), func(c *Capacity) {
			same := night
			same.Timezone = "UTC"
			c.Read.Actions = []Action{same}
		}), ""},
		{"scheduled actions", with(stateOfKind("scaled reads", 0), func(c *Capacity) { c.Read.Actions = []Action{{Name: "old", Schedule: "rate(1 day)"}} }),
			with(stateOfKind("scaled reads", 0), func(c *Capacity) { c.Read.Actions = []Action{night} }),
			"delete scheduled action old of table read: rate(1 day)\nput scheduled action night on table read: cron(0 3 * * ? *)"},
		{"to on-demand, with the limits of before", stateOfKind("fixed", 1), capped, "switch to on-demand, at most: table read 10 write any, index by-1 read 7 write 8"},
		{"limits of on-demand use", stateOfKind("on-demand", 1), capped, "limit on-demand use to: table read 10 write any, index by-1 read 7 write 8"},
		{"limits that nobody speaks of stay", capped, stateOfKind("on-demand", 1), ""},
		{"on demand, they mean nothing to a provisioned table", capped, stateOfKind("fixed", 1), "switch to provisioned: table read 20 write 30, index by-1 read 20 write 30"},
		{"an index that is gone is left out", stateOfKind("fixed", 0), stateOfKind("fixed", 2), ""},
		{"on demand, units mean nothing", stateOfKind("on-demand", 0), with(stateOfKind("on-demand", 0), func(c *Capacity) { c.ReadUnits = 7 }), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Diff(c.have, c.want).String(); got != c.steps {
				t.Errorf("got\n%s\nwant\n%s", got, c.steps)
			}
		})
	}
}

// What is asked for, completed by what is and what was.
func TestResolve(t *testing.T) {
	minute, yes := time.Minute, true
	past := stateOfKind("scaled both", 1)
	past.Table.Read.Actions = []Action{{Name: "night", Schedule: "rate(1 day)"}}
	kept := stateOfKind("on-demand", 0)
	kept.Table.Read = Range{Min: 8, Max: 9, Suspended: allSuspended}
	kept.Table.Write = Range{Min: 8, Max: 9, Suspended: allSuspended}
	for _, c := range []struct {
		name  string
		have  State
		want  Want
		past  Past
		steps string // or the refusal
	}{
		{"nothing is said", stateOfKind("scaled both", 1), Want{}, Past{}, ""},
		{"provisioned already, no side is said", stateOfKind("scaled both", 1), Want{Billing: Provisioned}, Past{}, ""},
		{"reads alone", stateOfKind("scaled writes", 0), Want{Read: Side{Units: 50}}, Past{}, "set capacity: table read 50 write 30"},
		{"the table alone", stateOfKind("fixed", 2), Want{Read: Side{Units: 50}, Index: "none"}, Past{}, "set capacity: table read 50 write 30"},
		{"one index", stateOfKind("fixed", 2), Want{Read: Side{Units: 50}, Index: "by-2"}, Past{}, "set capacity: table read 50 write 30, index by-2 read 50 write 30"},
		{"utilization of what is scaled", stateOfKind("scaled both", 0), Want{Read: Side{Utilization: 50}}, Past{},
			"put policy DynamoDBReadCapacityUtilization:table/orders on table read: 50 %"},
		{"the policies' own settings, both sides", stateOfKind("scaled both", 0), Want{DisableScaleIn: &yes, ScaleIn: &minute}, Past{},
			"put policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %, no scale-in, scale-in cooldown 60 s\n" +
				"put policy DynamoDBWriteCapacityUtilization:table/orders on table write: 70 %, no scale-in, scale-in cooldown 60 s"},
		{"capacity is lifted into the range", stateOfKind("fixed", 0), Want{Read: Side{Min: 25, Max: 30}}, Past{},
			"set capacity: table read 25 write 30\nregister auto scaling of table read 25–30\nput policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %"},
		{"from on-demand, what was recorded", stateOfKind("on-demand", 1), Want{Billing: Provisioned}, Past{Provisioned: &past}, Diff(stateOfKind("on-demand", 1), past).String()},
		{"from on-demand, one side said", stateOfKind("on-demand", 0), Want{Billing: Provisioned, Read: Side{Units: 9}}, Past{Provisioned: &past},
			"switch to provisioned: table read 9 write 30\nregister auto scaling of table write 5–100\n" +
				"put policy DynamoDBWriteCapacityUtilization:table/orders on table write: 70 %"},
		{"from on-demand into a range, at what it had", stateOfKind("on-demand", 0), Want{Billing: Provisioned, Read: Side{Min: 1, Max: 15}, Write: Side{Min: 1, Max: 99}}, Past{Provisioned: &past},
			"switch to provisioned: table read 15 write 30\nregister auto scaling of table read 1–15\nregister auto scaling of table write 1–99\n" +
				"put policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %\nput policy DynamoDBWriteCapacityUtilization:table/orders on table write: 70 %"},
		{"from on-demand, kept targets say the least", kept, Want{Billing: Provisioned}, Past{},
			"switch to provisioned: table read 8 write 8\nresume auto scaling of table read 8–9\nresume auto scaling of table write 8–9"},
		{"from on-demand, kept targets in a new range act again", kept, Want{Billing: Provisioned, Read: Side{Min: 5, Max: 9}, Write: Side{Units: 4}}, Past{},
			"switch to provisioned: table read 5 write 4\nresume auto scaling of table read 5–9\n" +
				"put policy DynamoDBReadCapacityUtilization:table/orders on table read: 70 %\nremove auto scaling of table write 8–9, suspended"},
		{"a way back that broke off is gone to its end", stateOfKind("fixed", 1), Want{Billing: Provisioned}, Past{Unfinished: &past}, Diff(stateOfKind("fixed", 1), past).String()},
		{"but not where nobody asks for the way back", stateOfKind("fixed", 1), Want{Write: Side{Units: 31}}, Past{Unfinished: &past},
			"set capacity: table read 20 write 31, index by-1 read 20 write 31"},
		{"on demand already, targets left behind", kept, Want{Billing: OnDemand}, Past{},
			"remove auto scaling of table read 8–9, suspended\nremove auto scaling of table write 8–9, suspended"},
		{"on demand, targets kept already", kept, Want{Billing: OnDemand, KeepTargets: true}, Past{}, ""},
		{"on demand, indexes left alone", stateOfKind("scaled both", 1), Want{Billing: OnDemand, Index: "none"}, Past{},
			"switch to on-demand\nremove auto scaling of table read 5–100 at 70 %, with policy DynamoDBReadCapacityUtilization:table/orders\n" +
				"remove auto scaling of table write 5–100 at 70 %, with policy DynamoDBWriteCapacityUtilization:table/orders"},

		{"from on-demand without numbers", stateOfKind("on-demand", 0), Want{Billing: Provisioned}, Past{}, "refused: table: what its read capacity was before it went on demand is not known"},
		{"from on-demand with one number", stateOfKind("on-demand", 0), Want{Billing: Provisioned, Read: Side{Units: 5}}, Past{}, "refused: table: what its write capacity was"},
		{"an index that the record does not know", stateOfKind("on-demand", 2), Want{Billing: Provisioned}, Past{Provisioned: &past}, "refused: index by-2: what its read capacity was"},
		{"numbers for an on-demand table", stateOfKind("on-demand", 0), Want{Read: Side{Units: 5}}, Past{}, "refused: the table is on-demand"},
		{"an unknown index", stateOfKind("fixed", 1), Want{Read: Side{Units: 5}, Index: "by-9"}, Past{}, `refused: unknown index "by-9"`},
		{"utilization of what is fixed", stateOfKind("fixed", 0), Want{Read: Side{Utilization: 50}}, Past{}, "refused: table: there is no auto scaling of reads"},
		{"cooldowns of nothing", stateOfKind("fixed", 0), Want{ScaleIn: &minute}, Past{}, "refused: there is no auto scaling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := fmt.Sprintf("%+v", c.have)
			want, err := Resolve(c.have, c.want, c.past)
			got := Diff(c.have, want).String()
			if err != nil {
				got = "refused: " + err.Error()
			}
			if err != nil && strings.HasPrefix(got, c.steps) && c.steps != "" {
				return
			}
			if got != c.steps {
				t.Errorf("got\n%s\nwant\n%s", got, c.steps)
			}
			if again := fmt.Sprintf("%+v", c.have); again != before {
				t.Errorf("the state that was given has changed: %s, before %s", again, before)
			}
		})
	}
}

func TestWantCheck(t *testing.T) {
	long := 1500 * time.Millisecond
	for _, c := range []struct {
		name string
		want Want
		text string
	}{
		{"an unknown mode", Want{Billing: "free"}, `unknown billing mode "free"`},
		{"the least over the most", Want{Read: Side{Min: 10, Max: 5}}, "the least is more than the most"},
		{"half a range", Want{Write: Side{Min: 10}}, "least and its most"},
		{"the other half", Want{Write: Side{Max: 10}}, "least and its most"},
		{"a negative range", Want{Write: Side{Min: -5, Max: 10}}, "from -5 to 10"},
		{"fixed and scaled", Want{Read: Side{Units: 1, Min: 1, Max: 2}}, "either fixed or scaled"},
		{"fixed and utilization", Want{Read: Side{Units: 1, Utilization: 50}}, "either fixed or scaled"},
		{"19 %", Want{Read: Side{Min: 1, Max: 2, Utilization: 19}}, "utilization 19"},
		{"91 %", Want{Read: Side{Min: 1, Max: 2, Utilization: 91}}, "utilization 91"},
		{"more than the numbers hold", Want{Read: Side{Units: 1 << 40}}, "capacity"},
		{"a negative capacity", Want{Read: Side{Units: -1}}, "capacity -1"},
		{"half seconds", Want{ScaleOut: &long}, "cooldown 1.5s"},
		{"targets kept for nothing", Want{KeepTargets: true}, "targets are kept"},
	} {
		if err := c.want.Check(); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	for _, good := range []Want{{}, {Read: Side{Min: 5, Max: 5, Utilization: 20}}, {Read: Side{Units: 1}, Write: Side{Utilization: 90}}, {Billing: OnDemand, KeepTargets: true}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestStateCheck(t *testing.T) {
	for _, kind := range kinds {
		if err := stateOfKind(kind, 3).Check(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for name, spoil := range map[string]func(*State){
		"no billing mode":               func(s *State) { s.Billing = "" },
		"no capacity":                   func(s *State) { s.Table.ReadUnits = 0 },
		"no capacity of an index":       func(s *State) { s.Indexes["by-1"] = Capacity{} },
		"limits of a provisioned table": func(s *State) { s.Table.Most = &Most{Read: 1} },
		"a range upside down":           func(s *State) { s.Table.Read.Min = 200 },
		"policies without a target":     func(s *State) { s.Table.Read = Range{Policies: s.Table.Read.Policies} },
		"a utilization that nobody set": func(s *State) { s.Table.Read.Utilization = 50 },
	} {
		s := stateOfKind("scaled both", 1)
		spoil(&s)
		if s.Check() == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// One-time actions that are over are not put back, those that repeat are.
func TestExpired(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	end := now.Add(-time.Hour)
	s := stateOfKind("scaled reads", 0)
	s.Table.Read.Actions = []Action{
		{Name: "past", Schedule: "at(2026-11-20T11:00:00)"}, {Name: "future", Schedule: "at(2026-11-20T13:00:00)"},
		{Name: "past here", Schedule: "at(2026-11-20T12:30:00)", Timezone: "Europe/Berlin"}, {Name: "ended", Schedule: "rate(1 day)", End: &end},
		{Name: "daily", Schedule: "rate(1 day)", Start: &end}, {Name: "there still", Schedule: "at(2026-11-20T10:00:00)"},
	}
	have := stateOfKind("fixed", 0)
	have.Table.Read.Actions = s.Table.Read.Actions[5:]
	got, names := s.Expired(have, now)
	if !reflect.DeepEqual(names, []string{"past", "past here", "ended"}) || len(got.Table.Read.Actions) != 3 || got.Table.Read.Actions[1].Start != nil || s.Table.Read.Actions[4].Start == nil || len(s.Table.Read.Actions) != 6 {
		t.Errorf("dropped %q, left %+v", names, got.Table.Read.Actions)
	}
}
