package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/item"
)

func against(client dynamodb.HTTPClient, creds aws.CredentialsProvider) *Table {
	return New(dynamodb.New(dynamodb.Options{Region: "eu-west-1", Credentials: creds, HTTPClient: client}), "orders", pk, Settings{})
}

func kind(t *testing.T, err error) Kind {
	t.Helper()
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e.Kind
}

const one = `{"Items":[{"pk":{"S":"a"}}],"Count":1,"ScannedCount":1}`

// What is a success with the typed client, and is none.
func TestScanBelievesNothing(t *testing.T) {
	sum := func(body string) http.Header {
		return http.Header{"X-Amz-Crc32": {fmt.Sprint(crc32.ChecksumIEEE([]byte(body)))}}
	}
	for _, c := range []struct {
		name   string
		body   string
		header http.Header
	}{
		{"nothing", "", nil},
		{"an empty object", "{}", nil},
		{"null", "null", nil},
		{"HTML", "<html><body>Sign in</body></html>", nil},
		{"a cut answer", one[:len(one)-20], nil},
		{"a flipped byte", strings.Replace(one, `"a"`, `"b"`, 1), sum(one)},
		{"a wrong checksum", one, http.Header{"X-Amz-Crc32": {"1"}}},
		{"a checksum that is no number", one, http.Header{"X-Amz-Crc32": {"x"}}},
		{"trailing bytes", one + "x", nil},
		{"a second answer", one + one, nil},
		{"Items twice", `{"Items":[],"Items":[],"Count":0}`, nil},
		{"Items that are null", `{"Items":null,"Count":0}`, nil},
		{"no Items", `{"Count":0,"ScannedCount":0}`, nil},
		{"no Count", `{"Items":[]}`, nil},
		{"another Count", `{"Items":[{"pk":{"S":"a"}}],"Count":5}`, nil},
		{"an unknown type", `{"Items":[{"pk":{"S":"a"},"x":{"Z":"1"}}],"Count":1}`, nil},
		{"no type", `{"Items":[{"pk":{"S":"a"},"x":{}}],"Count":1}`, nil},
		{"an item without its key", `{"Items":[{"x":{"S":"a"}}],"Count":1}`, nil},
		{"a key of another type", `{"Items":[{"pk":{"N":"1"}}],"Count":1}`, nil},
		{"a lone surrogate", `{"Items":[{"pk":{"S":"\ud800"}}],"Count":1}`, nil},
		{"a byte that is not UTF-8", "{\"Items\":[{\"pk\":{\"S\":\"\xff\"}}],\"Count\":1}", nil},
		{"a cursor that is no key", `{"Items":[],"Count":0,"LastEvaluatedKey":{}}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var page item.Page
			table := against(&recorder{body: c.body, header: c.header}, static(""))
			for op, err := range map[string]error{"scan": table.Scan(t.Context(), Scan{}, &page), "query": table.Query(t.Context(), Query{}, &page)} {
				if kind(t, err) != Transient || len(page.Items) != 0 {
					t.Fatalf("%s: got %v and %d items", op, err, len(page.Items))
				}
			}
		})
	}
}

func TestScanTakes(t *testing.T) {
	for _, c := range []struct {
		name, body string
		items      int
		next       string
		units      float64
	}{
		{"an empty table", `{"Items":[],"Count":0,"ScannedCount":0}`, 0, "", 0},
		{"an empty page that is not the end", `{"Count":0,"Items":[],"LastEvaluatedKey":{"pk":{"S":"z"}}}`, 0, `{"pk":{"S":"z"}}`, 0},
		{"items, units and a cursor", `{"ConsumedCapacity":{"CapacityUnits":1.5,"TableName":"orders"},"Items":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}],"Count":2,"LastEvaluatedKey": {"pk":{"S":"b"}} }`, 2, `{"pk":{"S":"b"}}`, 1.5},
		{"members that we do not know", `{"New":{"x":[1,-2.5e3,true,null,"y"]},"Items":[],"Count":0}`, 0, "", 0},
		{"a cursor that is null", `{"Items":[],"Count":0,"LastEvaluatedKey":null}`, 0, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var page item.Page
			if err := against(&recorder{body: c.body}, static("")).Scan(t.Context(), Scan{}, &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Items) != c.items || len(page.Keys) != c.items || string(page.Next) != c.next || page.Units != c.units {
				t.Fatalf("got %d items, next %s, %v units", len(page.Items), page.Next, page.Units)
			}
		})
	}
}

func TestRepeatedCursorIsTheEndOfIt(t *testing.T) {
	r := &recorder{body: `{"Items":[],"Count":0,"LastEvaluatedKey":{"pk":{"S":"b"}}}`}
	err := against(r, static("")).Scan(t.Context(), Scan{From: item.Cursor(`{"pk":{"S":"b"}}`)}, new(item.Page))
	if kind(t, err) != Fatal {
		t.Fatalf("got %v", err)
	}
	err = against(r, static("")).Query(t.Context(), Query{From: item.Cursor(`{"pk":{"S":"b"}}`)}, new(item.Page))
	if kind(t, err) != Fatal {
		t.Fatalf("got %v", err)
	}
}

// So is one that was sent some pages before, at any distance; that a page is read twice is none.
func TestCursorsInACircle(t *testing.T) {
	for _, period := range []int{0, 1, 2, 3, 7, 40} {
		for _, before := range []int{0, 1, 10} {
			cursor := func(n int) item.Cursor { // behind page n
				if period > 0 && n > before {
					n = before + (n-before)%period
				}
				return item.Cursor(fmt.Sprintf(`{"pk":{"S":"%d"}}`, n))
			}
			r := &recorder{}
			table := against(r, static(""))
			var from item.Cursor
			var err error
			n := 0
			for ; err == nil && n < 1000; n++ {
				r.body = fmt.Sprintf(`{"Items":[],"Count":0,"LastEvaluatedKey":%s}`, cursor(n))
				for again := n % 3; err == nil && again >= 0; again-- {
					err = table.Scan(t.Context(), Scan{From: from}, new(item.Page))
				}
				from = cursor(n)
			}
			if period == 0 && err != nil || period > 0 && (err == nil || kind(t, err) != Fatal || n > 4*(before+period)+4) {
				t.Errorf("period %d after %d: %d pages, %v", period, before, n, err)
			}
		}
	}
}

// The cursor of an index has the keys of both, and goes back as it came.
func TestIndexCursor(t *testing.T) {
	const cursor = `{"pk":{"S":"b"},"city":{"S":"x"},"age":{"N":"1.50"}}`
	r := &recorder{body: `{"Items":[{"pk":{"S":"a"}}],"Count":1,"LastEvaluatedKey":` + cursor + `}`}
	var page item.Page
	table := against(r, static(""))
	if err := table.Query(t.Context(), Query{Index: "by-city"}, &page); err != nil || string(page.Next) != cursor {
		t.Fatalf("got %s, %v", page.Next, err)
	}
	r.body = one
	if err := table.Query(t.Context(), Query{Index: "by-city", From: page.Next}, &page); err != nil || !strings.Contains(string(r.sent), `"ExclusiveStartKey":`+cursor+`,`) {
		t.Fatalf("sent %s, %v", r.sent, err)
	}
	// no table could go on from there
	r.body = `{"Items":[],"Count":0,"LastEvaluatedKey":{"city":{"S":"x"}}}`
	if err := table.Query(t.Context(), Query{Index: "by-city"}, &page); kind(t, err) != Transient {
		t.Fatalf("got %v", err)
	}
}

func puts(keys ...string) (list []item.Write) {
	for _, key := range keys {
		f, err := item.Parse([]byte(`{"pk":{"S":"`+key+`"},"n":{"N":"1.0"}}`), pk)
		if err != nil {
			panic(err)
		}
		hash, err := f.Hash(pk)
		if err != nil {
			panic(err)
		}
		list = append(list, item.Write{Raw: f.Item, Key: hash})
	}
	return list
}

func TestBatchWriteTells(t *testing.T) {
	put := func(key string) string { return `{"PutRequest":{"Item":{"n":{"N":"1"},"pk":{"S":"` + key + `"}}}}` }
	for _, c := range []struct {
		name, body string
		want       []int
		kind       Kind // where it fails
		fails      bool
	}{
		{"all taken", `{"UnprocessedItems":{}}`, nil, 0, false},
		{"some not, in another order and form", `{"UnprocessedItems":{"orders":[` + put("c") + `,` + put("a") + `]}}`, []int{0, 2}, 0, false},
		{"under an ARN", `{"UnprocessedItems":{"arn:aws:dynamodb:eu-west-1:1:table/orders":[` + put("b") + `]}}`, []int{1}, 0, false},
		{"one that was not sent", `{"UnprocessedItems":{"orders":[` + put("x") + `]}}`, nil, Fatal, true},
		{"one twice", `{"UnprocessedItems":{"orders":[` + put("a") + `,` + put("a") + `]}}`, nil, Fatal, true},
		{"a put as a delete", `{"UnprocessedItems":{"orders":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}}`, nil, Fatal, true},
		{"nothing", ``, nil, Transient, true},
		{"an empty object", `{}`, nil, Transient, true},
		{"null", `{"UnprocessedItems":null}`, nil, Transient, true},
		{"HTML", `<html>`, nil, Transient, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			done, err := against(&recorder{body: c.body}, static("")).BatchWrite(t.Context(), puts("a", "b", "c"), 1, new(Scratch))
			if c.fails {
				if kind(t, err) != c.kind {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(done.Unprocessed, c.want) {
				t.Fatalf("got %v, %v", done, err)
			}
		})
	}
}

func TestAllThrottledIsAllUnprocessed(t *testing.T) {
	for _, body := range []string{
		`{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow","ThrottlingReasons":[{"reason":"TableWriteKeyRangeThroughputExceeded","resource":"arn"}]}`,
		`{"__type":"com.amazon.coral.availability#ThrottlingException","Message":"slow","throttlingReasons":[{"reason":"TableWriteKeyRangeThroughputExceeded","resource":"arn"}]}`,
	} {
		done, err := against(&recorder{status: 400, body: body}, static("")).BatchWrite(t.Context(), puts("a", "b"), 1, new(Scratch))
		if err != nil || len(done.Unprocessed) != 2 || len(done.Throttled) != 1 || done.Throttled[0].Resource != "arn" {
			t.Fatalf("got %+v, %v", done, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   Kind
	}{
		{400, "ProvisionedThroughputExceededException", Throttled}, {400, "RequestLimitExceeded", Throttled}, {429, "", Throttled},
		{500, "InternalServerError", Transient}, {503, "", Transient}, {502, "", Transient}, {504, "", Transient},
		{400, "ExpiredTokenException", Stale}, {400, "UnrecognizedClientException", Stale},
		{400, "AccessDeniedException", Denied}, {400, "InvalidSignatureException", Denied},
		{400, "ResourceNotFoundException", State}, {400, "ValidationException", Invalid}, {400, "ItemCollectionSizeLimitExceededException", Invalid},
		{413, "", TooLarge}, {400, "SomethingNewException", Fatal}, {404, "", Fatal},
	} {
		t.Run(fmt.Sprint(c.status, c.code), func(t *testing.T) {
			body := ""
			if c.code != "" {
				body = `{"__type":"x#` + c.code + `","message":"` + strings.Repeat("m", 5000) + `"}`
			}
			err := against(&recorder{status: c.status, body: body}, static("")).Scan(t.Context(), Scan{}, new(item.Page))
			if kind(t, err) != c.want {
				t.Fatalf("got %v", err)
			}
			if len(err.Error()) > 600 {
				t.Fatalf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// rotating gives new credentials after each Invalidate, as aws.CredentialsCache does.
type rotating struct{ n, invalidated int }

func (r *rotating) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: fmt.Sprint("AKID", r.n), SecretAccessKey: "s"}, nil
}
func (r *rotating) Invalidate() { r.n++; r.invalidated++ }

func TestExpiredCredentialsAreFetchedAgain(t *testing.T) {
	creds := new(rotating)
	r := &recorder{status: 400, body: `{"__type":"x#ExpiredTokenException","message":"expired"}`}
	table := against(r, creds)
	if err := table.Scan(t.Context(), Scan{}, new(item.Page)); kind(t, err) != Stale {
		t.Fatalf("got %v", err)
	}
	r.status, r.body = 200, one
	for range 3 {
		if err := table.Scan(t.Context(), Scan{}, new(item.Page)); err != nil {
			t.Fatal(err)
		}
	}
	if creds.invalidated != 1 || !strings.Contains(r.req.Header.Get("Authorization"), "AKID1/") {
		t.Fatalf("%d refreshes, signed as %s", creds.invalidated, r.req.Header.Get("Authorization"))
	}
}

func TestCredentialsThatStayExpired(t *testing.T) {
	r := &recorder{status: 400, body: `{"__type":"x#ExpiredTokenException","message":"expired"}`}
	table := against(r, static(""))
	if err := table.Scan(t.Context(), Scan{}, new(item.Page)); kind(t, err) != Stale {
		t.Fatalf("got %v", err)
	}
	if err := table.Scan(t.Context(), Scan{}, new(item.Page)); kind(t, err) != Credentials || r.calls != 1 {
		t.Fatalf("got %v after %d calls", err, r.calls)
	}
}

func TestWrongClockIsCorrected(t *testing.T) {
	r := &recorder{status: 400, body: `{"__type":"x#InvalidSignatureException","message":"Signature expired"}`,
		header: http.Header{"Date": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}}
	table := against(r, static(""))
	if err := table.Scan(t.Context(), Scan{}, new(item.Page)); kind(t, err) != Transient {
		t.Fatalf("got %v", err)
	}
	if off := time.Until(table.now()); off < 59*time.Minute || off > 61*time.Minute {
		t.Fatalf("corrected by %s", off)
	}
	// The same complaint with the clock right is about the secret key.
	if err := table.Scan(t.Context(), Scan{}, new(item.Page)); kind(t, err) != Denied {
		t.Fatalf("got %v", err)
	}
}

// silent never answers; trickling answers a byte a second.
type silent struct{}

func (silent) Do(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

type trickling struct{}

func (trickling) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: drip{req.Context()}}, nil
}

type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}
func (drip) Close() error { return nil }

func TestAttemptsEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		client dynamodb.HTTPClient
		after  time.Duration
	}{{"nothing comes", silent{}, idleLimit}, {"a byte a second", trickling{}, idleLimit}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := against(c.client, static("")).Scan(t.Context(), Scan{}, new(item.Page))
				if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != Transient || !e.Ambiguous || !e.Slow {
					t.Fatalf("got %v", err)
				}
				if took := time.Since(began); took < c.after || took > c.after+time.Second {
					t.Fatalf("took %s", took)
				}
			})
		})
	}
}

