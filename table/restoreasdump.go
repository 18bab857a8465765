package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/item"
)

// describeDump finds out what table there is to be made for a dump: the one that it describes, else one like t.
func (a *anew) describeDump(ctx context.Context, t *Table, live *Description) error {
	about, err := a.aboutDump(ctx, t)
	if err != nil {
		return t.account.placeError(ctx, err)
	}
	if about.Table == nil {
		if live == nil {
			return usage("name with --table one that is there, for its keys", "%s does not describe its table, and table %q does not exist with %s", a.from, t.name, t.account)
		}
		if about.Table, err = t.ask(ctx); err != nil {
			return err
		}
	} else {
		a.put = about.settings("dump " + a.plan.Source.Path)
		if b := about.Table.BillingModeSummary; b == nil || b.BillingMode != types.BillingModePayPerRequest {
			a.put.Unknown = append(a.put.Unknown, "auto scaling")
		}
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

// aboutDump reads what a dump says of itself; nothing for what is no dump.
func (a *anew) aboutDump(ctx context.Context, t *Table) (aboutTable, error) {
	var about aboutTable
	a.plan.Source = Description{Path: a.from}
	path, err := storedPlace(a.from)
	if err != nil {
		return about, err
	}
	a.plan.Source.Path = path
	if !inBucket(path) {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().IsRegular() { // a dead-letter file
			return about, err
		}
	}
	found, source, err := t.account.openDump(ctx, path)
	if err != nil {
		return about, err
	}
	a.plan.Source = source
	a.plan.Source.Items = found.Summary.Items
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

// fromDump checks the dump, makes the table and restores into it. The run is on disk before AWS is asked for the table.
func (a *anew) fromDump(ctx context.Context) (Summary, error) {
	source, err := a.checkDump(ctx)
	if err != nil {
		return Summary{}, err
	}
	c, err := a.begin(ctx, source.place(source.about))
	if err != nil {
		return Summary{}, both(err, source.checked.Close())
	}
	s, err := c.fillNew(ctx, source, a.make)
	return s, both(err, source.checked.Close())
}

// checkDump checks what is to be restored against the key that the new table will have.
func (a *anew) checkDump(ctx context.Context) (*stored, error) {
	kinds := make(map[string]item.Type)
	for _, d := range a.make.AttributeDefinitions {
		if d.AttributeType == "" {
			return nil, dumpError(&archive.BadDumpError{File: "table.json", Err: fmt.Errorf("attribute %q has no type", aws.ToString(d.AttributeName))})
		}
		kinds[aws.ToString(d.AttributeName)] = item.Type(d.AttributeType[0])
	}
	o := a.CopyOptions
	// There is nothing in the table to lose.
	o.NoBackup, o.AllowEmptySource = true, true
	source, o, err := a.to.checked(ctx, schemaOf(a.make.KeySchema, kinds), a.from, o)
	if err != nil {
		return nil, err
	}
	a.CopyOptions, a.plan.Mode = o, o.Mode
	a.plan.SourceItems, a.plan.SourceBytes = source.about.Items, source.about.Bytes
	return source, nil
}

// fillNew has the run's table made, and puts the dump's items into it.
func (c *copying) fillNew(ctx context.Context, source *stored, create *dynamodb.CreateTableInput) (Summary, error) {
	if err := c.makeFor(ctx, source, create); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		err = both(c.end(err), c.lock.Release())
		return c.summary(), err
	}
	next := &copying{
		command: c.command, CopyOptions: c.CopyOptions, source: source, target: c.target, began: c.began, settings: c.state.Settings,
		kept: kept{store: c.store, dir: c.dir, lock: c.lock, earlier: c.earlier},
	}
	next.Confirm, next.Resume = nil, false // it was asked before the table was made
	return next.attempt(ctx, "")
}

// makeFor returns when the new table is there and may be written to: in which account it is, only AWS's answer says.
func (c *copying) makeFor(ctx context.Context, source *stored, create *dynamodb.CreateTableInput) error {
	m := making{past: &past{about: source.about}, create: create, to: c.target, note: c.state.Made, save: c.write}
	c.watch(Phase{Name: phaseRestore}, c.plan.Target)
	d, err := m.await(ctx)
	if err != nil {
		return c.abandoned(err)
	}
	if empty, err := c.target.empty(ctx, d, scanOptions{}); err != nil {
		return err
	} else if !empty { // somebody else's, or in use already
		return existsAlready(c.target)
	}
	c.plan.Target = d
	if err := c.allowed(d); err != nil {
		if gone := c.unmake(ctx, d); gone != nil {
			err = &Error{kindOf(err), hintOf(err), errors.Join(err, fmt.Errorf("the new table %s is left, and empty: %w", d.Table, gone))}
		}
		return c.guarded(err)
	}
	return nil
}

// unmake deletes the table that this run had made, in which nothing is.
func (c *copying) unmake(ctx context.Context, d Description) error {
	err := c.target.same(ctx, d)
	if err == nil {
		_, err = c.target.account.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(c.target.name)})
	}
	return err
}

// resumeNew goes on with a restore of a dump to a new table that is not there yet, or not known to be.
func resumeNew(ctx context.Context, c *copying) (Summary, error) {
	var create *dynamodb.CreateTableInput
	var put settings
	if err := errors.Join(json.Unmarshal(c.state.Made.Create, &create), json.Unmarshal(c.state.Settings, &put)); err != nil {
		return Summary{}, both(c.misfit(c.dir.Name, err), c.lock.Release())
	}
	a := &anew{CopyOptions: c.CopyOptions, from: c.state.Source.Path, to: c.target, make: create, put: put}
	source, err := a.checkDump(ctx)
	if err == nil && source.about.ID != c.state.Source.ID {
		err = both(c.misfit(c.dir.Name, fmt.Errorf("the dump %s is not what it was", a.from)), source.checked.Close())
	}
	if err != nil {
		return Summary{}, both(err, c.lock.Release())
	}
	c.CopyOptions = a.CopyOptions
	s, err := c.fillNew(ctx, source, create)
	return s, both(err, source.checked.Close())
}
