package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A side is one of the two tables.
type side string

const (
	source side = "source"
	target side = "target"
)

// A card is one thing that can go wrong: a kind of fault at an operation of
// one side, before or after the engine has applied the request.
type card struct {
	kind  ddbtest.Kind
	op    string
	side  side
	after bool
	code  string
	text  string

	exits  []int    // the exit codes that it may lead to; none: the copy must survive it
	modes  []string // in which it happens; none: in all
	role   bool     // needs credentials that can be renewed
	pages  bool     // needs a segment of several pages
	slow   bool     // costs ten seconds each time
	always bool     // once it has begun it does not end
	key    bool     // strikes what holds one key, always
	once   bool     // a state, which strikes one look
	index  bool     // no fault: the target has an index that does not fit some items
}

func (c card) String() string {
	when := ""
	if c.after {
		when = " after"
	}
	if c.always {
		when += " always"
	}
	text := c.code + c.text
	if text != "" {
		text = " " + text
	}
	if c.index {
		return "items that do not fit an index of the target"
	}
	return fmt.Sprintf("%s at %s's %s%s%s", c.kind, c.side, c.op, when, text)
}

// A place is where requests go.
type place struct {
	side side
	op   string
}

// places are those where all may happen, with the modes in which there are any
// requests.
var places = []struct {
	place
	modes []string
}{
	{place{source, "Scan"}, nil},
	{place{target, "Scan"}, []string{replace, syncing}},
	{place{target, "BatchWriteItem"}, nil},
}

// survivable are the cards that no copy may fail of.
func survivable() (deck []card) {
	for _, p := range places {
		add := func(c card) {
			c.side, c.op, c.modes = p.side, p.op, p.modes
			deck = append(deck, c)
		}
		for _, code := range []string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"} {
			add(card{kind: ddbtest.Throttle, code: code})
		}
		for _, after := range []bool{false, true} {
			for _, kind := range []ddbtest.Kind{
				ddbtest.InternalError, ddbtest.Unavailable, ddbtest.Reset, ddbtest.Close,
				ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.HTML, ddbtest.Delay,
			} {
				add(card{kind: kind, after: after})
			}
		}
		for _, kind := range []ddbtest.Kind{
			ddbtest.ResetInside, ddbtest.CloseInside, ddbtest.Truncate, ddbtest.FlipByte, ddbtest.WrongCRC,
			ddbtest.TrailingBytes, ddbtest.MissingItems,
		} {
			add(card{kind: kind})
		}
		add(card{kind: ddbtest.ExpiredToken, role: true})
		if p.op == "Scan" {
			for _, kind := range []ddbtest.Kind{ddbtest.CountMismatch, ddbtest.EmptyPages, ddbtest.UnevenPages} {
				add(card{kind: kind})
			}
		}
		if p.modes == nil {
			add(card{kind: ddbtest.Hang, slow: true})
			add(card{kind: ddbtest.Hang, slow: true, after: true})
			add(card{kind: ddbtest.Trickle, slow: true})
		}
	}
	deck = append(deck,
		card{kind: ddbtest.UnknownTag, op: "Scan", side: source},
		card{kind: ddbtest.LoneSurrogate, op: "Scan", side: source},
		card{kind: ddbtest.Unprocessed, op: "BatchWriteItem", side: target},
		card{kind: ddbtest.Unprocessed, op: "BatchWriteItem", side: target, text: "all"},
		card{kind: ddbtest.TooLarge, op: "BatchWriteItem", side: target},
		card{kind: ddbtest.Validation, op: "BatchWriteItem", side: target},
		// Answered by an error, or by nothing, and applied when the puts are long done.
		card{kind: ddbtest.Late, op: "BatchWriteItem", side: target, modes: []string{replace, syncing}, slow: true},
	)
	for _, s := range []side{source, target} {
		deck = append(deck, card{kind: ddbtest.Stale, op: "Scan", side: s, modes: []string{syncing}})
		for _, kind := range []ddbtest.Kind{
			ddbtest.Throttle, ddbtest.InternalError, ddbtest.Unavailable, ddbtest.Reset, ddbtest.Close, ddbtest.ResetInside, ddbtest.CloseInside,
			ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.HTML, ddbtest.Truncate, ddbtest.FlipByte, ddbtest.WrongCRC, ddbtest.TrailingBytes, ddbtest.Delay,
		} {
			deck = append(deck, card{kind: kind, op: "DescribeTable", side: s})
		}
		deck = append(deck, card{kind: ddbtest.Hang, op: "DescribeTable", side: s, slow: true})
		for _, kind := range []ddbtest.Kind{ddbtest.InternalError, ddbtest.Throttle, ddbtest.Reset, ddbtest.HTML, ddbtest.EmptyOK} {
			deck = append(deck, card{kind: kind, op: stsOp, side: s, role: true})
		}
		for _, kind := range []ddbtest.Kind{
			ddbtest.Throttle, ddbtest.InternalError, ddbtest.Reset, ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.Truncate,
			ddbtest.FlipByte, ddbtest.MissingItems, ddbtest.UnprocessedKeys,
		} {
			deck = append(deck, card{kind: kind, op: "BatchGetItem", side: s, modes: []string{syncing}})
		}
	}
	return append(deck,
		card{kind: ddbtest.TableStatus, op: "DescribeTable", side: target, text: "UPDATING", once: true},
		card{kind: ddbtest.TableStatus, op: "DescribeTable", side: source, text: "CREATING", once: true})
}

// stsOp is about no table: a fault there may strike another copy that runs beside, which has to survive it as well.
const stsOp = "AssumeRole"

