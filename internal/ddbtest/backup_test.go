package ddbtest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestBackupHoldsTheEnginesItems(t *testing.T) {
	w := Start(t, WithMoto())
	for _, a := range []*Account{w.Account("prod"), w.Account("dev")} {
		table := Table{Name: "orders", Partition: S("pk"), Sort: N("sk"), Indexes: []Index{{Name: "by-city", Partition: S("city")}}}
		create(t, a, table)
		put(t, a, "orders", Item{"pk": str("a"), "sk": num("1"), "from": str(a.Name)}, Item{"pk": str("b"), "sk": num("2")})
		c := a.ProxyClient()
		if _, err := c.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String("orders")}); err != nil {
			t.Fatal(err)
		}
		made, err := c.CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String("orders"), BackupName: aws.String("before")})
		if err != nil {
			t.Fatal(err)
		}
		arn := made.BackupDetails.BackupArn
		if want := a.TableARN("orders/backup/"); len(*arn) < len(want) || (*arn)[:len(want)] != want {
			t.Errorf("backup %s, want it below %s", *arn, want)
		}
		d, err := c.DescribeBackup(t.Context(), &dynamodb.DescribeBackupInput{BackupArn: arn})
		if err != nil || d.BackupDescription.BackupDetails.BackupStatus != types.BackupStatusAvailable {
			t.Errorf("describe: %v, %v", d, err)
		}
		put(t, a, "orders", Item{"pk": str("later"), "sk": num("3")})
		_, err = a.BackupClient().RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: arn, TargetTableName: aws.String("restored")})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Diff(t.Context(), a.Client(), a.BackupClient(), "orders", "restored")
		if err != nil || r.Equal != 2 || len(r.OnlyA) != 1 || len(r.OnlyB)+len(r.Differ) != 0 {
			t.Errorf("backup against table: %s, %v", r, err)
		}
		all, err := c.ListBackups(t.Context(), &dynamodb.ListBackupsInput{TableName: aws.String("orders")})
		if err != nil || len(all.BackupSummaries) != 1 {
			t.Errorf("list: %v, %v", all, err)
		}
		if _, err := c.DeleteBackup(t.Context(), &dynamodb.DeleteBackupInput{BackupArn: arn}); err != nil {
			t.Error(err)
		}
		_, err = c.CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String("missing"), BackupName: aws.String("none")})
		requireError(t, err, "TableNotFoundException")
	}
}

func TestBackupsAreUnknownWithoutMoto(t *testing.T) {
	a := stage(t, 0)
	_, err := a.ProxyClient().CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String("orders"), BackupName: aws.String("before")})
	requireError(t, err, "UnknownOperationException")
}
