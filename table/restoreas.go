package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// RestoreAs restores to a new table of that name, in the account and region of t; from is as in [Table.Restore]. AWS's
// own restore makes it from a backup or a point in time; for a dump it is made like the table that
// the dump describes, or like t where the dump describes none, and the items are put.
//
// Then it gets the settings that AWS drops: auto scaling, tags, stream, table class, TTL, point-in-time recovery, and
// deletion protection last. They are what t has now; where t is gone, what the dump or the backup says.
// IAM policies, CloudWatch alarms and the like are not among them. One that cannot be put back, because
// it may not or is not known, is no error: it is logged as a warning and named in Summary.NotPutBack.
//
// It is a run, with a directory, and [Resume] goes on with it. Of the options count Confirm, Watch, RunDir, Stall,
// Unattended, Protected and AllowProtected; for a dump those too that say how to read and write. The errors are those of
// Restore; an [*Error] of kind [Mismatch] where the new table is there already. Then nothing was changed.
func (t *Table) RestoreAs(ctx context.Context, from, name string, o CopyOptions) (Summary, error) {
	a, err := t.planAs(ctx, from, name, o)
	if err != nil {
		return Summary{}, err
	}
	if a.past == nil {
		return a.fromDump(ctx)
	}
	c, err := a.begin(ctx)
	if err != nil {
		return Summary{}, err
	}
	return c.makeNew(ctx, a.past)
}

// PlanRestoreAs says what RestoreAs would do. It changes nothing, and reads of a dump only what describes it.
func (t *Table) PlanRestoreAs(ctx context.Context, from, name string, o CopyOptions) (Plan, error) {
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
	to, err := t.Other(name)
	if err != nil {
		return nil, err
	}
	a := &anew{CopyOptions: o.defaults(), from: from, to: to}
	a.Mode = Merge // there is nothing to join with
	if _, err := to.Describe(ctx); err == nil {
		return nil, existsAlready(to)
	} else if kindOf(err) != Mismatch {
		return nil, err
	}
	var live *Description
	if d, err := t.describeOwn(ctx); err == nil {
		live = &d
	} else if kindOf(err) != Mismatch {
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
	d := Description{Profile: t.profile, Region: t.region, Table: name, Endpoint: t.endpoint()}
	switch {
	case live != nil:
		d.Account, d.Region = live.Account, live.Region
	case a.past != nil:
		d.Account, d.Region = a.past.about.Account, a.past.about.Region
	}
	a.plan.Target, a.plan.PutsBack = d, a.put.words()
	a.plan.SourceItems, a.plan.SourceBytes = a.plan.Source.Items, a.plan.Source.Bytes
	for _, what := range a.put.Unknown {
		a.plan.Warnings = append(a.plan.Warnings, "not known of "+a.put.Of+", and not put back: "+what)
	}
	if t.notice != "" {
		a.plan.Warnings = append(a.plan.Warnings, t.notice)
	}
	return a, o.allowed(d)
}

// settings are those that the backup remembers, for where its table is gone.
func (p *past) settings() settings {
	a := aboutTable{Table: &types.TableDescription{}, Unknown: []string{"auto scaling", "tags", "point-in-time recovery", "deletion protection"}}
	if p.features != nil {
		a.Table.StreamSpecification, a.TimeToLive = p.features.StreamDescription, p.features.TimeToLiveDescription
	}
	return a.settings("backup " + p.about.BackupName)
}

// describeDump finds out what table there is to be made for a dump: the one that it describes, else one like t.
func (a *anew) describeDump(ctx context.Context, t *Table, live *Description) error {
	about, err := a.aboutDump()
	if err != nil {
		return dumpError(err)
	}
	if about.Table == nil {
		if live == nil {
			return usage("name with --table one that is there, for its keys", "%s does not describe its table, and table %q does not exist with %s", a.from, t.name, t.side())
		}
		if about.Table, err = t.ask(ctx); err != nil {
			return err
		}
	} else {
		a.put = about.settings("dump " + a.plan.Source.Path)
		a.put.Unknown = append(a.put.Unknown, "auto scaling")
	}
	a.make = creation(about.Table, a.to.name)
	if key := about.Table.SSEDescription; key != nil && key.KMSMasterKeyArn != nil {
		where, err := arn.Parse(*key.KMSMasterKeyArn)
		if err == nil && live != nil && where.AccountID == live.Account && where.Region == live.Region {
			a.make.SSESpecification = &types.SSESpecification{Enabled: aws.Bool(true), SSEType: key.SSEType, KMSMasterKeyId: key.KMSMasterKeyArn}
		} else {
			a.put.Unknown = append(a.put.Unknown, "encryption (its key "+*key.KMSMasterKeyArn+" is of another account or region)")
		}
	}
	return nil
}

// aboutDump reads what a dump says of itself; nothing for what is no dump in a directory.
func (a *anew) aboutDump() (aboutTable, error) {
	var about aboutTable
	a.plan.Source = Description{Path: a.from}
	if strings.Contains(a.from, "://") {
		return about, nil
	}
	path, err := filepath.Abs(a.from)
	if err != nil {
		return about, err
	}
	a.plan.Source.Path = path
	info, err := os.Lstat(path)
	if err != nil || info.Mode().IsRegular() { // a dead-letter file
		return about, err
	}
	found, err := archive.OpenDump(path)
	if err != nil {
		return about, err
	}
	a.plan.Source.Path, a.plan.Source.Items = found.Dir, found.Summary.Items
	if where, err := arn.Parse(found.Summary.TableARN); err == nil {
		a.plan.Source.Account, a.plan.Source.Region, a.plan.Source.Table = where.AccountID, where.Region, filepath.Base(where.Resource)
	}
	if found.About == nil {
		return about, nil
	}
	if err := json.Unmarshal(found.About, &about); err != nil || about.Table == nil || len(about.Table.KeySchema) == 0 {
		return about, &archive.BadDumpError{File: "table.json", Err: fmt.Errorf("it describes no table: %w", errors.Join(err, fs.ErrInvalid))}
	}
	return about, nil
}

// creation is how a table like that is made.
func creation(d *types.TableDescription, name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName: aws.String(name), KeySchema: d.KeySchema, AttributeDefinitions: d.AttributeDefinitions,
		BillingMode: types.BillingModeProvisioned, OnDemandThroughput: d.OnDemandThroughput,
	}
	onDemand := d.BillingModeSummary != nil && d.BillingModeSummary.BillingMode == types.BillingModePayPerRequest
	throughput := func(p *types.ProvisionedThroughputDescription) *types.ProvisionedThroughput {
		if onDemand || p == nil {
			return nil
		}
		return &types.ProvisionedThroughput{ReadCapacityUnits: p.ReadCapacityUnits, WriteCapacityUnits: p.WriteCapacityUnits}
	}
	if onDemand {
		in.BillingMode = types.BillingModePayPerRequest
	}
	in.ProvisionedThroughput = throughput(d.ProvisionedThroughput)
	for _, g := range d.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection, ProvisionedThroughput: throughput(g.ProvisionedThroughput), OnDemandThroughput: g.OnDemandThroughput})
	}
	for _, l := range d.LocalSecondaryIndexes {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{IndexName: l.IndexName, KeySchema: l.KeySchema, Projection: l.Projection})
	}
	return in
}

