package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// This file is about copies with eventually consistent reads: those that show the tables as they were.

// remember makes up both tables as they were a moment ago. Some items were other versions of what they are, some were not
// there yet, and some have gone since. Wherever the tables differ now they did then, in another way perhaps: what
// two old answers hide altogether nobody can find.
func (s *schedule) remember(r *rand.Rand) {
	if !slices.ContainsFunc(s.strikes, func(k strike) bool { return k.kind == ddbtest.Stale }) {
		return
	}
	key := func(i ddbtest.Item) string { return ddbtest.KeyOf(i, keyNames(s.source)...) }
	was := func(i ddbtest.Item, where side) ddbtest.Item {
		i = maps.Clone(i)
		i["was"] = &types.AttributeValueMemberS{Value: string(where)}
		return i
	}
	inBoth, came := map[string]bool{}, map[string]bool{} // came: since then
	for _, i := range s.items {
		inBoth[key(i)] = false
	}
	for _, i := range s.older {
		if _, ok := inBoth[key(i)]; ok {
			inBoth[key(i)] = true
		}
	}
	s.then = map[side][]ddbtest.Item{}
	for _, side := range []side{source, target} {
		now := map[bool][]ddbtest.Item{true: s.items, false: s.older}[side == source]
		for _, i := range now {
			switch n := r.IntN(6); {
			case n == 0 && inBoth[key(i)] && !came[key(i)]:
				came[key(i)] = true
			case n < 3:
				s.then[side] = append(s.then[side], was(i, side))
			default:
				s.then[side] = append(s.then[side], i)
			}
		}
	}
	for _, i := range s.items {
		if !inBoth[key(i)] && r.IntN(2) == 0 {
			s.then[target] = append(s.then[target], was(i, target))
		}
	}
	n := len(s.items) + len(s.older)
	gone := slices.Collect(ddbtest.EdgeItems(s.source, n+20, r.Uint64()))[n:]
	for n, i := range gone {
		delete(i, "filler")
		for m, side := range []side{source, target} {
			if n%3 != m {
				s.then[side] = append(s.then[side], was(i, side))
			}
		}
	}
}

// recall makes a table of how one side was, and returns its name.
func (t *trial) recall(ctx context.Context, of side, items []ddbtest.Item) (string, error) {
	account, table := t.prod, t.source
	if of == target {
		account, table = t.dev, t.target
	}
	table.Name += "-then"
	if err := account.CreateTable(ctx, table); err != nil {
		return "", fmt.Errorf("how the %s was: %w", of, err)
	}
	t.later = append(t.later, func() { _ = account.DeleteTable(context.Background(), table.Name) })
	return table.Name, account.Fill(ctx, table.Name, slices.Values(items))
}
