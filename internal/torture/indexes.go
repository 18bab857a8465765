package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A laggard is a copy of a slice through an index that shows either table as it was some time ago, under other faults.
// What it must come to follows from the two tables, and from what their indexes show.
type laggard struct {
	number     int
	mode       string
	projection types.ProjectionType
	sort       string // --sk; "" for none
	within     func(at int) bool
	rows       []row
	faults     []strike
	verify     bool
}

// A row is one key in the two tables, as it is and as their indexes show it.
type row struct {
	key       string
	now, then [2]*version // of the source and of the target; nil where there is none
	size      int
}

// A version is what an item is at one time.
type version struct {
	status string // the index's partition key; "" where the index does not have the item
	at     int    // its sort key
	value  int
}

const laggardStatus = "open" // of the slice

func newLaggard(seed uint64, number int) laggard {
	r := rand.New(rand.NewPCG(seed, uint64(number)|6<<40))
	l := laggard{number: number, mode: []string{syncing, merge, syncing}[r.IntN(3)], verify: r.IntN(2) == 0}
	l.projection = []types.ProjectionType{types.ProjectionTypeAll, types.ProjectionTypeKeysOnly, types.ProjectionTypeInclude}[r.IntN(3)]
	sorts := []struct {
		text   string
		within func(int) bool
	}{
		{"", func(int) bool { return true }}, {">= 5", func(at int) bool { return at >= 5 }}, {"between 3 and 7", func(at int) bool { return at >= 3 && at <= 7 }},
		{"= 4", func(at int) bool { return at == 4 }}, {"< 6", func(at int) bool { return at < 6 }},
	}
	sort := sorts[r.IntN(len(sorts))]
	l.sort, l.within = sort.text, sort.within
	some := func() *version {
		switch r.IntN(8) {
		case 0:
			return nil
		case 1:
			return &version{"", r.IntN(10), r.IntN(3)}
		case 2:
			return &version{"done", r.IntN(10), r.IntN(3)}
		}
		return &version{laggardStatus, r.IntN(10), r.IntN(3)}
	}
	for i := range 100 + r.IntN(300) {
		w := row{key: fmt.Sprintf("key#%05d", i), size: r.IntN(200)}
		if r.IntN(20) == 0 {
			w.size = 30 << 10
		}
		w.now[0] = some()
		w.now[1] = w.now[0]
		if r.IntN(3) == 0 {
			w.now[1] = some()
		}
		w.then = w.now
		for side := range w.then {
			if r.IntN(4) == 0 {
				w.then[side] = some()
			}
		}
		l.rows = append(l.rows, w)
	}
	// Never more in a row than a request is patient about within a child's time: the waits triple.
	for range r.IntN(4) {
		f := []ddbtest.Fault{
			{Kind: ddbtest.Throttle, Op: "BatchGetItem", Probability: 0.2}, {Kind: ddbtest.UnprocessedKeys, Op: "BatchGetItem", Probability: 0.3},
			{Kind: ddbtest.CloseInside, Op: "BatchGetItem", Count: 1}, {Kind: ddbtest.InternalError, Op: "Query", Count: 2},
			{Kind: ddbtest.MissingItems, Op: "BatchGetItem", Count: 2}, {Kind: ddbtest.Truncate, Op: "BatchGetItem", Count: 1},
		}[r.IntN(6)]
		if slices.ContainsFunc(l.faults, func(k strike) bool { return k.fault.Kind == f.Kind }) {
			continue
		}
		l.faults = append(l.faults, strike{card: card{side: []side{source, target}[r.IntN(2)]}, fault: f})
	}
	return l
}

// in reports whether an index with that version shows the item in the slice.
func (l *laggard) in(e *version) bool { return e != nil && e.status == laggardStatus && l.within(e.at) }

// wanted is what the target must hold of a key afterwards. An index is a hint where to look; what is true is in the tables.
func (l *laggard) wanted(w *row) *version {
	switch from, to := w.now[0], w.now[1]; {
	case l.in(w.then[0]) && l.in(from):
		return from
	case !l.in(w.then[1]) || !l.in(to): // it is in neither slice, as far as can be seen
		return to
	case from != nil || l.mode == syncing:
		return from
	default:
		return to
	}
}

// item is a version as an item; nil where there is none.
func (w *row) item(e *version) ddbtest.Item {
	if e == nil {
		return nil
	}
	it := ddbtest.Item{
		"pk": &types.AttributeValueMemberS{Value: w.key}, "at": &types.AttributeValueMemberN{Value: fmt.Sprint(e.at)},
		"v": &types.AttributeValueMemberN{Value: fmt.Sprint(e.value)}, "pad": &types.AttributeValueMemberS{Value: strings.Repeat("x", w.size)},
	}
	if e.status != "" {
		it["status"] = &types.AttributeValueMemberS{Value: e.status}
	}
	return it
}

