package scaling

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A fakeAWS is one table and its auto scaling, as strict as AWS and in fake
// time. The real engines are in the tests of package table.
type fakeAWS struct {
	State
	updating time.Duration // how long a change of the table takes
	until    time.Time     // UPDATING until then
	lag      time.Duration // how long a description shows what was before
	old      State
	lagUntil time.Time

	calls    []string                            // that change something
	fail     func(op string, applied bool) error // asked before and after each call; nil for none
	page     int                                 // elements a page; 0 means all
	describe func(*dynamodb.DescribeTableOutput) // spoils a description
}

func (a *fakeAWS) clients() Clients { return Clients{Tables: a, Scaling: a} }

// do makes a call that changes something.
func (a *fakeAWS) do(op, what string, change func() error) error {
	if a.fail != nil {
		if err := a.fail(op, false); err != nil {
			return err
		}
	}
	a.calls = append(a.calls, strings.TrimSpace(op+" "+what))
	if err := change(); err != nil {
		return err
	}
	if a.fail != nil {
		return a.fail(op, true)
	}
	return nil
}

func (a *fakeAWS) ask(op string) error {
	if a.fail != nil {
		return a.fail(op, false)
	}
	return nil
}

func apiError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}

// broken is an answer with no exception in it.
func broken(status int) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: fmt.Errorf("status %d", status)}}
}

func (a *fakeAWS) DescribeTable(ctx context.Context, _ *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	if err := a.ask("DescribeTable"); err != nil {
		return nil, err
	}
	s := a.State
	if time.Now().Before(a.lagUntil) {
		s = a.old
	}
	t := &types.TableDescription{TableName: aws.String("orders"), TableStatus: types.TableStatusActive, ProvisionedThroughput: throughputOf(s, ""), OnDemandThroughput: limitsOf(s, "")}
	if s.Global {
		t.Replicas = []types.ReplicaDescription{{RegionName: aws.String("eu-west-2")}}
	}
	if time.Now().Before(a.until) {
		t.TableStatus = types.TableStatusUpdating
	}
	if !s.OnDemandSince.IsZero() {
		t.BillingModeSummary = &types.BillingModeSummary{BillingMode: types.BillingModeProvisioned, LastUpdateToPayPerRequestDateTime: aws.Time(s.OnDemandSince)}
		if s.Billing == OnDemand {
			t.BillingModeSummary.BillingMode = types.BillingModePayPerRequest
		}
	}
	for _, index := range s.places()[1:] {
		t.GlobalSecondaryIndexes = append(t.GlobalSecondaryIndexes, types.GlobalSecondaryIndexDescription{
			IndexName: aws.String(index), IndexStatus: types.IndexStatusActive, ProvisionedThroughput: throughputOf(s, index), OnDemandThroughput: limitsOf(s, index)})
	}
	out := &dynamodb.DescribeTableOutput{Table: t}
	if a.describe != nil {
		a.describe(out)
	}
	return out, nil
}

func throughputOf(s State, index string) *types.ProvisionedThroughputDescription {
	c := s.at(index)
	p := &types.ProvisionedThroughputDescription{ReadCapacityUnits: aws.Int64(c.ReadUnits), WriteCapacityUnits: aws.Int64(c.WriteUnits), NumberOfDecreasesToday: aws.Int64(0)}
	if d, ok := s.decreases[index]; ok && d.today > 0 {
		p.NumberOfDecreasesToday, p.LastDecreaseDateTime = aws.Int64(d.today), aws.Time(d.last)
	}
	return p
}

func limitsOf(s State, index string) *types.OnDemandThroughput {
	m := s.at(index).Most
	if m == nil {
		return nil
	}
	return &types.OnDemandThroughput{MaxReadRequestUnits: aws.Int64(limitOf(m.Read)), MaxWriteRequestUnits: aws.Int64(limitOf(m.Write))}
}

