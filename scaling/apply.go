package scaling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// Options choose how patient to be. The zero value is fine.
type Options struct {
	Stall time.Duration // give up after so long without any progress; 0 means 15 minutes

	// Watch is told what is being done, as it begins: a step, or a wait. It is called
	// on Apply's goroutine. Nil for nobody.
	Watch func(doing string)
}

func (o Options) caller(c Clients, table string) *caller {
	if o.Stall == 0 {
		o.Stall = defaultStall
	}
	if o.Watch == nil {
		o.Watch = func(string) {}
	}
	return &caller{Clients: c, table: table, stall: o.Stall, watch: o.Watch}
}

// A StateError says that the table is in a state that allows no change.
type StateError struct {
	Status string
	Passes bool // it is one that passes, and was waited for

	text string
}

func (e *StateError) Error() string { return e.text }

// Await waits until the table and its indexes are ACTIVE, and reads its state.
// The errors are a [*StateError], those of the services, or the context's cause.
func Await(ctx context.Context, c Clients, table string, o Options) (State, error) {
	return o.caller(c, table).await(ctx, nil)
}

// await waits for ACTIVE, and for what the table should then show: its
// description may lag behind. That it never shows it is for the next Diff to find out.
func (c *caller) await(ctx context.Context, shows func(State) bool) (State, error) {
	var s State
	var settled time.Time // since when it is ACTIVE
	told := ""
	err := c.wait(ctx, func() (state string, done bool, err error) {
		if s, err = c.describe(ctx); err != nil {
			return "", false, err
		}
		switch {
		case s.Status == active:
			if settled.IsZero() {
				settled = time.Now()
			}
			return "", shows == nil || shows(s) || time.Since(settled) > lagLimit, nil
		case lasting[types.TableStatus(s.Status)]:
			return "", false, &StateError{s.Status, false, fmt.Sprintf("the table is %s", s.Status)}
		}
		settled = time.Time{}
		if told != s.Status {
			told = s.Status
			c.watch("wait until ACTIVE: now " + s.Status)
		}
		return s.Status, false, nil
	})
	if gaveUp := (*account.GaveUpError)(nil); errors.As(err, &gaveUp) && s.Status != active && s.Status != "" {
		return s, &StateError{s.Status, true, fmt.Sprintf("the table is still %s: %v", s.Status, gaveUp)}
	}
	if err != nil {
		return s, err
	}
	return s, c.readScaling(ctx, &s)
}

// lagLimit is how long an ACTIVE table may show what it was before.
const lagLimit = 30 * time.Second

// lasting are the states that do not pass by waiting.
var lasting = map[types.TableStatus]bool{
	types.TableStatusDeleting: true, types.TableStatusArchiving: true, types.TableStatusArchived: true,
	types.TableStatusInaccessibleEncryptionCredentials: true, types.TableStatus("REPLICATION_NOT_AUTHORIZED"): true,
}

// A Result is what an Apply did, true also where it broke off.
type Result struct {
	Done  []Step // in the order in which they were done
	After State  // as it was last read
}

// attempts is how often the difference is taken anew when the table turns out
// not to be what the last one was taken from.
const attempts = 5

// Apply makes the table's state what want says, step by step as [Diff] orders
// them, and reads it again to see that it is so. A table that is being changed is waited for.
// Whatever fails for a moment is tried again for up to Stall. What ends early is completed by
// another Apply with the same want.
//
// Capacity that auto scaling moves within its range meanwhile is left where it is. The errors are a
// [*LimitError], a [*StateError], those of the services, or the context's cause.
func Apply(ctx context.Context, cl Clients, table string, have, want State, o Options) (Result, error) {
	r, err := o.caller(cl, table).apply(ctx, have, want)
	if err != nil && len(r.Done) > 0 {
		cl.Refresh = nil // what could be refreshed has been
		if now, readErr := Read(ctx, cl, table); readErr == nil {
			r.After = now
		}
	}
	return r, err
}

