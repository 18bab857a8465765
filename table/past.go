package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

const (
	pitrPrefix = "pitr:"
	pitrLatest = pitrPrefix + "latest"
)

// A past is what AWS can make a table from: an on-demand backup, or a point in time of a table.
type past struct {
	about    Description // of what it has; its Schema is known where the key's types are
	keys     []types.KeySchemaElement
	features *types.SourceTableFeatureDetails // that the backup remembers; nil for none
	at       time.Time                        // zero for a backup, and for the latest point
	lost     bool                             // it is gone, and was restored before: only its place is known
}

// isPoint reports whether it is a point in time, and no backup.
func (p *past) isPoint() bool { return strings.HasPrefix(p.about.Backup, pitrPrefix) }

// pastNamed finds what is to be restored, where AWS has it: by a backup's ARN or name, or as a point in time. It is
// nil for what is in files.
func (t *Table) pastNamed(ctx context.Context, from string) (*past, error) {
	switch {
	case strings.HasPrefix(from, pitrPrefix):
		return t.pointInTime(ctx, from)
	case strings.HasPrefix(from, "arn:"):
		return t.backupOf(ctx, from)
	case strings.HasPrefix(from, "file:"), strings.Contains(from, "://"):
		return nil, nil
	}
	if checkName(from) != nil { // no backup has such a name
		return nil, nil
	}
	_, there := os.Lstat(from)
	if there != nil && !errors.Is(there, fs.ErrNotExist) {
		return nil, nil
	}
	list, err := t.account.listBackups(ctx, t.baseName())
	denied := account.Classify(err) == account.Denied
	switch {
	case there == nil && (denied || lacksBackups(err)): // who may not list backups restores none by its name
		return nil, nil
	case err != nil:
		err = t.account.backupError(ctx, "list the backups of "+t.baseName(), err)
		if e := (*Error)(nil); denied && errors.As(err, &e) {
			e.Hint = "a backup is looked for because there is no directory or file " + from + " here; its ARN is not looked for"
		}
		return nil, err
	case there == nil:
		return nil, t.ambiguous(from, list)
	}
	list = slices.DeleteFunc(list, func(b Backup) bool { return b.Name != from })
	switch len(list) {
	case 0:
		return nil, usage("see what there is: dynamo restore --table "+t.baseName(), "there is no directory or file %q here, and table %s has no backup of that name with %s", from, t.baseName(), t.account)
	case 1:
		return t.backupOf(ctx, list[0].ARN)
	}
	var names []string
	for _, b := range list {
		names = append(names, b.ARN)
	}
	return nil, usage("name one by its ARN", "table %s has %d backups of the name %q: %s", t.baseName(), len(list), from, strings.Join(names, ", "))
}

// ambiguous refuses a name that is one of a file or directory here, and of a backup.
func (t *Table) ambiguous(name string, list []Backup) error {
	for _, b := range list {
		if b.Name == name {
			return usage(fmt.Sprintf("the one: ./%s; the other: %s", name, b.ARN), "%q is a file or directory here, and table %s has a backup of that name", name, t.baseName())
		}
	}
	return nil
}

// A noPastError is AWS's word that there is nothing to restore from, or not any more.
type noPastError struct{ error }

func (e *noPastError) Unwrap() error { return e.error }

func noPast(err error) error { return &noPastError{err} }

// isGone reports whether err is AWS's word that what a run restores from is gone by now.
func isGone(err error) bool {
	return errors.As(err, new(*noPastError)) || errors.Is(err, errNoTable)
}

// baseName is the table's name without an ARN around it.
func (t *Table) baseName() string {
	if _, name, found := strings.Cut(t.name, ":table/"); found {
		return name
	}
	return t.name
}

// backupOf finds a backup by its ARN.
func (t *Table) backupOf(ctx context.Context, name string) (*past, error) {
	where, err := arn.Parse(name)
	if err == nil && where.Service == "s3" {
		_, err := DumpPlace(name)
		return nil, err
	}
	if err != nil || where.Service != "dynamodb" || !strings.Contains(where.Resource, "/backup/") {
		return nil, usage("see: dynamo backup list", "%q is not the ARN of a backup of DynamoDB's", name)
	}
	out, err := t.account.client.DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: aws.String(name)})
	if err != nil {
		return nil, t.account.backupError(ctx, "look at the backup "+name, err)
	}
	if out.BackupDescription.SourceTableDetails == nil {
		return nil, &Error{Failed, "", errors.New("look at backup " + name + ": the answer describes none")}
	}
	b, s := out.BackupDescription.BackupDetails, out.BackupDescription.SourceTableDetails
	if b.BackupStatus != types.BackupStatusAvailable {
		return nil, noPast(mismatch("", "the backup %s is %s: only one that is %s can be restored", name, b.BackupStatus, types.BackupStatusAvailable))
	}
	return &past{keys: s.KeySchema, features: out.BackupDescription.SourceTableFeatureDetails, about: Description{
		Profile: t.account.Profile(), Account: where.AccountID, Region: where.Region, Table: aws.ToString(s.TableName),
		Backup: name, ID: name, BackupName: aws.ToString(b.BackupName), Made: aws.ToTime(b.BackupCreationDateTime), Endpoint: t.account.Endpoint(),
		Items: aws.ToInt64(s.ItemCount), Bytes: aws.ToInt64(b.BackupSizeBytes),
	}}, nil
}

