package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// An outage is a minute in which the target takes nothing.
type outage struct {
	name  string
	fault ddbtest.Fault // none: nobody listens
}

const (
	outageLasts   = 60 * time.Second
	outageBefore  = 12 * time.Second // of copying
	outageAfter   = 15 * time.Second // until when the speed must be back
	outageWindow  = 6 * time.Second  // in which the speed is taken
	outageCalls   = 12               // most calls a worker may make in it
	outageSpeed   = 0.9              // of the speed before
	outageWorkers = 16
	outagePace    = 250 * time.Millisecond // a batch takes so long: the speed is the writers', not the machine's
)

// outages has a copy live through each kind of outage, all at the same time.
func (s *suite) outages(ctx context.Context) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	kinds := []outage{
		{"throttled", ddbtest.Fault{Kind: ddbtest.Throttle, Code: "ThrottlingException"}},
		{"503", ddbtest.Fault{Kind: ddbtest.Unavailable}},
		{"connections reset", ddbtest.Fault{Kind: ddbtest.Reset}},
		{"connections refused", ddbtest.Fault{}},
	}
	numbers := upTo(len(kinds))
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error { return s.outage(ctx, st, kinds[n]) })
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	return s.result("outages")
}

func (s *suite) outage(ctx context.Context, st *stage, kind outage) (err error) {
	t, err := st.newTrial(ctx, keyed, keyed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	speed := outageWorkers * 25 / outagePace.Seconds()
	n := int(speed * (outageBefore + outageAfter + 2*outageWindow).Seconds())
	if err := t.prod.Fill(ctx, t.source.Name, plain(n)); err != nil {
		return err
	}
	way, err := openRelay(strings.TrimPrefix(t.dev.Endpoint(), "http://"), 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	slowly := ddbtest.Fault{Kind: ddbtest.Delay, Op: "BatchWriteItem", Delay: outagePace}
	t.inject(target, slowly)
	c, err := start(ctx, launch{binary: t.binary, dir: t.home, env: t.env(), limit: 5 * time.Minute,
		args: t.copyArgs(merge, "-v", "--source", "prod", "--target", "dev", "--target-endpoint-url", "http://"+way.addr,
			"--segments", "1", "--workers", fmt.Sprint(outageWorkers))})
	if err != nil {
		return err
	}
	wait := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-c.ended:
		case <-ctx.Done():
		}
	}
	wait(outageBefore)
	began := time.Now()
	if kind.fault.Kind != "" {
		t.heal()
		kind.fault.Op, kind.fault.For = "BatchWriteItem", outageLasts
		t.inject(target, kind.fault)
		t.inject(target, slowly)
	} else {
		if err := way.down(); err != nil {
			return err
		}
		wait(outageLasts)
		if err := way.up(); err != nil {
			return err
		}
	}
	o, err := t.end(ctx, c)
	if err != nil {
		return err
	}
	h := &history{trial: t, target: t.dev.Proxy.Take(t.target.Name)}
	h.survived(s, kind, o, began, n)
	return s.fail("outages", "outage: "+kind.name, h.wrong, o)
}

// survived judges an outage by the proxy's log.
func (h *history) survived(s *suite, kind outage, o outcome, began time.Time, items int) {
	ended := began.Add(outageLasts)
	calls := 0
	for _, at := range h.attempts(kind, o) {
		if at.After(began) && at.Before(ended) {
			calls++
		}
	}
	rate := func(from time.Time) float64 {
		n := 0
		for _, w := range h.target.Writes {
			if w.Time.After(from) && w.Time.Before(from.Add(outageWindow)) {
				n++
			}
		}
		return float64(n) / outageWindow.Seconds()
	}
	before, after := rate(began.Add(-outageWindow)), rate(ended.Add(outageAfter))
	s.say("outage: %s for %s: %d calls, %.1f a worker; %.0f items/s before, %.0f from %s after it on (%.0f %%); exit %d",
		kind.name, outageLasts, calls, float64(calls)/outageWorkers, before, after, outageAfter, 100*after/before, o.code)
	if calls > outageCalls*outageWorkers {
		h.blame("%d calls in the outage, more than %d a worker", calls, outageCalls)
	}
	if after < outageSpeed*before {
		h.blame("%.0f items/s %s after the outage, %.0f before", after, outageAfter, before)
	}
	if o.code != 0 || o.summary == nil || o.summary.Written != int64(items) {
		h.blame("exit %d, want 0 and %d items written", o.code, items)
	}
	if n := len(h.target.Writes); n < items {
		h.blame("%d writes applied, want %d", n, items)
	}
}

// attempts are when batches were sent. Where nobody listens only the program
// itself can tell: it logs each attempt as it ends, which then is at once.
func (h *history) attempts(kind outage, o outcome) (list []time.Time) {
	if kind.fault.Kind != "" {
		for _, r := range h.target.Requests {
			if r.Op == "BatchWriteItem" {
				list = append(list, r.Start)
			}
		}
		return list
	}
	for line := range strings.Lines(o.stderr) {
		var entry struct {
			Time           time.Time
			Msg, Operation string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "request" && entry.Operation == "BatchWriteItem" {
			list = append(list, entry.Time)
		}
	}
	if len(list) < len(h.target.Requests) {
		h.blame("the program logs %d batches, the proxy %d calls", len(list), len(h.target.Requests))
	}
	return list
}

// plain are small items.
func plain(n int) iter.Seq[ddbtest.Item] {
	return func(yield func(ddbtest.Item) bool) {
		for i := range n {
			if !yield(ddbtest.Item{
				"pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("key#%08d", i)},
				"v":  &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
			}) {
				return
			}
		}
	}
}
