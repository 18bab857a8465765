package scaling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// Tables is what is needed of DynamoDB.
type Tables interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	UpdateTable(context.Context, *dynamodb.UpdateTableInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error)
}

// Describer is what is needed of Application Auto Scaling to read.
type Describer interface {
	applicationautoscaling.DescribeScalableTargetsAPIClient
	applicationautoscaling.DescribeScalingPoliciesAPIClient
	applicationautoscaling.DescribeScheduledActionsAPIClient
}

// Scaler is what is needed of Application Auto Scaling to change.
type Scaler interface {
	Describer
	RegisterScalableTarget(context.Context, *applicationautoscaling.RegisterScalableTargetInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.RegisterScalableTargetOutput, error)
	DeregisterScalableTarget(context.Context, *applicationautoscaling.DeregisterScalableTargetInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeregisterScalableTargetOutput, error)
	PutScalingPolicy(context.Context, *applicationautoscaling.PutScalingPolicyInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.PutScalingPolicyOutput, error)
	DeleteScalingPolicy(context.Context, *applicationautoscaling.DeleteScalingPolicyInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeleteScalingPolicyOutput, error)
	PutScheduledAction(context.Context, *applicationautoscaling.PutScheduledActionInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.PutScheduledActionOutput, error)
	DeleteScheduledAction(context.Context, *applicationautoscaling.DeleteScheduledActionInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DeleteScheduledActionOutput, error)
}

// Clients are the two services, of one account and region. Their own retries
// should be off: this package retries.
type Clients struct {
	Tables  Tables
	Scaling Scaler

	// Refresh drops credentials that have expired, so that the next call fetches
	// new ones. Nil where there is nothing to drop.
	Refresh func()
}

// Read returns the table's state as it is now, whatever its status: all pages
// of its scalable targets, policies and scheduled actions. Calls that are throttled or fail
// for a moment are made again for up to a minute. The errors are those of the services.
func Read(ctx context.Context, c Clients, table string) (State, error) {
	return (&caller{Clients: c, table: table, stall: readStall}).read(ctx)
}

func (c *caller) read(ctx context.Context) (State, error) {
	s, err := c.describe(ctx)
	if err != nil {
		return s, err
	}
	return s, c.readScaling(ctx, &s)
}

// describe reads what DynamoDB itself knows.
func (c *caller) describe(ctx context.Context) (State, error) {
	var out *dynamodb.DescribeTableOutput
	err := c.retry(ctx, func(ctx context.Context) (err error) {
		out, err = c.Tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(c.table)})
		if err == nil && (out.Table == nil || out.Table.TableStatus == "") {
			err = account.ErrEmpty
		}
		return err
	})
	if err != nil {
		return State{}, err
	}
	return stateOf(out.Table), nil
}

// stateOf is the part of a state that is in a table's description.
func stateOf(t *types.TableDescription) State {
	s := State{Name: aws.ToString(t.TableName), Billing: Provisioned, Status: string(t.TableStatus), Global: len(t.Replicas) > 0, decreases: map[string]decreases{}}
	// A table that has never been on demand has no summary.
	if b := t.BillingModeSummary; b != nil {
		s.OnDemandSince = aws.ToTime(b.LastUpdateToPayPerRequestDateTime)
		if b.BillingMode == types.BillingModePayPerRequest {
			s.Billing = OnDemand
		}
	}
	capacity := func(index string, p *types.ProvisionedThroughputDescription, o *types.OnDemandThroughput) (c Capacity) {
		if s.Billing == OnDemand {
			c.Most = mostOf(o)
			return c
		}
		if p == nil {
			return c
		}
		s.decreases[index] = decreases{aws.ToInt64(p.NumberOfDecreasesToday), aws.ToTime(p.LastDecreaseDateTime)}
		c.ReadUnits, c.WriteUnits = aws.ToInt64(p.ReadCapacityUnits), aws.ToInt64(p.WriteCapacityUnits)
		return c
	}
	s.Table = capacity("", t.ProvisionedThroughput, t.OnDemandThroughput)
	for _, g := range t.GlobalSecondaryIndexes {
		if g.IndexStatus == types.IndexStatusDeleting {
			continue // has no capacity to set any more
		}
		if s.Indexes == nil {
			s.Indexes = map[string]Capacity{}
		}
		name := aws.ToString(g.IndexName)
		s.Indexes[name] = capacity(name, g.ProvisionedThroughput, g.OnDemandThroughput)
		if g.IndexStatus != types.IndexStatusActive && s.Status == active {
			s.Status = fmt.Sprintf("index %s is %s", name, g.IndexStatus)
		}
	}
	for _, l := range t.LocalSecondaryIndexes {
		s.Local = append(s.Local, aws.ToString(l.IndexName))
	}
	return s
}

