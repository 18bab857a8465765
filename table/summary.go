package table

import (
	"fmt"
	"maps"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
)

// A Summary says what a copy, or another run, did, over all its attempts. The JSON is the command's contract.
type Summary struct {
	Command string      `json:"command"`
	Mode    Mode        `json:"mode,omitempty"`
	Slice   string      `json:"slice,omitempty"`  // in words; "" for the whole table
	Run     string      `json:"run,omitempty"`    // the name of its directory
	Undoes  string      `json:"undoes,omitempty"` // the run that an undo has undone
	Source  Description `json:"source,omitzero"`
	Target  Description `json:"target"`

	Read      int64 `json:"read"` // source items
	Written   int64 `json:"written"`
	Unchanged int64 `json:"unchanged"`
	Deleted   int64 `json:"deleted"`
	Skipped   int64 `json:"skipped"`  // dropped by the Shape
	Rejected  int64 `json:"rejected"` // refused by the target

	Throttled int64            `json:"throttled"` // requests of which not all was taken
	Retried   int64            `json:"retried"`   // requests sent again after another failure
	Reasons   map[string]int64 `json:"throttle_reasons,omitempty"`

	ReadUnits   float64  `json:"read_units"` // consumed, both tables, indexes included
	WriteUnits  float64  `json:"write_units"`
	Bytes       int64    `json:"bytes"` // of item JSON written
	Seconds     float64  `json:"seconds"`
	Backup      string   `json:"backup,omitempty"`  // ARN
	Journal     string   `json:"journal,omitempty"` // the directory that has the old images
	JournalSize int64    `json:"journal_bytes,omitempty"`
	DeadLetters string   `json:"dead_letters,omitempty"`    // the file that has the rejected items
	Extras      int64    `json:"extras,omitempty"`          // items that only the target has and that were not deleted, because something was in doubt
	Temporary   string   `json:"temporary_table,omitempty"` // the table that a backup was restored to, where it is left
	NotPutBack  []string `json:"not_put_back,omitempty"`    // settings of a new table, and why
	Verified    *bool    `json:"verified,omitempty"`        // whether the tables were equal afterwards, where that was asked for
	Expired     int64    `json:"expired,omitempty"`         // items that one table lacked then because their time, by its TTL, has passed: no differences

	Resumable bool `json:"-"` // it did not come to its end, and [Resume] can go on with it
}

// A tally is what a run has counted, over all its attempts.
type tally struct {
	Read      int64 `json:"read"`
	Written   int64 `json:"written"`
	Deleted   int64 `json:"deleted"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`
	Unchanged int64 `json:"unchanged"`

	Throttled  int64            `json:"throttled"`
	Retried    int64            `json:"retried"`
	Bytes      int64            `json:"bytes"`
	ReadUnits  float64          `json:"read_units"`
	WriteUnits float64          `json:"write_units"`
	Reasons    map[string]int64 `json:"throttle_reasons,omitempty"`
}

// add counts what one attempt of one phase has used.
func (t *tally) add(c copier.Count) {
	t.Throttled += c.Throttled
	t.Retried += c.Retried
	t.Bytes += c.Bytes
	t.ReadUnits += c.ReadUnits
	t.WriteUnits += c.WriteUnits
	for r, n := range c.Reasons {
		if t.Reasons == nil {
			t.Reasons = make(map[string]int64)
		}
		t.Reasons[fmt.Sprintf("%s %s", r.Reason, r.Resource)] += n
	}
}

// tally is what is true now.
func (c *copying) tally() tally {
	if c.over != nil {
		return *c.over
	}
	t := c.before
	t.Reasons = maps.Clone(t.Reasons)
	moved, removed := c.moved.Count(), c.removed.Count()
	t.add(moved)
	t.add(removed)
	t.Deleted += removed.Deleted
	t.Read, t.Skipped, t.Rejected = moved.Read, moved.Skipped, moved.Rejected
	t.Written += moved.Written
	if s := c.syncing; s != nil {
		t.add(s.scanned.Count())
		t.add(s.held.Count())
		n := s.joined.Count()
		t.Skipped = n.Skipped
		t.Unchanged = max(0, n.Equal-c.before.Written) // what an earlier attempt wrote is equal now
		t.Read = t.Written + t.Unchanged + t.Skipped + t.Rejected
	}
	if u := c.undone; u != nil {
		t.Read = 0 // there is no source
		t.Rejected += removed.Rejected + u.left.Load()
		t.Unchanged = max(0, u.unchanged.Load()-c.before.Written-c.before.Deleted) // as above
	}
	return t
}

// journal is the run's own; nil for none.
func (c *copying) journal() *archive.Journal {
	switch {
	case c.syncing != nil:
		return c.syncing.journal
	case c.undone != nil:
		return c.undone.own
	}
	return nil
}

func (c *copying) summary() Summary {
	t := c.tally()
	s := Summary{
		Command: c.command, Mode: c.mode(), Slice: c.plan.Slice, Source: c.plan.Source, Target: c.plan.Target,
		Read: t.Read, Written: t.Written, Unchanged: t.Unchanged, Deleted: t.Deleted, Skipped: t.Skipped, Rejected: t.Rejected,
		Throttled: t.Throttled, Retried: t.Retried, Reasons: t.Reasons,
		ReadUnits: t.ReadUnits, WriteUnits: t.WriteUnits, Bytes: t.Bytes,
		Seconds: c.spent().Seconds(),
	}
	if c.syncing != nil {
		s.Extras = c.syncing.keptBack
	}
	if c.undone != nil {
		s.Undoes = c.undone.Undoes
	}
	if j := c.journal(); j != nil {
		if size := j.Size(); size.Bytes > 0 {
			s.Journal, s.JournalSize = c.journalDir(), size.Bytes
		}
	}
	s.Verified, s.Expired, s.NotPutBack = c.verified, c.expired, c.failed
	if c.letters != nil {
		s.DeadLetters = c.letters.Path()
	}
	if c.state != nil {
		s.Backup = c.state.Backup
		s.Resumable = c.state.Ended != nil && !c.state.Done()
		if m := c.state.Made; m != nil && !m.Kept && !m.Asked.IsZero() {
			s.Temporary = m.Name
		}
	}
	if c.dir != nil {
		s.Run = c.dir.Name
	}
	return s
}