func (c *caller) apply(ctx context.Context, have, want State) (Result, error) {
	r := Result{After: have}
	for rounds, failed := 0, 0; ; {
		steps, before := Diff(r.After, want).Steps, len(r.Done)
		if len(steps) == 0 {
			return r, nil
		}
		err := c.steps(ctx, steps, &r)
		if err == nil {
			rounds, failed = rounds+1, 0
		} else if failed++; len(r.Done) > before {
			failed = 1
		}
		switch {
		case err != nil && (account.Classify(err) != account.Invalid || failed == attempts):
			return r, err
		case rounds > attempts:
			return r, fmt.Errorf("all was done, and the table still needs: %s", steps[0])
		case rounds > 1 || err != nil: // the first look comes at once
			if err := account.Sleep(ctx, min(lastPause, firstPause<<(rounds+failed))); err != nil {
				return r, err
			}
		}
		after, err := c.await(ctx, nil)
		if err != nil {
			return r, err
		}
		r.After = after
		want = moved(after, want)
	}
}

// A StepError is the error of a step's call.
type StepError struct {
	Step Step
	Err  error
}

func (e *StepError) Error() string { return e.Step.String() + ": " + e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }

// steps does one after the other.
func (c *caller) steps(ctx context.Context, steps []Step, r *Result) error {
	for _, s := range steps {
		c.watch(s.String())
		if err := c.step(ctx, s, r.After); err != nil {
			return &StepError{s, err}
		}
		r.Done = append(r.Done, s)
	}
	return nil
}

// moved is want, but for capacities that auto scaling may by now have moved.
func moved(have, want State) State {
	want = want.clone()
	for _, index := range want.places() {
		w, h := want.at(index), have.at(index)
		for _, d := range directions {
			units, r := w.side(d)
			is, _ := h.side(d)
			if r.active() && *is >= r.Min && *is <= r.Max {
				*units = *is
			}
		}
		want.set(index, w)
	}
	return want
}

// step makes a step's call until it is done, and waits for its effect.
func (c *caller) step(ctx context.Context, s Step, have State) error {
	ofTable, sent := s.Do == Switch || s.Do == Resize || s.Do == Limit, false
	began := time.Now()
	for wait := firstPause; ; wait = min(lastPause, 2*wait) {
		err := c.retry(ctx, func(attempt context.Context) error {
			if sent && ofTable { // the one before may have been done, answered or not
				if now, err := c.await(ctx, nil); err != nil || s.shown(now) {
					return err
				}
			}
			sent = true
			return c.call(attempt, s)
		})
		var missing *aas.ObjectNotFoundException
		switch account.Classify(err) {
		case account.Busy:
			if time.Since(began) > c.stall {
				return err
			}
			c.watch("wait until ACTIVE: " + place(s.Index) + " is in use")
			if err := account.Sleep(ctx, wait); err != nil {
				return err
			}
			continue
		case account.Limited:
			if s.Do == Switch && s.Billing == OnDemand || len(s.decrease) > 0 {
				err = limit(s, have, time.Now(), err)
			}
		case account.Invalid:
			if errors.As(err, &missing) && (s.Do == Deregister || s.Do == DeletePolicy || s.Do == DeleteAction) {
				return nil // gone is gone
			}
		}
		if err != nil || !ofTable {
			return err
		}
		_, err = c.await(ctx, s.shown)
		return err
	}
}

// shown reports whether a state shows the billing, capacity or limits of a Switch, Resize or Limit.
func (s Step) shown(now State) bool {
	if s.Billing != "" && now.Billing != s.Billing {
		return false
	}
	for _, u := range s.Units {
		c := now.at(u.Index)
		is := Most{c.ReadUnits, c.WriteUnits}
		if s.onDemand() {
			is = Most{}
			if c.Most != nil {
				is = *c.Most
			}
		}
		if is != (Most{u.Read, u.Write}) {
			return false
		}
	}
	return true
}

// onDemand reports whether the step's units are what may be used on demand.
func (s Step) onDemand() bool { return s.Do == Limit || s.Billing == OnDemand }