// cleanupLimit is how long an empty table of ours is tried to be deleted, after the context has ended.
const cleanupLimit = 30 * time.Second

// fromDump makes the table and restores into it. If that does not even begin, the table goes again.
func (a *anew) fromDump(ctx context.Context) (Summary, error) {
	if a.Confirm != nil {
		if err := a.Confirm(a.plan); err != nil {
			return Summary{}, err
		}
	}
	noted, err := json.Marshal(a.put)
	if err != nil {
		return Summary{}, err
	}
	made, err := a.to.client.CreateTable(ctx, a.make)
	if inUse := (*types.ResourceInUseException)(nil); errors.As(err, &inUse) {
		return Summary{}, existsAlready(a.to)
	}
	if err != nil {
		return Summary{}, a.to.controlError("create", err)
	}
	o := a.CopyOptions
	// There is nothing in the table to ask about or to lose.
	o.Confirm, o.NoBackup, o.AllowEmptySource = nil, true, true
	s, err := a.to.restoreStored(ctx, a.from, o, noted)
	if err == nil || s.Run != "" {
		return s, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if gone := a.remove(ctx, aws.ToString(made.TableDescription.TableId)); gone != nil {
		return s, &Error{kindOf(err), hintOf(err), errors.Join(err, fmt.Errorf("the new table %s is left, and empty: %w", a.to.name, gone))}
	}
	return s, err
}

// remove deletes the table that was just made, and no other.
func (a *anew) remove(ctx context.Context, id string) error {
	d, err := a.to.ready(ctx)
	if err != nil {
		return err
	}
	empty, err := a.to.empty(ctx, d, false)
	if err == nil && (d.ID != id || !empty) {
		err = mismatch("", "it is not what was made")
	}
	if err == nil {
		_, err = a.to.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(a.to.name)})
	}
	return err
}