// pointInTime finds a point in the table's past.
func (t *Table) pointInTime(ctx context.Context, from string) (*past, error) {
	text := strings.TrimPrefix(from, pitrPrefix)
	at, err := time.Parse(time.RFC3339, text)
	if from != pitrLatest && err != nil {
		return nil, usage("like pitr:2026-11-20T10:00:00Z, or "+pitrLatest, "%q is no point in time", from)
	}
	d, err := t.describeOwn(ctx)
	if err != nil {
		return nil, err
	}
	var details Details
	if err := details.askRecovery(ctx, t); err != nil {
		return nil, t.recoveryError(ctx, err)
	}
	r := details.Recovery
	switch {
	case !r.On:
		return nil, noPast(mismatch("a backup can be restored: dynamo restore --table "+d.Table, "point-in-time recovery of %s is off", d))
	case from == pitrLatest:
		at = time.Time{}
	case !r.Earliest.IsZero() && at.Before(r.Earliest.Truncate(time.Second)), !r.Latest.IsZero() && at.After(r.Latest.Add(time.Second)):
		return nil, noPast(usage(fmt.Sprintf("from %s to %s", r.Earliest.UTC().Format(time.RFC3339), r.Latest.UTC().Format(time.RFC3339)),
			"%s is not a time that %s can be restored to", text, d))
	}
	about := Description{
		Profile: d.Profile, Account: d.Account, Region: d.Region, Table: d.Table, ARN: d.ARN, Endpoint: d.Endpoint, Schema: d.Schema,
		Backup: from, Made: r.Latest, Items: d.Items, Bytes: d.Bytes,
	}
	if !at.IsZero() {
		about.Backup, about.Made = pitrPrefix+at.UTC().Format(time.RFC3339Nano), at
	}
	about.ID = about.Backup + " of " + d.ID // of the table's past, not of the table itself
	return &past{about: about, at: at}, nil
}

// recoveryError explains an error about point-in-time recovery.
func (t *Table) recoveryError(ctx context.Context, err error) error {
	var missing *types.TableNotFoundException
	switch {
	case errors.As(err, &missing):
		return mismatch("", "table %q %w in %s with %s", t.name, errNoTable, t.account.Region(), t.account)
	case account.Classify(err) == account.Unsupported:
		return mismatch("", "the endpoint of %s has no point-in-time recovery", t.account)
	}
	return t.controlError(ctx, "ask for the recovery of", err)
}

// fits completes what a backup says of its keys by the table that it is to go into: it does not say their types.
func (p *past) fits(target Description) error {
	if where := p.about; where.Account != target.Account || where.Region != target.Region {
		return usage("dump it there, and restore the dump: dynamo backup --to", "the backup is in account %s, %s, and AWS restores it there only; the table is %s", where.Account, where.Region, target)
	}
	s := target.Schema
	switch {
	case p.lost: // the temporary table is held to it
		p.about.Schema = s
		return nil
	case p.isPoint():
		return nil
	}
	for _, k := range p.keys {
		want := s.Sort.Name
		if k.KeyType == types.KeyTypeHash {
			want = s.Partition.Name
		}
		if aws.ToString(k.AttributeName) != want {
			return mismatch("", "the keys do not fit: the backup has %s key %q, %s has %s", strings.ToLower(string(k.KeyType)), aws.ToString(k.AttributeName), target, s)
		}
	}
	if (s.Sort.Name != "") != (len(p.keys) > 1) {
		return mismatch("", "the keys do not fit: one of the backup and %s has a sort key", target)
	}
	p.about.Schema = s
	return nil
}

// Restorable is what a table could be restored from, as AWS keeps it.
type Restorable struct {
	Command  string      `json:"command"`
	Table    Description `json:"target"`
	Exists   bool        `json:"exists"`
	Backups  []Backup    `json:"backups"`            // of all types, newest first
	Recovery *Window     `json:"recovery,omitempty"` // nil where point-in-time recovery is off, or cannot be asked for
	Unknown  string      `json:"unknown,omitempty"`  // why it cannot be asked for
}

// A Window is the time that a table can be restored to.
type Window struct {
	Earliest time.Time `json:"earliest"`
	Latest   time.Time `json:"latest"`
}

// Restorable lists what the table could be restored from: AWS's backups of it, of all types, and its point-in-time
// recovery. The table itself may be gone: its backups stay. Dumps are not looked for. The errors are an [*Error].
func (t *Table) Restorable(ctx context.Context) (Restorable, error) {
	r := Restorable{Command: commandRestore, Backups: []Backup{}, Table: Description{Profile: t.account.Profile(), Region: t.account.Region(), Table: t.baseName()}}
	d, err := t.describeOwn(ctx)
	switch {
	case err == nil:
		r.Table, r.Exists = d, true
	case !errors.Is(err, errNoTable):
		return r, err
	}
	if r.Backups, err = t.account.Backups(ctx, t.baseName()); err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Backups, func(a, b Backup) int { return cmp.Or(b.Made.Compare(a.Made), strings.Compare(a.ARN, b.ARN)) })
	if !r.Exists {
		return r, nil
	}
	var details Details
	if err := details.askRecovery(ctx, t); err != nil {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		r.Unknown = brief(err).Error()
	} else if details.Recovery.On {
		r.Recovery = &Window{details.Recovery.Earliest, details.Recovery.Latest}
	}
	return r, nil
}
