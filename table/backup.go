package table

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// backupLimit is how long a backup may take. AWS's are done within minutes, whatever the size.
const backupLimit = time.Hour

// backup makes an on-demand backup of the target, or goes on with the one that
// the run has asked for, and returns when it can be relied on.
func (c *copying) backup(ctx context.Context) error {
	if c.state.Backup == "" {
		asked := time.Now()
		arn, err := c.target.createBackup(ctx, c.plan.Target, "", asked)
		if err != nil {
			return err
		}
		c.state.Backup, c.state.BackupAt = arn, asked.UTC()
		if err := c.write(); err != nil {
			return err
		}
	}
	return c.target.waitForBackup(ctx, c.state.Backup, c.state.BackupAt, c.BackupSettle)
}

// createBackup asks for an on-demand backup and returns its ARN. An empty name
// is the table's and the time.
func (t *Table) createBackup(ctx context.Context, d Description, name string, asked time.Time) (string, error) {
	if name == "" {
		name = d.Table
		if stamp := asked.UTC().Format("-20060102T150405Z"); len(name)+len(stamp) <= 255 {
			name += stamp
		}
	}
	out, err := t.client.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: aws.String(t.name), BackupName: aws.String(name)})
	if err != nil {
		return "", t.backupError(ctx, "back up", err)
	}
	if out.BackupDetails == nil || out.BackupDetails.BackupArn == nil {
		return "", &Error{Failed, "", errors.New("back up " + d.Table + ": the answer names no backup")}
	}
	arn := *out.BackupDetails.BackupArn
	t.log.InfoContext(ctx, "backup begun", "table", d.Table, "backup", arn)
	return arn, nil
}

// waitForBackup returns when a backup can be relied on: it is AVAILABLE, and
// old enough that everything written before is in it.
func (t *Table) waitForBackup(ctx context.Context, arn string, asked time.Time, settle time.Duration) error {
	for {
		state, err := t.client.DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: aws.String(arn)})
		if err != nil {
			return t.backupError(ctx, "wait for the backup of", err)
		}
		status := types.BackupStatusDeleted
		if state.BackupDescription != nil && state.BackupDescription.BackupDetails != nil {
			status = state.BackupDescription.BackupDetails.BackupStatus
		}
		age := time.Since(asked)
		switch {
		case status == types.BackupStatusAvailable && age >= settle:
			return nil
		case status == types.BackupStatusDeleted:
			return refused("", "the backup %s was deleted before it could be relied on", arn)
		case age > max(backupLimit, settle):
			return refused("see: aws dynamodb describe-backup --backup-arn "+arn, "the backup %s is still %s after %s", arn, status, age.Round(time.Second))
		}
		wait := 2 * time.Second
		if status == types.BackupStatusAvailable {
			wait = min(wait, settle-age)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// backupError knows the endpoints that have no backups at all.
func (t *Table) backupError(ctx context.Context, doing string, err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented":
			return refused("to go on without one: --no-backup", "the endpoint of %s has no backups (%s)", t.side(), api.ErrorCode())
		}
	}
	return t.controlError(ctx, doing, err)
}