// lethal are the cards that end a copy, and how it may end.
func lethal() (deck []card) {
	failed, rejected, denied, state := []int{1}, []int{3}, []int{6}, []int{7}
	for _, p := range places {
		add := func(c card) {
			c.side, c.op, c.modes = p.side, p.op, p.modes
			deck = append(deck, c)
		}
		add(card{kind: ddbtest.Deny, exits: denied, always: true})
		add(card{kind: ddbtest.ExpiredToken, exits: denied, always: true})
		add(card{kind: ddbtest.Error, code: "ResourceNotFoundException", exits: state, always: true})
		add(card{kind: ddbtest.Error, code: "NobodyHasHeardOfException", exits: failed, always: true})
		for _, kind := range []ddbtest.Kind{ddbtest.Throttle, ddbtest.InternalError, ddbtest.EmptyOK, ddbtest.Close} {
			add(card{kind: kind, exits: failed, always: true})
		}
	}
	deck = append(deck,
		card{kind: ddbtest.ForgeUnprocessed, op: "BatchWriteItem", side: target, exits: failed},
		card{kind: ddbtest.RepeatLEK, op: "Scan", side: source, exits: failed, pages: true},
		card{kind: ddbtest.Validation, op: "Scan", side: source, exits: failed, always: true},
		card{kind: ddbtest.Validation, op: "BatchWriteItem", side: target, exits: rejected, key: true},
		card{kind: ddbtest.Error, code: "ItemCollectionSizeLimitExceededException", op: "BatchWriteItem", side: target, exits: rejected, key: true},
		card{kind: ddbtest.Unprocessed, op: "BatchWriteItem", side: target, exits: rejected, key: true, always: true},
		card{index: true, op: "BatchWriteItem", side: target, exits: rejected},
		card{kind: ddbtest.Deny, op: "DescribeTable", side: source, exits: denied, always: true},
		card{kind: ddbtest.Deny, op: "DescribeTable", side: target, exits: denied, always: true},
		card{kind: ddbtest.TableStatus, op: "DescribeTable", side: target, text: "DELETING", exits: state, always: true},
		card{kind: ddbtest.TableStatus, op: "DescribeTable", side: source, text: "ARCHIVED", exits: state, always: true},
		card{kind: ddbtest.TableID, op: "DescribeTable", side: target, text: "0f0f0f0f-0000-4000-8000-000000000000", exits: state, always: true},
	)
	for _, s := range []side{source, target} {
		deck = append(deck,
			card{kind: ddbtest.Deny, op: "BatchGetItem", side: s, modes: []string{syncing}, exits: denied, always: true},
			card{kind: ddbtest.EmptyObject, op: "BatchGetItem", side: s, modes: []string{syncing}, exits: failed, always: true})
		for _, kind := range []ddbtest.Kind{ddbtest.Hang, ddbtest.EmptyObject, ddbtest.HTML, ddbtest.InternalError} {
			deck = append(deck, card{kind: kind, op: "DescribeTable", side: s, exits: failed, always: true})
		}
		deck = append(deck, card{kind: ddbtest.TableStatus, op: "DescribeTable", side: s, text: "CREATING", exits: failed, always: true})
	}
	return deck
}

// deal returns the card at a place of an endless shuffled deck.
func deal(deck []card, seed uint64, i int) card {
	order := rand.New(rand.NewPCG(seed, uint64(i/len(deck)))).Perm(len(deck))
	return deck[order[i%len(deck)]]
}

// fault makes the card's fault strike for sure: so many requests that it
// applies to will come at least. It heals after a few strikes, or after a while.
func (c card) fault(r *rand.Rand, requests int, key string) ddbtest.Fault {
	f := ddbtest.Fault{Kind: c.kind, Op: c.op, After: c.after, Code: c.code, Text: c.text, Count: 1 + r.IntN(3)}
	if requests > 1 {
		f.Skip = r.IntN(requests)
	}
	switch {
	case c.key:
		f.Key, f.Skip, f.Count, f.Text = key, 0, 0, "the item is refused"
		return f
	case c.always:
		f.Count = 0
	case c.slow, c.once, c.kind == ddbtest.TooLarge, c.kind == ddbtest.ForgeUnprocessed:
		f.Count = 1
	}
	switch c.kind {
	case ddbtest.TableID:
		f.Skip = 1 // another table than at first
	case ddbtest.Delay:
		f.Delay = time.Duration(50+r.IntN(600)) * time.Millisecond
	case ddbtest.Late:
		f.N, f.Delay = []int{200, 500, 502, 503, 504}[r.IntN(5)], 8*time.Second
	case ddbtest.EmptyPages:
		f.Count = 1 + r.IntN(20)
	case ddbtest.UnevenPages: // all the time
		f.Skip, f.Count, f.Probability, f.Delay = 0, 0, 0.7, 3*time.Millisecond
	case ddbtest.Stale: // likewise
		f.Skip, f.Count = 0, 0
	case ddbtest.Validation, ddbtest.Error:
		if f.Text == "" {
			f.Text = "it was asked for"
		}
	case ddbtest.Unprocessed:
		f.Text = ""
		if c.text == "all" {
			f.N = 25
		} else {
			f.Count = 1 + r.IntN(10)
		}
	case ddbtest.Throttle:
		if r.IntN(2) == 0 {
			f.Reasons = []ddbtest.Reason{{Reason: "TableWriteKeyRangeThroughputExceeded", Resource: "arn:aws:dynamodb:eu-west-1:222222222222:table/x"}}
		}
	}
	return f
}

// noisy reports whether the card may strike at random, any number of times.
func (c card) noisy() bool {
	return c.exits == nil && !c.slow && !c.once && !c.role && c.modes == nil &&
		!slices.Contains([]ddbtest.Kind{ddbtest.TooLarge, ddbtest.Validation, ddbtest.EmptyPages, ddbtest.Delay}, c.kind)
}
