package ddbtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestExceptionsTakeThePlaceOfTheAnswer(t *testing.T) {
	a := stage(t, 3)
	reasons := []Reason{{"TableWriteKeyRangeThroughputExceeded", a.TableARN("orders")}}
	for _, c := range []struct {
		name   string
		fault  Fault
		status int
		parts  []string
	}{
		{"throughput", Fault{Kind: Throttle, Reasons: reasons}, 400, []string{"#ProvisionedThroughputExceededException", `"ThrottlingReasons":[{"reason":"TableWriteKeyRange`, a.TableARN("orders")}},
		{"throttling", Fault{Kind: Throttle, Code: "ThrottlingException", Reasons: reasons}, 400, []string{"#ThrottlingException", `"throttlingReasons":[{`}},
		{"request limit", Fault{Kind: Throttle, Code: "RequestLimitExceeded", Reasons: reasons}, 400, []string{"#RequestLimitExceeded", `"ThrottlingReasons":[{`}},
		{"deny", Fault{Kind: Deny}, 400, []string{"#AccessDeniedException", "dynamodb:BatchWriteItem"}},
		{"validation", Fault{Kind: Validation, Text: "no such type"}, 400, []string{"#ValidationException", "no such type"}},
		{"error", Fault{Kind: Error, Code: "LimitExceededException"}, 400, []string{"#LimitExceededException"}},
		{"500", Fault{Kind: InternalError}, 500, []string{"#InternalServerError"}},
		{"503", Fault{Kind: Unavailable}, 503, []string{""}},
		{"413", Fault{Kind: TooLarge}, 413, []string{"length limit"}},
		{"empty", Fault{Kind: EmptyOK}, 200, []string{""}},
		{"empty object", Fault{Kind: EmptyObject}, 200, []string{"{}"}},
		{"html", Fault{Kind: HTML}, 200, []string{"<html>"}},
	} {
		for _, after := range []bool{false, true} {
			a.Proxy.Clear()
			a.Proxy.Forget()
			c.fault.After = after
			id := a.Proxy.Inject(c.fault)
			r := call(t, a, "BatchWriteItem", batch(2))
			if r.err != nil || r.status != c.status {
				t.Errorf("%s: status %d, error %v, want %d", c.name, r.status, r.err, c.status)
			}
			for _, part := range c.parts {
				if !strings.Contains(r.body, part) {
					t.Errorf("%s: body %q lacks %q", c.name, r.body, part)
				}
			}
			if r.crc != "" && !r.crcFits() {
				t.Errorf("%s: wrong checksum", c.name)
			}
			if applied := len(a.Proxy.Writes()) == 2; applied != after || a.Proxy.Fired(id) != 1 {
				t.Errorf("%s: applied %v, fired %d; want %v, 1", c.name, applied, a.Proxy.Fired(id), after)
			}
		}
	}
}

func TestSDKUnderstandsThrottling(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: Throttle, Op: "Scan", Code: "ThrottlingException", Reasons: []Reason{{"TableReadAccountLimitExceeded", "x"}}})
	c := a.ProxyClient(func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	_, err := c.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("orders")})
	e, ok := errors.AsType[*types.ThrottlingException](err)
	if !ok || len(e.ThrottlingReasons) != 1 || aws.ToString(e.ThrottlingReasons[0].Reason) != "TableReadAccountLimitExceeded" {
		t.Errorf("error %v", err)
	}
}

