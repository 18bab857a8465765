package table

import (
	"context"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// This file is about writes that were given up, or whose answers said nothing: AWS may apply them a little later. A delete
// of that kind must not come after a put of the same key, be it this run's or one's that was stopped just before; nor a put of
// another run after what this one does.

// late is when a write was last sent that may be applied after all, by this run or one before it.
func (c *copying) late() time.Time {
	last := c.lateBefore
	for _, t := range []time.Time{c.removed.Count().Late, c.moved.Count().Late} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// lateWrite is when a run last sent a write that may be applied after all. Where it was killed nobody can say that, and it is
// now: if deletes were under way, or, with any, whatever was. A run of before noted neither that they were, nor every
// answer that leaves it open: then any write may be late, up to the run's end.
func lateWrite(s *runs.State, any bool) time.Time {
	unsure := s.Version < 2 && Mode(s.Mode) != Merge
	switch {
	case s.Ended == nil && (any || unsure || s.Deletes || s.Phase == phaseTruncate):
		return time.Now()
	case s.Ended != nil && s.Version < 2 && (any || unsure):
		return s.Ended.Time
	}
	return s.Late
}

// lookBack looks for late writes of earlier runs on the target. One that is done has waited for those before it. What a run that
// goes on has put itself, it would put again.
func (c *copying) lookBack() error {
	list, err := c.store.List()
	if err != nil {
		return err
	}
	target := c.target.place(c.plan.Target)
	for _, info := range list {
		s := info.State
		if s == nil || !sameTarget(s.Target, target) {
			continue
		}
		if changed, err := mayHaveChanged(info.Run, s); err == nil && !changed {
			continue
		}
		own := c.dir != nil && c.dir.Name == info.Name
		if t := lateWrite(s, !own); t.After(c.lateBefore) {
			c.lateBefore = t
		}
		if s.Done() {
			break
		}
	}
	return nil
}

// settle waits until nothing can be applied late any more.
func (c *copying) settle(ctx context.Context) error { return c.outlive(ctx, c.late()) }

// outlive waits until a write that was sent then cannot be applied any more. Zero is never.
func (c *copying) outlive(ctx context.Context, late time.Time) error {
	wait := time.Until(late.Add(copier.Settle))
	if late.IsZero() || wait <= 0 {
		return nil
	}
	c.Watch(Phase{Name: phaseWait})
	c.target.account.log.InfoContext(ctx, "a write ended without a clear answer: waiting until it cannot be applied any more", "seconds", wait.Seconds())
	return pause(ctx, wait)
}

// noteDeletes notes on disk that deletes are under way from now on.
func (c *copying) noteDeletes() error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.state.Deletes = true
	return c.write()
}
