package ddbtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Fault is something that goes wrong, and when.
type Fault struct {
	Kind        Kind
	Op          string        // "Scan", "AssumeRole"; "" or "*" is any
	Table       string        // "" is any; NAME* is any that begins so
	Key         string        // only requests that write this key, as KeyOf writes it; "" is any
	Count       int           // strikes so often at most; 0 means no limit
	Skip        int           // lets so many requests pass first
	Probability float64       // of each request that it applies to; 0 means 1
	For         time.Duration // heals so long after Inject; 0 means never
	After       bool          // the engine applies the request first

	// Unprocessed, UnprocessedKeys: how many, 0 means a random number; ItemCount,
	// TableSize: the value; Late: the status
	N int
	// the exception's message; TableStatus, TableID, TableARN, BackupStatus:
	// the new value; Stale: the table
	Text    string
	Code    string        // Throttle, Error: the exception's name
	Reasons []Reason      // Throttle
	Delay   time.Duration // Delay, Late: how long; Trickle: between bytes, 0 means 50 ms
	Do      func()        // called as it strikes, one call at a time, before the answer goes out
}

// A Reason is why a request was throttled, as AWS says it.
type Reason struct {
	Reason   string `json:"reason"` // "TableWriteKeyRangeThroughputExceeded"
	Resource string `json:"resource"`
}

// A Kind is what goes wrong.
type Kind string

// Exceptions, which take the place of the answer.
const (
	// Code: ProvisionedThroughputExceededException (default),
	// ThrottlingException, RequestLimitExceeded
	Throttle      Kind = "throttle"
	Error         Kind = "error"          // the exception Code with message Text, status 400
	Deny          Kind = "deny"           // AccessDeniedException
	Validation    Kind = "validation"     // ValidationException with message Text
	ExpiredToken  Kind = "expired token"  // ExpiredTokenException until other credentials come
	InternalError Kind = "internal error" // 500 InternalServerError
	Unavailable   Kind = "unavailable"    // 503 without a body
	TooLarge      Kind = "too large"      // 413, plain text
)

// Partial success. What is unprocessed has not been sent to the engine.
const (
	Unprocessed      Kind = "unprocessed"       // N writes of a batch, or the one of Key
	UnprocessedKeys  Kind = "unprocessed keys"  // N keys of a BatchGetItem
	ForgeUnprocessed Kind = "forge unprocessed" // an item that nobody sent
)

// Broken answers. Those that need a body of the engine's have it applied first.
const (
	EmptyOK     Kind = "empty ok"     // 200 without a body
	EmptyObject Kind = "empty object" // 200 {} with the right checksum
	HTML        Kind = "html"         // 200 and a web page
	Truncate    Kind = "truncate"     // the body cut, its length to match
	// one character of a string changed, the checksum of the original
	FlipByte      Kind = "flip byte"
	WrongCRC      Kind = "wrong crc"      // the body right, the checksum wrong
	TrailingBytes Kind = "trailing bytes" // more after the JSON
	MissingItems  Kind = "missing items"  // no Items, Responses or UnprocessedItems
	UnknownTag    Kind = "unknown tag"    // {"Q":"x"} in an item
	LoneSurrogate Kind = "lone surrogate" // \ud800 in a string
	CountMismatch Kind = "count mismatch" // Count is one more than the items
	RepeatLEK     Kind = "repeat lek"     // LastEvaluatedKey is the request's ExclusiveStartKey
	// a page without items and with a new LastEvaluatedKey; no item is lost
	EmptyPages Kind = "empty pages"
	// a page of a table ends somewhere before its end, one in twenty is
	// late by Delay; no item is lost
	UnevenPages Kind = "uneven pages"
	TableStatus Kind = "table status" // DescribeTable says Text
	// DescribeTable says Text; "" for none, and that the table was
	// made at second N unless that is 0
	TableID      Kind = "table id"
	TableARN     Kind = "table arn"     // DescribeTable says Text
	Replicas     Kind = "replicas"      // DescribeTable says Text, the list's JSON
	ItemCount    Kind = "item count"    // DescribeTable says N
	TableSize    Kind = "table size"    // DescribeTable says N bytes
	BackupStatus Kind = "backup status" // DescribeBackup says Text
	// an eventually consistent read sees what is in the table Text: how it was
	Stale Kind = "stale"
)

// Broken connections and time.
const (
	Reset       Kind = "reset"        // RST instead of an answer
	Close       Kind = "close"        // FIN instead of an answer
	ResetInside Kind = "reset inside" // RST in mid-body
	CloseInside Kind = "close inside" // FIN in mid-body
	Hang        Kind = "hang"         // no answer until the client gives up, or Clear
	Trickle     Kind = "trickle"      // the answer a byte at a time
	// applied late, even if the client has left; with After only answered late
	Delay Kind = "delay"
	// answered at once, with an error of status N or a 200 without a body, and applied later
	Late    Kind = "late"
	Observe Kind = "observe" // nothing goes wrong: Do and the count only
)

