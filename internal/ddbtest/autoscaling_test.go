package ddbtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aastypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	tableRead = aastypes.ScalableDimensionDynamoDBTableReadCapacityUnits
	indexRead = aastypes.ScalableDimensionDynamoDBIndexReadCapacityUnits
)

func register(ctx context.Context, c *aas.Client, resource string, dimension aastypes.ScalableDimension) error {
	_, err := c.RegisterScalableTarget(ctx, &aas.RegisterScalableTargetInput{ServiceNamespace: aastypes.ServiceNamespaceDynamodb,
		ResourceId: aws.String(resource), ScalableDimension: dimension, MinCapacity: aws.Int32(5), MaxCapacity: aws.Int32(50)})
	return err
}

func putPolicy(ctx context.Context, c *aas.Client, resource, name string, dimension aastypes.ScalableDimension, percent float64) error {
	_, err := c.PutScalingPolicy(ctx, &aas.PutScalingPolicyInput{ServiceNamespace: aastypes.ServiceNamespaceDynamodb,
		ResourceId: aws.String(resource), ScalableDimension: dimension, PolicyName: aws.String(name), PolicyType: aastypes.PolicyTypeTargetTrackingScaling,
		TargetTrackingScalingPolicyConfiguration: &aastypes.TargetTrackingScalingPolicyConfiguration{TargetValue: aws.Float64(percent),
			PredefinedMetricSpecification: &aastypes.PredefinedMetricSpecification{PredefinedMetricType: aastypes.MetricTypeDynamoDBReadCapacityUtilization}}})
	return err
}