// call sends a step's one request.
func (c *caller) call(ctx context.Context, s Step) error {
	namespace, id, dimension := aas.ServiceNamespaceDynamodb, aws.String(resource(c.table, s.Index)), dimensionOf(s.Index, s.Direction)
	switch s.Do {
	case Switch, Resize, Limit:
		_, err := c.Tables.UpdateTable(ctx, s.update(c.table))
		return err
	case Register:
		_, err := c.Scaling.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
			MinCapacity: aws.Int32(int32(s.Range.Min)), MaxCapacity: aws.Int32(int32(s.Range.Max)),
			SuspendedState: &aas.SuspendedState{
				DynamicScalingInSuspended:  aws.Bool(s.Range.Suspended.In),
				DynamicScalingOutSuspended: aws.Bool(s.Range.Suspended.Out),
				ScheduledScalingSuspended:  aws.Bool(s.Range.Suspended.Scheduled),
			},
		})
		return err
	case Deregister:
		_, err := c.Scaling.DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension})
		return err
	case PutPolicy:
		_, err := c.Scaling.PutScalingPolicy(ctx, &applicationautoscaling.PutScalingPolicyInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
			PolicyName: aws.String(s.Policy.Name), PolicyType: aas.PolicyType(s.Policy.Type),
			TargetTrackingScalingPolicyConfiguration: s.Policy.Tracking, StepScalingPolicyConfiguration: s.Policy.Step,
		})
		return err
	case DeletePolicy:
		_, err := c.Scaling.DeleteScalingPolicy(ctx, &applicationautoscaling.DeleteScalingPolicyInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension, PolicyName: aws.String(s.Policy.Name)})
		return err
	case PutAction:
		in := &applicationautoscaling.PutScheduledActionInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
			ScheduledActionName: aws.String(s.Action.Name), Schedule: aws.String(s.Action.Schedule), StartTime: s.Action.Start, EndTime: s.Action.End,
			ScalableTargetAction: &aas.ScalableTargetAction{MinCapacity: s.Action.Min, MaxCapacity: s.Action.Max},
		}
		if s.Action.Timezone != "" {
			in.Timezone = aws.String(s.Action.Timezone)
		}
		_, err := c.Scaling.PutScheduledAction(ctx, in)
		return err
	case DeleteAction:
		_, err := c.Scaling.DeleteScheduledAction(ctx, &applicationautoscaling.DeleteScheduledActionInput{
			ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension, ScheduledActionName: aws.String(s.Action.Name)})
		return err
	}
	return fmt.Errorf("unknown step %q", s.Do)
}

// update is the UpdateTable of a Switch, Resize or Limit.
func (s Step) update(table string) *dynamodb.UpdateTableInput {
	in := &dynamodb.UpdateTableInput{TableName: aws.String(table)}
	switch s.Billing {
	case OnDemand:
		in.BillingMode = types.BillingModePayPerRequest
	case Provisioned:
		in.BillingMode = types.BillingModeProvisioned
	}
	for _, u := range s.Units {
		if s.onDemand() {
			most := &types.OnDemandThroughput{MaxReadRequestUnits: aws.Int64(limitOf(u.Read)), MaxWriteRequestUnits: aws.Int64(limitOf(u.Write))}
			if u.Index == "" {
				in.OnDemandThroughput = most
				continue
			}
			in.GlobalSecondaryIndexUpdates = append(in.GlobalSecondaryIndexUpdates, types.GlobalSecondaryIndexUpdate{
				Update: &types.UpdateGlobalSecondaryIndexAction{IndexName: aws.String(u.Index), OnDemandThroughput: most}})
			continue
		}
		throughput := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(u.Read), WriteCapacityUnits: aws.Int64(u.Write)}
		if u.Index == "" {
			in.ProvisionedThroughput = throughput
			continue
		}
		in.GlobalSecondaryIndexUpdates = append(in.GlobalSecondaryIndexUpdates, types.GlobalSecondaryIndexUpdate{
			Update: &types.UpdateGlobalSecondaryIndexAction{IndexName: aws.String(u.Index), ProvisionedThroughput: throughput}})
	}
	return in
}

// limitOf is AWS's number for a limit on demand: -1 for none.
func limitOf(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}