func (a *fakeAWS) UpdateTable(ctx context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	err := a.do("UpdateTable", string(in.BillingMode), func() error {
		if time.Now().Before(a.until) {
			return &types.ResourceInUseException{}
		}
		next := a.clone()
		if in.BillingMode != "" {
			next.Billing = Provisioned
			if in.BillingMode == types.BillingModePayPerRequest {
				next.Billing, next.OnDemandSince = OnDemand, time.Now()
			}
		}
		changed := next.Billing != a.Billing
		given := map[string]*types.ProvisionedThroughput{}
		if in.ProvisionedThroughput != nil {
			given[""] = in.ProvisionedThroughput
		}
		most := map[string]*types.OnDemandThroughput{}
		if in.OnDemandThroughput != nil {
			most[""] = in.OnDemandThroughput
		}
		for _, u := range in.GlobalSecondaryIndexUpdates {
			if u.Update.OnDemandThroughput != nil {
				most[aws.ToString(u.Update.IndexName)] = u.Update.OnDemandThroughput
				continue
			}
			given[aws.ToString(u.Update.IndexName)] = u.Update.ProvisionedThroughput
		}
		for index, p := range given {
			c := next.at(index)
			read, write := aws.ToInt64(p.ReadCapacityUnits), aws.ToInt64(p.WriteCapacityUnits)
			if !next.has(index) || next.Billing == OnDemand || read < 1 || write < 1 || !changed && c.ReadUnits == read && c.WriteUnits == write {
				return apiError("ValidationException", "the throughput of "+place(index)+" cannot be, or will not change")
			}
			c.ReadUnits, c.WriteUnits = read, write
			next.set(index, c)
		}
		for _, index := range next.places() {
			if _, ok := given[index]; changed && next.Billing == Provisioned && !ok {
				return apiError("ValidationException", "no throughput for "+place(index))
			}
			c := next.at(index)
			switch o, limited := most[index]; {
			case next.Billing != OnDemand && limited:
				return apiError("ValidationException", "MaxReadRequestUnits cannot be specified for a provisioned table")
			case next.Billing != OnDemand:
				c.Most = nil
			case limited:
				c.Most = mostOf(o)
				fallthrough
			default:
				c.ReadUnits, c.WriteUnits = 0, 0
			}
			next.set(index, c)
		}
		a.old, a.lagUntil = a.State, time.Now().Add(a.lag)
		a.State, a.until = next, time.Now().Add(a.updating)
		return nil
	})
	return &dynamodb.UpdateTableOutput{}, err
}

// target is the range of a resource and dimension; change says what becomes of it.
func (a *fakeAWS) target(id *string, dimension aas.ScalableDimension, change func(r *Range) error) error {
	_, index, _ := strings.Cut(aws.ToString(id), "/index/")
	if !strings.HasPrefix(aws.ToString(id), "table/orders") || !a.has(index) || dimension != dimensionOf(index, directionOf(dimension)) {
		return apiError("ValidationException", "no such resource: "+aws.ToString(id))
	}
	c := a.at(index)
	_, r := c.side(directionOf(dimension))
	if err := change(r); err != nil {
		return err
	}
	r.Utilization = utilization(r.Policies, directionOf(dimension))
	a.State = a.clone()
	a.set(index, c)
	return nil
}

var errNoTarget = &aas.ObjectNotFoundException{Message: aws.String("no such target")}

func (a *fakeAWS) RegisterScalableTarget(_ context.Context, in *applicationautoscaling.RegisterScalableTargetInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.RegisterScalableTargetOutput, error) {
	err := a.do("RegisterScalableTarget", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			r.Min, r.Max = int64(aws.ToInt32(in.MinCapacity)), int64(aws.ToInt32(in.MaxCapacity))
			x := in.SuspendedState
			r.Suspended = Suspended{aws.ToBool(x.DynamicScalingInSuspended), aws.ToBool(x.DynamicScalingOutSuspended), aws.ToBool(x.ScheduledScalingSuspended)}
			return nil
		})
	})
	return nil, err
}

func (a *fakeAWS) DeregisterScalableTarget(_ context.Context, in *applicationautoscaling.DeregisterScalableTargetInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeregisterScalableTargetOutput, error) {
	err := a.do("DeregisterScalableTarget", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			if !r.Registered() {
				return errNoTarget
			}
			*r = Range{}
			return nil
		})
	})
	return nil, err
}

func (a *fakeAWS) PutScalingPolicy(_ context.Context, in *applicationautoscaling.PutScalingPolicyInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.PutScalingPolicyOutput, error) {
	err := a.do("PutScalingPolicy", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			if !r.Registered() {
				return errNoTarget
			}
			p := Policy{aws.ToString(in.PolicyName), string(in.PolicyType), in.TargetTrackingScalingPolicyConfiguration, in.StepScalingPolicyConfiguration}
			others := slices.DeleteFunc(slices.Clone(r.Policies), func(q Policy) bool { return q.Name == p.Name })
			if p.Name == "" || p.Tracking != nil && tracker([]Policy{p}, directionOf(in.ScalableDimension)) != nil && tracker(others, directionOf(in.ScalableDimension)) != nil {
				return apiError("ValidationException", "no name, or a second policy of one metric")
			}
			r.Policies = slices.Concat(others, []Policy{p})
			return nil
		})
	})
	return nil, err
}

func (a *fakeAWS) DeleteScalingPolicy(_ context.Context, in *applicationautoscaling.DeleteScalingPolicyInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeleteScalingPolicyOutput, error) {
	err := a.do("DeleteScalingPolicy", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			n := len(r.Policies)
			r.Policies = slices.DeleteFunc(slices.Clone(r.Policies), func(q Policy) bool { return q.Name == aws.ToString(in.PolicyName) })
			if len(r.Policies) == n {
				return errNoTarget
			}
			return nil
		})
	})
	return nil, err
}

func (a *fakeAWS) PutScheduledAction(_ context.Context, in *applicationautoscaling.PutScheduledActionInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.PutScheduledActionOutput, error) {
	err := a.do("PutScheduledAction", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			if !r.Registered() {
				return errNoTarget
			}
			action := Action{Name: aws.ToString(in.ScheduledActionName), Schedule: aws.ToString(in.Schedule), Timezone: aws.ToString(in.Timezone),
				Start: in.StartTime, End: in.EndTime, Min: in.ScalableTargetAction.MinCapacity, Max: in.ScalableTargetAction.MaxCapacity}
			r.Actions = append(slices.DeleteFunc(slices.Clone(r.Actions), func(b Action) bool { return b.Name == action.Name }), action)
			return nil
		})
	})
	return nil, err
}

