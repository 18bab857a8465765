package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/crash"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
	"github.com/dynamo-cmdline/dynamo/item"
)

// This file is the mode sync: both tables are read and joined by key, what
// differs is put as it is found, what only the target has is deleted last.

// syncing is a sync under way. Differences go from the join into two feeds, one
// for each of the engine's runs.
type syncing struct {
	*copying
	joined  copier.JoinStats
	scanned copier.Stats // of the source
	held    copier.Stats // of the target
	journal *archive.Journal

	puts, deletes *feed
	written       chan struct{} // closed when everything to put has its fate
	telling       sync.Mutex

	keptBack int64 // what only the target has and was not deleted
}

// sync makes the target equal to the source, and writes only what differs.
func (c *copying) sync(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	s := &syncing{copying: c, puts: newFeed(), deletes: newFeed(), written: make(chan struct{})}
	c.syncing = s
	if c.plan.Journal {
		journal, err := c.openJournal()
		if err != nil {
			return err
		}
		s.journal = journal
	}
	c.watch(Phase{Name: phaseSync, Items: c.plan.SourceItems, Bytes: c.plan.SourceBytes, Stats: &c.moved, Joined: &s.joined, Reads: []*copier.Stats{&s.scanned, &s.held}},
		c.plan.Source, c.plan.Target)
	err := s.run(ctx)
	if s.journal != nil {
		err = both(err, s.journal.Close())
	}
	if err != nil {
		return err
	}
	if err := c.still(ctx); err != nil {
		return err
	}
	return s.verdict()
}

// both is both errors, and the first as it is where there is no second.
func both(err, second error) error {
	if second == nil {
		return err
	}
	return errors.Join(err, second)
}

func (c *copying) journalDir() string { return journalIn(c.dir) }

// openJournal begins the run's journal, or goes on with it.
func (c *copying) openJournal() (*archive.Journal, error) {
	var have archive.JournalSize
	if c.state.Journal != nil {
		have = archive.JournalSize(*c.state.Journal)
	}
	return archive.OpenJournal(c.journalDir(), have)
}

// run has three at work: the join, the puts and the deletes.
func (s *syncing) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	sink := s.sink()
	from, err := s.half(s.source, s.plan.Source, sourceSide)
	if err != nil {
		return err
	}
	to, err := s.half(s.target, s.plan.Target, targetSide)
	if err != nil {
		return err
	}
	g.Go(func() error {
		defer s.puts.close()
		defer s.deletes.close()
		defer crash.Guard(ctx)
		return copier.Join(ctx, from, to, copier.JoinOptions{
			Schema: s.plan.Target.Schema, Found: s.found, Extras: s.extras, Shape: s.shape, Items: true,
			Partial: s.Slice != nil, Eventual: s.Eventual,
			Readers: s.plan.Readers, Memory: s.Memory, Dir: s.dir.Dir, Stall: s.Stall, Stats: &s.joined,
		})
	})
	g.Go(func() error {
		defer crash.Guard(ctx)
		o := s.engine()
		o.Readers, o.Pages, o.From, o.Save = 1, feedPages, copier.Checkpoint{}, s.note
		o.Stats, o.Reject = &s.moved, s.reject
		if err := copier.Run(ctx, s.puts, sink, o); err != nil {
			return err
		}
		close(s.written)
		return nil
	})
	g.Go(func() error {
		defer crash.Guard(ctx)
		o := s.engine()
		o.Readers, o.Pages, o.From, o.Save = 1, feedPages, copier.Checkpoint{}, s.note
		o.Stats, o.Delete = &s.removed, true
		return copier.Run(ctx, s.deletes, sink, o)
	})
	return g.Wait()
}

func (s *syncing) half(from origin, d Description, side string) (copier.Half, error) {
	src, err := from.part(d, s.Slice, scanOptions{segments: s.plan.Segments, eventual: s.Eventual, side: side})
	h := copier.Half{Source: src, Getter: from.getter(d, side), Shown: shown(from, d, s.Slice, side), Stats: &s.scanned, ReadUnits: s.plan.ReadUnits}
	if side == targetSide {
		h.Stats, h.ReadUnits = &s.held, s.plan.TargetReadUnits
	}
	return h, err
}

// found keeps the old images, and then hands the differences on, without what a filter hides.
func (s *syncing) found(ctx context.Context, found []copier.Difference) error {
	if s.Found != nil {
		for i := range found {
			if err := s.tell(&found[i]); err != nil {
				return err
			}
		}
	}
	found = slices.DeleteFunc(found, func(d copier.Difference) bool { return d.Hidden })
	if len(found) == 0 {
		return nil
	}
	if s.journal != nil {
		entries := make([]archive.Entry, len(found))
		for i, d := range found {
			entries[i] = archive.Entry{Key: d.Key, Old: d.Target}
			if d.Kind == copier.OnlyTarget {
				continue
			}
			var err error
			if entries[i].NewDigest, err = d.Source.Fingerprint(); err != nil {
				return err
			}
		}
		if err := s.journal.Append(entries...); err != nil {
			return err
		}
	}
	to := s.puts
	if found[0].Kind == copier.OnlyTarget { // they come after all others
		to = s.deletes
	}
	var group []fed
	size := 0
	for i := range found {
		raw := found[i].Source
		if to == s.deletes {
			raw = found[i].Key
		}
		one, err := feedOf(raw, s.plan.Target.Schema)
		if err != nil {
			return err
		}
		if group, size = append(group, one), size+len(raw); size >= feedBytes { // a group of large items would hold too much
			if err := to.add(ctx, group); err != nil {
				return err
			}
			group, size = nil, 0
		}
	}
	if len(group) == 0 {
		return nil
	}
	return to.add(ctx, group)
}

