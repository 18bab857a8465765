package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// typed is the loop that one would write with the SDK, and a fair one: many
// segments, many writers, connections kept, unprocessed items sent again.
type typed struct {
	table, source, target string // a table's name and two profiles
	segments, workers     int
}

func typedCommand(ctx context.Context, args []string) error {
	var t typed
	flags := flag.NewFlagSet("typed", flag.ContinueOnError)
	flags.StringVar(&t.table, "table", "orders", "table")
	flags.StringVar(&t.source, "source", "simprod", "profile to read with")
	flags.StringVar(&t.target, "target", "simdev", "profile to write with")
	flags.IntVar(&t.segments, "segments", 8, "segments, read at once")
	flags.IntVar(&t.workers, "workers", 16, "batches in flight")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return t.run(ctx)
}

func (t typed) run(ctx context.Context) error {
	source, err := t.client(ctx, t.source)
	if err != nil {
		return err
	}
	target, err := t.client(ctx, t.target)
	if err != nil {
		return err
	}
	// One waiting batch for each writer hides the time of a read.
	batches := make(chan []types.WriteRequest, t.workers)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		readers, ctx := errgroup.WithContext(ctx)
		for segment := range t.segments {
			readers.Go(func() error { return t.read(ctx, source, segment, batches) })
		}
		return readers.Wait()
	})
	for range t.workers {
		g.Go(func() error {
			for batch := range batches {
				if err := t.write(ctx, target, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (t typed) client(ctx context.Context, profile string) (*dynamodb.Client, error) {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	})
	c, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile), config.WithHTTPClient(transport))
	if err != nil {
		return nil, fmt.Errorf("load profile %q: %w", profile, err)
	}
	return dynamodb.NewFromConfig(c), nil
}

func (t typed) read(ctx context.Context, source *dynamodb.Client, segment int, batches chan<- []types.WriteRequest) error {
	pages := dynamodb.NewScanPaginator(source, &dynamodb.ScanInput{
		TableName: &t.table, Segment: aws.Int32(int32(segment)), TotalSegments: aws.Int32(int32(t.segments)),
		ConsistentRead: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("scan segment %d: %w", segment, err)
		}
		for items := page.Items; len(items) > 0; {
			batch := make([]types.WriteRequest, min(25, len(items)))
			for i := range batch {
				batch[i].PutRequest = &types.PutRequest{Item: items[i]}
			}
			items = items[len(batch):]
			select {
			case batches <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func (t typed) write(ctx context.Context, target *dynamodb.Client, batch []types.WriteRequest) error {
	rest := map[string][]types.WriteRequest{t.table: batch}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 20*time.Second) {
		out, err := target.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: rest})
		if err != nil {
			return fmt.Errorf("write a batch: %w", err)
		}
		if rest = out.UnprocessedItems; len(rest) == 0 {
			return nil
		}
		select {
		case <-time.After(rand.N(wait)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
