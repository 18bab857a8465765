package wire

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

// taken answers every batch at once, and allocates next to nothing itself.
type taken struct{ resp http.Response }

func (t *taken) Do(*http.Request) (*http.Response, error) {
	const body = `{"UnprocessedItems":{}}`
	resp := t.resp
	resp.StatusCode, resp.ContentLength, resp.Body = 200, int64(len(body)), io.NopCloser(strings.NewReader(body))
	return &resp, nil
}

// BenchmarkBatchWrite is the price of a request of 25 items of 1 KB without the
// HTTP client: body, checksum, signature, deadline, answer.
func BenchmarkBatchWrite(b *testing.B) {
	table := against(new(taken), static(""))
	var writes []item.Write
	for _, w := range puts("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y") {
		w.Raw = []byte(`{"pk":{"S":"a"},"text":{"S":"` + strings.Repeat("x", 970) + `"}}`)
		writes = append(writes, w)
	}
	mem := new(Scratch)
	b.SetBytes(25 * 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.BatchWrite(b.Context(), writes, 1, mem); err != nil {
			b.Fatal(err)
		}
	}
}
