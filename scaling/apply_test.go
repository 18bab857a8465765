package scaling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// scale does what a run does: read, resolve, apply.
func (a *fakeAWS) scale(ctx context.Context, w Want, past Past) (Result, error) {
	have, err := Await(ctx, a.clients(), "orders", Options{})
	if err != nil {
		return Result{}, err
	}
	want, err := Resolve(have, w, past)
	if err != nil {
		return Result{}, err
	}
	return Apply(ctx, a.clients(), "orders", have, want, Options{})
}

// transitions calls f for each pair of kinds, with 0 and 3 indexes: 50.
func transitions(t *testing.T, f func(t *testing.T, start func() *fakeAWS, from, to string)) {
	for _, indexes := range []int{0, 3} {
		for _, from := range kinds {
			for _, to := range kinds {
				t.Run(fmt.Sprintf("from %s to %s with %d indexes", from, to, indexes), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f(t, func() *fakeAWS {
							return &fakeAWS{State: stateOfKind(from, indexes), updating: 3 * time.Second, page: 2}
						}, from, to)
					})
				})
			}
		}
	}
}

// is checks that the account is in the state that was asked for. Whoever comes
// from on-demand into a range begins at its least.
func (a *fakeAWS) is(t *testing.T, from, kind string) {
	t.Helper()
	want := stateOfKind(kind, len(a.Indexes))
	for _, index := range want.places() {
		c := want.at(index)
		for _, d := range directions {
			if units, r := c.side(d); from == "on-demand" && r.Registered() {
				*units = r.Min
			}
		}
		want.set(index, c)
	}
	if steps := Diff(a.State, want).Steps; len(steps) > 0 {
		t.Fatalf("it is not %s, for it needs: %v\nit is %s", kind, steps, a.State)
	}
}

// works fails the test where the table could not be used.
func (a *fakeAWS) works(t *testing.T) {
	t.Helper()
	if err := a.Check(); err != nil {
		t.Fatalf("a table that does not work: %v", err)
	}
}

func TestApply(t *testing.T) {
	transitions(t, func(t *testing.T, start func() *fakeAWS, from, to string) {
		a := start()
		r, err := a.scale(t.Context(), wantOfKind(to), Past{})
		if err != nil {
			t.Fatal(err)
		}
		a.is(t, from, to)
		if len(r.Done) != len(a.calls) {
			t.Errorf("%d steps done, %d calls made", len(r.Done), len(a.calls))
		}
		a.calls = nil
		if r, err = a.scale(t.Context(), wantOfKind(to), Past{}); err != nil || len(r.Done)+len(a.calls) != 0 {
			t.Errorf("the second time: %v, calls %v", err, a.calls)
		}
	})
}

// Each call of each transition, reads too, fails once in each way; the run
// ends right all the same.
func TestApplyWithstands(t *testing.T) {
	faults := map[string]func() error{
		"throttled":         func() error { return apiError("ThrottlingException", "Rate exceeded") },
		"500":               func() error { return broken(500) },
		"InternalService":   func() error { return apiError("InternalServiceException", "") },
		"concurrent update": func() error { return apiError("ConcurrentUpdateException", "") },
		"in use":            func() error { return &types.ResourceInUseException{} },
		"not there yet":     func() error { return errNoTarget },
		"a garbled answer":  func() error { return broken(200) },
		"too many at once": func() error {
			return apiError("LimitExceededException", "Subscriber limit exceeded: too many simultaneous updates")
		},
	}
	transitions(t, func(t *testing.T, start func() *fakeAWS, from, to string) {
		for name, fault := range faults {
			for _, applied := range []bool{false, true} {
				reads := !applied && name != "in use" && name != "not there yet"
				a := start()
				struck := map[string]int{}
				a.fail = func(op string, done bool) error {
					read := strings.HasPrefix(op, "Describe")
					if done != applied && !read || read && !reads || struck[op] >= 3 {
						return nil
					}
					struck[op]++
					if struck[op]%2 == 1 {
						return fault()
					}
					return nil
				}
				_, err := a.scale(t.Context(), wantOfKind(to), Past{})
				if err != nil {
					t.Fatalf("%s, applied %v: %v", name, applied, err)
				}
				a.is(t, from, to)
			}
		}
	})
}

