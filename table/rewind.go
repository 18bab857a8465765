package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A rewind is an undo's source: it reads the journal, looks at the table, and hands out the items that are to be
// put, or the keys to be deleted, when what they replace is in the undo's own journal.
//
// It is read by one goroutine. A call that fails is made again by the engine, and goes on with what is waiting.
type rewind struct {
	*copying
	getter  getter
	deletes bool // whether it hands out keys, of items that the run has added, or items
	next    func() (archive.JournalLine, error, bool)
	stop    func()

	waiting []change // read from the journal, not judged
	ended   bool     // there is no more in the journal
	most    int      // keys to ask for at once
	now     item.Page
}

// A change is what a run has done to a key.
type change struct {
	key    []byte
	route  uint64 // the key's hash, as a page has it
	hash   item.KeyHash
	old    item.Item // nil where there was none
	digest string    // of what the run has put; "" for a delete
}

// rewindBytes closes a group of changes that has fewer than a hundred keys: what is there now is about as large.
const rewindBytes = 1 << 20

func (c *copying) rewind(deletes bool) *rewind {
	d := c.plan.Target
	next, stop := iter.Pull2(archive.ReadJournal(c.undone.dir, d.Schema, c.undone.record))
	return &rewind{copying: c, getter: getter{c.target.plane(d), targetSide}, deletes: deletes, next: next, stop: stop, most: wire.MaxGet}
}

func (r *rewind) Segments() int { return 1 }

// Read judges the next group of changes.
func (r *rewind) Read(ctx context.Context, _ int, _ item.Cursor, attempt int, page *item.Page) error {
	page.Reset()
	if len(r.waiting) == 0 {
		if err := r.fill(ctx); err != nil || len(r.waiting) == 0 {
			return err
		}
	}
	keys := make([][]byte, r.atOnce(page.Limit))
	for i := range keys {
		keys[i] = r.waiting[i].key
	}
	again, err := r.getter.Get(ctx, keys, attempt, &r.now)
	if err != nil {
		if f := (*copier.Fault)(nil); !errors.As(err, &f) || f.Class != copier.Throttled {
			r.most = max(1, len(keys)/2) // an answer may fail because it is large
		}
		return err
	}
	r.most = min(2*r.most, wire.MaxGet)
	if len(again) == len(keys) {
		return &copier.Fault{Class: copier.Throttled, Side: targetSide, Err: errors.New("the table returns nothing at the moment")}
	}
	if err := r.judge(len(keys), again, page); err != nil {
		return err
	}
	page.Units = r.now.Units
	if !r.ended || len(r.waiting) > 0 {
		page.Next = feedNext
	}
	return nil
}

// atOnce is how many of the changes that wait to judge: what is there now may be much larger than what was.
func (r *rewind) atOnce(limit int) int {
	n := min(len(r.waiting), r.most)
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

// fill reads a group of changes.
func (r *rewind) fill(ctx context.Context) error {
	for size := 0; !r.ended && len(r.waiting) < wire.MaxGet && size < rewindBytes; {
		line, err, ok := r.next()
		switch {
		case !ok:
			r.ended = true
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.undone.repeats.Has(line), (line.Old == nil) != r.deletes:
			continue
		}
		w := change{key: bytes.Clone(line.Key), hash: line.Hash, old: item.Item(line.Old).Clone(), digest: line.NewDigest}
		found, err := item.Parse(w.key, r.plan.Target.Schema)
		if err == nil {
			w.route, err = found.Hash(r.plan.Target.Schema)
		}
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		r.waiting, size = append(r.waiting, w), size+len(w.old)
	}
	return nil
}

// judge hands out what of the first n is to be written, and keeps what was not looked up waiting.
func (r *rewind) judge(n int, again []int, page *item.Page) error {
	present := make(map[uint64]item.Item, len(r.now.Items))
	for i, it := range r.now.Items {
		present[r.now.Keys[i]] = it
	}
	var entries []archive.Entry
	var rest []change
	unchanged, left := int64(0), int64(0)
	for i, w := range r.waiting[:n] {
		if slices.Contains(again, i) {
			rest = append(rest, w)
			continue
		}
		now := present[w.route]
		is, was, err := w.prints(now)
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		switch {
		case is == was:
			unchanged++
		case is == w.digest || slices.Contains(r.undone.later[w.hash], is) || r.undone.Force:
			raw := w.old
			if r.deletes {
				raw = w.key
			}
			page.Items, page.Keys = append(page.Items, raw), append(page.Keys, w.route)
			entries = append(entries, archive.Entry{Key: w.key, Old: now, NewDigest: was})
		default:
			left++
			if err := r.leave(w, now); err != nil {
				return err
			}
		}
	}
	if r.undone.own != nil {
		if err := r.undone.own.Append(entries...); err != nil {
			return err
		}
	}
	r.undone.unchanged.Add(unchanged)
	r.undone.left.Add(left)
	r.waiting = append(rest, r.waiting[n:]...)
	return nil
}

// prints are the fingerprints of what is there and what was there; "" for nothing.
func (w *change) prints(now item.Item) (is, was string, err error) {
	if now != nil {
		if is, err = now.Fingerprint(); err != nil {
			return "", "", err
		}
	}
	if w.old != nil {
		was, err = w.old.Fingerprint()
	}
	return is, was, err
}

// leave notes an item that has changed since the run.
func (r *rewind) leave(w change, now item.Item) error {
	if r.letters == nil { // a dry run
		return nil
	}
	what := "changed"
	switch {
	case now == nil:
		what = "deleted"
	case w.digest == "":
		what = "added"
	}
	letter := archive.Letter{Error: fmt.Sprintf("it was %s since run %s: left alone", what, r.undone.Undoes)}
	if w.old != nil {
		letter.Item = json.RawMessage(w.old)
	} else {
		letter.Key = json.RawMessage(w.key)
	}
	return r.letters.Add(letter)
}
