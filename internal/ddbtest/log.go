package ddbtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Write is one put or delete that the engine has really applied.
type Write struct {
	Sequence int // in the order in which the engine answered
	Request  int // Request.Number
	Time     time.Time
	Op       string
	Table    string
	Delete   bool
	Key      string // as KeyOf writes it
	Digest   string // of the item, as DigestOf computes it; "" for deletes and updates
}

// A Request is one call as the proxy saw it.
type Request struct {
	Number  int
	Start   time.Time
	Took    time.Duration
	Op      string
	Table   string
	Writes  int  // puts and deletes asked for
	Bytes   int  // of the body
	Applied bool // the engine, or what stands in for it, has done it
	Status  int  // answered; 0 where the connection ended without an answer
	FaultID int  // what Inject returned; 0 where none struck
	Fault   Kind
	KeyID   string // of the sender's credentials
}

// dataOps carry items: their answers are passed on untouched.
var dataOps = map[string]bool{
	"Scan": true, "Query": true, "GetItem": true, "BatchGetItem": true, "TransactGetItems": true,
	"PutItem": true, "UpdateItem": true, "DeleteItem": true, "BatchWriteItem": true, "TransactWriteItems": true,
}

var readOps = map[string]bool{
	"Scan": true, "Query": true, "GetItem": true, "BatchGetItem": true, "TransactGetItems": true,
	"DescribeTable": true, "ListTables": true, "DescribeTimeToLive": true, "DescribeContinuousBackups": true,
	"DescribeBackup": true, "ListBackups": true, "ListTagsOfResource": true, "DescribeLimits": true,
	"DescribeEndpoints": true, "DescribeStream": true, "GetRecords": true, "GetShardIterator": true, "ListStreams": true,
	"DescribeExport": true, "ListExports": true, "DescribeImport": true, "ListImports": true,
	"DescribeContributorInsights": true, "DescribeKinesisStreamingDestination": true, "GetResourcePolicy": true,
	"GetCallerIdentity": true, "AssumeRole": true,
	"DescribeScalableTargets": true, "DescribeScalingPolicies": true, "DescribeScheduledActions": true, "DescribeScalingActivities": true,
}

type log struct {
	mu         sync.Mutex
	number     int // of the last request
	sequence   int // of the last write
	requests   []Request
	writes     []Write
	violations []violation
	open       map[string]int // requests under way, by table
}

// A violation is a breach of the protocol by one request; 0 for none.
type violation struct {
	request int
	text    string
}

func (l *log) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	return l.number
}

// wrote adds the request's writes.
func (l *log) wrote(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, w := range r.writes {
		l.sequence++
		w.Sequence, w.Request, w.Time, w.Op = l.sequence, r.number, now, r.op
		l.writes = append(l.writes, w)
	}
}

// begin counts a request as under way until it is logged.
func (l *log) begin(table string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[string]int{}
	}
	l.open[table]++
}

func (l *log) request(r *request, a *answer) {
	entry := Request{
		Number: r.number, Start: r.start, Took: time.Since(r.start), Op: r.op, Table: r.table,
		Writes: r.asked, Bytes: len(r.wire), Applied: r.applied, Status: a.status, KeyID: r.key.AccessKeyID,
	}
	if r.fault != nil {
		entry.FaultID, entry.Fault = r.fault.id, r.fault.Kind
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, entry)
	l.close(r.table)
}

// end counts a request as no longer under way that is in the log already.
func (l *log) end(table string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(table)
}

func (l *log) close(table string) {
	if l.open[table]--; l.open[table] == 0 {
		delete(l.open, table)
	}
}

// violate notes a breach by a request; number 0 is nobody's.
func (l *log) violate(number int, text string) {
	if number > 0 {
		text = fmt.Sprintf("request %d: %s", number, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violations = append(l.violations, violation{number, text})
}

// Writes lists the writes that the engine has applied.
func (p *Proxy) Writes() []Write {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.writes)
}

// Requests lists the calls that have been answered or given up, in that order.
func (p *Proxy) Requests() []Request {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.requests)
}

// Mutations lists the calls, applied or not, that were meant to change
// something: every operation that is not known to only read.
func (p *Proxy) Mutations() []Request {
	return slices.DeleteFunc(p.Requests(), func(r Request) bool { return !r.Mutates() })
}

// Mutates reports that the call was meant to change something.
func (r Request) Mutates() bool { return !readOps[r.Op] }

// Violations lists breaches of DynamoDB's limits: more than 25 writes, more
// than 16 MB, one key twice in a batch.
func (p *Proxy) Violations() []string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	var texts []string
	for _, v := range p.log.violations {
		texts = append(texts, v.text)
	}
	return texts
}

// Calls are what the log holds about one table.
type Calls struct {
	Requests   []Request
	Writes     []Write
	Violations []string
}

// Take moves what is about a table out of the log: where many tests share a
// proxy for long, the log does not grow, and none has to read the others' part.
func (p *Proxy) Take(table string) Calls {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	var c Calls
	numbers := map[int]bool{}
	p.log.requests = slices.DeleteFunc(p.log.requests, func(r Request) bool {
		if r.Table == table {
			numbers[r.Number] = true
			c.Requests = append(c.Requests, r)
		}
		return r.Table == table
	})
	p.log.writes = slices.DeleteFunc(p.log.writes, func(w Write) bool {
		if w.Table == table {
			c.Writes = append(c.Writes, w)
		}
		return w.Table == table
	})
	p.log.violations = slices.DeleteFunc(p.log.violations, func(v violation) bool {
		if numbers[v.request] {
			c.Violations = append(c.Violations, v.text)
		}
		return numbers[v.request]
	})
	return c
}

// Quiet waits until no request about the table is under way: also those whose
// sender has gone are then applied, or never will be.
func (p *Proxy) Quiet(ctx context.Context, table string) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		p.log.mu.Lock()
		n := p.log.open[table]
		p.log.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d requests about %s: %w", n, table, context.Cause(ctx))
		}
	}
}

// Forget empties the log. Numbers go on.
func (p *Proxy) Forget() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.log.requests, p.log.writes, p.log.violations = nil, nil, nil
}

// Accepts counts the connections that the proxy has accepted.
func (p *Proxy) Accepts() int { return int(p.accepts.Load()) }

// String says what happened in one line, for test output.
func (r Request) String() string {
	return fmt.Sprintf("#%d %s %s writes=%d bytes=%d status=%d applied=%v fault=%s", r.Number, r.Op, r.Table, r.Writes, r.Bytes, r.Status, r.Applied, r.Fault)
}