func TestUnprocessedItemsAreNotApplied(t *testing.T) {
	a := stage(t, 0)
	id := a.Proxy.Inject(Fault{Kind: Unprocessed, N: 4, Count: 1})
	r := call(t, a, "BatchWriteItem", batch(10))
	var out struct {
		UnprocessedItems map[string][]json.RawMessage
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || !r.crcFits() {
		t.Fatalf("body %s: %v", r.body, err)
	}
	if n := len(out.UnprocessedItems["orders"]); n != 4 || count(t, a) != 6 || len(a.Proxy.Writes()) != 6 || a.Proxy.Fired(id) != 1 {
		t.Errorf("%d unprocessed, %d stored, %d logged", n, count(t, a), len(a.Proxy.Writes()))
	}
	for _, raw := range out.UnprocessedItems["orders"] {
		key := parseWrite("orders", raw, []string{"pk"}).Key
		if slices.ContainsFunc(a.Proxy.Writes(), func(w Write) bool { return w.Key == key }) {
			t.Errorf("%s is unprocessed and applied", key)
		}
	}
	a.Proxy.Inject(Fault{Kind: Unprocessed, Key: `S"k3"`})
	if r := call(t, a, "BatchWriteItem", batch(10)); strings.Count(r.body, "PutRequest") != 1 || !strings.Contains(r.body, `"k3"`) {
		t.Errorf("one key: %s", r.body)
	}
	if r := call(t, a, "BatchWriteItem", batch(2)); r.body != `{"UnprocessedItems":{}}` {
		t.Errorf("without the key: %s", r.body)
	}
	a.Proxy.Clear()
	a.Proxy.Inject(Fault{Kind: Unprocessed, N: 25})
	if r := call(t, a, "BatchWriteItem", batch(3)); strings.Count(r.body, "PutRequest") != 3 {
		t.Errorf("all: %s", r.body)
	}
}

func TestUnprocessedUnderAnARNIsGivenBackUnderIt(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: Unprocessed, N: 1, Count: 1})
	r := call(t, a, "BatchWriteItem", strings.Replace(batch(2), "orders", a.TableARN("orders"), 1))
	if r.status != http.StatusOK || !strings.Contains(r.body, `{"UnprocessedItems":{"`+a.TableARN("orders")+`":[`) || count(t, a) != 1 {
		t.Errorf("reply %d %s, %d stored", r.status, r.body, count(t, a))
	}
}

func TestForgedUnprocessedItemWasNeverSent(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: ForgeUnprocessed})
	if r := call(t, a, "BatchWriteItem", batch(2)); !strings.Contains(r.body, `{"pk":{"S":"forged"}}`) || count(t, a) != 2 {
		t.Errorf("body %s", r.body)
	}
}

func TestUnprocessedKeysAreNotRead(t *testing.T) {
	a := stage(t, 3)
	a.Proxy.Inject(Fault{Kind: UnprocessedKeys, N: 1, Count: 1})
	body := `{"RequestItems":{"orders":{"ConsistentRead":true,"Keys":[{"pk":{"S":"k0"}},{"pk":{"S":"k1"}},{"pk":{"S":"k2"}}]}}}`
	r := call(t, a, "BatchGetItem", body)
	given := member(member([]byte(r.body), "UnprocessedKeys"), "orders")
	if strings.Count(r.body, `"v"`) != 2 || strings.Count(string(given), `"pk"`) != 1 || string(member(given, "ConsistentRead")) != "true" {
		t.Errorf("body %s", r.body)
	}
}

func TestBrokenAnswers(t *testing.T) {
	a := stage(t, 0)
	// the engine gives attributes in any order: with one of them a page is always the same
	for i := range 5 {
		put(t, a, "orders", Item{"pk": str(fmt.Sprintf("k%d", i))})
	}
	good := call(t, a, "Scan", scan)
	for _, c := range []struct {
		name  string
		kind  Kind
		check func(r reply) bool
	}{
		{"truncate", Truncate, func(r reply) bool {
			return strings.HasPrefix(good.body, r.body) && len(r.body) < len(good.body) && !json.Valid([]byte(r.body))
		}},
		{"flip byte", FlipByte, func(r reply) bool {
			different := 0
			for i := range good.body {
				if good.body[i] != r.body[i] {
					different++
				}
			}
			return different == 1 && json.Valid([]byte(r.body)) && r.crc == good.crc
		}},
		{"wrong crc", WrongCRC, func(r reply) bool { return r.body == good.body && !r.crcFits() && r.crc != "" }},
		{"trailing bytes", TrailingBytes, func(r reply) bool {
			return strings.HasPrefix(r.body, good.body) && len(r.body) > len(good.body) && r.crcFits()
		}},
		{"missing items", MissingItems, func(r reply) bool {
			return !strings.Contains(r.body, `"Items"`) && json.Valid([]byte(r.body)) && r.crcFits()
		}},
		{"unknown tag", UnknownTag, func(r reply) bool { return strings.Count(r.body, `{"Q":"`) == 1 && r.crcFits() }},
		{"lone surrogate", LoneSurrogate, func(r reply) bool { return strings.Count(r.body, `"\ud800`) == 1 && r.crcFits() }},
		{"count mismatch", CountMismatch, func(r reply) bool { return strings.Contains(r.body, `"Count":6,`) && r.crcFits() }},
	} {
		a.Proxy.Clear()
		id := a.Proxy.Inject(Fault{Kind: c.kind, Op: "Scan", Count: 1})
		if r := call(t, a, "Scan", scan); r.err != nil || r.status != http.StatusOK || !c.check(r) || a.Proxy.Fired(id) != 1 {
			t.Errorf("%s: %+v", c.name, r)
		}
		if r := call(t, a, "Scan", scan); r.body != good.body {
			t.Errorf("%s: it strikes again", c.name)
		}
	}
	a.Proxy.Inject(Fault{Kind: MissingItems, Op: "BatchWriteItem"})
	if r := call(t, a, "BatchWriteItem", batch(1)); r.body != "{}" {
		t.Errorf("missing unprocessed items: %s", r.body)
	}
}