// Interrupted as each call is made, applied or not: the table works, and a
// second run completes it.
func TestApplyInterrupted(t *testing.T) {
	transitions(t, func(t *testing.T, start func() *fakeAWS, from, to string) {
		for n := 1; ; n++ {
			ended := true
			for _, applied := range []bool{false, true} {
				a := start()
				ctx, cancel := context.WithCancelCause(t.Context())
				stop := errors.New("SIGINT")
				count := 0
				a.fail = func(op string, done bool) error {
					if strings.HasPrefix(op, "Describe") || done != applied {
						return nil
					}
					if count++; count == n {
						cancel(stop)
						return context.Canceled
					}
					return nil
				}
				_, err := a.scale(ctx, wantOfKind(to), Past{})
				cancel(nil)
				a.works(t)
				if count >= n {
					ended = false
					if !errors.Is(err, stop) {
						t.Fatalf("interrupted at call %d: %v", n, err)
					}
				}
				a.fail = nil
				if _, err := a.scale(t.Context(), wantOfKind(to), Past{}); err != nil {
					t.Fatalf("after an interruption at call %d: %v", n, err)
				}
				a.is(t, from, to)
			}
			if ended {
				return
			}
		}
	})
}

// A switch that AWS refuses for a day leaves the auto scaling as it was.
func TestApplyRefusedSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("scaled both", 3)}
		a.fail = func(op string, _ bool) error {
			if op == "UpdateTable" {
				return apiError("LimitExceededException", "Subscriber limit exceeded: Update to PayPerRequest mode are limited to once in 1 day(s).")
			}
			return nil
		}
		began := time.Now()
		_, err := a.scale(t.Context(), Want{Billing: OnDemand}, Past{})
		var limit *LimitError
		if !errors.As(err, &limit) || time.Since(began) > time.Second {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		a.is(t, "", "scaled both")
	})
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 30, 0, 0, time.UTC)
	late := time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC)
	have := stateOfKind("fixed", 1)
	have.OnDemandSince = now.Add(-2 * time.Hour)
	have.decreases = map[string]decreases{"": {4, now.Add(-10 * time.Minute)}, "by-1": {5, late.Add(-5 * time.Minute)}}
	toOnDemand, down := Step{Do: Switch, Billing: OnDemand}, Step{Do: Resize, decrease: []string{""}}
	for _, c := range []struct {
		name    string
		step    Step
		at      time.Time
		message string
		want    string
	}{
		{"a switch, AWS says when", toOnDemand, now, "Update to PayPerRequest mode are limited to once in 1 day(s). Last update at [Fri Nov 20 10:30:00 UTC 2026]. Next update can be made at [Sat Nov 21 10:30:00 UTC 2026]", "2026-11-21 10:30:00 UTC"},
		{"a switch, counted from the last", toOnDemand, now, "Subscriber limit exceeded", "2026-11-21 10:30:00 UTC at the latest"},
		{"a decrease, AWS says when", down, now, "Number of decreases today: 4. Last decrease at Friday, November 20, 2026 12:20:00 PM UTC. Next decrease can be made at Friday, November 20, 2026 1:20:00 PM UTC", "2026-11-20 13:20:00 UTC"},
		{"a decrease, an hour after the last", down, now, "Subscriber limit exceeded", "2026-11-20 13:20:00 UTC"},
		{"a decrease, at midnight", Step{Do: Resize, decrease: []string{"by-1"}}, late, "Subscriber limit exceeded", "2026-11-21 00:00:00 UTC"},
	} {
		got := limit(c.step, have, c.at, apiError("LimitExceededException", c.message)).Error()
		if !strings.Contains(got, "until "+c.want) || !strings.Contains(got, c.message) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := limit(toOnDemand, stateOfKind("fixed", 0), now, apiError("LimitExceededException", "no")).Error(); strings.Contains(got, "until") {
		t.Errorf("a time out of nothing: %s", got)
	}
}

