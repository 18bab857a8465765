package copier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A judge gathers what looks like differences, reads back what it must see
// again, and gives out what is still one then. Not for concurrent use.
type judge struct {
	*join
	purpose purpose
	batch   []suspect
	bytes   int // of items in the batch
	found   []Difference
	got     item.Page
	memory  []byte // of what was read back
}

// A purpose is what a judge works for.
type purpose int

const (
	pairsAndSource purpose = iota // to give out pairs that differ, and what only the source has
	countExtras                   // to see what only the target has, and whether the source has it after all
	giveExtras                    // to give that out
)

// A suspect is what may be a difference.
type suspect struct {
	hash   item.KeyHash
	key    []byte
	halves [2]sighting

	shown   bool        // the source has shown the item, and it was read again:
	shownAs item.Digest // its value then, where the source is filtered
	hidden  bool        // it is something else now, or was not shown
}

// equal compares by value: bytes first, digests where these differ or are gone.
func (p *suspect) equal() (bool, error) {
	s, t := &p.halves[sourceHalf], &p.halves[targetHalf]
	if s.item != nil && bytes.Equal(s.item, t.item) {
		return true, nil
	}
	for which := range p.halves {
		h := &p.halves[which]
		if h.item == nil {
			continue
		}
		var err error
		if h.digest, err = h.item.Digest(); err != nil {
			return false, fmt.Errorf("%s: %w", halfNames[which], err)
		}
	}
	return s.digest == t.digest, nil
}

// remaining deals with all that still waits after both tables were read.
func (j *join) remaining(ctx context.Context, purpose purpose) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(j.Readers)
	for i := range j.window.shards {
		g.Go(func() error {
			defer crash.Guard(ctx)
			judge := &judge{join: j, purpose: purpose}
			if err := j.window.shards[i].groups(func(group *group) error { return judge.consider(ctx, group) }); err != nil {
				return err
			}
			return judge.decide(ctx)
		})
	}
	return g.Wait()
}

// consider takes what was seen of one key.
func (j *judge) consider(ctx context.Context, g *group) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p := suspect{hash: g.hash, halves: g.halves}
	inSource, inTarget := p.halves[sourceHalf].seen, p.halves[targetHalf].seen
	if j.purpose != pairsAndSource {
		if inSource {
			return nil
		}
		return j.add(ctx, p)
	}
	for which, n := range g.older {
		j.Stats.again[which].Add(n)
	}
	switch {
	case inSource && inTarget:
		j.Stats.pairs.Add(1)
		if same, err := p.equal(); err != nil || same {
			j.Stats.equal.Add(1)
			return err
		}
	case inTarget:
		j.Stats.survived[targetHalf].Add(1)
		return nil // its turn comes after all others
	default:
		j.Stats.survived[sourceHalf].Add(1)
	}
	return j.add(ctx, p)
}

// againBytes is how large the items of a batch may be that will all be read again.
const againBytes = 2 << 20

// add takes what may be a difference.
func (j *judge) add(ctx context.Context, p suspect) error {
	for i := range j.batch {
		if j.batch[i].hash == p.hash {
			if err := j.decide(ctx); err != nil {
				return err
			}
			break
		}
	}
	for which := range p.halves {
		h := &p.halves[which]
		switch {
		case !h.seen || p.key != nil:
		case h.item == nil:
			p.key = bytes.Clone(h.key) // it may lie in a buffer
		default:
			found, err := item.Parse(h.item, j.Schema)
			if err != nil {
				return fmt.Errorf("%s: %w", halfNames[which], err)
			}
			p.key = found.AppendKey(nil, j.Schema)
		}
	}
	j.batch = append(j.batch, p)
	j.bytes += len(p.halves[sourceHalf].item) + len(p.halves[targetHalf].item)
	if len(j.batch) < MaxGet && (j.bytes < againBytes || !j.Eventual) {
		return nil
	}
	return j.decide(ctx)
}

// decide gives out what the batch holds of differences.
func (j *judge) decide(ctx context.Context) error {
	if len(j.batch) == 0 {
		return nil
	}
	j.memory, j.found = j.memory[:0], j.found[:0]
	for which := range j.halves { // the source first: its answer can spare the question to the target
		if err := j.ask(ctx, which); err != nil {
			return err
		}
	}
	for i := range j.batch {
		if err := j.verdict(&j.batch[i]); err != nil {
			return err
		}
	}
	if len(j.found) > 0 {
		if err := j.Found(ctx, j.found); err != nil {
			return err
		}
	}
	for i := range j.batch {
		for _, h := range j.batch[i].halves {
			if h.page != nil {
				j.release(h.page)
			}
		}
	}
	clear(j.batch)
	j.batch, j.bytes = j.batch[:0], 0
	return nil
}

// verdict says what a suspect is, now that all is known of it.
func (j *judge) verdict(p *suspect) error {
	s, t := &p.halves[sourceHalf], &p.halves[targetHalf]
	kind := Differs
	switch {
	case s.seen && t.seen:
		if j.purpose == giveExtras {
			return nil // known since they were counted, or new: then the next run sees it
		}
		same, err := p.equal()
		if err != nil {
			return err
		}
		if same {
			j.Stats.equal.Add(1)
			return nil
		}
		j.Stats.differs.Add(1)
	case s.seen:
		if j.purpose == giveExtras {
			return nil
		}
		kind = OnlySource
		j.Stats.onlySource.Add(1)
	case t.seen && j.purpose == countExtras:
		j.Stats.extras.Add(1)
		return nil
	case t.seen && j.purpose == giveExtras:
		kind = OnlyTarget
		j.Stats.onlyTarget.Add(1)
	default: // it has gone from both, or has gone from the source after that was read
		if j.purpose != giveExtras {
			j.Stats.gone.Add(1)
		}
		return nil
	}
	if p.hidden {
		j.Stats.hidden.Add(1)
	}
	j.found = append(j.found, Difference{Kind: kind, Key: p.key, Source: s.item, Target: t.item, Hidden: p.hidden})
	return nil
}

