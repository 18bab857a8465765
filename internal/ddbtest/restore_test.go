package ddbtest

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// restoredTable waits for a restored table as a client would, and says what it is.
func restoredTable(t *testing.T, c *dynamodb.Client, name string) *types.TableDescription {
	t.Helper()
	for looks := 0; looks < 10; looks++ {
		d, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		if d.Table.TableStatus == types.TableStatusActive {
			if looks != creatingFor {
				t.Errorf("ACTIVE after %d looks", looks)
			}
			return d.Table
		}
		if !aws.ToBool(d.Table.RestoreSummary.RestoreInProgress) {
			t.Error("CREATING, and no restore in progress")
		}
	}
	t.Fatal("never ACTIVE")
	return nil
}

func TestRestoreFromBackup(t *testing.T) {
	w := Start(t, WithMoto())
	a := w.Account("dev")
	shape := Table{Name: "orders", Partition: S("pk"), Sort: N("sk"), ReadUnits: 7, WriteUnits: 5,
		Indexes: []Index{{Name: "by-city", Partition: S("city")}, {Name: "by-time", Local: true, Partition: S("pk"), Sort: S("time")}}}
	create(t, a, shape)
	if err := a.Fill(t.Context(), "orders", EdgeItems(shape, 150, 1)); err != nil {
		t.Fatal(err)
	}
	c := a.ProxyClient()
	made, err := c.CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String("orders"), BackupName: aws.String("before")})
	if err != nil {
		t.Fatal(err)
	}
	backup := made.BackupDetails.BackupArn
	if _, err := c.RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: backup, TargetTableName: aws.String("whole")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("whole")})
	requireError(t, err, "ResourceInUseException")
	_, err = c.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("whole")})
	requireError(t, err, "ResourceNotFoundException")
	d := restoredTable(t, c, "whole")
	own, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(d.TableArn) != a.TableARN("whole") || aws.ToString(d.TableId) == aws.ToString(own.Table.TableId) || len(d.GlobalSecondaryIndexes) != 1 ||
		len(d.LocalSecondaryIndexes) != 1 || aws.ToInt64(d.ProvisionedThroughput.ReadCapacityUnits) != 7 || aws.ToString(d.RestoreSummary.SourceBackupArn) != aws.ToString(backup) {
		t.Errorf("%+v", d)
	}
	RequireEqual(t, a.Client(), a.Client(), "orders", "whole")

	_, err = c.RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: backup, TargetTableName: aws.String("bare"),
		BillingModeOverride: types.BillingModePayPerRequest, GlobalSecondaryIndexOverride: []types.GlobalSecondaryIndex{}, LocalSecondaryIndexOverride: []types.LocalSecondaryIndex{}})
	if err != nil {
		t.Fatal(err)
	}
	if d := restoredTable(t, c, "bare"); len(d.GlobalSecondaryIndexes)+len(d.LocalSecondaryIndexes) != 0 || !onDemand(d) {
		t.Errorf("%+v", d)
	}
	RequireEqual(t, a.Client(), a.Client(), "orders", "bare")

	_, err = c.RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: backup, TargetTableName: aws.String("whole")})
	requireError(t, err, "TableAlreadyExistsException")
	_, err = c.RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: aws.String(a.TableARN("orders/backup/none")), TargetTableName: aws.String("other")})
	requireError(t, err, "BackupNotFoundException")
}

func TestRestoreToPointInTime(t *testing.T) {
	w := Start(t, WithMoto())
	a := w.Account("dev")
	shape := Table{Name: "orders", Partition: S("pk")}
	create(t, a, shape)
	put(t, a, "orders", Item{"pk": str("a")})
	c, name := a.ProxyClient(), aws.String("orders")
	restore := func(to string, at *time.Time) error {
		_, err := c.RestoreTableToPointInTime(t.Context(), &dynamodb.RestoreTableToPointInTimeInput{SourceTableName: name, TargetTableName: aws.String(to),
			RestoreDateTime: at, UseLatestRestorableTime: aws.Bool(at == nil)})
		return err
	}
	requireError(t, restore("later", nil), "PointInTimeRecoveryUnavailableException")
	on, err := c.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: name,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true), RecoveryPeriodInDays: aws.Int32(7)}})
	if err != nil {
		t.Fatal(err)
	}
	if p := on.ContinuousBackupsDescription.PointInTimeRecoveryDescription; p.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled || aws.ToInt32(p.RecoveryPeriodInDays) != 7 {
		t.Errorf("%+v", p)
	}
	requireError(t, restore("later", aws.Time(time.Now().Add(-time.Hour))), "InvalidRestoreTimeException")
	requireError(t, restore("later", aws.Time(time.Now().Add(time.Hour))), "InvalidRestoreTimeException")
	for to, at := range map[string]*time.Time{"latest": nil, "now": aws.Time(time.Now())} {
		if err := restore(to, at); err != nil {
			t.Fatal(err)
		}
		restoredTable(t, c, to)
		RequireEqual(t, a.Client(), a.Client(), "orders", to)
		off, err := c.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(to)})
		if err != nil || off.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusDisabled {
			t.Errorf("the restored table: %+v, %v", off, err)
		}
	}
	_, err = c.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String("missing"),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	requireError(t, err, "TableNotFoundException")
}
