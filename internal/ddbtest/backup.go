package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// backupOps are what moto answers in the engine's place, or the proxy with its help.
var backupOps = map[string]bool{
	"CreateBackup": true, "DescribeBackup": true, "ListBackups": true, "DeleteBackup": true,
	"DescribeContinuousBackups": true, "UpdateContinuousBackups": true, "RestoreTableFromBackup": true, "RestoreTableToPointInTime": true,
}

// answerBackup has moto answer. A backup's content is the engine's: the table
// is copied into moto first. moto takes the account from a header and the
// region from the signature, so its ARNs are right as they are.
func (p *Proxy) answerBackup(r *request) *answer {
	switch r.op {
	case "DescribeContinuousBackups", "UpdateContinuousBackups":
		return p.answerRecovery(r)
	case "RestoreTableFromBackup", "RestoreTableToPointInTime":
		return p.answerRestore(r)
	}
	var kept *backup
	if r.op == "CreateBackup" {
		var err error
		kept, err = p.account.mirror(p.account.world.ctx, r.table)
		if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
			return r.fail("TableNotFoundException", "Table not found: "+r.table)
		}
		if err != nil {
			return r.failStatus(http.StatusInternalServerError, "InternalServerError", err.Error())
		}
	}
	a := p.forward(r.http, p.account.world.moto.url, r.body)
	a.contentType = "application/x-amz-json-1.0"
	a.replaceBody(a.body)
	a.noCRC = false
	if kept != nil && a.status == http.StatusOK {
		p.account.restores.keep(memberString(member(a.body, "BackupDetails"), "BackupArn"), kept)
	}
	return a
}

// motoMost is what moto takes of an item: it counts numbers by their digits. Larger
// ones are left out of its copy.
const motoMost = 390_000

// mirror makes moto's table like the engine's, and keeps what a backup has of it.
func (a *Account) mirror(ctx context.Context, table string) (*backup, error) {
	name := aws.String(table)
	d, err := a.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if err != nil {
		return nil, err
	}
	kept, moto := &backup{shape: shapeOf(d.Table)}, a.BackupClient()
	if _, err := moto.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name}); err == nil {
		if _, err := moto.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name}); err != nil {
			return nil, fmt.Errorf("mirror table %s: %w", table, err)
		}
	}
	like := *kept.shape
	like.BillingMode, like.ProvisionedThroughput, like.GlobalSecondaryIndexes = types.BillingModePayPerRequest, nil, slices.Clone(like.GlobalSecondaryIndexes)
	for i := range like.GlobalSecondaryIndexes {
		like.GlobalSecondaryIndexes[i].ProvisionedThroughput = nil
	}
	if _, err := moto.CreateTable(ctx, &like); err != nil {
		return nil, fmt.Errorf("mirror table %s: %w", table, err)
	}
	var failed error
	items := func(yield func(Item) bool) {
		failed = scanAll(ctx, a.client, table, func(item Item) bool {
			kept.items = append(kept.items, item)
			return ItemSize(item) > motoMost || yield(item)
		})
	}
	err = fill(ctx, moto, table, items)
	return kept, errors.Join(err, failed)
}
