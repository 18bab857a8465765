package ddbtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxBody is DynamoDB's limit per request body, in bytes.
const maxBody = 16 << 20

// A Proxy stands before an engine and makes it an AWS account. It answers what
// the engine cannot, strikes with faults, and keeps a log.
type Proxy struct {
	account   *Account
	url       string
	server    *http.Server
	transport *http.Transport
	handlers  sync.WaitGroup
	closing   sync.Mutex // guards closed against handlers.Add
	closed    bool
	accepts   atomic.Int64
	engineARN atomic.Pointer[string] // what the engine's own ARNs begin with
	faults    faults
	log       log
}

// A request is one call on its way through the proxy.
type request struct {
	http   *http.Request
	number int
	start  time.Time
	wire   []byte            // the body as it came
	body   []byte            // the body for the engine: inflated, tables by name
	op     string            // "Scan"
	table  string            // the first table named
	refs   map[string]string // table name → the ARN it was called by
	sts    bool
	scales bool     // a call of Application Auto Scaling
	key    issued   // the sender's
	fault  *armed   // what struck
	writes []Write  // applied
	asked  int      // writes asked for
	keys   []string // that it writes
	cursor []byte   // ExclusiveStartKey as it came, where it was one of ours

	applied bool // the engine, or what stands in for it, answered 200
}

// An answer is what goes back, and how.
type answer struct {
	status      int
	contentType string
	body        []byte
	crc         uint32
	noCRC       bool
	id          string
	deliver     func(http.ResponseWriter, *http.Request, *answer) // nil: plainly
}

func openProxy(a *Account) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy: %w", err)
	}
	p := &Proxy{account: a, url: "http://" + l.Addr().String()}
	p.transport = &http.Transport{
		MaxIdleConnsPerHost: 1024, // a writer of ours may hold 256 connections a side
		ReadBufferSize:      64 << 10, WriteBufferSize: 64 << 10,
		DisableCompression: true,
	}
	prefix := "arn:aws:dynamodb:dynoxide:000000000000:"
	p.engineARN.Store(&prefix)
	p.faults.open(a.world.settings.seed)
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.handlers.Go(func() {
		// Serve ends with ErrServerClosed when close is called.
		if err := p.server.Serve(&counted{l, &p.accepts}); !errors.Is(err, http.ErrServerClosed) {
			p.log.violate(0, "the proxy ended: "+err.Error())
		}
	})
	return p, nil
}

func (p *Proxy) close() error {
	p.closing.Lock()
	p.closed = true
	p.closing.Unlock()
	p.Clear() // lets hanging requests go
	err := p.server.Close()
	p.handlers.Wait()
	p.transport.CloseIdleConnections()
	return err
}

// enter lets a handler run until the proxy is closed.
func (p *Proxy) enter() bool {
	p.closing.Lock()
	defer p.closing.Unlock()
	if !p.closed {
		p.handlers.Add(1)
	}
	return !p.closed
}

// counted counts the connections that a listener accepts.
type counted struct {
	net.Listener
	n *atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// ServeHTTP takes one call from the program under test.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	if !p.enter() {
		panic(http.ErrAbortHandler)
	}
	defer p.handlers.Done()
	r := &request{http: hr, start: time.Now(), number: p.log.next()}
	a := p.read(r)
	p.log.begin(r.table)
	if a == nil {
		a = p.checkSender(r)
	}
	if a == nil {
		a = p.strike(r)
	}
	defer p.log.request(r, a)
	if a.id == "" {
		a.id = requestID()
	}
	if a.deliver != nil {
		a.deliver(w, hr, a)
		return
	}
	a.writeTo(w)
}

// read takes the request's body and finds out what is asked of which table.
func (p *Proxy) read(r *request) *answer {
	var body bytes.Buffer
	if n := r.http.ContentLength; n > 0 && n <= maxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	if _, err := io.Copy(&body, io.LimitReader(r.http.Body, maxBody+1)); err != nil {
		return &answer{status: http.StatusBadRequest, deliver: reset} // the sender has gone
	}
	r.wire, r.body = body.Bytes(), body.Bytes()
	_, r.op, _ = strings.Cut(r.http.Header.Get("X-Amz-Target"), ".")
	if len(r.wire) > maxBody {
		p.log.violate(r.number, r.op+" has a body of more than 16 MB")
		return &answer{status: http.StatusRequestEntityTooLarge, contentType: "text/plain", body: []byte("length limit exceeded"), noCRC: true}
	}
	if r.http.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gunzip(r.wire)
		if err != nil {
			return r.fail("SerializationException", err.Error())
		}
		r.body = plain
	}
	if r.op == "" {
		r.sts = true
		_, action, _ := strings.Cut(string(r.body), "Action=")
		r.op, _, _ = strings.Cut(action, "&")
		return nil
	}
	if r.scales = strings.HasPrefix(r.http.Header.Get("X-Amz-Target"), scalingTarget); r.scales {
		r.nameResource()
		return nil
	}
	if a := p.nameTables(r); a != nil {
		return a
	}
	r.unmark()
	if p.account.engine != nil {
		r.ease(p.account.world.settings.pageItems)
	}
	p.inspect(r)
	return nil
}

