package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// backup makes an on-demand backup of the target, or goes on with the one that
// the run has asked for, and returns when it can be relied on.
func (c *copying) backup(ctx context.Context) error {
	if c.state.Backup == "" {
		asked := time.Now()
		arn, err := c.target.createBackup(ctx, c.plan.Target, "", asked)
		if e := (*Error)(nil); errors.Is(err, errNoBackups) && errors.As(err, &e) {
			e.Hint = "to go on without one: --no-backup"
		}
		if err != nil {
			return err
		}
		c.state.Backup, c.state.BackupAt = arn, asked.UTC()
		if err := c.write(); err != nil {
			return err
		}
	}
	return c.target.account.waitForBackup(ctx, c.state.Backup, c.state.BackupAt, c.BackupSettle)
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
	out, err := t.account.client.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: aws.String(t.name), BackupName: aws.String(name)})
	if err != nil {
		return "", t.account.backupError(ctx, fmt.Sprintf("back up %q", t.name), err)
	}
	arn := *out.BackupDetails.BackupArn
	t.account.log.InfoContext(ctx, "backup begun", "table", d.Table, "backup", arn)
	return arn, nil
}

// waitForBackup returns when a backup can be relied on: it is AVAILABLE, and
// old enough that everything written before is in it.
func (a *Account) waitForBackup(ctx context.Context, arn string, asked time.Time, settle time.Duration) error {
	for {
		if err := a.waitForAvailable(ctx, arn); err != nil {
			return err
		}
		young := settle - time.Since(asked)
		if young <= 0 {
			return nil
		}
		if err := pause(ctx, young); err != nil { // then it may be gone
			return err
		}
	}
}

func (a *Account) waitForAvailable(ctx context.Context, arn string) error {
	var status types.BackupStatus
	err := a.patience.Wait(ctx, longestLook, func() (state string, done bool, err error) {
		out, err := a.client.DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: aws.String(arn)})
		if err != nil {
			return "", false, a.backupError(ctx, "wait for the backup "+arn, err)
		}
		switch status = out.BackupDescription.BackupDetails.BackupStatus; status {
		case types.BackupStatusAvailable:
			return "", true, nil
		case types.BackupStatusDeleted:
			return "", false, refused("", "the backup %s was deleted before it could be relied on", arn)
		}
		return string(status), false, nil
	})
	return still(err, "the backup %s is still %s", arn, status)
}

// backupError explains an error about backups. There are endpoints that have none at all.
func (a *Account) backupError(ctx context.Context, doing string, err error) error {
	var missing *types.BackupNotFoundException
	switch {
	case errors.As(err, &missing):
		return noPast(mismatch("see: dynamo backup list", "%s with %s: there is no such backup", doing, a))
	case lacksBackups(err):
		return refused("", "the endpoint of %s %w (%w)", a, errNoBackups, brief(err))
	}
	return a.explain(ctx, doing, err)
}

var errNoBackups = errors.New("has no backups")

// lacksBackups reports whether the endpoint says that it does not know backups.
func lacksBackups(err error) bool { return account.Classify(err) == account.Unsupported }
