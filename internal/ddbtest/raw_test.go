package ddbtest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// reply is what a client without any SDK sees.
type reply struct {
	status int
	body   string
	length string
	crc    string
	err    error // of reading the body, or of the call
}

// crcFits reports that the checksum is the body's.
func (r reply) crcFits() bool {
	return r.crc == strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(r.body))), 10)
}

// call sends one operation to the proxy, with the account's key id.
func call(t *testing.T, a *Account, op, body string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.Endpoint(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return send(a, request, op)
}

func send(a *Account, request *http.Request, op string) reply {
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+op)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	// the engine wants one and does not look at it
	request.Header.Set("X-Amz-Date", "20261120T000000Z")
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20261120/%s/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
		a.Credentials().AccessKeyID, a.Region))
	answer, err := plain.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, answer.Body)
	return reply{answer.StatusCode, b.String(), answer.Header.Get("Content-Length"), answer.Header.Get("X-Amz-Crc32"), err}
}

// plain opens a connection for each call, so that net/http has no old one to
// lose and never sends a request again by itself.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// batch is the body of a BatchWriteItem that puts items k0, k1, … into orders.
func batch(n int) string {
	var puts []string
	for i := range n {
		puts = append(puts, fmt.Sprintf(`{"PutRequest":{"Item":{"pk":{"S":"k%d"},"v":{"S":"value"}}}}`, i))
	}
	return `{"RequestItems":{"orders":[` + strings.Join(puts, ",") + `]}}`
}

const scan = `{"TableName":"orders"}`

// stage is an account with a table orders of n items.
func stage(t *testing.T, n int) *Account {
	t.Helper()
	a := Start(t).Account("prod")
	create(t, a, Table{Name: "orders", Partition: S("pk")})
	var items []Item
	for i := range n {
		items = append(items, Item{"pk": str(fmt.Sprintf("k%d", i)), "v": str("value")})
	}
	put(t, a, "orders", items...)
	return a
}

func count(t *testing.T, a *Account) int {
	t.Helper()
	n, err := a.Count(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
