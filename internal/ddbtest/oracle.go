package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"
)

// A Report says how two tables differ. Keys are as KeyOf writes them, sorted.
type Report struct {
	OnlyA, OnlyB, Differ []string
	Equal                int
}

// Same reports that there is no difference.
func (r Report) Same() bool { return len(r.OnlyA)+len(r.OnlyB)+len(r.Differ) == 0 }

// String tells the counts and the first keys of each kind.
func (r Report) String() string {
	text := fmt.Sprintf("%d equal, %d only in the first, %d only in the second, %d differ", r.Equal, len(r.OnlyA), len(r.OnlyB), len(r.Differ))
	for _, part := range []struct {
		sign string
		keys []string
	}{{"+", r.OnlyA}, {"-", r.OnlyB}, {"~", r.Differ}} {
		for _, key := range part.keys[:min(5, len(part.keys))] {
			text += "\n" + part.sign + " " + key
		}
	}
	return text
}

// RequireEqual fails the test at once if the tables differ.
func RequireEqual(t testing.TB, a, b *dynamodb.Client, tableA, tableB string) {
	t.Helper()
	r, err := Diff(t.Context(), a, b, tableA, tableB)
	if err != nil {
		t.Fatalf("compare %s with %s: %v", tableA, tableB, err)
	}
	if !r.Same() {
		t.Fatalf("%s and %s are not equal: %s", tableA, tableB, r)
	}
}

// Diff reads both tables in full and compares them by value. It holds the key
// and a digest of each item.
func Diff(ctx context.Context, a, b *dynamodb.Client, tableA, tableB string) (Report, error) {
	var inA, inB map[string]string
	g, gctx := errgroup.WithContext(ctx)
	read := func(into *map[string]string, client *dynamodb.Client, table string) {
		g.Go(func() (err error) {
			if *into, err = Digests(gctx, client, table); err != nil {
				return fmt.Errorf("read %s: %w", table, err)
			}
			return nil
		})
	}
	read(&inA, a, tableA)
	read(&inB, b, tableB)
	if err := g.Wait(); err != nil {
		return Report{}, err
	}
	var r Report
	for key, d := range inA {
		switch other, ok := inB[key]; {
		case !ok:
			r.OnlyA = append(r.OnlyA, key)
		case other != d:
			r.Differ = append(r.Differ, key)
		default:
			r.Equal++
		}
	}
	for key := range inB {
		if _, ok := inA[key]; !ok {
			r.OnlyB = append(r.OnlyB, key)
		}
	}
	slices.Sort(r.OnlyA)
	slices.Sort(r.OnlyB)
	slices.Sort(r.Differ)
	return r, nil
}

// Digests reads a table in full: the digest of each item, as DigestOf computes
// it, by its key, as KeyOf writes it.
func Digests(ctx context.Context, client *dynamodb.Client, table string) (map[string]string, error) {
	attrs, err := keyAttrs(ctx, client, table)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, attr := range attrs {
		names = append(names, attr.Name)
	}
	all := map[string]string{}
	err = scanAll(ctx, client, table, func(item Item) bool {
		all[KeyOf(item, names...)] = DigestOf(item)
		return true
	})
	return all, err
}

// pageLimit keeps a page's cost at its own size: without a limit the engine
// reads the rest of the table for each page, and with segments it ignores the limit.
const pageLimit = 1000

// scanAll yields every item of a table.
func scanAll(ctx context.Context, client *dynamodb.Client, table string, yield func(Item) bool) error {
	var from Item
	for {
		out, err := scanPage(ctx, client, &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true),
			ExclusiveStartKey: from, Limit: aws.Int32(pageLimit)})
		if err != nil {
			return err
		}
		for _, item := range out.Items {
			if !yield(item) {
				return ctx.Err()
			}
		}
		if from = out.LastEvaluatedKey; from == nil {
			return nil
		}
	}
}

// scanPage reads one page. It tries again where the connection broke in
// mid-answer, which the SDK does not: its request body can end a connection
// that is answered faster than it writes.
func scanPage(ctx context.Context, client *dynamodb.Client, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
	var last error
	for range 5 {
		out, err := client.Scan(ctx, in)
		if err == nil && out.Items == nil {
			err = errors.New("a page without Items")
		}
		if err == nil {
			return out, nil
		}
		last = err
		if ctx.Err() != nil || !strings.Contains(err.Error(), "EOF") {
			break
		}
	}
	return nil, last
}