// kindOps are the operations that a kind has a meaning for; the others take any.
var kindOps = map[Kind][]string{
	Unprocessed: {"BatchWriteItem"}, ForgeUnprocessed: {"BatchWriteItem"}, UnprocessedKeys: {"BatchGetItem"},
	EmptyPages: {"Scan", "Query"}, UnevenPages: {"Scan", "Query"}, RepeatLEK: {"Scan", "Query"}, CountMismatch: {"Scan", "Query"},
	TableStatus: {"DescribeTable"}, TableID: {"DescribeTable"}, TableARN: {"DescribeTable"}, Replicas: {"DescribeTable"}, ItemCount: {"DescribeTable"}, TableSize: {"DescribeTable"},
	BackupStatus: {"DescribeBackup", "CreateBackup"}, Stale: {"Scan", "Query"},
}

// faults are the faults of a proxy.
type faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	last    int
	list    []*armed
	fired   map[int]int // by id, kept after Clear
	byKind  map[Kind]int
	cleared context.Context // ends at Clear
	clear   context.CancelFunc
}

// armed is a fault in place.
type armed struct {
	Fault
	id      int
	since   time.Time
	seen    int    // requests that it applied to
	taken   int    // strikes, those under way included
	expired string // ExpiredToken: the sender that it strikes
	doing   sync.Mutex
}

func (f *faults) open(seed uint64) {
	f.random = rand.New(rand.NewPCG(seed, 0))
	f.fired, f.byKind = map[int]int{}, map[Kind]int{}
	f.cleared, f.clear = context.WithCancel(context.Background())
}

// Inject puts a fault in place and returns its id.
func (p *Proxy) Inject(fault Fault) int {
	f := &p.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.list = append(f.list, &armed{Fault: fault, id: f.last, since: time.Now()})
	return f.last
}

// Remove takes one fault away. What it holds up goes on waiting until Clear.
func (p *Proxy) Remove(id int) {
	f := &p.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(a *armed) bool { return a.id == id })
}

// Clear takes all faults away and lets hanging requests go on.
func (p *Proxy) Clear() {
	f := &p.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	f.clear()
	f.cleared, f.clear = context.WithCancel(context.Background())
}

// Fired tells how often a fault has struck; it knows cleared ones too.
func (p *Proxy) Fired(id int) int {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	return p.faults.fired[id]
}

// FiredByKind tells how often each kind has struck since the world began.
func (p *Proxy) FiredByKind() map[Kind]int {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	return maps.Clone(p.faults.byKind)
}

// choose returns the first fault that strikes this request. The caller settles it.
func (f *faults) choose(r *request) *armed {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.list {
		if !a.fits(r) {
			continue
		}
		a.seen++
		switch {
		case a.seen <= a.Skip,
			a.Count > 0 && a.taken >= a.Count,
			a.For > 0 && time.Since(a.since) > a.For,
			a.Probability > 0 && f.random.Float64() >= a.Probability:
			continue
		}
		a.taken++
		return a
	}
	return nil
}

func (a *armed) fits(r *request) bool {
	if a.Op != "" && a.Op != "*" && a.Op != r.op {
		return false
	}
	if ops := kindOps[a.Kind]; ops != nil && !slices.Contains(ops, r.op) {
		return false
	}
	prefix, open := strings.CutSuffix(a.Table, "*")
	if open && !strings.HasPrefix(r.table, prefix) || !open && a.Table != "" && a.Table != r.table {
		return false
	}
	if a.Key != "" && !slices.Contains(r.keys, a.Key) {
		return false
	}
	if a.Kind == Stale && string(member(r.body, "ConsistentRead")) == "true" {
		return false
	}
	if a.Kind == ExpiredToken {
		sender := r.key.AccessKeyID
		if a.expired == "" {
			a.expired = sender
		}
		return a.expired == sender
	}
	return true
}

// do calls what the fault is to do beside.
func (a *armed) do() {
	if a.Do == nil {
		return
	}
	a.doing.Lock()
	defer a.doing.Unlock()
	a.Do()
}

// settle counts a strike, or takes it back where the fault did not apply.
func (f *faults) settle(a *armed, struck bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !struck {
		a.taken--
		return
	}
	f.fired[a.id]++
	f.byKind[a.Kind]++
}

// number returns a random number in [0, n).
func (f *faults) number(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// shuffled returns the numbers below n in random order.
func (f *faults) shuffled(n int) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Perm(n)
}

// untilCleared ends with the next Clear.
func (f *faults) untilCleared() context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cleared
}