// Both services in one account, on one port, with what moto does not do as AWS does.
func TestAutoScaling(t *testing.T) {
	w := Start(t, WithMoto(), WithSignatures())
	a := w.Account("prod")
	create(t, a, Table{Name: "orders", Partition: S("pk"), Indexes: []Index{{Name: "by-city", Partition: S("city")}}, ReadUnits: 5, WriteUnits: 5})
	create(t, a, Table{Name: "orders-archive", Partition: S("pk"), ReadUnits: 5, WriteUnits: 5})
	ctx, c := t.Context(), a.AutoScaling()
	namespace := aastypes.ServiceNamespaceDynamodb

	_, err := c.DeregisterScalableTarget(ctx, &aas.DeregisterScalableTargetInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders"), ScalableDimension: tableRead})
	requireError(t, err, "ObjectNotFoundException")
	_, err = c.DeleteScalingPolicy(ctx, &aas.DeleteScalingPolicyInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders"), ScalableDimension: tableRead, PolicyName: aws.String("p")})
	requireError(t, err, "ObjectNotFoundException")
	requireError(t, putPolicy(ctx, c, "table/orders", "p", tableRead, 70), "ObjectNotFoundException")
	requireError(t, register(ctx, c, "table/missing", tableRead), "ValidationException")
	requireError(t, register(ctx, c, "table/orders/index/missing", indexRead), "ValidationException")

	for _, resource := range []string{"table/orders", "table/orders-archive"} {
		if err := register(ctx, c, resource, tableRead); err != nil {
			t.Fatal(err)
		}
	}
	if err := register(ctx, c, "table/orders/index/by-city", indexRead); err != nil {
		t.Fatal(err)
	}
	if err := putPolicy(ctx, c, "table/orders", "p", tableRead, 70); err != nil {
		t.Fatal(err)
	}
	requireError(t, putPolicy(ctx, c, "table/orders", "q", tableRead, 70), "ValidationException")
	requireError(t, putPolicy(ctx, c, "table/orders-archive", "p", tableRead, 10), "ValidationException")
	for i := range 7 {
		_, err := c.PutScheduledAction(ctx, &aas.PutScheduledActionInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders"), ScalableDimension: tableRead,
			ScheduledActionName: aws.String(fmt.Sprint("night-", i)), Schedule: aws.String("cron(0 3 * * ? *)"),
			ScalableTargetAction: &aastypes.ScalableTargetAction{MinCapacity: aws.Int32(1)}})
		if err != nil {
			t.Fatal(err)
		}
	}

	actions := func() (n, pages int) {
		t.Helper()
		list := aas.NewDescribeScheduledActionsPaginator(c, &aas.DescribeScheduledActionsInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders")})
		for list.HasMorePages() {
			page, err := list.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			n, pages = n+len(page.ScheduledActions), pages+1
		}
		return n, pages
	}
	if n, pages := actions(); n != 7 || pages != 3 {
		t.Errorf("%d actions on %d pages, want 7 on 3", n, pages)
	}
	_, err = c.DescribeScheduledActions(ctx, &aas.DescribeScheduledActionsInput{ServiceNamespace: namespace, NextToken: aws.String("from-elsewhere")})
	requireError(t, err, "InvalidNextTokenException")

	targets, err := c.DescribeScalableTargets(ctx, &aas.DescribeScalableTargetsInput{ServiceNamespace: namespace, ResourceIds: []string{"table/orders"}})
	if err != nil || len(targets.ScalableTargets) != 1 || targets.ScalableTargets[0].SuspendedState == nil || aws.ToBool(targets.ScalableTargets[0].SuspendedState.DynamicScalingInSuspended) {
		t.Fatalf("targets: %+v, %v", targets, err)
	}
	_, err = c.DeregisterScalableTarget(ctx, &aas.DeregisterScalableTargetInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders"), ScalableDimension: tableRead})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := actions(); n != 0 {
		t.Errorf("%d actions outlive their target", n)
	}
	// moto finds a resource by a part of its name: orders is one of orders-archive's.
	policies, err := c.DescribeScalingPolicies(ctx, &aas.DescribeScalingPoliciesInput{ServiceNamespace: namespace, ResourceId: aws.String("table/orders-archive")})
	if err != nil || len(policies.ScalingPolicies) != 0 {
		t.Errorf("policies: %+v, %v", policies, err)
	}
	for _, m := range a.Proxy.Mutations() {
		if m.Table != "orders" && m.Table != "orders-archive" && m.Table != "missing" {
			t.Errorf("a call in the log without its table: %s", m)
		}
	}
	id := a.Proxy.Inject(Fault{Kind: Error, Code: "ConcurrentUpdateException", Op: "RegisterScalableTarget", Table: "orders", Count: 1})
	requireError(t, register(ctx, c, "table/orders", tableRead), "ConcurrentUpdateException")
	if a.Proxy.Fired(id) != 1 {
		t.Error("the fault did not strike")
	}

	// A user's configuration leads there too, and only this account's keys are good.
	for _, v := range w.Env() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile("prod-role"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aas.NewFromConfig(cfg).DescribeScalableTargets(ctx, &aas.DescribeScalableTargetsInput{ServiceNamespace: namespace}); err != nil {
		t.Errorf("through the profile: %v", err)
	}
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return w.Account("dev").Credentials(), nil })
	_, err = aas.NewFromConfig(cfg).DescribeScalableTargets(ctx, &aas.DescribeScalableTargetsInput{ServiceNamespace: namespace})
	requireError(t, err, "UnrecognizedClientException")
}

// What Dynoxide forgets of a table's throughput, the proxy remembers.
func TestThroughput(t *testing.T) {
	a := stage(t, 0)
	create(t, a, Table{Name: "billing", Partition: S("pk"), Indexes: []Index{{Name: "by-city", Partition: S("city")}}, ReadUnits: 5, WriteUnits: 6})
	c := a.ProxyClient()
	describe := func() *types.TableDescription {
		t.Helper()
		for {
			out, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("billing")})
			if err != nil {
				t.Fatal(err)
			}
			if out.Table.TableStatus == types.TableStatusActive {
				return out.Table
			}
		}
	}
	update := func(mode types.BillingMode, table, index int64) error {
		in := &dynamodb.UpdateTableInput{TableName: aws.String("billing"), BillingMode: mode}
		throughput := func(n int64) *types.ProvisionedThroughput {
			return &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(n), WriteCapacityUnits: aws.Int64(n)}
		}
		if table > 0 {
			in.ProvisionedThroughput = throughput(table)
		}
		if index > 0 {
			in.GlobalSecondaryIndexUpdates = []types.GlobalSecondaryIndexUpdate{{Update: &types.UpdateGlobalSecondaryIndexAction{
				IndexName: aws.String("by-city"), ProvisionedThroughput: throughput(index)}}}
		}
		_, err := c.UpdateTable(t.Context(), in)
		return err
	}
	index := func() int64 {
		return aws.ToInt64(describe().GlobalSecondaryIndexes[0].ProvisionedThroughput.ReadCapacityUnits)
	}
	if d := describe(); d.BillingModeSummary != nil || index() != 5 {
		t.Errorf("a table that was never on demand: %+v, index %d", d.BillingModeSummary, index())
	}
	if err := update("", 0, 9); err != nil || index() != 9 {
		t.Errorf("raise the index: %d, %v", index(), err)
	}
	requireError(t, update("", 0, 9), "ValidationException")
	began := time.Now().Truncate(time.Second)
	if err := update(types.BillingModePayPerRequest, 0, 0); err != nil {
		t.Fatal(err)
	}
	requireError(t, update(types.BillingModeProvisioned, 3, 3), "ResourceInUseException")
	d := describe()
	if s := d.BillingModeSummary; s == nil || s.BillingMode != types.BillingModePayPerRequest || aws.ToTime(s.LastUpdateToPayPerRequestDateTime).Before(began) || index() != 0 {
		t.Errorf("on demand: %+v, index %d", s, index())
	}
	requireError(t, update(types.BillingModeProvisioned, 3, 0), "ValidationException")
	if err := update(types.BillingModeProvisioned, 3, 2); err != nil || index() != 2 {
		t.Errorf("back: index %d, %v", index(), err)
	}
	if s := describe().BillingModeSummary; s == nil || s.BillingMode != types.BillingModeProvisioned {
		t.Errorf("provisioned again: %+v", s)
	}
	if err := update("", 0, 1); err != nil || aws.ToInt64(describe().GlobalSecondaryIndexes[0].ProvisionedThroughput.NumberOfDecreasesToday) != 1 {
		t.Errorf("a decrease: %+v, %v", describe().GlobalSecondaryIndexes[0].ProvisionedThroughput, err)
	}
}
