package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A schedule is a copy and all that goes wrong in it. It follows from the
// suite's seed and its own number.
type schedule struct {
	number   int
	mode     string
	source   ddbtest.Table
	target   ddbtest.Table
	items    []ddbtest.Item
	older    []ddbtest.Item // in the target before
	segments int
	workers  int
	role     bool
	patience time.Duration // --max-retry-time
	strikes  []strike
	rejected []string                // keys that the target will refuse
	then     map[side][]ddbtest.Item // how the tables were, for reads that are old
	exits    []int                   // as it may end
}

// A strike is a card in play.
type strike struct {
	card
	fault ddbtest.Fault
	sure  bool // the schedule sees to it that it strikes
}

// lethalEvery is how often a schedule has a card that may end it.
const lethalEvery = 2

// The modes of a copy.
const (
	merge   = "merge"
	replace = "replace"
	syncing = "sync"
)

var modes = []string{merge, replace, syncing}

// hand is how many survivable cards a schedule is dealt: one to five; none
// where a lethal one might keep them from striking.
func hand(seed uint64, number int) int {
	if number%lethalEvery == lethalEvery-1 {
		return 0
	}
	return 1 + rand.New(rand.NewPCG(seed, uint64(number)|1<<40)).IntN(5)
}

// whole is how many schedules deal every card.
func whole(seed uint64) int {
	cards, number := 0, 0
	for cards < len(survivable()) || number/lethalEvery < len(lethal()) {
		cards += hand(seed, number)
		number++
	}
	return number
}

// newSchedule makes the schedule of that number.
func newSchedule(seed uint64, number int) schedule {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	s := schedule{
		number: number, mode: modes[r.IntN(len(modes))], source: shape(r),
		segments: 1 << r.IntN(4), workers: 1 + r.IntN(16), role: r.IntN(4) == 0, patience: 40 * time.Second,
	}
	var cards []card
	dealt := 0
	for before := range number {
		dealt += hand(seed, before)
	}
	for i := range hand(seed, number) {
		cards = append(cards, deal(survivable(), seed, dealt+i))
	}
	var end *card
	if number%lethalEvery == lethalEvery-1 {
		c := deal(lethal(), seed, number/lethalEvery)
		cards, end = append(cards, c), &c
	}
	s.fit(r, cards)
	s.fill(r, cards)
	for _, c := range cards {
		s.strikes = append(s.strikes, strike{c, c.fault(r, s.requests(c), s.victim(r, c)), true})
	}
	s.spare()
	s.noise(r)
	s.last(ddbtest.UnevenPages)
	s.last(ddbtest.Stale)
	s.remember(r)
	switch {
	case end != nil:
		s.exits = end.exits
	case slices.ContainsFunc(cards, func(c card) bool { return c.kind == ddbtest.Validation }):
		s.exits = []int{0, 3} // a batch of few items may be divided down to one
		if s.mode != merge {
			s.exits = []int{0, 1, 3} // a delete that is refused is the end
		}
	default:
		s.exits = []int{0}
	}
	return s
}

// mostInRow is how many sure failures one request may meet: with each the next
// wait is three times as long.
const mostInRow = 4

// spare sees to it that no request has to wait for too long: one attempt after
// the other may meet all that is to happen at its operation.
func (s *schedule) spare() {
	left := map[place]int{}
	for _, k := range s.strikes {
		left[place{k.side, k.op}]++
	}
	for p, cards := range left {
		left[p] = mostInRow - cards // each strikes once
	}
	for i := range s.strikes {
		k := &s.strikes[i]
		if k.always || k.key || k.fault.Count == 0 || k.kind == ddbtest.EmptyPages || k.kind == ddbtest.Unprocessed && k.fault.N == 0 {
			continue
		}
		p := place{k.side, k.op}
		more := max(0, min(k.fault.Count-1, left[p]))
		k.fault.Count = 1 + more
		left[p] -= more
	}
}

// last has the faults of a kind that never ends come after all others, which would not strike else.
func (s *schedule) last(kind ddbtest.Kind) {
	slices.SortStableFunc(s.strikes, func(a, b strike) int { return b2i(a.kind == kind) - b2i(b.kind == kind) })
}