func TestDescriptionsAreRewritten(t *testing.T) {
	a := stage(t, 5)
	a.Proxy.Inject(Fault{Kind: TableStatus, Text: "UPDATING", Count: 1})
	a.Proxy.Inject(Fault{Kind: ItemCount, N: 5000, Count: 1})
	a.Proxy.Inject(Fault{Kind: TableID, Text: "other", Count: 1})
	a.Proxy.Inject(Fault{Kind: TableSize, N: 1 << 30, Count: 1})
	a.Proxy.Inject(Fault{Kind: TableID, Text: "another", N: 1700000000, Count: 1})
	a.Proxy.Inject(Fault{Kind: Replicas, Text: `[{"RegionName":"us-east-1"}]`, Count: 1})
	for _, part := range []string{`"TableStatus":"UPDATING"`, `"ItemCount":5000`, `"TableId":"other"`, `"TableSizeBytes":1073741824`, `"CreationDateTime":1700000000`, `"Replicas":[{"RegionName":"us-east-1"}]`} {
		if r := call(t, a, "DescribeTable", scan); !strings.Contains(r.body, part) || !r.crcFits() {
			t.Errorf("description lacks %s: %s", part, r.body)
		}
	}
}

func TestConnectionsBreak(t *testing.T) {
	a := stage(t, 5)
	for _, c := range []struct {
		kind   Kind
		status int    // 0: no answer
		err    string // part of the error
	}{
		{Reset, 0, "reset"},
		{Close, 0, "EOF"},
		{ResetInside, 200, "reset"},
		{CloseInside, 200, "unexpected EOF"},
	} {
		a.Proxy.Clear()
		a.Proxy.Forget()
		id := a.Proxy.Inject(Fault{Kind: c.kind, After: true, Op: "BatchWriteItem"})
		r := call(t, a, "BatchWriteItem", batch(2))
		if r.err == nil || !strings.Contains(r.err.Error(), c.err) || r.status != c.status {
			t.Errorf("%s: status %d, error %v", c.kind, r.status, r.err)
		}
		if len(a.Proxy.Writes()) != 2 || a.Proxy.Fired(id) != 1 {
			t.Errorf("%s: %d writes, fired %d", c.kind, len(a.Proxy.Writes()), a.Proxy.Fired(id))
		}
	}
	a.Proxy.Clear()
	a.Proxy.Forget()
	a.Proxy.Inject(Fault{Kind: Reset})
	if r := call(t, a, "BatchWriteItem", batch(2)); r.err == nil || len(a.Proxy.Writes()) != 0 {
		t.Errorf("reset before: error %v, %d writes", r.err, len(a.Proxy.Writes()))
	}
}

func TestHangEndsWhenTheClientGivesUpOrAtClear(t *testing.T) {
	a := stage(t, 5)
	struck := make(chan struct{}, 2)
	id := a.Proxy.Inject(Fault{Kind: Hang, Do: func() { struck <- struct{}{} }})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Endpoint(), strings.NewReader(scan))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-struck; cancel() }()
	if r := send(a, request, "Scan"); !errors.Is(r.err, context.Canceled) {
		t.Errorf("error %v", r.err)
	}
	go func() { <-struck; a.Proxy.Clear() }()
	if r := call(t, a, "Scan", scan); r.err == nil {
		t.Errorf("a hanging request was answered: %+v", r)
	}
	if a.Proxy.Fired(id) != 2 {
		t.Errorf("fired %d, want 2", a.Proxy.Fired(id))
	}
}

func TestTrickleSendsAllIfOneWaits(t *testing.T) {
	a := stage(t, 1)
	a.Proxy.Inject(Fault{Kind: Trickle, Delay: time.Microsecond})
	if r := call(t, a, "Scan", scan); r.err != nil || r.status != http.StatusOK || !r.crcFits() {
		t.Errorf("%+v", r)
	}
}