// strike lets a fault happen to the request, or none.
func (p *Proxy) strike(r *request) *answer {
	f := p.faults.choose(r)
	if f == nil {
		return p.apply(r)
	}
	a, struck := p.suffer(r, f)
	p.faults.settle(f, struck) // before Do, which may look at the count
	if !struck {
		return a
	}
	r.fault = f
	f.do()
	return a
}

// apply has the request done: by the engine, or by what stands in for it.
func (p *Proxy) apply(r *request) *answer {
	if r.sts {
		return p.answerSTS(r)
	}
	if a := p.unready(r); a != nil {
		return a
	}
	if p.account.world.moto != nil && backupOps[r.op] {
		a := p.answerBackup(r)
		r.applied = a.status == http.StatusOK
		return a
	}
	if r.scales {
		return p.answerScaling(r)
	}
	a := p.askEngine(r)
	if a.status == http.StatusOK {
		p.note(r, a)
	}
	if !dataOps[r.op] || a.status != http.StatusOK {
		p.ownARNs(a)
	}
	return a
}

// askEngine has the engine answer, mended where Dynoxide is known not to be AWS.
func (p *Proxy) askEngine(r *request) *answer {
	if r.op == "UpdateTable" && p.account.engine != nil {
		return p.updateTable(r)
	}
	a := p.forward(r.http, p.account.engineURL, r.body)
	if r.op == "DescribeTable" && p.account.engine != nil {
		p.mendDescription(a)
	}
	return a
}

// note keeps what the engine has really done.
func (p *Proxy) note(r *request, a *answer) {
	r.applied = true
	if r.op == "CreateTable" || r.op == "DeleteTable" {
		p.account.schemas.forget(r.table)
		p.account.restores.forget(r.table)
	}
	if p.account.world.settings.noWriteLog {
		return
	}
	r.writes = dropUnprocessed(p.writesOf(r), a.body, p.keyNames)
	p.log.wrote(r)
}

// forward sends a body to an engine. It does not care whether the sender still
// waits: a request that has left is applied, as it would be at AWS.
func (p *Proxy) forward(hr *http.Request, url string, body []byte) *answer {
	out, err := http.NewRequestWithContext(p.account.world.ctx, http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		return &answer{status: http.StatusBadGateway, body: []byte(err.Error()), noCRC: true}
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target", "X-Amz-Date", "Authorization", "X-Amz-Security-Token"} {
		if v := hr.Header.Get(name); v != "" {
			out.Header.Set(name, v)
		}
	}
	out.Header.Set("X-Moto-Account-Id", p.account.ID) // only moto looks at it
	in, err := p.transport.RoundTrip(out)
	if err != nil {
		return &answer{status: http.StatusBadGateway, body: []byte(err.Error()), noCRC: true}
	}
	defer in.Body.Close()
	var b bytes.Buffer
	if in.ContentLength > 0 {
		b.Grow(int(in.ContentLength) + bytes.MinRead)
	}
	if _, err := io.Copy(&b, in.Body); err != nil {
		return &answer{status: http.StatusBadGateway, body: []byte(err.Error()), noCRC: true}
	}
	a := &answer{status: in.StatusCode, contentType: in.Header.Get("Content-Type"), body: b.Bytes(), id: in.Header.Get("X-Amzn-Requestid")}
	crc, err := strconv.ParseUint(in.Header.Get("X-Amz-Crc32"), 10, 32)
	a.crc, a.noCRC = uint32(crc), err != nil
	return a
}

func (a *answer) writeTo(w http.ResponseWriter) {
	a.header(w.Header())
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone needs no answer
}

func (a *answer) header(h http.Header) {
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("X-Amzn-Requestid", a.id)
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	if !a.noCRC {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(a.crc), 10))
	}
}

// replaceBody gives the answer another body, with the checksum to match.
func (a *answer) replaceBody(b []byte) {
	a.body, a.crc = b, crc32.ChecksumIEEE(b)
}

func jsonAnswer(status int, body []byte) *answer {
	a := &answer{status: status, contentType: "application/x-amz-json-1.0"}
	a.replaceBody(body)
	return a
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// wait waits for d, or until stop or the world ends.
func (p *Proxy) wait(d time.Duration, stop context.Context) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop.Done():
	case <-p.account.world.ctx.Done():
	}
}