// The table is UPDATING, for a while or for ever, before or in the middle.
func TestApplyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("scaled both", 3), until: time.Now().Add(20 * time.Second), updating: 4 * time.Minute}
		var told []string
		have, err := Await(t.Context(), a.clients(), "orders", Options{Watch: func(doing string) { told = append(told, doing) }})
		if err != nil || len(told) != 1 || !strings.Contains(told[0], "now UPDATING") {
			t.Fatalf("told %q, %v", told, err)
		}
		want, err := Resolve(have, wantOfKind("on-demand"), Past{})
		if err != nil {
			t.Fatal(err)
		}
		told = nil
		began := time.Now()
		_, err = Apply(t.Context(), a.clients(), "orders", have, want, Options{Watch: func(doing string) { told = append(told, doing) }})
		if err != nil || time.Since(began) < 4*time.Minute || !slices.Contains(told, "switch to on-demand") || !slices.Contains(told, "wait until ACTIVE: now UPDATING") {
			t.Fatalf("after %s, told %q: %v", time.Since(began), told, err)
		}
		a.is(t, "", "on-demand")
	})
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("fixed", 0), until: time.Now().Add(1000 * time.Hour)}
		began := time.Now()
		_, err := Await(t.Context(), a.clients(), "orders", Options{Stall: 10 * time.Minute})
		var state *StateError
		if !errors.As(err, &state) || !state.Passes || time.Since(began) > 11*time.Minute || len(a.calls) > 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
	for _, status := range []types.TableStatus{types.TableStatusArchived, types.TableStatusDeleting, types.TableStatusInaccessibleEncryptionCredentials} {
		synctest.Test(t, func(t *testing.T) {
			a := &fakeAWS{State: stateOfKind("fixed", 0), describe: func(d *dynamodb.DescribeTableOutput) { d.Table.TableStatus = status }}
			began := time.Now()
			_, err := Await(t.Context(), a.clients(), "orders", Options{})
			var state *StateError
			if !errors.As(err, &state) || state.Passes || state.Status != string(status) || time.Since(began) > 0 {
				t.Errorf("%s: after %s: %v", status, time.Since(began), err)
			}
		})
	}
	// An index that is being made is waited for, one that is being deleted needs no capacity.
	synctest.Test(t, func(t *testing.T) {
		made := time.Now().Add(time.Minute)
		a := &fakeAWS{State: stateOfKind("fixed", 2)}
		a.describe = func(d *dynamodb.DescribeTableOutput) {
			d.Table.GlobalSecondaryIndexes[1].IndexStatus = types.IndexStatusDeleting
			if time.Now().Before(made) {
				d.Table.GlobalSecondaryIndexes[0].IndexStatus = types.IndexStatusCreating
			}
		}
		s, err := Await(t.Context(), a.clients(), "orders", Options{})
		if err != nil || time.Now().Before(made) || len(s.Indexes) != 1 {
			t.Errorf("%v with %d indexes", err, len(s.Indexes))
		}
	})
}

// A description that lags behind is no reason to switch twice.
func TestApplyWaitsForTheDescription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("scaled both", 1), lag: 10 * time.Second}
		if _, err := a.scale(t.Context(), Want{Billing: OnDemand}, Past{}); err != nil {
			t.Fatal(err)
		}
		a.is(t, "", "on-demand")
		if n := len(slices.DeleteFunc(a.calls, func(c string) bool { return !strings.HasPrefix(c, "UpdateTable") })); n != 1 {
			t.Errorf("%d switches", n)
		}
	})
}

// What auto scaling does meanwhile is its own affair.
func TestApplyLeavesMovedCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("on-demand", 0)}
		a.fail = func(op string, applied bool) error {
			if op == "PutScalingPolicy" && applied {
				a.Table.ReadUnits, a.Table.WriteUnits = 77, 78
			}
			return nil
		}
		past := stateOfKind("scaled both", 0)
		r, err := a.scale(t.Context(), Want{Billing: Provisioned}, Past{Provisioned: &past})
		if err != nil || r.After.Table.ReadUnits != 77 || len(r.Done) != 5 {
			t.Errorf("%d steps, %s: %v", len(r.Done), r.After, err)
		}
	})
}