func TestDelayedWriteLandsAfterTheClientHasLeft(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: Delay, Delay: time.Hour, Op: "BatchWriteItem"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Endpoint(), strings.NewReader(batch(2)))
	if err != nil {
		t.Fatal(err)
	}
	if r := send(a, request, "BatchWriteItem"); r.err == nil || count(t, a) != 0 {
		t.Fatalf("error %v, %d stored", r.err, count(t, a))
	}
	a.Proxy.Clear() // ends the delay
	for len(a.Proxy.Writes()) < 2 && t.Context().Err() == nil {
		count(t, a) // gives the proxy time
	}
}

func TestExpiredTokenStopsWithOtherCredentials(t *testing.T) {
	w := Start(t)
	a := w.Account("prod")
	create(t, a, Table{Name: "orders", Partition: S("pk")})
	a.Proxy.Inject(Fault{Kind: ExpiredToken, Op: "DescribeTable"})
	first := dynamodb.NewFromConfig(profile(t, w, "prod-role"))
	for range 2 {
		_, err := describe(t.Context(), first, "orders")
		requireError(t, err, "ExpiredTokenException")
	}
	if _, err := describe(t.Context(), dynamodb.NewFromConfig(profile(t, w, "prod-role")), "orders"); err != nil {
		t.Errorf("new credentials: %v", err)
	}
}

func TestAssumeRoleCanBeDenied(t *testing.T) {
	w := Start(t)
	w.Account("prod").Proxy.Inject(Fault{Kind: Deny, Op: "AssumeRole"})
	_, err := describe(t.Context(), dynamodb.NewFromConfig(profile(t, w, "prod-role")), "orders")
	requireError(t, err, "AccessDenied")
}

func TestWhenAFaultStrikes(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: InternalError, Op: "Scan", Table: "orders", Skip: 2, Count: 2})
	var statuses []int
	for range 6 {
		statuses = append(statuses, call(t, a, "Scan", scan).status)
	}
	if want := []int{200, 200, 500, 500, 200, 200}; !slices.Equal(statuses, want) {
		t.Errorf("statuses %v, want %v", statuses, want)
	}
	if r := call(t, a, "DescribeTable", scan); r.status != 200 {
		t.Errorf("it strikes another operation: %+v", r)
	}
	a.Proxy.Clear()
	id := a.Proxy.Inject(Fault{Kind: InternalError, Probability: 0.3})
	for range 200 {
		call(t, a, "Scan", scan)
	}
	if n := a.Proxy.Fired(id); n < 30 || n > 90 {
		t.Errorf("fired %d of 200 at 30 %%", n)
	}
	a.Proxy.Clear()
	a.Proxy.Inject(Fault{Kind: InternalError, For: time.Nanosecond})
	if r := call(t, a, "Scan", scan); r.status != 200 {
		t.Errorf("it has not healed: %+v", r)
	}
	if a.Proxy.FiredByKind()[InternalError] != 2+a.Proxy.Fired(id) {
		t.Errorf("by kind: %v", a.Proxy.FiredByKind())
	}
	var calls atomic.Int32
	a.Proxy.Inject(Fault{Kind: Observe, Do: func() { calls.Add(1) }})
	call(t, a, "ListTables", "{}")
	if calls.Load() != 1 {
		t.Errorf("observed %d calls, want 1", calls.Load())
	}
}

// What is read eventually is how it was; what is read consistently,
// and what is written, is as it is.
func TestStaleReadsSeeAnotherTable(t *testing.T) {
	a := stage(t, 3)
	before := Table{Name: "orders-before", Partition: S("pk")}
	if err := a.CreateTable(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := a.Fill(t.Context(), before.Name, EdgeItems(before, 1, 1)); err != nil {
		t.Fatal(err)
	}
	id := a.Proxy.Inject(Fault{Kind: Stale, Table: "orders", Text: before.Name})
	for consistent, want := range map[string]string{"true": `"Count":3`, "false": `"Count":1`} {
		if r := call(t, a, "Scan", `{"TableName":"orders","ConsistentRead":`+consistent+`}`); !strings.Contains(r.body, want) {
			t.Errorf("consistent %s: %s", consistent, r.body)
		}
	}
	if a.Proxy.Fired(id) != 1 {
		t.Errorf("it has happened %d times", a.Proxy.Fired(id))
	}
}