// tell tells the caller of a difference.
func (s *syncing) tell(d *copier.Difference) error {
	told, err := detailed(d, s.Detail)
	if err != nil {
		return err
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Found(told)
	return nil
}

// extras decides whether the n items that only the target has may go: when
// everything else is in place, and nothing is in doubt.
func (s *syncing) extras(ctx context.Context, n int64) (bool, error) {
	s.puts.close()
	select {
	case <-s.written:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if s.keepsExtras() {
		return false, nil
	}
	s.keptBack = n
	count := s.joined.Count()
	switch {
	case s.moved.Count().Rejected > 0:
		return false, nil
	case count.Source == 0 && s.plan.Source.Items > 0 && !s.AllowEmptySource:
		return false, s.guarded(refused("if the source really is empty: --allow-empty-source",
			"source %s reads as empty, but AWS counts %d items in it; nothing was deleted", s.plan.Source, s.plan.Source.Items))
	case s.MaxDelete != nil && n > s.MaxDelete.of(count.Target):
		return false, s.guarded(refused("nothing was deleted; all else is in the target",
			"%d items are only in the target, more than --max-delete %s allows", n, s.MaxDelete))
	}
	if err := s.still(ctx); err != nil {
		return false, err
	}
	s.keptBack = 0
	return true, s.noteDeletes()
}

// note keeps the counts of what was put and deleted so far.
func (c *copying) note(at copier.Checkpoint) error {
	at.Positions = nil // a sync that goes on reads again
	return c.save(at)
}

// verdict closes the books, and says what was held back.
func (s *syncing) verdict() error {
	count, put, gone := s.joined.Count(), s.moved.Count(), s.removed.Count()
	if found := count.Differs + count.OnlySource - count.Hidden; put.Written+put.Rejected != found || gone.Deleted != count.OnlyTarget {
		return &copier.BooksError{Detail: fmt.Sprintf("%d items to put and %d to delete were found, %d and %d have their fates",
			found, count.OnlyTarget, put.Written+put.Rejected, gone.Deleted)}
	}
	if put.Rejected == 0 {
		return nil
	}
	text := fmt.Sprintf("the target refused %d of %d items", put.Rejected, count.Source)
	if s.keptBack > 0 {
		text += fmt.Sprintf("; therefore %d items that only the target has were not deleted", s.keptBack)
	}
	return s.ends(runs.Done, &Error{Rejected, "what and why: " + s.letters.Path(), errors.New(text)})
}

// A getter reads items back for a join.
type getter struct {
	table *wire.Table
	side  string
}

func (g getter) Get(ctx context.Context, keys [][]byte, attempt int, page *item.Page) ([]int, error) {
	got, err := g.table.BatchGet(ctx, keys, true, attempt, page)
	return got.Unprocessed, fault(g.side, err)
}

// A feed is a source whose items come while it is read.
type feed struct {
	groups chan []fed
	ended  sync.Once
}

// fed is one item of a feed, and its key hash.
type fed struct {
	raw item.Item
	key uint64
}

const (
	feedItems = 4 * copier.MaxBatch // what a page of a feed should hold
	feedBytes = 256 << 10           // or that
	feedPages = 32                  // enough that batches fill up while the writers are busy
	// feedWait is how long a page waits for more: a batch costs the same for one
	// item as for 25, and what is known to differ can wait a little.
	feedWait = 20 * time.Millisecond
)

// feedNext stands for whatever comes next.
var feedNext = item.Cursor("{}")

func newFeed() *feed { return &feed{groups: make(chan []fed)} }

// close ends the feed. No add may be under way.
func (f *feed) close() { f.ended.Do(func() { close(f.groups) }) }

// add hands items, or keys, over, and returns when they are taken.
func (f *feed) add(ctx context.Context, group []fed) error {
	select {
	case f.groups <- group:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func feedOf(raw item.Item, schema item.Schema) (fed, error) {
	found, err := item.Parse(raw, schema)
	if err != nil {
		return fed{}, err
	}
	key, err := found.Hash(schema)
	return fed{raw.Clone(), key}, err
}

func (f *feed) Segments() int { return 1 }

// Read waits for the first items, and a little for more.
func (f *feed) Read(ctx context.Context, _ int, _ item.Cursor, _ int, page *item.Page) error {
	page.Reset()
	var late <-chan time.Time
	for size := 0; len(page.Items) < feedItems && size < feedBytes; {
		var group []fed
		select {
		case more, ok := <-f.groups:
			if !ok {
				return nil
			}
			group = more
		case <-late:
			page.Next = feedNext
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for _, one := range group {
			page.Items, page.Keys = append(page.Items, one.raw), append(page.Keys, one.key)
			size += len(one.raw)
		}
		if late == nil {
			late = time.After(feedWait)
		}
	}
	page.Next = feedNext
	return nil
}
