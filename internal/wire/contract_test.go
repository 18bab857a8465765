package wire

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/item"
)

var (
	pk  = item.Schema{Partition: item.Attr{Name: "pk", Type: item.String}}
	odd = item.Schema{Partition: item.Attr{Name: `a.b "c"`, Type: item.String}}
)

// recorder is an HTTP client that keeps the last request and gives one answer.
type recorder struct {
	status int
	header http.Header
	body   string
	err    error

	calls int
	req   *http.Request
	sent  []byte
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.calls++
	r.req = req
	r.sent, _ = io.ReadAll(req.Body)
	if r.err != nil {
		return nil, r.err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	maps.Copy(header, r.header)
	return &http.Response{
		StatusCode: max(r.status, 200*btoi(r.status == 0)), Status: http.StatusText(r.status), Header: header,
		Body: io.NopCloser(bytes.NewReader([]byte(r.body))), ContentLength: int64(len(r.body)), Request: req,
	}, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func static(account string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token", AccountID: account}, nil
	})
}

// fixedTime signs everything at one moment, so that signatures compare.
type fixedTime struct{ *v4.Signer }

func (f fixedTime) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, opts ...func(*v4.SignerOptions)) error {
	// The typed client's telemetry is not ours, and would be signed.
	r.Header.Del("Amz-Sdk-Invocation-Id")
	r.Header.Del("Amz-Sdk-Request")
	r.Header.Del("Content-Length")
	return f.Signer.SignHTTP(ctx, c, r, hash, service, region, time.Unix(1_800_000_000, 0), opts...)
}

// TestContract sends the same calls through the typed client and through wire,
// and compares method, URL, headers, signature and body.
func TestContract(t *testing.T) {
	type setup struct {
		name    string
		account string
		table   string
		change  func(*dynamodb.Options)
	}
	for _, s := range []setup{
		{"plain", "", "orders", func(*dynamodb.Options) {}},
		{"custom endpoint", "", "orders", func(o *dynamodb.Options) { o.BaseEndpoint = aws.String("http://127.0.0.1:8000") }},
		{"custom endpoint with a path", "", "orders", func(o *dynamodb.Options) { o.BaseEndpoint = aws.String("https://gateway.example/ddb/") }},
		{"account endpoint", "111122223333", "orders", func(o *dynamodb.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModePreferred }},
		{"account endpoint disabled", "111122223333", "orders", func(o *dynamodb.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModeDisabled }},
		{"FIPS", "111122223333", "orders", func(o *dynamodb.Options) { o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled }},
		{"dual stack", "", "orders", func(o *dynamodb.Options) {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}},
		{"China", "", "orders", func(o *dynamodb.Options) { o.Region = "cn-north-1" }},
		{"pseudo region", "", "orders", func(o *dynamodb.Options) { o.Region = "fips-us-gov-west-1" }},
		{"table ARN", "111122223333", "arn:aws:dynamodb:eu-west-1:444455556666:table/orders", func(o *dynamodb.Options) {
			o.AccountIDEndpointMode = aws.AccountIDEndpointModePreferred
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			theirs, ours := &recorder{body: `{"Items":[],"Count":0}`}, &recorder{}
			options := func(r *recorder) dynamodb.Options {
				o := dynamodb.Options{Region: "eu-west-1", Credentials: static(s.account), HTTPClient: r, HTTPSignerV4: fixedTime{v4.NewSigner()}, Retryer: aws.NopRetryer{}}
				s.change(&o)
				return o
			}
			typed := dynamodb.New(options(theirs))
			raw := New(dynamodb.New(options(ours)), s.table, odd, Settings{})

			from := map[string]types.AttributeValue{odd.Partition.Name: &types.AttributeValueMemberS{Value: "x"}}
			if _, err := typed.Scan(t.Context(), &dynamodb.ScanInput{
				TableName: &s.table, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				Segment: aws.Int32(3), TotalSegments: aws.Int32(8), ExclusiveStartKey: from, Limit: aws.Int32(7),
				ProjectionExpression: aws.String("#k0"),
				// one: the typed client sends a map in any order
				ExpressionAttributeNames: map[string]string{"#k0": odd.Partition.Name},
			}); err != nil {
				t.Fatal(err)
			}
			ours.body = `{"Items":[],"Count":0}`
			var page item.Page
			if err := raw.Scan(t.Context(), Scan{Segment: 3, Segments: 8, From: item.Cursor(`{"a.b \"c\"":{"S":"x"}}`), Limit: 7, KeysOnly: true}, &page); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)

			// One name and one value each: the typed client sends a map in any order.
			narrow := Expressions{
				Filter: `attribute_exists(#k0) AND #k0 <> :v0 AND "<&>" = :v0`, Projection: "#k0",
				Names: []string{odd.Partition.Name}, Values: [][]byte{[]byte(`{"S":"x"}`)},
			}
			value := map[string]types.AttributeValue{":v0": &types.AttributeValueMemberS{Value: "x"}}
			if _, err := typed.Scan(t.Context(), &dynamodb.ScanInput{
				TableName: &s.table, ConsistentRead: aws.Bool(false), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				IndexName: aws.String("by.name"), FilterExpression: &narrow.Filter, ProjectionExpression: &narrow.Projection,
				ExpressionAttributeNames: map[string]string{"#k0": odd.Partition.Name}, ExpressionAttributeValues: value,
			}); err != nil {
				t.Fatal(err)
			}
			if err := raw.Scan(t.Context(), Scan{Index: "by.name", Eventual: true, Expressions: narrow}, &page); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)

			if _, err := typed.Query(t.Context(), &dynamodb.QueryInput{
				TableName: &s.table, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				KeyConditionExpression:   aws.String("#k0 = :v0"),
				ExpressionAttributeNames: map[string]string{"#k0": odd.Partition.Name}, ExpressionAttributeValues: value,
			}); err != nil {
				t.Fatal(err)
			}
			plain := Expressions{Names: narrow.Names, Values: narrow.Values}
			if err := raw.Query(t.Context(), Query{Condition: "#k0 = :v0", Expressions: plain}, &page); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)
			if _, err := typed.Query(t.Context(), &dynamodb.QueryInput{
				TableName: &s.table, ConsistentRead: aws.Bool(false), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				KeyConditionExpression: aws.String("#k0 = :v0"), IndexName: aws.String("by.name"), ExclusiveStartKey: from, Limit: aws.Int32(7),
				FilterExpression: &narrow.Filter, ProjectionExpression: &narrow.Projection, ScanIndexForward: aws.Bool(false),
				ExpressionAttributeNames: map[string]string{"#k0": odd.Partition.Name}, ExpressionAttributeValues: value,
			}); err != nil {
				t.Fatal(err)
			}
			if err := raw.Query(t.Context(), Query{
				Index: "by.name", Condition: "#k0 = :v0", Expressions: narrow, From: item.Cursor(`{"a.b \"c\"":{"S":"x"}}`),
				Reverse: true, Eventual: true, Limit: 7,
			}, &page); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)

			theirs.body, ours.body = `{"Responses":{"orders":[]},"UnprocessedKeys":{}}`, `{"Responses":{"orders":[]},"UnprocessedKeys":{}}`
			if _, err := typed.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
				ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				RequestItems: map[string]types.KeysAndAttributes{s.table: {ConsistentRead: aws.Bool(true), Keys: []map[string]types.AttributeValue{
					from, {odd.Partition.Name: &types.AttributeValueMemberS{Value: "y"}},
				}}},
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := raw.BatchGet(t.Context(), [][]byte{
				[]byte(`{"a.b \"c\"":{"S":"x"}}`), []byte(`{"a.b \"c\"":{"S":"y"}}`),
			}, true, 1, &page); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)

			theirs.body, ours.body = `{"UnprocessedItems":{}}`, `{"UnprocessedItems":{}}`
			key := map[string]types.AttributeValue{odd.Partition.Name: &types.AttributeValueMemberS{Value: "x"}}
			if _, err := typed.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
				ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				RequestItems: map[string][]types.WriteRequest{s.table: {
					{PutRequest: &types.PutRequest{Item: key}}, {DeleteRequest: &types.DeleteRequest{Key: key}},
				}},
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := raw.BatchWrite(t.Context(), []item.Write{
				{Raw: []byte(`{"a.b \"c\"":{"S":"x"}}`), Key: 1}, {Raw: []byte(`{"a.b \"c\"":{"S":"x"}}`), Key: 2, Delete: true},
			}, 1, new(Scratch)); err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours)
		})
	}
}