// What cannot be done ends, with AWS's own words.
func TestApplyGivesUp(t *testing.T) {
	for _, c := range []struct {
		name, op string
		err      error
		most     time.Duration
		text     string
	}{
		{"no permission", "RegisterScalableTarget", apiError("AccessDeniedException", "not you"), time.Second, "register auto scaling of table read 5–100: api error AccessDeniedException: not you"},
		{"no permission for alarms", "PutScalingPolicy", apiError("FailedResourceAccessException", "alarms"), time.Second, "FailedResourceAccessException"},
		{"too many targets", "RegisterScalableTarget", apiError("LimitExceededException", "scalable targets"), time.Second, "scalable targets"},
		{"more than the account may have", "UpdateTable", apiError("LimitExceededException", "account limit"), time.Second, "account limit"},
		{"what AWS does not take", "PutScalingPolicy", apiError("ValidationException", "bad policy"), 20 * time.Second, "bad policy"},
		{"no such target, whatever is done", "PutScalingPolicy", errNoTarget, 20 * time.Second, "no such target"},
		{"throttled for ever", "UpdateTable", apiError("ThrottlingException", "Rate exceeded"), 16 * time.Minute, "gave up after"},
		{"in use for ever", "UpdateTable", &types.ResourceInUseException{}, 16 * time.Minute, "ResourceInUse"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &fakeAWS{State: stateOfKind("on-demand", 1)}
			a.fail = func(op string, _ bool) error {
				if op == c.op {
					return c.err
				}
				return nil
			}
			began := time.Now()
			_, err := a.scale(t.Context(), wantOfKind("scaled both"), Past{})
			if err == nil || !strings.Contains(err.Error(), c.text) || time.Since(began) > c.most {
				t.Errorf("%s: after %s: %v", c.name, time.Since(began), err)
			}
			var limit *LimitError
			if errors.As(err, &limit) {
				t.Errorf("%s is taken for a limit that passes: %v", c.name, err)
			}
			a.works(t)
		})
	}
	// Done, and it does not hold: somebody else removes what is put.
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("fixed", 0)}
		a.fail = func(op string, applied bool) error {
			if op == "PutScalingPolicy" && applied {
				a.Table.Read = Range{}
			}
			return nil
		}
		_, err := a.scale(t.Context(), wantOfKind("scaled reads"), Past{})
		if err == nil || !strings.Contains(err.Error(), "the table still needs: register auto scaling of table read") {
			t.Error(err)
		}
	})
}

// Limits of on-demand use go with the switch, and are put back with it.
func TestApplyLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capped := stateOfKind("on-demand", 1)
		capped.Table.Most = &Most{Write: 10}
		capped.Indexes["by-1"] = Capacity{Most: &Most{Read: 7, Write: 8}}
		a := &fakeAWS{State: capped, updating: time.Second, lag: 5 * time.Second}
		if _, err := a.scale(t.Context(), wantOfKind("scaled both"), Past{}); err != nil || a.Table.Most != nil {
			t.Fatalf("%v: %s", err, a.State)
		}
		for range 2 {
			have, err := Await(t.Context(), a.clients(), "orders", Options{})
			if err != nil {
				t.Fatal(err)
			}
			a.calls = nil
			r, err := Apply(t.Context(), a.clients(), "orders", have, capped, Options{})
			if err != nil || len(r.Done) != len(a.calls) || r.After.String() != "on-demand, table at most read any write 10, index by-1 at most read 7 write 8" {
				t.Fatalf("%v, %v: %s", err, r.Done, r.After)
			}
		}
		if len(a.calls) > 0 {
			t.Errorf("the second time: %v", a.calls)
		}
		lower := capped.clone()
		lower.Table.Most = &Most{Read: 3, Write: 10}
		if r, err := Apply(t.Context(), a.clients(), "orders", capped, lower, Options{}); err != nil || len(r.Done) != 1 || *a.Table.Most != *lower.Table.Most {
			t.Errorf("%v, %v: %s", err, r.Done, a.State)
		}
	})
}

// A target, a policy or an action that is gone already is no reason to wait.
func TestApplyGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("scaled both", 0)}
		a.Table.Read.Actions = []Action{{Name: "night", Schedule: "rate(1 day)"}}
		a.Table.Read.Policies = append(a.Table.Read.Policies, Policy{Name: "mine", Type: "StepScaling"})
		a.fail = func(op string, applied bool) error {
			if strings.HasPrefix(op, "De") && !strings.HasPrefix(op, "Describe") && applied {
				return errNoTarget
			}
			return nil
		}
		want := stateOfKind("scaled reads", 0)
		began := time.Now()
		r, err := Apply(t.Context(), a.clients(), "orders", a.State, want, Options{})
		if err != nil || len(r.Done) != 3 || time.Since(began) > 0 {
			t.Errorf("after %s, done %v: %v", time.Since(began), r.Done, err)
		}
		a.is(t, "", "scaled reads")
	})
}