// restoreStored restores a dump into the table, which gets settings afterwards.
func (t *Table) restoreStored(ctx context.Context, from string, o CopyOptions, noted json.RawMessage) (Summary, error) {
	source, o, err := t.stored(ctx, from, o)
	if err != nil {
		return Summary{}, err
	}
	c := &copying{command: commandRestore, CopyOptions: o.defaults(), source: source, target: t, began: time.Now(), settings: noted}
	s, err := c.attempt(ctx, "")
	return s, both(err, source.checked.Close())
}

// begin takes the new table's lock, asks, and has a run's directory when it returns without an error.
func (a *anew) begin(ctx context.Context) (c *copying, err error) {
	c = &copying{command: commandRestore, CopyOptions: a.CopyOptions, target: a.to, plan: a.plan, began: time.Now()}
	if c.store, err = openRuns(a.RunDir); err != nil {
		return nil, err
	}
	place := a.to.place(a.plan.Target)
	if err := c.hold(place); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = both(err, c.lock.Release())
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
	b := &beside{making: making{past: a.past}}
	c.state = &runs.State{
		Program: a.to.agent, Command: commandRestore, Source: b.place(a.past.about), Target: place, Options: options, Began: c.began.UTC(),
		Phase: phaseRestore, Segments: 1, Made: &runs.Made{Name: a.to.name, Kept: true}, Settings: noted,
	}
	if c.dir, err = c.store.New(a.to.name, c.began); err != nil {
		return nil, err
	}
	if err := c.write(); err != nil {
		return nil, err
	}
	return c, c.lock.Hold(c.dir.Name)
}

// hold takes the lock on a target.
func (c *copying) hold(place runs.Place) (err error) {
	if c.lock, err = c.store.Lock(place); err != nil {
		if held := (*runs.HeldError)(nil); errors.As(err, &held) {
			return &Error{Held, "wait for it, or stop it; then: dynamo runs", err}
		}
	}
	return err
}

// makeNew has AWS make the new table, puts the settings onto it, and ends the run.
func (c *copying) makeNew(ctx context.Context, p *past) (Summary, error) {
	err := c.made(ctx, p)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = both(c.end(err), c.lock.Release())
	s := c.summary()
	s.Mode = ""
	return s, err
}

func (c *copying) made(ctx context.Context, p *past) error {
	m := making{past: p, to: c.target, note: c.state.Made, save: c.write, stall: c.Stall}
	if c.state.Phase == phaseRestore {
		c.watch(Phase{Name: phaseRestore}, c.plan.Target)
	}
	d, err := m.await(ctx)
	if err != nil {
		return err
	}
	c.plan.Target = d
	c.state.Target = c.target.place(d)
	if err := c.enter(phaseSettings); err != nil {
		return err
	}
	return c.putBack(ctx, nil)
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
	from := state.Source
	p := &past{about: Description{Profile: from.Profile, Account: from.Account, Region: from.Region, Table: from.Table, Backup: from.Backup, ID: from.ID, Made: state.Made.Asked}}
	if state.Made.ID == "" { // AWS is to be asked
		original, err := to.Other(from.Table)
		if err != nil {
			return Summary{}, err
		}
		if p, err = original.pastNamed(ctx, from.Backup); err != nil {
			return Summary{}, err
		}
	}
	c.plan = Plan{Command: commandRestore, Source: p.about, Creates: true, Unattended: o.Unattended, Resumes: name,
		Target: Description{Profile: to.profile, Account: state.Target.Account, Region: state.Target.Region, Table: state.Target.Table, Endpoint: to.endpoint()}}
	if err := c.hold(state.Target); err != nil {
		return Summary{}, err
	}
	if c.Confirm != nil {
		if err := c.Confirm(c.plan); err != nil {
			return Summary{}, both(err, c.lock.Release())
		}
	}
	c.dir, c.state, c.earlier = dir, state, time.Duration(state.Spent*float64(time.Second))
	c.state.Ended = nil
	if err := c.lock.Hold(name); err != nil {
		return Summary{}, both(err, c.lock.Release())
	}
	return c.makeNew(ctx, p)
}
