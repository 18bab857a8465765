package table

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// A Backup is one of AWS's backups of a table.
type Backup struct {
	Table   string    `json:"table"`
	Name    string    `json:"name"`
	ARN     string    `json:"backup"`
	Status  string    `json:"status"` // CREATING, AVAILABLE or DELETED
	Type    string    `json:"type"`   // USER, SYSTEM or AWS_BACKUP
	Made    time.Time `json:"made,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero for never
	Bytes   int64     `json:"bytes"`
}

// BackupOptions choose how to back a table up. The zero value works.
type BackupOptions struct {
	Name  string      // 3 to 255 of a-z A-Z 0-9 _ . -; "" means the table's and the time, as orders-20261120T101112Z
	Watch func(Phase) // told when the waiting begins; nil for none
}

// Backup makes an AWS on-demand backup of the table and returns when it is AVAILABLE. AWS
// guarantees its content to a minute: writes shortly before or after may or may not be in it. After an
// error the Backup says what is known of one that was asked for. The errors are an [*Error], or the context's cause.
func (t *Table) Backup(ctx context.Context, o BackupOptions) (Backup, error) {
	if o.Name != "" {
		if err := checkName(o.Name); err != nil {
			return Backup{}, usage("a backup's name has 3 to 255 of the characters a-z A-Z 0-9 _ . -", "%q is not a backup's name", o.Name)
		}
	}
	d, err := t.ready(ctx)
	if err != nil {
		return Backup{}, err
	}
	asked := time.Now()
	b := Backup{Table: d.Table, Status: string(types.BackupStatusCreating)}
	if b.ARN, err = t.createBackup(ctx, d, o.Name, asked); err != nil {
		return b, err
	}
	if o.Watch != nil {
		o.Watch(Phase{Name: phaseBackup})
	}
	if err := t.account.waitForBackup(ctx, b.ARN, asked, 0); err != nil {
		return b, err
	}
	return t.account.describeBackup(ctx, b.ARN)
}

// describeBackup asks AWS about a backup.
func (a *Account) describeBackup(ctx context.Context, name string) (Backup, error) {
	out, err := a.client.DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: aws.String(name)})
	if err != nil {
		return Backup{ARN: name}, a.backupError(ctx, "describe the backup "+name, err)
	}
	d := out.BackupDescription.BackupDetails
	b := Backup{
		Name: aws.ToString(d.BackupName), ARN: name, Status: string(d.BackupStatus), Type: string(d.BackupType),
		Made: aws.ToTime(d.BackupCreationDateTime), Expires: aws.ToTime(d.BackupExpiryDateTime), Bytes: aws.ToInt64(d.BackupSizeBytes),
	}
	if s := out.BackupDescription.SourceTableDetails; s != nil {
		b.Table = aws.ToString(s.TableName)
	}
	return b, nil
}

// Backups lists AWS's backups of all types, in the order that AWS has them in: those of the named table, which may be
// gone, or with "" those of all tables in the account and region. The errors are an [*Error], or the context's cause.
func (a *Account) Backups(ctx context.Context, table string) ([]Backup, error) {
	list, err := a.listBackups(ctx, table)
	if err != nil {
		return nil, a.backupError(ctx, strings.TrimSuffix("list the backups of "+table, " of "), err)
	}
	return list, nil
}

func (a *Account) listBackups(ctx context.Context, table string) ([]Backup, error) {
	in := &dynamodb.ListBackupsInput{BackupType: types.BackupTypeFilterAll}
	if table != "" {
		in.TableName = aws.String(table)
	}
	list := []Backup{}
	err := account.Pages(func(token string) (string, error) {
		if token != "" {
			in.ExclusiveStartBackupArn = aws.String(token)
		}
		out, err := a.client.ListBackups(ctx, in)
		if err != nil {
			return "", err
		}
		for _, s := range out.BackupSummaries { // a page may be empty
			list = append(list, Backup{
				Table: aws.ToString(s.TableName), Name: aws.ToString(s.BackupName), ARN: aws.ToString(s.BackupArn),
				Status: string(s.BackupStatus), Type: string(s.BackupType),
				Made: aws.ToTime(s.BackupCreationDateTime), Expires: aws.ToTime(s.BackupExpiryDateTime), Bytes: aws.ToInt64(s.BackupSizeBytes),
			})
		}
		return aws.ToString(out.LastEvaluatedBackupArn), nil
	})
	return list, err
}

// DeleteBackup deletes an AWS backup for good, by its ARN, once confirm has seen what it is and returned no
// error; nil confirms. The errors are an [*Error], what confirm returned, or the context's cause.
func (a *Account) DeleteBackup(ctx context.Context, name string, confirm func(Backup) error) (Backup, error) {
	if _, err := arn.Parse(name); err != nil {
		return Backup{}, usage("see: dynamo backup list", "%q is not the ARN of a backup", name)
	}
	b, err := a.describeBackup(ctx, name)
	if err != nil {
		return b, err
	}
	if b.Status == string(types.BackupStatusDeleted) {
		return b, mismatch("see: dynamo backup list", "the backup %s is deleted already", name)
	}
	if confirm != nil {
		if err := confirm(b); err != nil {
			return b, err
		}
	}
	if _, err := a.client.DeleteBackup(ctx, &dynamodb.DeleteBackupInput{BackupArn: aws.String(name)}); err != nil {
		return b, a.backupError(ctx, "delete the backup "+name, err)
	}
	b.Status = string(types.BackupStatusDeleted)
	return b, nil
}
