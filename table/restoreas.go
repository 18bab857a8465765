package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// RestoreAs restores to a new table of that name, in the account and region of t; from is as in [Table.Restore]. AWS's
// own restore makes it from a backup or a point in time; for a dump it is made like the table that
// the dump describes, or like t where the dump describes none, and the items are put.
//
// Then it gets the settings that AWS drops: auto scaling, tags, stream, table class, TTL, point-in-time recovery, and
// deletion protection last. They are what t has now; where t is gone, what the dump or the backup says.
// IAM policies, CloudWatch alarms, replicas and the like are not among them. One that cannot be put back, because
// it may not or is not known, is no error: it is logged as a warning and named in Summary.NotPutBack.
//
// A dump is checked as a whole before the table is asked for; and that it is about to be asked for is on disk before: it
// is a run, with a directory, and [Resume] goes on with it. Of the options count Confirm, Watch, RunDir, Stall,
// Unattended, Protected and AllowProtected; for a dump those too that say how to read and write. The errors are those of
// Restore; an [*Error] of kind [Mismatch] where the new table is there already. Then nothing was changed.
func (t *Table) RestoreAs(ctx context.Context, from, name string, o CopyOptions) (Summary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	a, err := t.planAs(ctx, from, name, o)
	if err != nil {
		return Summary{}, err
	}
	if a.past == nil {
		return a.fromDump(ctx)
	}
	c, err := a.begin(ctx, (&beside{making: making{past: a.past}}).place(a.past.about))
	if err != nil {
		return Summary{}, err
	}
	return c.makeNew(ctx, a.past)
}

// PlanRestoreAs says what RestoreAs would do. It changes nothing, and reads of a dump only what describes it.
func (t *Table) PlanRestoreAs(ctx context.Context, from, name string, o CopyOptions) (Plan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	a, err := t.planAs(ctx, from, name, o)
	if err != nil {
		return Plan{}, err
	}
	return a.plan, nil
}

// anew is a restore to a new table.
type anew struct {
	CopyOptions
	from string
	to   *Table // the new one
	past *past  // nil for what is in files
	make *dynamodb.CreateTableInput
	put  settings
	plan Plan
}

func (t *Table) planAs(ctx context.Context, from, name string, o CopyOptions) (*anew, error) {
	if o.Mode != "" || o.Backup || o.MaxDelete != nil || o.Resume {
		return nil, usage("leave it out", "a mode, a backup, a limit of deletes or an earlier run mean nothing for a table that is new")
	}
	if strings.HasPrefix(name, "arn:") {
		return nil, usage("", "%q is no name for a new table", name)
	}
	if err := o.Protected.Check(); err != nil {
		return nil, err
	}
	to, err := t.account.Table(name)
	if err != nil {
		return nil, err
	}
	a := &anew{CopyOptions: o.defaults(), from: from, to: to}
	a.Mode = Merge // there is nothing to join with
	if _, err := to.Describe(ctx); err == nil {
		return nil, existsAlready(to)
	} else if !errors.Is(err, errNoTable) {
		return nil, err
	}
	var live *Description
	if d, err := t.describeOwn(ctx); err == nil {
		live = &d
	} else if !errors.Is(err, errNoTable) {
		return nil, err
	}
	a.plan = Plan{Command: commandRestore, Creates: true, Unattended: o.Unattended}
	if a.past, err = t.pastNamed(ctx, from); err != nil {
		return nil, err
	}
	if a.past != nil {
		a.plan.Source = a.past.about
		a.put = a.past.settings()
	} else if err = a.describeDump(ctx, t, live); err != nil {
		return nil, err
	}
	if live != nil {
		if a.put, err = t.settings(ctx); err != nil {
			return nil, err
		}
	}
	d := Description{Profile: t.account.Profile(), Region: t.account.Region(), Table: name, Endpoint: t.account.Endpoint(), address: t.account.address}
	switch {
	case live != nil:
		d.Account, d.Region = live.Account, live.Region
	case a.past != nil:
		d.Account, d.Region = a.past.about.Account, a.past.about.Region
	}
	a.plan.Target, a.plan.PutsBack = d, a.put.words()
	a.plan.SourceItems, a.plan.SourceBytes = a.plan.Source.Items, a.plan.Source.Bytes
	if of := a.plan.Source.otherThan(t.baseName()); of != "" {
		a.plan.Warnings = append(a.plan.Warnings, of)
	}
	if lost := a.put.lost(); lost != "" {
		a.plan.Warnings = append(a.plan.Warnings, lost)
	}
	for _, what := range a.put.Unknown {
		a.plan.Warnings = append(a.plan.Warnings, "not known of "+a.put.Of+", and not put back: "+what)
	}
	a.plan.Warnings = append(a.plan.Warnings, slices.Concat(t.notices(), o.Protected.strangers())...)
	return a, o.allowed(d)
}

// settings are those that the backup remembers, for where its table is gone.
func (p *past) settings() settings {
	a := aboutTable{Table: &types.TableDescription{}, Unknown: []string{"auto scaling", "tags", "point-in-time recovery", "deletion protection", "replicas"}}
	if p.features != nil {
		a.Table.StreamSpecification, a.TimeToLive = p.features.StreamDescription, p.features.TimeToLiveDescription
	}
	return a.settings("backup " + p.about.BackupName)
}