// items are those of all keys that have the version in question.
func (l *laggard) items(which func(w *row) *version) (list []ddbtest.Item) {
	for i := range l.rows {
		if it := l.rows[i].item(which(&l.rows[i])); it != nil {
			list = append(list, it)
		}
	}
	return list
}

func (l *laggard) String() string {
	text := fmt.Sprintf("laggard %d: %s of %d keys through an index with %s, --sk %q, verified %t", l.number, l.mode, len(l.rows), l.projection, l.sort, l.verify)
	for _, k := range l.faults {
		text += fmt.Sprintf("; %s at %s's %s", k.fault.Kind, k.side, k.fault.Op)
	}
	return text
}

// indexes copies slices through indexes that lag.
func (s *suite) indexes(ctx context.Context, numbers []int) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	began := time.Now()
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		if err := s.laggard(ctx, st, n); err != nil {
			return fmt.Errorf("laggard %d: %w", n, err)
		}
		return nil
	})
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	s.say("indexes: %d slices through indexes that lag, in %s", len(numbers), time.Since(began).Round(time.Second))
	return s.result("indexes")
}

func (s *suite) laggard(ctx context.Context, st *stage, number int) (err error) {
	l := newLaggard(s.seed, number)
	index := ddbtest.Index{Name: "by-status", Partition: ddbtest.S("status"), Sort: ddbtest.N("at"), Projection: l.projection}
	if l.projection == types.ProjectionTypeInclude {
		index.Attributes = []string{"v"}
	}
	shape := ddbtest.Table{Partition: ddbtest.S("pk"), Indexes: []ddbtest.Index{index}}
	t, err := st.newTrial(ctx, shape, shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.fill(ctx, l.items(func(w *row) *version { return w.now[0] }), l.items(func(w *row) *version { return w.now[1] })); err != nil {
		return err
	}
	for i, which := range []side{source, target} {
		if err := t.lag(ctx, which, l.items(func(w *row) *version { return w.then[i] })); err != nil {
			return err
		}
	}
	for _, k := range l.faults {
		t.inject(k.side, k.fault)
	}
	args := []string{"copy", "--table", t.source.Name, "--source", "prod", "--target", "dev", "--mode", l.mode, "--pk", laggardStatus, "--index", "by-status",
		"--yes", "--json", "--no-progress"}
	if l.sort != "" {
		args = append(args, "--sk", l.sort)
	}
	if l.verify {
		args = append(args, "--verify")
	}
	wrong, err := t.laggard(ctx, &l, args)
	if err != nil {
		return err
	}
	return s.fail(fmt.Sprintf("indexes -seed %d -only %d", s.seed, number), l.String(), wrong, t.children...)
}

// lag has the indexes of one side show what a table with those items would.
func (t *trial) lag(ctx context.Context, which side, items []ddbtest.Item) error {
	account, then := t.prod, t.source
	if which == target {
		account, then = t.dev, t.target
	}
	then.Name += "-then"
	if err := account.CreateTable(ctx, then); err != nil {
		return err
	}
	t.later = append(t.later, func() {
		_ = account.DeleteTable(context.Background(), then.Name) // the world goes, too
	})
	t.inject(which, ddbtest.Fault{Kind: ddbtest.Stale, Text: then.Name})
	return account.Fill(ctx, then.Name, slices.Values(items))
}

// laggard copies, and undoes it.
func (t *trial) laggard(ctx context.Context, l *laggard, args []string) (wrong []string, err error) {
	run := func(what string, want map[string]string, args ...string) error {
		c, err := t.begin(ctx, args...)
		if err != nil {
			return err
		}
		o, err := t.end(ctx, c)
		if err != nil {
			return err
		}
		if o.code != 0 || o.hung {
			wrong = append(wrong, fmt.Sprintf("%s: exit code %d, want 0", what, o.code))
		}
		have, err := t.now(ctx)
		if err == nil && !maps.Equal(have, want) {
			wrong = append(wrong, what+": "+differences(want, have))
		}
		return err
	}
	want := t.digests(l.items(l.wanted))
	if err := run("copied", want, args...); err != nil {
		return nil, err
	}
	if len(wrong) == 0 && !maps.Equal(want, t.before) {
		if err := run("undone", t.before, "undo", "--yes", "--json", "--no-progress"); err != nil {
			return nil, err
		}
	}
	for _, r := range t.prod.Proxy.Take(t.source.Name).Requests {
		if r.Mutates() {
			wrong = append(wrong, fmt.Sprintf("the source was written to: %s", r))
		}
	}
	for _, v := range t.dev.Proxy.Take(t.target.Name).Violations {
		wrong = append(wrong, "against the protocol: "+v)
	}
	return wrong, nil
}