// A large request gets the time that a slow line needs.
func TestLargeRequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for size, after := range map[int]time.Duration{80 << 10: 20 * time.Second, 4 << 20: (10 + 512) * time.Second} {
			began := time.Now()
			w := puts("a")
			w[0].Raw = []byte(`{"pk":{"S":"` + strings.Repeat("x", size) + `"}}`)
			_, err := against(silent{}, static("")).BatchWrite(t.Context(), w, 1, new(Scratch))
			if kind(t, err) != Transient {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(began); took < after || took > after+time.Second {
				t.Fatalf("%d bytes: took %s", size, took)
			}
		}
	})
}

// slowly answers with a body that comes in pieces, one a second.
type slowly struct {
	body  string
	piece int
}

func (s slowly) Do(req *http.Request) (*http.Response, error) {
	body := &pieces{ctx: req.Context(), left: s.body, piece: s.piece}
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(s.body)), Body: body}, nil
}

type pieces struct {
	ctx   context.Context
	left  string
	piece int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == "" {
		return 0, io.EOF
	}
	select {
	case <-time.After(time.Second):
		n := copy(b[:min(p.piece, len(b))], p.left)
		p.left = p.left[n:]
		return n, nil
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	}
}
func (*pieces) Close() error { return nil }

// An answer that moves is waited for, however long it takes.
func TestMovingIsNotCut(t *testing.T) {
	items := `[{"pk":{"S":"a"},"v":{"S":"` + strings.Repeat("x", 2<<20) + `"}}]`
	page := `{"Items":` + items + `,"Count":1}`
	for name, c := range map[string]struct {
		body string
		call func(ctx context.Context, t *Table) error
	}{
		"Scan": {page, func(ctx context.Context, t *Table) error { return t.Scan(ctx, Scan{}, new(item.Page)) }},
		"Query": {page, func(ctx context.Context, t *Table) error {
			return t.Query(ctx, Query{Condition: "#k0 = :v0"}, new(item.Page))
		}},
		"BatchGetItem": {`{"Responses":{"orders":` + items + `},"UnprocessedKeys":{}}`, func(ctx context.Context, t *Table) error {
			_, err := t.BatchGet(ctx, [][]byte{[]byte(`{"pk":{"S":"a"}}`)}, true, 1, new(item.Page))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if err := c.call(t.Context(), against(slowly{c.body, 9 << 10}, static(""))); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < 3*time.Minute {
					t.Fatalf("took %s only", took)
				}
			})
		})
	}
}

