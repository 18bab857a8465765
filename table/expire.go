package table

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/item"
)

// oldestExpiry is how long ago an item's time may be for DynamoDB to expire
// it: what is older is taken for something else than a time.
const oldestExpiry = 5 * 365 * 24 * time.Hour

// shape is the caller's own, after one that drops expired items where asked.
func (t *Table) shape(ctx context.Context, own copier.Shape, skipExpired bool) (copier.Shape, error) {
	if !skipExpired {
		return own, nil
	}
	name, err := t.expiry(ctx)
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, usage("leave it out", "--skip-expired: table %q with %s has no TTL", t.name, t.account)
	}
	now := time.Now()
	return func(it item.Item) (item.Item, error) {
		over, err := expired(it, name, now)
		switch {
		case err != nil || over:
			return nil, err
		case own == nil:
			return it, nil
		}
		return own(it)
	}, nil
}

// expiry is the attribute by which DynamoDB takes the table's items away; "" where it takes none.
func (t *Table) expiry(ctx context.Context) (string, error) {
	out, err := t.account.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(t.name)})
	if err != nil {
		return "", t.controlError(ctx, "ask for the TTL of", err)
	}
	ttl := out.TimeToLiveDescription
	if ttl == nil || ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabled && ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		return "", nil
	}
	return aws.ToString(ttl.AttributeName), nil
}

// lapse tells, while a copy is verified, what only one table has because DynamoDB takes it away from the other: an item
// whose time has come by the TTL of the table that lacks it. A table is asked for its TTL when that matters; one that
// does not say it has none, so that the difference counts.
func (c *copying) lapse(ctx context.Context) func(*copier.Difference) (bool, error) {
	ask := func(t *Table) func() string {
		return sync.OnceValue(func() string {
			name, err := t.expiry(ctx)
			if err != nil {
				t.account.log.WarnContext(ctx, "whether items have expired is not known", "error", err)
			}
			return name
		})
	}
	source, target := ask(c.source.table()), ask(c.target)
	return func(d *copier.Difference) (bool, error) {
		left, lacking := d.Source, target
		switch {
		case d.Kind == copier.Differs, d.Kind == copier.OnlyTarget && c.keepsExtras():
			return false, nil
		case d.Kind == copier.OnlyTarget:
			left, lacking = d.Target, source
		}
		name := lacking()
		if name == "" {
			return false, nil
		}
		return expired(left, name, time.Now())
	}
}

// expired reports whether DynamoDB would by now take the item away.
func expired(it item.Item, attribute string, now time.Time) (bool, error) {
	text, err := it.NumberOf(attribute)
	if err != nil || text == "" {
		return false, err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > -1e15 && seconds < 1e15) {
		return false, nil //nolint:nilerr // no time at all: it never expires
	}
	at := time.Unix(int64(seconds), 0)
	return at.Before(now) && now.Sub(at) <= oldestExpiry, nil
}
