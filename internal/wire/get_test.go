package wire

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/item"
)

func keysOf(names ...string) (list [][]byte) {
	for _, name := range names {
		list = append(list, []byte(`{"pk":{"S":"`+name+`"}}`))
	}
	return list
}

func TestBatchGetTells(t *testing.T) {
	it := func(key string) string { return `{"n":{"N":"1"},"pk":{"S":"` + key + `"}}` }
	for _, c := range []struct {
		name, body string
		items      int
		want       []int
		kind       Kind // where it fails
		fails      bool
	}{
		{"all there, in another order", `{"Responses":{"orders":[` + it("c") + `,` + it("a") + `,` + it("b") + `]},"UnprocessedKeys":{}}`, 3, nil, 0, false},
		{"one that the table lacks", `{"UnprocessedKeys":{},"Responses":{"orders":[` + it("c") + `,` + it("a") + `]}}`, 2, nil, 0, false},
		{"none there", `{"Responses":{"orders":[]},"UnprocessedKeys":{}}`, 0, nil, 0, false},
		{"some not looked up, under an ARN", `{"Responses":{"orders":[` + it("b") + `]},"UnprocessedKeys":{"arn:aws:dynamodb:eu-west-1:1:table/orders":{"ConsistentRead":true,"Keys":[{"pk":{"S":"c"}},{"pk":{"S":"a"}}]}}}`, 1, []int{0, 2}, 0, false},
		{"nothing looked up", `{"Responses":{},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"c"}},{"pk":{"S":"a"}},{"pk":{"S":"b"}}]}}}`, 0, []int{0, 1, 2}, 0, false},
		{"an item that was not asked for", `{"Responses":{"orders":[` + it("x") + `]},"UnprocessedKeys":{}}`, 0, nil, Fatal, true},
		{"an item twice", `{"Responses":{"orders":[` + it("a") + `,` + it("a") + `]},"UnprocessedKeys":{}}`, 0, nil, Fatal, true},
		{"a key that was not sent", `{"Responses":{"orders":[]},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"x"}}]}}}`, 0, nil, Fatal, true},
		{"a key twice", `{"Responses":{"orders":[]},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"a"}}]}}}`, 0, nil, Fatal, true},
		{"an item whose key comes back", `{"Responses":{"orders":[` + it("a") + `]},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"a"}}]}}}`, 0, nil, Fatal, true},
		{"nothing", ``, 0, nil, Transient, true},
		{"an empty object", `{}`, 0, nil, Transient, true},
		{"no Responses", `{"UnprocessedKeys":{}}`, 0, nil, Transient, true},
		{"no UnprocessedKeys", `{"Responses":{"orders":[` + it("a") + `]}}`, 0, nil, Transient, true},
		{"null", `{"Responses":null,"UnprocessedKeys":null}`, 0, nil, Transient, true},
		{"no list of the table", `{"Responses":{},"UnprocessedKeys":{}}`, 0, nil, Transient, true},
		{"no list, and a key that was not looked up", `{"Responses":{},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"a"}}]}}}`, 0, nil, Transient, true},
		{"Responses twice", `{"Responses":{"orders":[]},"Responses":{"orders":[]},"UnprocessedKeys":{}}`, 0, nil, Transient, true},
		{"an item without its key", `{"Responses":{"orders":[{"n":{"N":"1"}}]},"UnprocessedKeys":{}}`, 0, nil, Transient, true},
		{"an unknown type", `{"Responses":{"orders":[{"pk":{"S":"a"},"x":{"Z":"1"}}]},"UnprocessedKeys":{}}`, 0, nil, Transient, true},
		{"trailing bytes", `{"Responses":{"orders":[]},"UnprocessedKeys":{}}x`, 0, nil, Transient, true},
		{"HTML", `<html>`, 0, nil, Transient, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var page item.Page
			got, err := against(&recorder{body: c.body}, static("")).BatchGet(t.Context(), keysOf("a", "b", "c"), true, 1, &page)
			if c.fails {
				if kind(t, err) != c.kind || len(page.Items) != 0 {
					t.Fatalf("got %v and %d items", err, len(page.Items))
				}
				return
			}
			if err != nil || len(page.Items) != c.items || len(page.Keys) != c.items || !reflect.DeepEqual(got.Unprocessed, c.want) {
				t.Fatalf("got %v, %d items, %v", got, len(page.Items), err)
			}
		})
	}
}