// begin takes the new table's lock, asks, and has a run's directory when it returns without an error.
func (a *anew) begin(ctx context.Context, source runs.Place) (c *copying, err error) {
	c = &copying{command: commandRestore, CopyOptions: a.CopyOptions, target: a.to, plan: a.plan, began: time.Now()}
	if c.store, err = openRuns(a.RunDir); err != nil {
		return nil, err
	}
	place := a.to.place(a.plan.Target)
	if err := c.hold(place); err != nil {
		return nil, err
	}
	lock := c.lock
	defer func() {
		if err != nil {
			err = both(err, lock.Release())
		}
	}()
	if a.Confirm != nil {
		if err := a.Confirm(a.plan); err != nil {
			return nil, err
		}
	}
	options, err := json.Marshal(savedOptions{CopyOptions: a.CopyOptions})
	if err != nil {
		return nil, err
	}
	noted, err := json.Marshal(a.put)
	if err != nil {
		return nil, err
	}
	c.state = &runs.State{
		Program: a.to.account.agent, Command: commandRestore, Source: source, Target: place, Options: options,
		Phase: phaseRestore, Segments: 1, Made: &runs.Made{Name: a.to.name, Kept: true}, Settings: noted,
		Changed: true, // AWS is asked for the table next
	}
	if a.make != nil {
		if c.state.Made.Create, err = json.Marshal(a.make); err != nil {
			return nil, err
		}
	}
	c.complete()
	if c.dir, err = c.store.New(a.to.name, time.Now(), c.state); err != nil {
		return nil, err
	}
	return c, c.lock.Hold(c.dir.Name)
}

// makeNew has AWS make the new table, puts the settings onto it, and ends the run.
func (c *copying) makeNew(ctx context.Context, p *past) (Summary, error) {
	err := c.made(ctx, p)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = both(c.end(err), c.lock.Release())
	s := c.summary()
	if c.state.Made != nil { // it was no copy of ours
		s.Mode = ""
	}
	return s, err
}

func (c *copying) made(ctx context.Context, p *past) error {
	if c.state.Made == nil { // a dump's items are in
		d, err := c.target.ready(ctx)
		if err != nil {
			return err
		}
		if d.mark() != c.state.Target.ID {
			return mismatch("", "table %s was replaced by another of the same name", d)
		}
		c.plan.Target = d
		return c.putBack(ctx, c.rejectedBefore())
	}
	m := making{past: p, to: c.target, note: c.state.Made, save: c.write}
	if c.state.Phase == phaseRestore {
		c.watch(Phase{Name: phaseRestore}, c.plan.Target)
	}
	d, err := m.await(ctx)
	if err != nil {
		return c.abandoned(err)
	}
	c.plan.Target = d
	c.state.Target = c.target.place(d)
	if err := c.enter(phaseSettings); err != nil {
		return err
	}
	return c.putBack(ctx, nil)
}

// rejectedBefore is how a run ends of which only the rest is done here, after all its items had their fate.
func (c *copying) rejectedBefore() error {
	if n := c.over.Rejected; n > 0 {
		return c.ends(runs.Done, &Error{Rejected, "what and why: " + filepath.Join(c.dir.Dir, lettersName), fmt.Errorf("the target refused %d items; all others are in", n)})
	}
	return nil
}

// resumeAs goes on with a restore to a new table.
func resumeAs(ctx context.Context, store *runs.Store, name string, to *Table, o CopyOptions) (Summary, error) {
	c := &copying{command: commandRestore, CopyOptions: o.defaults(), target: to, began: time.Now()}
	c.store = store
	dir, state, err := store.Load(name)
	if err != nil {
		return Summary{}, c.misfit(name, err)
	}
	if state.Done() || state.Phase != phaseRestore && state.Phase != phaseSettings {
		return Summary{}, c.misfit(name, errors.New("it is finished"))
	}
	if state.Target.Address == runs.AnyAddress {
		state.Target.Address = Description{Endpoint: to.account.Endpoint(), address: to.account.address}.engine()
	}
	original := to
	if name := state.Source.Table; name != "" {
		if original, err = to.account.Table(name); err != nil {
			return Summary{}, err
		}
	}
	p := &past{about: Description{Path: state.Source.Path, Account: state.Source.Account, Region: state.Source.Region, Table: state.Source.Table}}
	if state.Made != nil && state.Source.Path == "" {
		if p, err = original.pastOfRun(ctx, state); err != nil {
			return Summary{}, err
		}
	}
	if state.Counts != nil {
		c.over = new(tally)
		if err := json.Unmarshal(state.Counts, c.over); err != nil {
			return Summary{}, c.misfit(name, err)
		}
	}
	c.plan = Plan{Command: commandRestore, Source: p.about, Creates: true, Unattended: o.Unattended, Resumes: name,
		Target: Description{Profile: to.account.Profile(), Account: state.Target.Account, Region: state.Target.Region, Table: state.Target.Table, Endpoint: to.account.Endpoint()}}
	if err := o.allowed(c.plan.Target); err != nil {
		return Summary{}, err
	}
	if err := c.hold(state.Target); err != nil {
		return Summary{}, err
	}
	if c.Confirm != nil {
		if err := c.Confirm(c.plan); err != nil {
			return Summary{}, both(err, c.lock.Release())
		}
	}
	c.dir, c.state, c.earlier = dir, state, time.Duration(state.Spent*float64(time.Second))
	c.state.Ended, c.state.Changed = nil, true
	if err := c.lock.Hold(name); err != nil {
		return Summary{}, both(err, c.lock.Release())
	}
	if state.Made != nil && state.Source.Path != "" {
		return resumeNew(ctx, c)
	}
	return c.makeNew(ctx, p)
}
