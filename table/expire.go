package table

import (
	"context"
	"strconv"
	"strings"
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
	out, err := t.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(t.name)})
	if err != nil {
		return nil, t.controlError(ctx, "ask for the TTL of", err)
	}
	ttl := out.TimeToLiveDescription
	if ttl == nil || ttl.AttributeName == nil || ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabled && ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		return nil, usage("leave it out", "--skip-expired: table %q with %s has no TTL", t.name, t.side())
	}
	name, now := *ttl.AttributeName, time.Now()
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

// expired reports whether DynamoDB would by now take the item away.
func expired(it item.Item, attribute string, now time.Time) (bool, error) {
	text, err := it.NumberOf(attribute)
	if err != nil || text == "" {
		return false, err
	}
	whole, _, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f < -1e15 || f > 1e15 {
			return false, nil //nolint:nilerr // no time at all: it never expires
		}
		seconds = int64(f)
	}
	at := time.Unix(seconds, 0)
	return at.Before(now) && now.Sub(at) <= oldestExpiry, nil
}