// wanted reports whether one half of a suspect is to be read back.
func (j *judge) wanted(p *suspect, which int) bool {
	if j.halves[which].Getter == nil {
		return false
	}
	h, other := &p.halves[which], &p.halves[1-which]
	if j.purpose != pairsAndSource {
		return which == sourceHalf || other.seen == (j.purpose == countExtras)
	}
	if h.seen {
		return j.Eventual || j.Items && h.item == nil
	}
	// Nothing can have been overlooked in a table that was empty.
	return j.Partial || j.Eventual || j.Stats.read[which].Load() > 0
}

// ask reads back from one table what is wanted of the batch.
func (j *judge) ask(ctx context.Context, which int) error {
	var left []*suspect
	for i := range j.batch {
		if p := &j.batch[i]; j.wanted(p, which) {
			left = append(left, p)
			if err := j.forget(p, which); err != nil {
				return err
			}
		}
	}
	h := j.halves[which]
	patience := patience{stall: j.Stall, side: h.source}
	for most := len(left); len(left) > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		most = h.source.atMost(most)
		now, later := left[:min(most, len(left))], left[min(most, len(left)):]
		rest, err := j.get(ctx, which, now, &patience)
		if len(rest) < len(now) {
			patience.progress()
		}
		left = slices.Concat(rest, later)
		if err == nil {
			continue
		}
		most = max(1, most/2) // an answer may fail because it is large
		h.Stats.failed(err)
		if err := patience.wait(ctx, err); err != nil {
			return fmt.Errorf("read %d items back: %w", len(left), err)
		}
		h.Stats.again(err)
	}
	if which == sourceHalf && h.Shown != nil {
		return j.showAgain(ctx)
	}
	return nil
}

// get makes one attempt, within the budget, and returns what is left to get.
func (j *judge) get(ctx context.Context, which int, wanted []*suspect, patience *patience) ([]*suspect, error) {
	h := j.halves[which]
	keys := make([][]byte, len(wanted))
	byHash := make(map[item.KeyHash]*suspect, len(wanted))
	for i, p := range wanted {
		keys[i], byHash[p.hash] = p.key, p
	}
	cost := float64(len(keys)) // what 4 KB costs, each
	if h.reading != nil {
		if err := h.reading.pay(ctx, cost); err != nil {
			return wanted, err
		}
	}
	j.got.Reset()
	var unprocessed []int
	err := h.source.ask(ctx, patience, func() (err error) {
		unprocessed, err = h.Getter.Get(ctx, keys, patience.attempt+1, &j.got)
		switch {
		case err != nil:
			return err
		case len(unprocessed) == len(keys):
			return &Fault{Class: Throttled, Side: halfNames[which], Err: errNotTaken}
		}
		return j.keep(which, byHash)
	})
	if err != nil {
		return wanted, err
	}
	if h.reading != nil {
		h.reading.settle(cost, j.got.Units)
	}
	h.Stats.readUnits.add(j.got.Units)
	j.Stats.readBack.Add(int64(len(wanted) - len(unprocessed)))
	if len(unprocessed) == 0 {
		return nil, nil
	}
	var left []*suspect
	for _, i := range unprocessed {
		left = append(left, wanted[i])
	}
	return left, &Fault{Class: Throttled, Side: halfNames[which], Err: errNotTaken}
}

var errNotAsked = errors.New("the answer has an item that was not asked for")

// keep notes the items that came back, in memory that outlives the page.
func (j *judge) keep(which int, wanted map[item.KeyHash]*suspect) error {
	for _, it := range j.got.Items {
		found, err := item.Parse(it, j.Schema)
		if err != nil {
			return fmt.Errorf("%s: %w", halfNames[which], err)
		}
		hash, err := found.KeyHash(j.Schema)
		if err != nil {
			return fmt.Errorf("%s: %w", halfNames[which], err)
		}
		p := wanted[hash]
		if p == nil {
			return &Fault{Class: Transient, Side: halfNames[which], Garbled: true, Err: errNotAsked}
		}
		if err := j.took(which, p, it); err != nil {
			return err
		}
	}
	return nil
}

// took notes what a half has of a suspect now.
func (j *judge) took(which int, p *suspect, it item.Item) error {
	from := len(j.memory)
	j.memory = append(j.memory, it...)
	it, _, hash, err := j.identify(which, j.memory[from:len(j.memory):len(j.memory)])
	switch {
	case err != nil:
		return err
	case it == nil: // as if the source did not have it
		return nil
	case hash != p.hash:
		return fmt.Errorf("%s: the shape changes a key, so its item cannot be read back", halfNames[which])
	}
	if holds := j.halves[which].holds; holds != nil && which == targetHalf && j.purpose == giveExtras {
		if in, err := holds(it); err != nil || !in { // not in the part that is read, but in the table: it stays
			return err
		}
	}
	p.halves[which].seen, p.halves[which].item = true, it
	if which == sourceHalf && j.halves[which].Shown != nil {
		return p.hide()
	}
	return nil
}
