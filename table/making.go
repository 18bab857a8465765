package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

const (
	phaseRestore = "restore" // AWS makes a table from a backup or a point in time
	phaseDrop    = "drop"    // all is done, and the temporary table goes

	// unseenLimit is how long a table that was just asked for may be missing from AWS's answers.
	unseenLimit = 30 * time.Second
	// skew is how far this machine's clock may be behind AWS's.
	skew = 5 * time.Minute
)

// A making is a table that AWS makes for a run, which remembers it: out of its past, or empty, for a dump.
type making struct {
	*past
	create *dynamodb.CreateTableInput // of an empty one; nil for one out of its past
	to     *Table                     // the new one
	note   *runs.Made
	save   func() error // puts the note on disk
	again  bool         // nothing was done with it yet
	bare   bool         // for reading only: on demand, without indexes
}

// longestRestoreLook is the longest time between two looks at a table that AWS restores, which may take hours.
const longestRestoreLook = 30 * time.Second

// await asks AWS for the table, unless that was done, and returns when it is ACTIVE. That may take hours: it has no limit
// but the context's while AWS says that it restores, and the stall time while it only says that it creates.
func (m *making) await(ctx context.Context) (Description, error) {
	if m.note.ID == "" {
		if err := m.begin(ctx); err != nil {
			return Description{}, err
		}
	}
	var d Description
	seen := false
	err := m.to.account.patience.Wait(ctx, longestRestoreLook, func() (state string, done bool, err error) {
		out, err := m.to.account.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(m.note.Name)})
		missing := (*types.ResourceNotFoundException)(nil)
		switch {
		case errors.As(err, &missing):
			if seen || time.Since(m.note.Asked) > unseenLimit {
				return "", false, m.gone()
			}
			return "missing", false, nil
		case err != nil:
			return "", false, m.to.controlError(ctx, "wait for", err)
		}
		seen = true
		if d, err = m.made(out.Table); err != nil {
			return "", false, err
		}
		switch types.TableStatus(d.Status) {
		case types.TableStatusActive, types.TableStatusUpdating:
			return d.Status, true, nil
		case types.TableStatusCreating:
			if s := out.Table.RestoreSummary; s != nil && aws.ToBool(s.RestoreInProgress) {
				return "", false, nil
			}
			return d.Status, false, nil
		}
		return "", false, mismatch("", "table %s, which AWS was restoring, is %s", d, d.Status)
	})
	if err != nil {
		return d, still(err, "table %s is still %s", m.note.Name, d.Status)
	}
	return d, nil
}

// beginAnew is the hint for a run that cannot be gone on with.
const beginAnew = "begin anew: this run cannot be gone on with"

// errGone is the end of what was to be done with a table that is not there any more.
var errGone = errors.New("it is gone")

// abandoned makes the loss of the table that AWS has made the end of the run.
func (c *copying) abandoned(err error) error {
	if errors.Is(err, errGone) {
		return c.ends(runs.Failed, err)
	}
	return err
}

// gone explains that somebody has deleted the table, or AWS has. While nothing has come of it yet, it can be asked for again.
func (m *making) gone() error {
	if !m.again {
		return mismatch(beginAnew, "table %s, which AWS was restoring: %w", m.note.Name, errGone)
	}
	m.note.ID, m.note.ARN, m.note.Asked = "", "", time.Time{}
	return both(mismatch("", "table %s, which AWS was restoring, is gone", m.note.Name), m.save())
}

// made describes the table, if it is the one that was asked for.
func (m *making) made(raw *types.TableDescription) (Description, error) {
	d, err := m.to.description(raw)
	if err == nil && (d.mark() != m.note.ID || d.ARN != m.note.ARN) {
		err = mismatch("that one is left alone", "table %s was replaced by another of the same name", d)
	}
	return d, err
}

// begin asks AWS for the table. That it is about to ask is on disk before, for an answer may be lost.
func (m *making) begin(ctx context.Context) error {
	lost := !m.note.Asked.IsZero() // an answer, by an attempt before this one
	if !lost {
		m.note.Asked = time.Now().UTC()
		if err := m.save(); err != nil {
			return err
		}
	}
	again := 0
	made, err := m.request(account.WithRetries(ctx, &again))
	exists, busy := (*types.TableAlreadyExistsException)(nil), (*types.TableInUseException)(nil)
	if errors.As(err, &exists) || errors.As(err, &busy) {
		made, err = m.adopt(ctx, lost || again > 0)
		if err != nil {
			return err
		}
	}
	if err != nil {
		if account.Answered(err) { // then there is no such table
			m.note.Asked = time.Time{}
			return both(m.refusal(ctx, err), m.save())
		}
		return m.refusal(ctx, err)
	}
	if made == nil || markOf(made.TableId, made.CreationDateTime) == "" || made.TableArn == nil {
		return &Error{Failed, "", fmt.Errorf("restore to table %q with %s: %w", m.note.Name, m.to.account, errUnidentified)}
	}
	m.note.ID, m.note.ARN = markOf(made.TableId, made.CreationDateTime), *made.TableArn
	m.to.account.log.InfoContext(ctx, "AWS restores to a table", "table", m.note.Name, "from", m.about.Backup)
	return m.save()
}