func (a *fakeAWS) DeleteScheduledAction(_ context.Context, in *applicationautoscaling.DeleteScheduledActionInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeleteScheduledActionOutput, error) {
	err := a.do("DeleteScheduledAction", aws.ToString(in.ResourceId), func() error {
		return a.target(in.ResourceId, in.ScalableDimension, func(r *Range) error {
			n := len(r.Actions)
			r.Actions = slices.DeleteFunc(slices.Clone(r.Actions), func(b Action) bool { return b.Name == aws.ToString(in.ScheduledActionName) })
			if len(r.Actions) == n {
				return errNoTarget
			}
			return nil
		})
	})
	return nil, err
}

// sides yields every registered range of the resources.
func (a *fakeAWS) sides(ids []string, f func(id *string, dimension aas.ScalableDimension, r Range)) {
	for _, index := range a.places() {
		c := a.at(index)
		for _, d := range directions {
			if _, r := c.side(d); r.Registered() && slices.Contains(ids, resource("orders", index)) {
				f(aws.String(resource("orders", index)), dimensionOf(index, d), *r)
			}
		}
	}
}

// cut takes a page out of all.
func cut[T any](a *fakeAWS, all []T, token *string) ([]T, *string) {
	from, _ := strconv.Atoi(aws.ToString(token))
	if a.page == 0 || from+a.page >= len(all) {
		return append([]T{}, all[from:]...), nil
	}
	return all[from : from+a.page], aws.String(strconv.Itoa(from + a.page))
}

func (a *fakeAWS) DescribeScalableTargets(_ context.Context, in *applicationautoscaling.DescribeScalableTargetsInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DescribeScalableTargetsOutput, error) {
	if err := a.ask("DescribeScalableTargets"); err != nil {
		return nil, err
	}
	var all []aas.ScalableTarget
	a.sides(in.ResourceIds, func(id *string, dimension aas.ScalableDimension, r Range) {
		all = append(all, aas.ScalableTarget{ResourceId: id, ScalableDimension: dimension, MinCapacity: aws.Int32(int32(r.Min)), MaxCapacity: aws.Int32(int32(r.Max)),
			SuspendedState: &aas.SuspendedState{DynamicScalingInSuspended: aws.Bool(r.Suspended.In), DynamicScalingOutSuspended: aws.Bool(r.Suspended.Out), ScheduledScalingSuspended: aws.Bool(r.Suspended.Scheduled)}})
	})
	page, next := cut(a, all, in.NextToken)
	return &applicationautoscaling.DescribeScalableTargetsOutput{ScalableTargets: page, NextToken: next}, nil
}

func (a *fakeAWS) DescribeScalingPolicies(_ context.Context, in *applicationautoscaling.DescribeScalingPoliciesInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DescribeScalingPoliciesOutput, error) {
	if err := a.ask("DescribeScalingPolicies"); err != nil {
		return nil, err
	}
	var all []aas.ScalingPolicy
	a.sides([]string{aws.ToString(in.ResourceId)}, func(id *string, dimension aas.ScalableDimension, r Range) {
		for _, p := range r.Policies {
			all = append(all, aas.ScalingPolicy{ResourceId: id, ScalableDimension: dimension, PolicyName: aws.String(p.Name), PolicyType: aas.PolicyType(p.Type),
				TargetTrackingScalingPolicyConfiguration: p.Tracking, StepScalingPolicyConfiguration: p.Step})
		}
	})
	page, next := cut(a, all, in.NextToken)
	return &applicationautoscaling.DescribeScalingPoliciesOutput{ScalingPolicies: page, NextToken: next}, nil
}

func (a *fakeAWS) DescribeScheduledActions(_ context.Context, in *applicationautoscaling.DescribeScheduledActionsInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DescribeScheduledActionsOutput, error) {
	if err := a.ask("DescribeScheduledActions"); err != nil {
		return nil, err
	}
	var all []aas.ScheduledAction
	a.sides([]string{aws.ToString(in.ResourceId)}, func(id *string, dimension aas.ScalableDimension, r Range) {
		for _, b := range r.Actions {
			all = append(all, aas.ScheduledAction{ResourceId: id, ScalableDimension: dimension, ScheduledActionName: aws.String(b.Name), Schedule: aws.String(b.Schedule),
				Timezone: aws.String(b.Timezone), StartTime: b.Start, EndTime: b.End, ScalableTargetAction: &aas.ScalableTargetAction{MinCapacity: b.Min, MaxCapacity: b.Max}})
		}
	})
	page, next := cut(a, all, in.NextToken)
	return &applicationautoscaling.DescribeScheduledActionsOutput{ScheduledActions: page, NextToken: next}, nil
}
