package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// A Table is what CreateTable makes. Its zero parts: no sort key, no indexes, on demand.
type Table struct {
	Name       string
	Partition  Attr
	Sort       Attr // Name "" means none
	Indexes    []Index
	ReadUnits  int64 // per second; 0 means on demand
	WriteUnits int64 // per second; 0 means on demand
}

// An Attr is a key attribute.
type Attr struct {
	Name string
	Type types.ScalarAttributeType
}

// An Index is a secondary index: global and with all attributes, unless told.
type Index struct {
	Name       string
	Partition  Attr
	Sort       Attr                 // Name "" means none
	Local      bool                 // its partition key is the table's
	Projection types.ProjectionType // "" means ALL
	Attributes []string             // of INCLUDE
}

// S, N and B name key attributes of the three types.
func S(name string) Attr { return Attr{name, types.ScalarAttributeTypeS} }

// N is a number key; see S.
func N(name string) Attr { return Attr{name, types.ScalarAttributeTypeN} }

// B is a binary key; see S.
func B(name string) Attr { return Attr{name, types.ScalarAttributeTypeB} }

// CreateTable creates the table and waits until it is ACTIVE.
func (a *Account) CreateTable(ctx context.Context, t Table) error {
	in := &dynamodb.CreateTableInput{
		TableName: aws.String(t.Name), KeySchema: keySchema(t.Partition, t.Sort), BillingMode: types.BillingModePayPerRequest,
	}
	attrs := []Attr{t.Partition, t.Sort}
	if t.ReadUnits > 0 {
		in.BillingMode = types.BillingModeProvisioned
		in.ProvisionedThroughput = t.throughput()
	}
	for _, x := range t.Indexes {
		attrs = append(attrs, x.Partition, x.Sort)
		projection := &types.Projection{ProjectionType: types.ProjectionTypeAll, NonKeyAttributes: x.Attributes}
		if x.Projection != "" {
			projection.ProjectionType = x.Projection
		}
		if x.Local {
			in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{
				IndexName: aws.String(x.Name), KeySchema: keySchema(x.Partition, x.Sort), Projection: projection,
			})
			continue
		}
		index := types.GlobalSecondaryIndex{IndexName: aws.String(x.Name), KeySchema: keySchema(x.Partition, x.Sort), Projection: projection}
		if t.ReadUnits > 0 {
			index.ProvisionedThroughput = t.throughput()
		}
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, index)
	}
	defined := map[string]bool{"": true}
	for _, attr := range attrs {
		if !defined[attr.Name] {
			defined[attr.Name] = true
			in.AttributeDefinitions = append(in.AttributeDefinitions,
				types.AttributeDefinition{AttributeName: aws.String(attr.Name), AttributeType: attr.Type})
		}
	}
	if _, err := a.client.CreateTable(ctx, in); err != nil {
		return fmt.Errorf("create table %s in %s: %w", t.Name, a.Name, err)
	}
	a.schemas.forget(t.Name)
	return dynamodb.NewTableExistsWaiter(a.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay = 20 * time.Millisecond
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(t.Name)}, time.Minute)
}

func (t Table) throughput() *types.ProvisionedThroughput {
	return &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(t.ReadUnits), WriteCapacityUnits: aws.Int64(max(t.WriteUnits, 1))}
}

func keySchema(partition, sort Attr) []types.KeySchemaElement {
	keys := []types.KeySchemaElement{{AttributeName: aws.String(partition.Name), KeyType: types.KeyTypeHash}}
	if sort.Name != "" {
		keys = append(keys, types.KeySchemaElement{AttributeName: aws.String(sort.Name), KeyType: types.KeyTypeRange})
	}
	return keys
}

// DeleteTable deletes the table and waits until it is gone.
func (a *Account) DeleteTable(ctx context.Context, table string) error {
	a.schemas.forget(table)
	if _, err := a.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)}); err != nil {
		return fmt.Errorf("delete table %s in %s: %w", table, a.Name, err)
	}
	return dynamodb.NewTableNotExistsWaiter(a.client, func(o *dynamodb.TableNotExistsWaiterOptions) {
		o.MinDelay = 20 * time.Millisecond
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)}, time.Minute)
}

// Fill puts items past the proxy: they are in no log and meet no fault. Of two
// items with one key either may win.
func (a *Account) Fill(ctx context.Context, table string, items iter.Seq[Item]) error {
	return fill(ctx, a.client, table, items)
}

func fill(ctx context.Context, client *dynamodb.Client, table string, items iter.Seq[Item]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // the engine writes one batch at a time; more only wait
	var batch []types.WriteRequest
	size := 0
	send := func() {
		full := batch
		batch, size = nil, 0
		g.Go(func() error { return putBatch(ctx, client, table, full) })
	}
	for item := range items {
		n := ItemSize(item) * 6 // a control character takes six bytes in JSON
		if len(batch) == 25 || len(batch) > 0 && size+n > maxBody-1<<20 {
			send()
		}
		batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		size += n
		if ctx.Err() != nil {
			break
		}
	}
	if len(batch) > 0 {
		send()
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("fill table %s: %w", table, err)
	}
	return nil
}

func putBatch(ctx context.Context, client *dynamodb.Client, table string, batch []types.WriteRequest) error {
	for len(batch) > 0 {
		out, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
		if err != nil {
			return err
		}
		batch = out.UnprocessedItems[table]
	}
	return nil
}

// Count counts the table's items by reading them.
func (a *Account) Count(ctx context.Context, table string) (int, error) {
	n := 0
	var from Item
	for {
		out, err := a.client.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String(table), Select: types.SelectCount,
			ConsistentRead: aws.Bool(true), ExclusiveStartKey: from, Limit: aws.Int32(pageLimit)})
		if err != nil {
			return 0, fmt.Errorf("count table %s in %s: %w", table, a.Name, err)
		}
		n += int(out.Count)
		if from = out.LastEvaluatedKey; from == nil {
			return n, nil
		}
	}
}

// schemas remembers the key attributes of an engine's tables.
type schemas struct {
	mu     sync.Mutex
	tables map[string][]Attr
}

func (s *schemas) forget(table string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tables, table)
}

// keyAttrs returns the key attributes of a table, partition key first; none if
// there is no such table.
func (a *Account) keyAttrs(table string) []Attr {
	a.schemas.mu.Lock()
	defer a.schemas.mu.Unlock()
	if attrs, ok := a.schemas.tables[table]; ok {
		return attrs
	}
	attrs, err := keyAttrs(a.world.ctx, a.client, table)
	if err != nil {
		return nil
	}
	if a.schemas.tables == nil {
		a.schemas.tables = map[string][]Attr{}
	}
	a.schemas.tables[table] = attrs
	return attrs
}

func (p *Proxy) keyNames(table string) []string {
	var names []string
	for _, attr := range p.account.keyAttrs(table) {
		names = append(names, attr.Name)
	}
	return names
}

func keyAttrs(ctx context.Context, client *dynamodb.Client, table string) ([]Attr, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		return nil, err
	}
	var attrs []Attr
	for _, k := range out.Table.KeySchema { // DynamoDB gives the partition key first
		for _, d := range out.Table.AttributeDefinitions {
			if aws.ToString(d.AttributeName) == aws.ToString(k.AttributeName) {
				attrs = append(attrs, Attr{aws.ToString(d.AttributeName), d.AttributeType})
			}
		}
	}
	if len(attrs) == 0 {
		return nil, errors.New("no key attributes in the description of " + table)
	}
	return attrs, nil
}
