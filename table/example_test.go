package table_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
	"github.com/dynamo-cmdline/dynamo/table"
)

// The script for three in the morning: put the source's items over the
// target's, without those of one customer.
func Example() {
	ctx := context.Background()
	prod, err := table.Open(ctx, "prod", "example", table.AccountOptions{})
	if err != nil {
		log.Fatal(err)
	}
	dev, err := table.Open(ctx, "dev", "example", table.AccountOptions{})
	if err != nil {
		log.Fatal(err)
	}
	summary, err := prod.Copy(ctx, dev, table.CopyOptions{
		Mode:     table.Merge,
		NoBackup: true,
		Shape: func(it item.Item) (item.Item, error) {
			if strings.Contains(string(it), `"customer":{"S":"acme"}`) {
				return nil, nil
			}
			return it, nil
		},
	})
	fmt.Println("read", summary.Read, "written", summary.Written, "skipped", summary.Skipped, "error", err)
	// Output: read 4 written 3 skipped 1 error <nil>
}

// All tables of an account whose name begins so, and a client of one's own.
func ExampleOpenAccount() {
	ctx := context.Background()
	prod, err := table.OpenAccount(ctx, "prod", table.AccountOptions{})
	if err != nil {
		log.Fatal(err)
	}
	names, err := prod.Tables(ctx)
	if err != nil {
		log.Fatal(err)
	}
	own := dynamodb.NewFromConfig(prod.Config())
	for _, name := range names {
		if !strings.HasPrefix(name, "examp") {
			continue
		}
		orders, err := prod.Table(name)
		if err != nil {
			log.Fatal(err)
		}
		d, err := orders.Describe(ctx)
		if err != nil {
			log.Fatal(err)
		}
		ttl, err := own.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Table, d.Schema, ttl.TimeToLiveDescription.TimeToLiveStatus)
	}
	// Output: example pk (S) DISABLED
}

// One customer's order, into a struct.
func ExampleTable_Query() {
	ctx := context.Background()
	prod, err := table.Open(ctx, "prod", "example", table.AccountOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for it, err := range prod.Query(ctx, query.Query{Partition: "order#1"}) {
		if err != nil {
			log.Fatal(err)
		}
		var order struct {
			ID       string `dynamodbav:"pk"`
			Customer string `dynamodbav:"customer"`
		}
		if err := table.Unmarshal(it, &order); err != nil {
			log.Fatal(err)
		}
		fmt.Println(order.ID, order.Customer)
	}
	// Output: order#1 globex
}