// breadth is in how many modes the card can happen.
func (c card) breadth() int {
	if c.modes == nil {
		return len(modes)
	}
	return len(c.modes)
}

// fit sees to it that what was dealt can happen.
func (s *schedule) fit(r *rand.Rand, cards []card) {
	// Those of fewer modes come last, and so have the last word: what they need
	// suits the others, too.
	slices.SortStableFunc(cards, func(a, b card) int { return cmp.Compare(b.breadth(), a.breadth()) })
	for _, c := range cards {
		if c.modes != nil && !slices.Contains(c.modes, s.mode) {
			s.mode = c.modes[r.IntN(len(c.modes))]
		}
		if c.role {
			s.role = true
		}
		if c.kind == ddbtest.ExpiredToken && !c.role {
			s.role = false
		}
		if c.pages {
			s.segments = 1
		}
		if c.key && c.always {
			s.workers = max(2, s.workers) // that others go on beside it shows that the key is to blame
		}
		if c.always && s.patience > 3*time.Second {
			s.patience = time.Duration(1+r.IntN(2)) * time.Second
		}
	}
	s.target = s.source
	if slices.ContainsFunc(cards, func(c card) bool { return c.index }) {
		s.target.Indexes = []ddbtest.Index{{Name: "by-misfit", Partition: ddbtest.N("misfit")}}
	}
}

// fill makes the items: keys and values at the edges, some large.
func (s *schedule) fill(r *rand.Rand, cards []card) {
	n, older := 50+r.IntN(200), r.IntN(200)
	if r.IntN(8) == 0 {
		n += r.IntN(500)
	}
	slow := slices.ContainsFunc(cards, func(c card) bool { return c.slow })
	stale := slices.ContainsFunc(cards, func(c card) bool { return c.kind == ddbtest.Stale }) // items grow by an attribute
	if slow {
		n = min(n, 100)
	}
	if s.mode == replace {
		older++ // something to delete
	}
	s.items = slices.Collect(ddbtest.EdgeItems(s.source, n, r.Uint64()))
	s.older = slices.Collect(ddbtest.EdgeItems(s.source, older, r.Uint64()))
	if s.mode == syncing {
		s.older = drifted(r, s.source, s.items, 1+r.IntN(40))
	}
	// Most do without the item that is as large as may be, which costs much. A
	// large request may take a minute before it counts as lost.
	if r.IntN(4) > 0 || slow || stale {
		for _, list := range [][]ddbtest.Item{s.items, s.older} {
			for _, item := range list {
				delete(item, "filler")
			}
		}
	}
	own := func(i int) ddbtest.Item { // the target may have the very same one
		s.items[i] = maps.Clone(s.items[i])
		return s.items[i]
	}
	for _, c := range cards {
		switch {
		case c.pages: // four large items fill more than a page of 1 MB
			for i := 12; i < 18; i++ {
				own(i)["filler"] = &types.AttributeValueMemberS{Value: strings.Repeat("y", 300<<10)}
			}
		case c.index:
			for i := range 1 + r.IntN(4) {
				item := own((i*7 + 3) % 10) // not one that has its full size already
				item["misfit"] = &types.AttributeValueMemberS{Value: "no number"}
				s.rejected = append(s.rejected, ddbtest.KeyOf(item, keyNames(s.source)...))
			}
		}
	}
}

// drifted is a target that was once equal to the source: it lacks some items,
// has others in older versions, and some that the source has no more.
func drifted(r *rand.Rand, t ddbtest.Table, items []ddbtest.Item, extra int) (older []ddbtest.Item) {
	for i, item := range slices.Collect(ddbtest.EdgeItems(t, len(items)+extra, r.Uint64())) {
		switch {
		case i >= len(items):
			older = append(older, item)
		case r.IntN(3) == 0:
			older = append(older, items[i])
		case r.IntN(2) == 0:
			older = append(older, item)
		}
	}
	return older
}

// differing counts the items that a sync has to put.
func (s *schedule) differing() (n int) {
	have := map[string]string{}
	for _, item := range s.older {
		have[ddbtest.KeyOf(item, keyNames(s.source)...)] = ddbtest.DigestOf(item)
	}
	for _, item := range s.items {
		if have[ddbtest.KeyOf(item, keyNames(s.source)...)] != ddbtest.DigestOf(item) {
			n++
		}
	}
	return n
}