// Credentials that expire are fetched anew, a few times.
func TestApplyRefreshes(t *testing.T) {
	for _, c := range []struct {
		name   string
		mended bool
	}{{"mended", true}, {"not mended", false}} {
		synctest.Test(t, func(t *testing.T) {
			a := &fakeAWS{State: stateOfKind("scaled both", 0)}
			fresh, refreshed := true, 0
			a.fail = func(op string, applied bool) error {
				if op == "DeregisterScalableTarget" && !applied && refreshed == 0 {
					fresh = false
				}
				if !fresh {
					return apiError("ExpiredTokenException", "expired")
				}
				return nil
			}
			clients := a.clients()
			clients.Refresh = func() { refreshed++; fresh = c.mended }
			have := a.State
			want, err := Resolve(have, Want{Billing: OnDemand}, Past{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = Apply(t.Context(), clients, "orders", have, want, Options{})
			if (err == nil) != c.mended || refreshed == 0 || refreshed > 3 {
				t.Errorf("%s: %d refreshes, %v", c.name, refreshed, err)
			}
		})
	}
}

// Read sees all pages, and believes no empty answer.
func TestRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := stateOfKind("scaled both", 3)
		for i := range 7 {
			want.Table.Write.Actions = append(want.Table.Write.Actions, Action{Name: fmt.Sprint("night-", i), Schedule: "rate(1 day)", Timezone: "UTC", Min: aws.Int32(1)})
		}
		want.Indexes["by-2"] = Capacity{ReadUnits: 1, WriteUnits: 2, Read: Range{Min: 1, Max: 2, Suspended: Suspended{Out: true}}}
		a := &fakeAWS{State: want, page: 1}
		asked := map[string]int{}
		a.fail = func(op string, _ bool) error {
			if asked[op]++; asked[op]%3 == 2 {
				return broken(503)
			}
			return nil
		}
		got, err := Read(t.Context(), a.clients(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		if d, back := Diff(got, want), Diff(want, got); len(d.Steps)+len(back.Steps) > 0 || len(got.Table.Write.Actions) != 7 || got.String() != want.String() {
			t.Errorf("read %s\nwant %s", got, want)
		}
		a.fail, a.describe = nil, func(d *dynamodb.DescribeTableOutput) { d.Table = nil }
		if _, err := Read(t.Context(), a.clients(), "orders"); !errors.Is(err, account.ErrEmpty) {
			t.Errorf("an answer without a table: %v", err)
		}
	})
}

func TestStateSays(t *testing.T) {
	kept := stateOfKind("on-demand", 0)
	kept.Table.Read, kept.Table.Write = scaled("", Reads), scaled("", Writes)
	kept.Table.Read.Suspended = allSuspended
	for _, c := range []struct {
		state State
		want  string
	}{
		{stateOfKind("on-demand", 1), "on-demand"},
		{kept, "on-demand, 2 scalable targets kept, 1 of them suspended"},
		{stateOfKind("scaled reads", 1), "provisioned: table read 20 (5–100 at 70 %), write 30; index by-1 read 20 (5–100 at 70 %), write 30"},
	} {
		if got := c.state.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A call that is never answered is made again.
func TestApplyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAWS{State: stateOfKind("fixed", 0)}
		hung := hanging{a, new(bool)}
		have, want := a.State, stateOfKind("scaled reads", 0)
		began := time.Now()
		_, err := Apply(t.Context(), Clients{Tables: hung, Scaling: a}, "orders", have, want, Options{})
		if took := time.Since(began); err != nil || took < 10*time.Second || took > time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
		a.is(t, "", "scaled reads")
	})
}

// hanging answers nothing the first time.
type hanging struct {
	*fakeAWS
	once *bool
}

func (h hanging) DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, o ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	if !*h.once {
		*h.once = true
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.fakeAWS.DescribeTable(ctx, in, o...)
}