func TestBatchGetCountsUnits(t *testing.T) {
	var page item.Page
	r := &recorder{body: `{"ConsumedCapacity":[{"CapacityUnits":1.5},{"CapacityUnits":2}],"Responses":{"orders":[]},"UnprocessedKeys":{}}`}
	if _, err := against(r, static("")).BatchGet(t.Context(), keysOf("a"), true, 1, &page); err != nil || page.Units != 3.5 {
		t.Fatalf("got %v units, %v", page.Units, err)
	}
}

func TestBatchGetAllThrottled(t *testing.T) {
	r := &recorder{status: 400, body: `{"__type":"x#ProvisionedThroughputExceededException","message":"slow","ThrottlingReasons":[{"reason":"TableReadProvisionedThroughputExceeded","resource":"arn"}]}`}
	got, err := against(r, static("")).BatchGet(t.Context(), keysOf("a", "b"), true, 1, new(item.Page))
	if err != nil || len(got.Unprocessed) != 2 || len(got.Throttled) != 1 || got.Throttled[0].Resource != "arn" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// Keys that no request should carry are refused before one is sent.
func TestBatchGetRefuses(t *testing.T) {
	var many [][]byte
	for i := range MaxGet + 1 {
		many = append(many, keysOf(fmt.Sprint(i))...)
	}
	for _, c := range []struct {
		name string
		keys [][]byte
	}{
		{"no keys", nil},
		{"more than 100", many},
		{"no key object", [][]byte{[]byte(`{"x":{"S":"a"}}`)}},
		{"a key of another type", [][]byte{[]byte(`{"pk":{"N":"1"}}`)}},
		{"one twice, in another form", append(keysOf("a"), []byte(`{"pk":{"S":"\u0061"}}`))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := new(recorder)
			if _, err := against(r, static("")).BatchGet(t.Context(), c.keys, true, 1, new(item.Page)); err == nil || r.calls != 0 {
				t.Fatalf("got %v after %d calls", err, r.calls)
			}
		})
	}
}

// FuzzGot compares the answer's reader with the SDK's own: whatever it takes,
// the typed client takes too, and reads the same items and keys.
func FuzzGot(f *testing.F) {
	f.Add([]byte(`{"Responses":{"orders":[{"pk":{"S":"a"},"n":{"N":"1"}}]},"UnprocessedKeys":{}}`))
	f.Add([]byte(`{"Responses":{"orders":[]},"UnprocessedKeys":{"orders":{"Keys":[{"pk":{"S":"b"}}],"ConsistentRead":true}},"ConsumedCapacity":[{"CapacityUnits":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page item.Page
		r := &recorder{body: string(body)}
		got, err := against(r, static("")).BatchGet(t.Context(), keysOf("a", "b"), true, 1, &page)
		if err != nil {
			return
		}
		typed := dynamodb.New(dynamodb.Options{Region: "eu-west-1", Credentials: static(""), HTTPClient: r, Retryer: aws.NopRetryer{}})
		want, err := typed.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			"orders": {Keys: []map[string]types.AttributeValue{{"pk": &types.AttributeValueMemberS{Value: "a"}}}},
		}})
		if err != nil {
			if strings.Contains(err.Error(), "base64") {
				return // what lies in a binary is for its reader to judge
			}
			t.Fatalf("took what the typed client refuses: %v\n%q", err, body)
		}
		items, keys := 0, 0
		for _, list := range want.Responses {
			items += len(list)
		}
		for _, list := range want.UnprocessedKeys {
			keys += len(list.Keys)
		}
		// fewer where a table is named twice: the typed client keeps the last
		if items > len(page.Items) || keys > len(got.Unprocessed) {
			t.Fatalf("%d items and %d keys, the typed client has %d and %d\n%q", len(page.Items), len(got.Unprocessed), items, keys, body)
		}
	})
}