func same(t *testing.T, theirs, ours *recorder) {
	t.Helper()
	if ours.req.Method != theirs.req.Method || ours.req.URL.String() != theirs.req.URL.String() || ours.req.ContentLength != theirs.req.ContentLength {
		t.Errorf("sent %s %s of %d bytes, the typed client %s %s of %d", ours.req.Method, ours.req.URL, ours.req.ContentLength,
			theirs.req.Method, theirs.req.URL, theirs.req.ContentLength)
	}
	if !bytes.Equal(ours.sent, theirs.sent) {
		t.Errorf("body\n%s\nthe typed client's\n%s", ours.sent, theirs.sent)
	}
	header := func(h http.Header) http.Header {
		h = h.Clone()
		h.Del("User-Agent") // ours says who we are
		h.Del("Content-Length")
		return h
	}
	a, b := header(ours.req.Header), header(theirs.req.Header)
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if !slices.Equal(a[name], b[name]) {
			t.Errorf("header %s is %q, the typed client's %q", name, a[name], b[name])
		}
		delete(a, name)
	}
	if len(a) > 0 {
		t.Errorf("headers that the typed client does not send: %v", a)
	}
}

// TestAccountIsRequired: with the account id required, no call is made without.
func TestAccountIsRequired(t *testing.T) {
	r := &recorder{}
	raw := New(dynamodb.New(dynamodb.Options{Region: "eu-west-1", Credentials: static(""), HTTPClient: r, AccountIDEndpointMode: aws.AccountIDEndpointModeRequired}), "orders", pk, Settings{})
	if err := raw.Scan(t.Context(), Scan{}, new(item.Page)); err == nil || r.calls != 0 {
		t.Fatalf("got %v after %d calls", err, r.calls)
	}
}
