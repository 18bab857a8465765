package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// describeDump finds out what table there is to be made for a dump: the one that it describes, else one like t.
func (a *anew) describeDump(ctx context.Context, t *Table, live *Description) error {
	about, err := a.aboutDump(ctx, t)
	if err != nil {
		return t.placeError(ctx, err)
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
	path, err := absolute(a.from)
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
	found, source, err := t.openDump(ctx, path)
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
		return Summary{}, a.to.controlError(ctx, "create", err)
	}
	if made.TableDescription == nil || made.TableDescription.TableId == nil || made.TableDescription.TableArn == nil {
		return Summary{}, &Error{Failed, "", fmt.Errorf("create %q with %s: %w", a.to.name, a.to.side(), errUnidentified)}
	}
	note := &runs.Made{Name: a.to.name, ID: *made.TableDescription.TableId, ARN: *made.TableDescription.TableArn, Asked: time.Now()}
	s, err := a.fill(ctx, note, noted)
	if err == nil || s.Run != "" {
		return s, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if gone := a.remove(ctx, note.ID); gone != nil {
		return s, &Error{kindOf(err), hintOf(err), errors.Join(err, fmt.Errorf("the new table %s is left, and empty: %w", a.to.name, gone))}
	}
	return s, err
}

// fill puts the dump's items into the new table, once it is there.
func (a *anew) fill(ctx context.Context, note *runs.Made, noted json.RawMessage) (Summary, error) {
	m := making{past: &past{about: a.plan.Source}, to: a.to, note: note, stall: a.Stall}
	if _, err := m.await(ctx); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Summary{}, err
	}
	o := a.CopyOptions
	// There is nothing in the table to ask about or to lose.
	o.Confirm, o.NoBackup, o.AllowEmptySource = nil, true, true
	return a.to.restoreStored(ctx, a.from, o, noted)
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
