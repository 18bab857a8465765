package ddbtest

import (
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
	number     int
	requests   []Request
	writes     []Write
	violations []string
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
		w.Sequence, w.Request, w.Time, w.Op = len(l.writes)+1, r.number, now, r.op
		l.writes = append(l.writes, w)
	}
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
}

func (l *log) violate(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violations = append(l.violations, text)
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
	return slices.DeleteFunc(p.Requests(), func(r Request) bool { return readOps[r.Op] })
}

// Violations lists breaches of DynamoDB's limits: more than 25 writes, more
// than 16 MB, one key twice in a batch.
func (p *Proxy) Violations() []string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.violations)
}

// Forget empties the log. Request numbers go on.
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