// mostOf is nil where there is no limit, which AWS says as -1 or not at all.
func mostOf(o *types.OnDemandThroughput) *Most {
	if o == nil {
		return nil
	}
	m := Most{max(0, aws.ToInt64(o.MaxReadRequestUnits)), max(0, aws.ToInt64(o.MaxWriteRequestUnits))}
	if m == (Most{}) {
		return nil
	}
	return &m
}

const active = string(types.TableStatusActive)

// readScaling adds what Application Auto Scaling knows.
func (c *caller) readScaling(ctx context.Context, s *State) error {
	var registered []string // resources that have targets: only they can have policies
	var resources []string
	for _, index := range s.places() {
		resources = append(resources, resource(c.table, index))
	}
	for ids := range slices.Chunk(resources, 50) { // AWS's limit per request
		err := c.pages(ctx, func(ctx context.Context, token *string) (*string, error) {
			out, err := c.Scaling.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
				ServiceNamespace: aas.ServiceNamespaceDynamodb, ResourceIds: ids, NextToken: token})
			if err == nil && out.ScalableTargets == nil {
				err = account.ErrEmpty
			}
			if err != nil {
				return nil, err
			}
			for _, t := range out.ScalableTargets {
				s.note(c.table, aws.ToString(t.ResourceId), t.ScalableDimension, func(r *Range) {
					r.Min, r.Max = int64(aws.ToInt32(t.MinCapacity)), int64(aws.ToInt32(t.MaxCapacity))
					if x := t.SuspendedState; x != nil {
						r.Suspended = Suspended{aws.ToBool(x.DynamicScalingInSuspended), aws.ToBool(x.DynamicScalingOutSuspended), aws.ToBool(x.ScheduledScalingSuspended)}
					}
				})
				if id := aws.ToString(t.ResourceId); !slices.Contains(registered, id) {
					registered = append(registered, id)
				}
			}
			return out.NextToken, nil
		})
		if err != nil {
			return err
		}
	}
	for _, id := range registered {
		if err := errors.Join(c.readPolicies(ctx, s, id), c.readActions(ctx, s, id)); err != nil {
			return err
		}
	}
	return nil
}

func (c *caller) readPolicies(ctx context.Context, s *State, id string) error {
	return c.pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := c.Scaling.DescribeScalingPolicies(ctx, &applicationautoscaling.DescribeScalingPoliciesInput{
			ServiceNamespace: aas.ServiceNamespaceDynamodb, ResourceId: aws.String(id), NextToken: token})
		if err == nil && out.ScalingPolicies == nil {
			err = account.ErrEmpty
		}
		if err != nil {
			return nil, err
		}
		for _, p := range out.ScalingPolicies {
			s.note(c.table, aws.ToString(p.ResourceId), p.ScalableDimension, func(r *Range) {
				// pages may overlap
				r.Policies = slices.DeleteFunc(r.Policies, func(q Policy) bool { return q.Name == aws.ToString(p.PolicyName) })
				r.Policies = append(r.Policies, Policy{aws.ToString(p.PolicyName), string(p.PolicyType), p.TargetTrackingScalingPolicyConfiguration, p.StepScalingPolicyConfiguration})
				slices.SortFunc(r.Policies, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
				r.Utilization = utilization(r.Policies, directionOf(p.ScalableDimension))
			})
		}
		return out.NextToken, nil
	})
}