// request asks AWS once. A table that is only read needs neither indexes, which take time, nor capacity of its own.
func (m *making) request(ctx context.Context) (*types.TableDescription, error) {
	if m.create != nil {
		out, err := m.to.account.client.CreateTable(ctx, m.create)
		if inUse := (*types.ResourceInUseException)(nil); errors.As(err, &inUse) { // which elsewhere means that it will pass
			return nil, &types.TableAlreadyExistsException{Message: inUse.Message}
		}
		if err != nil {
			return nil, err
		}
		return out.TableDescription, nil
	}
	var billing types.BillingMode
	var global []types.GlobalSecondaryIndex
	var local []types.LocalSecondaryIndex
	if m.bare {
		billing, global, local = types.BillingModePayPerRequest, []types.GlobalSecondaryIndex{}, []types.LocalSecondaryIndex{}
	}
	if !m.isPoint() {
		out, err := m.to.account.client.RestoreTableFromBackup(ctx, &dynamodb.RestoreTableFromBackupInput{
			BackupArn: aws.String(m.about.Backup), TargetTableName: aws.String(m.note.Name),
			BillingModeOverride: billing, GlobalSecondaryIndexOverride: global, LocalSecondaryIndexOverride: local,
		})
		if err != nil {
			return nil, err
		}
		return out.TableDescription, nil
	}
	in := &dynamodb.RestoreTableToPointInTimeInput{
		SourceTableName: aws.String(m.about.Table), TargetTableName: aws.String(m.note.Name),
		BillingModeOverride: billing, GlobalSecondaryIndexOverride: global, LocalSecondaryIndexOverride: local,
	}
	if m.at.IsZero() {
		in.UseLatestRestorableTime = aws.Bool(true)
	} else {
		in.RestoreDateTime = aws.Time(m.at)
	}
	out, err := m.to.account.client.RestoreTableToPointInTime(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.TableDescription, nil
}

// adopt takes a table that is there already, if it is the one that this run has asked for before and never heard of:
// lost says that there may be such a one.
func (m *making) adopt(ctx context.Context, lost bool) (*types.TableDescription, error) {
	d, err := m.to.ask(ctx)
	if err != nil {
		return nil, err
	}
	own := d.CreationDateTime != nil && d.CreationDateTime.After(m.note.Asked.Add(-skew))
	switch s := d.RestoreSummary; {
	case m.create != nil:
		own = own && lost && s == nil && isLike(d, m.create)
	case s == nil:
		own = false
	case m.isPoint():
		own = own && aws.ToString(s.SourceTableArn) == m.about.ARN
	default:
		own = own && aws.ToString(s.SourceBackupArn) == m.about.Backup
	}
	if !own {
		return nil, existsAlready(m.to)
	}
	return d, nil
}

// isLike reports whether a table has the keys and indexes that were asked for.
func isLike(d *types.TableDescription, asked *dynamodb.CreateTableInput) bool {
	names := func(in *dynamodb.CreateTableInput) (list []string) {
		for _, a := range in.AttributeDefinitions {
			list = append(list, "attribute "+aws.ToString(a.AttributeName)+" "+string(a.AttributeType))
		}
		for _, k := range in.KeySchema {
			list = append(list, "key "+aws.ToString(k.AttributeName)+" "+string(k.KeyType))
		}
		for _, g := range in.GlobalSecondaryIndexes {
			list = append(list, "index "+aws.ToString(g.IndexName))
		}
		for _, l := range in.LocalSecondaryIndexes {
			list = append(list, "index "+aws.ToString(l.IndexName))
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(names(creation(d, "")), names(asked))
}

func existsAlready(t *Table) error {
	return mismatch("name another", "table %q exists already in %s with %s", t.name, t.account.Region(), t.account)
}

// refusal explains why AWS does not restore.
func (m *making) refusal(ctx context.Context, err error) error {
	e := m.to.controlError(ctx, "restore to", err)
	known, ok := e.(*Error) //nolint:errorlint // only what has just been made
	if !ok {
		return e
	}
	switch {
	case errors.As(err, new(*types.InvalidRestoreTimeException)):
		known.Kind = Usage
	case errors.As(err, new(*types.LimitExceededException)):
		known.Hint = "AWS restores so many tables at once, and no more"
	case account.Classify(err) == account.Denied:
		known.Hint = "docs/iam/restore-aws.json has the permissions"
	}
	return known
}

// temporaryMark is in the names of temporary tables, so that a policy can allow to delete these and no others.
const temporaryMark = "-restore-"

// temporaryName is one that no other table has.
func temporaryName(table string, now time.Time, random uint32) string {
	stamp := fmt.Sprintf("%s%s-%08x", temporaryMark, now.UTC().Format("20060102T150405Z"), random)
	return table[:min(len(table), 255-len(stamp))] + stamp
}

// drop deletes the table that was made, and no other: it must have the name, the ARN and the TableId that the run has noted.
func (m *making) drop(ctx context.Context) error {
	if m.note.ID == "" || !strings.Contains(m.note.Name, temporaryMark) {
		return &Error{Failed, "", fmt.Errorf("table %q is not known to be a temporary one: it is left alone", m.note.Name)}
	}
	missing := (*types.ResourceNotFoundException)(nil)
	out, err := m.to.account.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(m.note.Name)})
	if err == nil {
		_, err = m.made(out.Table)
	}
	if err == nil {
		_, err = m.to.account.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(m.note.Name)})
	}
	switch e := (*Error)(nil); {
	case err == nil, errors.As(err, &missing):
		return nil
	case errors.As(err, &e):
		return err
	}
	return m.to.controlError(ctx, "delete the temporary table", err)
}
