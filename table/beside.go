package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
	"github.com/dynamo-cmdline/dynamo/query"
)

// A beside is a backup, or a point in time, as the origin of a copy. AWS restores into new tables only: it is restored
// to a temporary one beside the target, which is what is read, and which goes when the run is over.
type beside struct {
	making
	name string      // for a temporary table, until the run has one
	have Description // the temporary table, once it can be read
}

// besides makes the origin of a restore into the table.
func (t *Table) besides(ctx context.Context, p *past, o CopyOptions) (*beside, error) {
	if o.Verify || o.SkipExpired || o.Slice != nil {
		return nil, usage("leave it out", "a backup is restored as a whole: it can neither be compared with afterwards, nor be sliced, nor skip what has expired")
	}
	target, err := t.describeOwn(ctx)
	if err == nil {
		err = p.fits(target)
	}
	if err != nil {
		return nil, err
	}
	return &beside{
		making: making{past: p, bare: true},
		name:   temporaryName(target.Table, time.Now(), rand.Uint32()),
	}, nil
}

// resumeBeside goes on with a restore from AWS. What it is from may be gone by now, if AWS has been asked.
func (t *Table) resumeBeside(ctx context.Context, s *runs.State, o CopyOptions, run string) (Summary, error) {
	p, err := t.pastOfRun(ctx, s)
	if err != nil {
		return Summary{}, err
	}
	b, err := t.besides(ctx, p, o)
	if err != nil {
		return Summary{}, err
	}
	return copyFrom(ctx, b, t, o, run)
}

// pastOfRun finds again what a run is from. That may be gone by now, where AWS has taken up the restore.
func (t *Table) pastOfRun(ctx context.Context, s *runs.State) (*past, error) {
	from := s.Source
	p, err := t.pastNamed(ctx, from.Backup)
	if p == nil && err == nil {
		err = mismatch("", "the run is from %q, which is no backup", from.Backup)
	}
	if isGone(err) && s.Made != nil && s.Made.ID != "" {
		return &past{lost: true, about: Description{Profile: from.Profile, Account: from.Account, Region: from.Region, Table: from.Table, Backup: from.Backup, ID: from.ID}}, nil
	}
	return p, err
}

func (b *beside) table() *Table { return nil }

func (b *beside) ready(context.Context) (Description, error) { return b.about, nil }

// same checks the temporary table: what it was made from cannot change.
func (b *beside) same(ctx context.Context, _ Description) error { return b.to.same(ctx, b.have) }

func (b *beside) place(d Description) runs.Place {
	return runs.Place{Profile: d.Profile, Account: d.Account, Region: d.Region, Table: d.Table, ID: d.ID, Name: d.Table, Backup: d.Backup}
}

func (b *beside) part(_ Description, slice *query.Query, o scanOptions) (copier.Source, error) {
	return b.to.part(b.have, slice, o)
}

func (b *beside) getter(_ Description, side string) copier.Getter { return b.to.getter(b.have, side) }

func (b *beside) shape(_ context.Context, own copier.Shape, _ bool) (copier.Shape, error) {
	return own, nil
}

// preflight has nothing to look at yet: AWS counts what is in a backup hours late.
func (b *beside) preflight(context.Context, Description, CopyOptions) error { return nil }

// runBeside has the backup restored, does the work with that, and drops it. What can be gone on with later keeps it.
func (c *copying) runBeside(ctx context.Context, b *beside) (err error) {
	if b.to, err = c.target.account.Table(b.note.Name); err != nil {
		return err
	}
	b.save = c.write
	if c.state.Phase == phaseDrop {
		return c.dropped(ctx, b, c.rejectedBefore())
	}
	if err := c.restored(ctx, b); err != nil {
		if _, over := c.outcome(err); over && !errors.Is(err, errGone) {
			return c.dropped(ctx, b, err)
		}
		return err
	}
	err = c.work(ctx)
	outcome, over := c.outcome(err)
	if outcome == runs.Done {
		if e := c.enter(phaseDrop); e != nil {
			return e
		}
	}
	if over {
		return c.dropped(ctx, b, err)
	}
	return err
}

// restored returns when the temporary table can be read, and is what it was thought to be.
func (c *copying) restored(ctx context.Context, b *beside) (err error) {
	first := c.state.Phase == phaseRestore
	b.again = first
	if first {
		c.watch(Phase{Name: phaseRestore}, c.plan.Target)
	}
	if b.have, err = b.await(ctx); err != nil {
		return c.abandoned(err)
	}
	d := b.have
	// This is found out late: what AWS says of a backup leaves out its keys' types.
	if d.Schema != c.plan.Target.Schema || d.Account != c.plan.Target.Account || d.Region != c.plan.Target.Region {
		return c.ends(runs.Failed, mismatch(beginAnew, "the keys do not fit: it was restored as %s with %s, target has %s; nothing was changed", d, d.Schema, c.plan.Target.Schema))
	}
	if !first {
		return nil
	}
	if !c.AllowEmptySource {
		empty, err := b.to.empty(ctx, d, scanOptions{})
		if err != nil {
			return err
		}
		if empty {
			return c.guarded(refused("if it is meant to be: --allow-empty-source", "there are no items in the %s", c.plan.Source))
		}
	}
	return c.enter(c.firstPhase())
}

// dropped deletes the temporary table, after all that err says of the run.
func (c *copying) dropped(ctx context.Context, b *beside, err error) error {
	gone := b.drop(ctx)
	if gone == nil {
		c.state.Made = nil
		return err
	}
	if errors.Is(gone, context.Canceled) {
		return gone
	}
	why := fmt.Errorf("all else is done, but the temporary table %s is left: %w", b.note.Name, gone)
	if err != nil { // which ends the run
		return &Error{kindOf(err), hintOf(err), errors.Join(err, fmt.Errorf("and the temporary table %s is left, for you to delete: %w", b.note.Name, gone))}
	}
	return &Error{kindOf(gone), hintOf(gone), why}
}
