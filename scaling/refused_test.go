package scaling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// thrifty is an account whose capacity cannot go down any more today.
type thrifty struct{ *fakeAWS }

func (a thrifty) UpdateTable(ctx context.Context, in *dynamodb.UpdateTableInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	given := map[string]*types.ProvisionedThroughput{"": in.ProvisionedThroughput}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		given[aws.ToString(u.Update.IndexName)] = u.Update.ProvisionedThroughput
	}
	for index, p := range given {
		if c := a.at(index); p != nil && (aws.ToInt64(p.ReadCapacityUnits) < c.ReadUnits || aws.ToInt64(p.WriteCapacityUnits) < c.WriteUnits) {
			return nil, apiError("LimitExceededException", "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day.")
		}
	}
	return a.fakeAWS.UpdateTable(ctx, in, o...)
}

// A decrease that AWS refuses takes nothing with it: auto scaling stays until the capacity that
// takes its place is set, what goes up has gone up, and new ranges are in force.
func TestApplyRefusedDecrease(t *testing.T) {
	for _, c := range []struct {
		name string
		from string
		want Want
		is   string
	}{
		{"fixed under a range", "scaled both", Want{Read: Side{Units: 7}},
			"provisioned: table read 20 (5–100 at 70 %), write 30 (5–100 at 70 %); index by-1 read 20 (5–100 at 70 %), write 30 (5–100 at 70 %)"},
		{"one side up, one down", "fixed", Want{Read: Side{Units: 7}, Write: Side{Units: 400}},
			"provisioned: table read 20, write 400; index by-1 read 20, write 400"},
		{"one side fixed at more, one at less", "scaled both", Want{Read: Side{Units: 7}, Write: Side{Units: 400}},
			"provisioned: table read 20 (5–100 at 70 %), write 400; index by-1 read 20 (5–100 at 70 %), write 400"},
		{"one side fixed, one scaled", "fixed", Want{Read: Side{Units: 7}, Write: Side{Min: 40, Max: 80}},
			"provisioned: table read 20, write 40 (40–80 at 70 %); index by-1 read 20, write 40 (40–80 at 70 %)"},
		{"a range below what is", "scaled reads", Want{Read: Side{Min: 1, Max: 10}},
			"provisioned: table read 20 (1–10 at 70 %), write 30; index by-1 read 20 (1–10 at 70 %), write 30"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := thrifty{&fakeAWS{State: stateOfKind(c.from, 1)}}
			have := a.State
			want, err := Resolve(have, c.want, Past{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := Apply(t.Context(), Clients{Tables: a, Scaling: a}, "orders", have, want, Options{})
			var limit *LimitError
			if !errors.As(err, &limit) {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got := a.String(); got != c.is {
				t.Errorf("%s: it is %s\nwant %s", c.name, got, c.is)
			}
			if got := r.After.String(); got != a.String() {
				t.Errorf("%s: it is said to be %s, and is %s", c.name, got, a.State)
			}
			// The next day.
			if _, err := Apply(t.Context(), a.clients(), "orders", a.State, want, Options{}); err != nil || len(Diff(a.State, want).Steps) > 0 {
				t.Errorf("%s: completed: %v, it is %s", c.name, err, a.State)
			}
		})
	}
}

// Whatever call is refused, no side is left without auto scaling at a capacity that nobody asked
// for, and what is said of the table is what it is.
func TestApplyRefused(t *testing.T) {
	transitions(t, func(t *testing.T, start func() *fakeAWS, from, to string) {
		for n := 1; ; n++ {
			a := start()
			before := a.State
			count := 0
			a.fail = func(op string, done bool) error {
				if strings.HasPrefix(op, "Describe") || done {
					return nil
				}
				if count++; count >= n {
					return apiError("AccessDeniedException", "not you")
				}
				return nil
			}
			r, err := a.scale(t.Context(), wantOfKind(to), Past{})
			if count < n {
				break
			}
			if err == nil {
				t.Fatalf("refused at call %d, and no error", n)
			}
			a.works(t)
			if r.After.String() != a.String() {
				t.Fatalf("refused at call %d: it is said to be %s, and is %s", n, r.After, a.State)
			}
			want := stateOfKind(to, len(a.Indexes))
			for _, index := range before.places() {
				h, now, w := before.at(index), a.at(index), want.at(index)
				for _, d := range directions {
					_, had := h.side(d)
					units, has := now.side(d)
					asked, _ := w.side(d)
					if a.Billing == Provisioned && had.Registered() && !has.Registered() && *units != *asked {
						t.Fatalf("refused at call %d: the auto scaling of %s %s is gone, at capacity %d", n, place(index), d, *units)
					}
				}
			}
		}
	})
}

// Of a global table AWS takes provisioned writes only with auto scaling, which must be there
// before the switch.
func TestGlobalTables(t *testing.T) {
	global := func(kind string) State {
		s := stateOfKind(kind, 1)
		s.Global = true
		return s
	}
	for _, c := range []struct {
		name string
		from string
		want Want
		past string
	}{
		{"fixed writes", "scaled both", Want{Write: Side{Units: 7}}, ""},
		{"fixed writes of an index alone", "scaled both", Want{Write: Side{Units: 7}, Index: "by-1"}, ""},
		{"back to fixed writes", "on-demand", Want{Billing: Provisioned, Read: Side{Units: 5}, Write: Side{Units: 7}}, ""},
		{"back to fixed writes by the record", "on-demand", Want{Billing: Provisioned}, "scaled reads"},
	} {
		var past Past
		if c.past != "" {
			s := stateOfKind(c.past, 1)
			past.Provisioned = &s
		}
		_, err := Resolve(global(c.from), c.want, past)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "global table") || !strings.Contains(refusal.Hint, "--min-write") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Resolve(global("fixed"), Want{Read: Side{Units: 7}}, Past{}); err != nil {
		t.Errorf("writes that stay as they are: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: global("on-demand")}
		a.fail = func(op string, done bool) error {
			for _, index := range a.places() {
				c := a.at(index)
				if op == "UpdateTable" && !done && (!c.Write.Registered() || len(c.Write.Policies) == 0) {
					return apiError("ValidationException", "Table write capacity should either be Pay-Per-Request or AutoScaled.")
				}
			}
			return nil
		}
		past := global("scaled both")
		if _, err := a.scale(t.Context(), Want{Billing: Provisioned}, Past{Provisioned: &past}); err != nil {
			t.Fatalf("after %v: %v", a.calls, err)
		}
		a.is(t, "", "scaled both")
	})
}

// A file holds no number that AWS's have no room for, and no limit that AWS would refuse half way.
func TestStateCheckLimits(t *testing.T) {
	for name, spoil := range map[string]func(*Capacity){
		"a most that wraps around":  func(c *Capacity) { c.Read.Max = 1<<32 + 5 },
		"a least that wraps around": func(c *Capacity) { c.Read.Min, c.Read.Max = 1<<32+1, 1<<32+5 },
		"a capacity beyond all":     func(c *Capacity) { c.WriteUnits = 1 << 40 },
		"a utilization below AWS's": func(c *Capacity) { c.Read = rangeAt(c.Read, 10) },
		"a utilization above AWS's": func(c *Capacity) { c.Read = rangeAt(c.Read, 95) },
		"a negative cooldown":       func(c *Capacity) { c.Read.Policies[0].Tracking.ScaleInCooldown = aws.Int32(-1) },
		"an action from more to less": func(c *Capacity) {
			c.Read.Actions = []Action{{Name: "a", Schedule: "rate(1 day)", Min: aws.Int32(9), Max: aws.Int32(5)}}
		},
		"an action of negative numbers": func(c *Capacity) { c.Read.Actions = []Action{{Name: "a", Schedule: "rate(1 day)", Max: aws.Int32(-5)}} },
	} {
		s := stateOfKind("scaled both", 1)
		c := s.Indexes["by-1"]
		spoil(&c)
		s.Indexes["by-1"] = c
		if s.Check() == nil {
			t.Errorf("%s passes", name)
		}
	}
	limited := stateOfKind("on-demand", 0)
	limited.Table.Most = &Most{Read: 1 << 40}
	if limited.Check() == nil {
		t.Error("limits beyond all pass")
	}
	if err := fmt.Sprint(stateOfKind("scaled both", 1).Check()); err != "<nil>" {
		t.Error(err)
	}
}

func rangeAt(r Range, percent float64) Range {
	p := *r.Policies[0].Tracking
	p.TargetValue = aws.Float64(percent)
	r.Policies, r.Utilization = []Policy{{Name: r.Policies[0].Name, Type: r.Policies[0].Type, Tracking: &p}}, percent
	return r
}