// requests is how many requests to the card's operation there are at least,
// one of which it strikes.
func (s *schedule) requests(c card) int {
	switch {
	case c.pages:
		return 1
	case c.op == "DescribeTable":
		return 1 + b2i(!c.once || c.kind != ddbtest.TableStatus)
	case c.op == "BatchGetItem", c.op == stsOp:
		return 1
	case c.op == "BatchWriteItem" && s.mode == syncing:
		return (s.differing() + 24) / 25
	case c.kind == ddbtest.Late && s.mode == replace: // a delete
		return (len(s.older) + 24) / 25
	case c.op == "BatchWriteItem" && s.mode == replace:
		return (len(s.items)+24)/25 + (len(s.older)+24)/25
	case c.op == "BatchWriteItem":
		return (len(s.items) + 24) / 25
	case c.side == source:
		return 1 + s.segments // a look before, and a page of each
	}
	return 1
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// victim chooses the key that a card strikes, if it is for one, and notes that
// it will be refused.
func (s *schedule) victim(r *rand.Rand, c card) string {
	if !c.key {
		return ""
	}
	key := ddbtest.KeyOf(s.items[r.IntN(len(s.items))], keyNames(s.source)...)
	if s.mode != merge {
		// Its delete would be refused as well, which is another matter; and a sync
		// would not put it if it were equal.
		s.older = slices.DeleteFunc(s.older, func(i ddbtest.Item) bool { return ddbtest.KeyOf(i, keyNames(s.source)...) == key })
	}
	s.rejected = append(s.rejected, key)
	return key
}

// noise adds faults that strike at random, after the sure ones. A copy that is
// given little time could fail of them.
func (s *schedule) noise(r *rand.Rand) {
	if slices.ContainsFunc(s.strikes, func(k strike) bool { return k.always }) {
		return
	}
	deck := slices.DeleteFunc(survivable(), func(c card) bool { return !c.noisy() })
	seen := map[place]bool{}
	for range r.IntN(3) {
		c := deck[r.IntN(len(deck))]
		if p := (place{c.side, c.op}); seen[p] {
			continue
		} else {
			seen[p] = true
		}
		f := c.fault(r, 1, "")
		f.Count, f.Probability = 0, 0.05+0.2*r.Float64()
		if r.IntN(3) == 0 {
			f.For = time.Duration(1+r.IntN(3)) * time.Second
		}
		s.strikes = append(s.strikes, strike{c, f, false})
	}
}

// shape is a table with some kind of key, under names that must be quoted.
func shape(r *rand.Rand) ddbtest.Table {
	kinds := []func(string) ddbtest.Attr{ddbtest.S, ddbtest.N, ddbtest.B}
	names := [][2]string{{"pk", "sk"}, {"size", "a.b-c #:"}, {"Items", "é"}}[r.IntN(3)]
	t := ddbtest.Table{Partition: kinds[r.IntN(3)](names[0])}
	if r.IntN(2) == 0 {
		t.Sort = kinds[r.IntN(3)](names[1])
	}
	return t
}

// args are the copy's arguments.
func (s *schedule) args() []string {
	profile := ""
	if s.role {
		profile = "-role"
	}
	args := []string{
		"--source", "prod" + profile, "--target", "dev" + profile,
		"--segments", fmt.Sprint(s.segments), "--workers", fmt.Sprint(s.workers), "--max-retry-time", s.patience.String(),
	}
	if s.then != nil {
		args = append(args, "--eventual")
	}
	return args
}

// String tells a schedule for whoever has to find out what it did.
func (s *schedule) String() string {
	text := fmt.Sprintf("schedule %d: %s of %d items over %d, key %s %s, %d segments, %d workers, role %t, may exit %v",
		s.number, s.mode, len(s.items), len(s.older), s.source.Partition, s.source.Sort, s.segments, s.workers, s.role, s.exits)
	for _, k := range s.strikes {
		f := k.fault
		text += fmt.Sprintf("\n  %s, skip %d, count %d, probability %.2f, for %s, delay %s", k.card, f.Skip, f.Count, f.Probability, f.For, f.Delay)
	}
	return text
}