func TestTheCallersEndIsNoFault(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if err := against(silent{}, static("")).Scan(ctx, Scan{}, new(item.Page)); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
}

func TestBrokenConnectionIsTransient(t *testing.T) {
	err := against(&recorder{err: io.ErrUnexpectedEOF}, static("")).Scan(t.Context(), Scan{}, new(item.Page))
	if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != Transient || !e.Ambiguous {
		t.Fatalf("got %v", err)
	}
}

// FuzzPage compares the page splitter with the SDK's own decoder: whatever it
// takes, the typed client takes too, and reads the same items.
func FuzzPage(f *testing.F) {
	f.Add([]byte(one))
	f.Add([]byte(`{"Items":[{"pk":{"S":"a"},"n":{"N":"1.50"},"b":{"B":"AP8="},"l":{"L":[{"BOOL":true},{"NULL":true}]},"m":{"M":{"":{"SS":["x",""]}}}},{"pk":{"S":"\u00e9"}}],"Count":2,"ScannedCount":2,"LastEvaluatedKey":{"pk":{"S":"b"}}}`))
	f.Add([]byte(`{"Count":0, "Items": [ ] }`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page item.Page
		r := &recorder{body: string(body)}
		if err := against(r, static("")).Scan(t.Context(), Scan{}, &page); err != nil {
			return
		}
		typed := dynamodb.New(dynamodb.Options{Region: "eu-west-1", Credentials: static(""), HTTPClient: r, Retryer: aws.NopRetryer{}})
		want, err := typed.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("orders")})
		if err != nil {
			if strings.Contains(err.Error(), "base64") {
				return // what lies in a binary is for the target to judge
			}
			t.Fatalf("took what the typed client refuses: %v\n%q", err, body)
		}
		if len(want.Items) != len(page.Items) {
			t.Fatalf("%d items, the typed client has %d\n%q", len(page.Items), len(want.Items), body)
		}
		for i, it := range page.Items {
			got, err := typed.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("orders")}, func(o *dynamodb.Options) {
				o.HTTPClient = &recorder{body: `{"Items":[` + string(it) + `],"Count":1}`}
			})
			if err != nil || len(got.Items) != 1 || !reflect.DeepEqual(got.Items[0], want.Items[i]) {
				t.Fatalf("item %d is %s: %v", i, it, err)
			}
			if s, ok := want.Items[i]["pk"].(*types.AttributeValueMemberS); ok {
				again, err := item.Parse([]byte(`{"pk":{"S":`+quoted(s.Value)+`}}`), pk)
				if err != nil {
					t.Fatal(err)
				}
				if hash, err := again.Hash(pk); err != nil || hash != page.Keys[i] {
					t.Fatalf("item %d: the key hash is not that of its value %q", i, s.Value)
				}
			}
		}
	})
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}
