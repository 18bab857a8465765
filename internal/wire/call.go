package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

const (
	// idleLimit ends an attempt in which no byte has moved for so long.
	idleLimit = 10 * time.Second
	// slowest is the bytes per second that an attempt must move on average, each
	// way, after the first idleLimit: an answer that trickles is no answer. While it moves more, an
	// attempt takes as long as it takes.
	slowest = 8 << 10
	// maxReply bounds a response body. A page holds 1 MB of data, of which a
	// control character may take six bytes each.
	maxReply = 32 << 20
)

var errSlow = errors.New("the answer did not come, or too slowly")

// A call is one attempt of one operation.
type call struct {
	op      string
	attempt int
	body    []byte
	most    int // bytes of the reply; 0 means maxReply
}

// do makes the call's one attempt: it appends the reply's checked body to into
// and lets parse read it. The request body may be used again only if the error is nil. There is one
// debug line about each attempt; counts says what parse found.
func (t *Table) do(ctx context.Context, c call, into []byte, parse func(reply []byte) error, counts func() []slog.Attr) ([]byte, error) {
	began := time.Now()
	reply, id, err := t.attempt(ctx, c, into)
	if err == nil {
		err = parse(reply)
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // only our own, just made; why the caller's context ended may be shared
		e.Op, e.Table = c.op, t.name
		e.Code, e.Message = foreign.Text(e.Code), foreign.Text(e.Message)
	}
	if t.log.Enabled(ctx, slog.LevelDebug) {
		t.record(ctx, c, len(reply), id, time.Since(began), err, counts())
	}
	return reply, err
}

func (t *Table) attempt(ctx context.Context, c call, into []byte) (reply []byte, id string, err error) {
	creds, err := t.credentials(ctx)
	if err != nil {
		return into, "", err
	}
	to, err := t.resolve(ctx, creds)
	if err != nil {
		return into, "", &Error{Kind: Fatal, Message: err.Error(), Err: err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := watch(cancel, len(c.body))
	defer guard.timer.Stop()

	req := t.request(ctx, c, to)
	sum := sha256.Sum256(c.body)
	err = t.options.HTTPSignerV4.SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), to.service, to.region, t.now())
	if err != nil {
		return into, "", &Error{Kind: Fatal, Message: "sign: " + err.Error(), Err: err}
	}
	resp, err := t.options.HTTPClient.Do(req)
	if err != nil {
		return into, "", brokenOff(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was written to it
	id = resp.Header.Get("X-Amzn-Requestid")
	start := len(into)
	reply, err = readAll(resp, into, c.most, guard)
	if err != nil {
		return reply[:start], id, brokenOff(ctx, err)
	}
	body := reply[start:]
	if err := checkSum(resp.Header, body); err != nil {
		return reply[:start], id, err
	}
	if resp.StatusCode != http.StatusOK {
		return reply[:start], id, t.refusal(resp, body, creds)
	}
	return reply, id, nil
}

// A watcher ends an attempt in which nothing moves, or too little.
type watcher struct {
	timer *time.Timer
	end   time.Time // moves out as bytes come
}

// watch begins with a request of so many bytes. How those move is not to be
// seen from here: they get the time.
func watch(cancel context.CancelCauseFunc, size int) *watcher {
	limit := idleLimit + paid(size)
	return &watcher{time.AfterFunc(limit, func() { cancel(errSlow) }), time.Now().Add(limit)}
}

// moved is told of bytes that came.
func (w *watcher) moved(n int) {
	w.end = w.end.Add(paid(n))
	w.timer.Reset(min(idleLimit, time.Until(w.end)))
}

// paid is the time that so many bytes may take.
func paid(n int) time.Duration { return time.Duration(n) * time.Second / slowest }

// Header values that all requests share.
var (
	identity    = []string{"identity"}
	contentType = []string{"application/x-amz-json-1.0"}
	targets     = map[string][]string{
		"Scan": {"DynamoDB_20120810.Scan"}, "Query": {"DynamoDB_20120810.Query"},
		"BatchGetItem": {"DynamoDB_20120810.BatchGetItem"}, "BatchWriteItem": {"DynamoDB_20120810.BatchWriteItem"},
	}
)

func (t *Table) request(ctx context.Context, c call, to *endpoint) *http.Request {
	header := make(http.Header, 12)
	for name, values := range to.headers {
		header[name] = values
	}
	header["Accept-Encoding"], header["Content-Type"], header["X-Amz-Target"] = identity, contentType, targets[c.op]
	if t.userAgent != nil {
		header["User-Agent"] = t.userAgent
	}
	// The transport sends header and body in one write only if it knows that the
	// body's reader cannot block: this one it knows.
	body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }
	where := *to.url // the signer writes to it
	req := &http.Request{
		Method: http.MethodPost, URL: &where, Host: to.url.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(c.body)), GetBody: body,
	}
	req.Body, _ = body()
	return req.WithContext(ctx)
}

// brokenOff is a connection that failed, with our own reason where we ended it.
func brokenOff(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSlow):
		err = cause
	case cause != nil:
		return cause // the caller's own end, not a fault
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // only our own, just made
		return e
	}
	timeout := net.Error(nil) // also of a connection that is not made in time
	slow := errors.Is(err, errSlow) || errors.As(err, &timeout) && timeout.Timeout()
	return &Error{Kind: Transient, Ambiguous: true, Slow: slow, Message: err.Error(), Err: err}
}

// readAll reads the body to its end, and tells guard as bytes come.
func readAll(resp *http.Response, into []byte, most int, guard *watcher) ([]byte, error) {
	if most == 0 {
		most = maxReply
	}
	start := len(into)
	if n := resp.ContentLength; n > int64(most) {
		return into, garbled("answer of %d bytes is too large", n)
	} else if n > int64(cap(into)-start) {
		grown := make([]byte, start, start+int(n)+int(n)/8)
		copy(grown, into)
		into = grown
	}
	for {
		if len(into) == cap(into) {
			into = append(into, 0)[:len(into)]
		}
		n, err := resp.Body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if n > 0 {
			guard.moved(n)
		}
		if len(into)-start > most {
			return into, garbled("answer of more than %d bytes is too large", most)
		}
		if err == io.EOF { //nolint:errorlint // Read's own contract
			break
		}
		if err != nil {
			return into, err
		}
	}
	if n := resp.ContentLength; n >= 0 && int64(len(into)-start) != n {
		return into, garbled("answer has %d bytes of %d", len(into)-start, n)
	}
	return into, nil
}

// checkSum compares the body with its CRC-32 where the service sent one.
func checkSum(header http.Header, body []byte) error {
	text := header.Get("X-Amz-Crc32")
	if text == "" {
		return nil
	}
	want, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return garbled("answer does not match its checksum")
	}
	return nil
}

func garbled(format string, args ...any) error {
	return &Error{Kind: Transient, Garbled: true, Ambiguous: true, Code: "GarbledAnswer", Message: fmt.Sprintf(format, args...)}
}

// noteSkew remembers how far this machine's clock is off, as the service's
// Date header tells it, and reports whether it was worth correcting.
func (t *Table) noteSkew(header http.Header) bool {
	there, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return false
	}
	off := time.Until(there)
	// AWS refuses from 5 minutes on
	if d := off - time.Duration(t.skew.Load()); d.Abs() < 4*time.Minute {
		return false
	}
	t.skew.Store(int64(off))
	return true
}
