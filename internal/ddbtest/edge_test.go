package ddbtest

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func shapes() []Table {
	var all []Table
	kinds := []func(string) Attr{S, N, B}
	for _, partition := range kinds {
		p := partition("pk")
		all = append(all, Table{Name: "shape-" + string(p.Type), Partition: p})
		for _, sort := range kinds {
			s := sort("a.b-c #:")
			all = append(all, Table{Name: "shape-" + string(p.Type) + string(s.Type), Partition: p, Sort: s})
		}
	}
	return all
}

func TestEveryEdgeItemIsTakenAndComesBackEqual(t *testing.T) {
	const n = 120
	w := Start(t)
	prod := w.Account("prod")
	for _, table := range shapes() {
		create(t, prod, table)
		items := slices.Collect(EdgeItems(table, n, 1))
		put(t, prod, table.Name, items...)
		have, err := Digests(t.Context(), prod.Client(), table.Name)
		if err != nil {
			t.Fatal(err)
		}
		if len(have) != n {
			t.Errorf("%s holds %d items, want %d: two items share a key", table.Name, len(have), n)
		}
		names := []string{table.Partition.Name}
		if table.Sort.Name != "" {
			names = append(names, table.Sort.Name)
		}
		for i, item := range items {
			if have[KeyOf(item, names...)] != DigestOf(item) {
				t.Errorf("%s: item %d came back changed", table.Name, i)
			}
		}
	}
}

func TestEdgeItemsHaveAllTenTypesAndTheLargestSize(t *testing.T) {
	table := Table{Name: "t", Partition: S("pk")}
	kinds := map[byte]bool{}
	largest := 0
	for item := range EdgeItems(table, 200, 1) {
		largest = max(largest, ItemSize(item))
		for _, v := range item {
			kinds[appendValue(nil, v)[0]] = true
		}
	}
	// One tag for each type, and two for BOOL.
	if want := []byte("0BLMNSbfnst"); !slices.Equal(slices.Sorted(maps.Keys(kinds)), want) {
		t.Errorf("tags %q, want %q", slices.Sorted(maps.Keys(kinds)), want)
	}
	if largest != MaxItem {
		t.Errorf("the largest item has %d bytes, want %d", largest, MaxItem)
	}
}

func TestLargestItemIsAtTheEnginesLimit(t *testing.T) {
	w := Start(t)
	prod := w.Account("prod")
	for _, table := range shapes() {
		create(t, prod, table)
		item := slices.Collect(EdgeItems(table, 200, 1))[199]
		write := func() error {
			_, err := prod.Client().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(table.Name), Item: item})
			return err
		}
		if err := write(); err != nil {
			t.Errorf("%s: %d bytes: %v", table.Name, ItemSize(item), err)
		}
		item["filler"].(*types.AttributeValueMemberS).Value += "x"
		if err := write(); err == nil {
			t.Errorf("%s: %d bytes were taken", table.Name, ItemSize(item))
		}
	}
}