func (c *caller) readActions(ctx context.Context, s *State, id string) error {
	return c.pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := c.Scaling.DescribeScheduledActions(ctx, &applicationautoscaling.DescribeScheduledActionsInput{
			ServiceNamespace: aas.ServiceNamespaceDynamodb, ResourceId: aws.String(id), NextToken: token})
		if err == nil && out.ScheduledActions == nil {
			err = account.ErrEmpty
		}
		if err != nil {
			return nil, err
		}
		for _, a := range out.ScheduledActions {
			action := Action{Name: aws.ToString(a.ScheduledActionName), Schedule: aws.ToString(a.Schedule), Timezone: aws.ToString(a.Timezone), Start: a.StartTime, End: a.EndTime}
			if t := a.ScalableTargetAction; t != nil {
				action.Min, action.Max = t.MinCapacity, t.MaxCapacity
			}
			s.note(c.table, aws.ToString(a.ResourceId), a.ScalableDimension, func(r *Range) {
				r.Actions = slices.DeleteFunc(r.Actions, func(b Action) bool { return b.Name == action.Name })
				r.Actions = append(r.Actions, action)
				slices.SortFunc(r.Actions, func(a, b Action) int { return cmp.Compare(a.Name, b.Name) })
			})
		}
		return out.NextToken, nil
	})
}

// pages asks for one page after the other.
func (c *caller) pages(ctx context.Context, ask func(ctx context.Context, token *string) (*string, error)) error {
	return account.Pages(func(token string) (string, error) {
		var from, next *string
		if token != "" {
			from = aws.String(token)
		}
		err := c.retry(ctx, func(ctx context.Context) (err error) { next, err = ask(ctx, from); return err })
		return aws.ToString(next), err
	})
}

// note changes the range of a resource and dimension, if they are the table's.
func (s *State) note(table, id string, dimension aas.ScalableDimension, change func(*Range)) {
	index, found := strings.CutPrefix(id, resource(table, "")+"/index/")
	if !found && id != resource(table, "") {
		return
	}
	if !found {
		index = ""
	}
	if !s.has(index) || dimension != dimensionOf(index, directionOf(dimension)) {
		return
	}
	c := s.at(index)
	_, r := c.side(directionOf(dimension))
	change(r)
	s.set(index, c)
}

// resource is Application Auto Scaling's id of a table or index.
func resource(table, index string) string {
	if index == "" {
		return "table/" + table
	}
	return "table/" + table + "/index/" + index
}

func dimensionOf(index string, d Direction) aas.ScalableDimension {
	switch {
	case index == "" && d == Reads:
		return aas.ScalableDimensionDynamoDBTableReadCapacityUnits
	case index == "":
		return aas.ScalableDimensionDynamoDBTableWriteCapacityUnits
	case d == Reads:
		return aas.ScalableDimensionDynamoDBIndexReadCapacityUnits
	}
	return aas.ScalableDimensionDynamoDBIndexWriteCapacityUnits
}

func directionOf(d aas.ScalableDimension) Direction {
	if strings.HasSuffix(string(d), ":WriteCapacityUnits") {
		return Writes
	}
	return Reads
}

func metricOf(d Direction) aas.MetricType {
	if d == Writes {
		return aas.MetricTypeDynamoDBWriteCapacityUtilization
	}
	return aas.MetricTypeDynamoDBReadCapacityUtilization
}

// tracker is the policy that follows DynamoDB's own utilisation, of which AWS
// allows one per scalable target; nil for none.
func tracker(policies []Policy, d Direction) *Policy {
	for i, p := range policies {
		if p.Tracking != nil && p.Tracking.PredefinedMetricSpecification != nil && p.Tracking.PredefinedMetricSpecification.PredefinedMetricType == metricOf(d) {
			return &policies[i]
		}
	}
	return nil
}

func utilization(policies []Policy, d Direction) float64 {
	if p := tracker(policies, d); p != nil {
		return aws.ToFloat64(p.Tracking.TargetValue)
	}
	return 0
}
