package copier

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A joinPage is a page with items that wait for their other halves.
type joinPage struct {
	page
	number uint32 // in join.all
	lane   *lane
	first  int            // items that its lane had read of its table before this page
	hashes []item.KeyHash // of its items
	refs   atomic.Int32   // the reader or the queue of pages has one; each item that waits or is being dealt with, too
}

// release gives a reference back. The last one makes the page free.
func (j *join) release(p *joinPage) {
	if p.refs.Add(-1) == 0 {
		p.refs.Store(1)
		j.pages <- p // as many places as pages
	}
}

// readAll reads both tables to their ends, Readers lanes at a time.
func (j *join) readAll(ctx context.Context, lanes int) error {
	for which, h := range j.halves {
		j.Stats.unread[which].Store(int64(h.Source.Segments()))
	}
	queue := make(chan *lane)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(queue)
		defer crash.Guard(ctx)
		for i := range scattered(lanes) {
			select {
			case queue <- j.lane(i, lanes):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range j.Readers {
		g.Go(func() error {
			defer crash.Guard(ctx)
			for l := range queue {
				if err := l.read(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// A lane reads some segments of both tables, the same stretch of either: one
// of each where their numbers are equal.
type lane struct {
	judge
	tables [2]progress
}

// progress is how far a lane has come in one table.
type progress struct {
	segments []int // to be read, the first of them from here on:
	from     item.Cursor
	items    int // read
	page     int // of them in the last page
	matched  int // the place of the furthest one that met its other half
}

func (j *join) lane(i, lanes int) *lane {
	l := &lane{judge: judge{join: j}}
	for which := range l.tables {
		n := j.halves[which].Source.Segments()
		for s := i * n / lanes; s < (i+1)*n/lanes; s++ {
			l.tables[which].segments = append(l.tables[which].segments, s)
		}
	}
	return l
}

func (l *lane) read(ctx context.Context) error {
	for {
		behind := l.behind()
		if len(behind) == 0 {
			return nil
		}
		var pages [2]*joinPage
		for _, which := range behind {
			p, err := l.free(ctx)
			if err != nil {
				return err
			}
			pages[which] = p
		}
		g, reading := errgroup.WithContext(ctx)
		for _, which := range behind {
			t, p := &l.tables[which], pages[which]
			g.Go(func() error {
				defer crash.Guard(ctx)
				return l.halves[which].read(reading, t.segments[0], t.from, &p.page)
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, which := range behind {
			if err := l.take(ctx, which, pages[which]); err != nil {
				return err
			}
		}
	}
}

// behind says which tables to read from: the one that is behind, or both.
// Everything up to the last item that met its other half is decided if the orders agree; if
// they do not, this only chooses badly.
func (l *lane) behind() []int {
	s, t := &l.tables[sourceHalf], &l.tables[targetHalf]
	switch sourceEnded, targetEnded := len(s.segments) == 0, len(t.segments) == 0; {
	case sourceEnded && targetEnded:
		return nil
	case sourceEnded:
		return []int{targetHalf}
	case targetEnded:
		return []int{sourceHalf}
	}
	switch lead := (s.items - s.matched) - (t.items - t.matched); {
	case lead > s.page/2:
		return []int{targetHalf}
	case -lead > t.page/2:
		return []int{sourceHalf}
	}
	return []int{sourceHalf, targetHalf}
}

// free takes the oldest page. Items that still wait in it move out.
func (l *lane) free(ctx context.Context) (*joinPage, error) {
	for {
		var p *joinPage
		select {
		case p = <-l.pages:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := l.window.settle(p); err != nil {
			return nil, err
		}
		if p.refs.Add(-1) > 0 {
			continue // who still deals with one of its items will free it
		}
		p.refs.Store(1)
		p.Limit = 0
		if l.reused != nil {
			l.reused(&p.Page)
		}
		return p, nil
	}
}

// take compares what a page holds with what waits, and leaves the rest to wait.
func (l *lane) take(ctx context.Context, which int, p *joinPage) error {
	t := &l.tables[which]
	p.lane, p.first, p.hashes = l, t.items, p.hashes[:0]
	l.Stats.read[which].Add(int64(len(p.Items)))
	for i, it := range p.Items {
		it, found, hash, err := l.identify(which, it)
		if err != nil {
			return err
		}
		p.Items[i], p.hashes = it, append(p.hashes, hash)
		t.items++
		if it == nil {
			l.Stats.skipped.Add(1)
			continue
		}
		if err := l.meet(ctx, which, p, i, found); err != nil {
			return err
		}
	}
	t.page, t.from = len(p.Items), p.Next
	if t.from == nil {
		t.segments = t.segments[1:]
		l.Stats.unread[which].Add(-1)
	}
	if err := l.decide(ctx); err != nil {
		return err
	}
	l.pages <- p // as many places as pages
	return nil
}

// meet looks for the other half of an item.
func (l *lane) meet(ctx context.Context, which int, p *joinPage, i int, found item.Found) error {
	other := 1 - which
	// Once the other table has been read to its end, what does not wait here will not come.
	complete := l.Stats.unread[other].Load() == 0
	met, result := l.window.meet(which, p, i, complete && which == sourceHalf)
	mine := sighting{seen: true, item: p.Items[i]}
	switch result {
	case waits:
		return nil
	case alone:
		l.Stats.survived[sourceHalf].Add(1)
		return l.add(ctx, suspect{hash: p.hashes[i], key: found.AppendKey(nil, l.Schema), halves: [2]sighting{sourceHalf: mine}})
	}
	l.Stats.pairs.Add(1)
	l.tables[which].matched = p.first + i + 1
	if met.page != nil && met.page.lane == l {
		l.tables[other].matched = max(l.tables[other].matched, met.place+1)
	}
	var pair suspect
	pair.halves[which], pair.halves[other] = mine, met
	same, err := pair.equal()
	if err != nil {
		return err
	}
	if same {
		l.Stats.equal.Add(1)
		if met.page != nil {
			l.release(met.page)
		}
		return nil
	}
	pair.hash, pair.key = p.hashes[i], found.AppendKey(nil, l.Schema)
	return l.add(ctx, pair)
}
