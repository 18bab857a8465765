package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// world has the accounts prod and dev, shared by all tests; each makes tables
// of its own, and faults are for those.
var world *ddbtest.World

// quickRace has the race detector not wait for a second when a program
// succeeds, as it does by default.
const quickRace = "GORACE=atexit_sleep_ms=20"

// TestMain makes this binary the command dynamo, too: scripts and terminal
// tests run it as a process of its own, race detector included.
func TestMain(m *testing.M) {
	testscript.Main(inWorld{m}, map[string]func(){"dynamo": main})
}

// inWorld runs the tests, but not the command, with the test accounts open.
type inWorld struct{ *testing.M }

func (m inWorld) Run() int {
	dir, err := os.MkdirTemp("", "dynamo-command-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	world, err = ddbtest.Open(context.Background(), dir, ddbtest.WithMoto())
	if err != nil {
		return failed(err)
	}
	code := m.M.Run()
	if err := world.Close(); err != nil {
		return failed(err)
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// createTable makes a table that ends with the test. Keys are like pk:S,sk:N, an
// index like NAME=pk:S,sk:N, with /KEYS_ONLY or /INCLUDE:attribute behind it unless it has all.
func createTable(account, name, keys string, indexes ...string) (func(), error) {
	a, shape := world.Account(account), ddbtest.Table{Name: name}
	var err error
	if shape.Partition, shape.Sort, err = parseKeys(keys); err != nil {
		return nil, err
	}
	for _, text := range indexes {
		var x ddbtest.Index
		var keys string
		x.Name, keys, _ = strings.Cut(text, "=")
		keys, projection, _ := strings.Cut(keys, "/")
		projection, attribute, _ := strings.Cut(projection, ":")
		x.Projection = types.ProjectionType(projection)
		if attribute != "" {
			x.Attributes = []string{attribute}
		}
		if x.Partition, x.Sort, err = parseKeys(keys); err != nil {
			return nil, err
		}
		shape.Indexes = append(shape.Indexes, x)
	}
	if err := a.CreateTable(context.Background(), shape); err != nil {
		return nil, err
	}
	return func() { _ = a.DeleteTable(context.Background(), name) }, nil // its engine ends soon anyway
}

func parseKeys(text string) (partition, sort ddbtest.Attr, err error) {
	var attrs [2]ddbtest.Attr
	for i, key := range strings.SplitN(text, ",", 2) {
		name, kind, ok := strings.Cut(key, ":")
		if !ok || !slices.Contains([]string{"S", "N", "B"}, kind) {
			return partition, sort, fmt.Errorf("no such keys: %q", text)
		}
		attrs[i] = ddbtest.Attr{Name: name, Type: types.ScalarAttributeType(kind)}
	}
	return attrs[0], attrs[1], nil
}

// putItems puts the items of a text, DynamoDB JSON, one a line.
func putItems(account, name, text string) error {
	var bad error
	err := world.Account(account).Fill(context.Background(), name, func(yield func(ddbtest.Item) bool) {
		for line := range strings.Lines(text) {
			item, err := attributevalue.UnmarshalMapJSON([]byte(line))
			if err != nil {
				bad = fmt.Errorf("%s: %w", line, err)
				return
			}
			if !yield(item) {
				return
			}
		}
	})
	return errors.Join(err, bad)
}

// fillTable puts n items with attributes of all types.
func fillTable(account, name string, n int, seed uint64) error {
	shape := ddbtest.Table{Name: name, Partition: ddbtest.S("pk")}
	return world.Account(account).Fill(context.Background(), name, ddbtest.EdgeItems(shape, n, seed))
}

// mutationsOf are the calls that could have changed the table.
func mutationsOf(account, name string) (list []ddbtest.Request) {
	for _, r := range world.Account(account).Proxy.Mutations() {
		if r.Table == name {
			list = append(list, r)
		}
	}
	return list
}

// createProvisioned makes a table with fixed capacity, and indexes by-0 and so on of the same.
func createProvisioned(account, name string, read, write, indexes int) (func(), error) {
	a := world.Account(account)
	shape := ddbtest.Table{Name: name, Partition: ddbtest.S("pk"), ReadUnits: int64(read), WriteUnits: int64(write)}
	for i := range indexes {
		shape.Indexes = append(shape.Indexes, ddbtest.Index{Name: fmt.Sprintf("by-%d", i), Partition: ddbtest.S(fmt.Sprintf("g%d", i))})
	}
	if err := a.CreateTable(context.Background(), shape); err != nil {
		return nil, err
	}
	return func() { _ = a.DeleteTable(context.Background(), name) }, nil // its engine ends soon anyway
}

// scalingOf is what the plain SDK says of a table's billing and auto scaling,
// a line for each thing, sorted.
func scalingOf(account, name string) (string, error) {
	a, ctx := world.Account(account), context.Background()
	d, err := a.ProxyClient().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
	if err != nil {
		return "", err
	}
	mode := types.BillingModeProvisioned
	if b := d.Table.BillingModeSummary; b != nil {
		mode = b.BillingMode
	}
	lines := []string{"billing " + string(mode)}
	ids := []string{"table/" + name}
	note := func(what string, p *types.ProvisionedThroughputDescription) {
		lines = append(lines, fmt.Sprintf("units %s %d %d", what, aws.ToInt64(p.ReadCapacityUnits), aws.ToInt64(p.WriteCapacityUnits)))
	}
	note("table", d.Table.ProvisionedThroughput)
	for _, g := range d.Table.GlobalSecondaryIndexes {
		note(*g.IndexName, g.ProvisionedThroughput)
		ids = append(ids, "table/"+name+"/index/"+*g.IndexName)
	}
	c, namespace := a.AutoScaling(), aas.ServiceNamespaceDynamodb
	targets := applicationautoscaling.NewDescribeScalableTargetsPaginator(c, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: namespace, ResourceIds: ids})
	for targets.HasMorePages() {
		page, err := targets.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, t := range page.ScalableTargets {
			at := strings.TrimPrefix(*t.ResourceId, "table/"+name) + " " + string(t.ScalableDimension)
			lines = append(lines, fmt.Sprintf("target %s %d %d suspended=%v", strings.TrimSpace(at), *t.MinCapacity, *t.MaxCapacity, *t.SuspendedState.DynamicScalingInSuspended))
			policies, err := c.DescribeScalingPolicies(ctx, &applicationautoscaling.DescribeScalingPoliciesInput{ServiceNamespace: namespace, ResourceId: t.ResourceId, ScalableDimension: t.ScalableDimension})
			if err != nil {
				return "", err
			}
			for _, p := range policies.ScalingPolicies {
				k := p.TargetTrackingScalingPolicyConfiguration
				lines = append(lines, fmt.Sprintf("policy %s %g scale-in=%v cooldown=%d/%d", strings.TrimSpace(at), *k.TargetValue, !aws.ToBool(k.DisableScaleIn), aws.ToInt32(k.ScaleInCooldown), aws.ToInt32(k.ScaleOutCooldown)))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n", nil
}
