package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// backupOps are what moto answers in the engine's place.
var backupOps = map[string]bool{
	"CreateBackup": true, "DescribeBackup": true, "ListBackups": true, "DeleteBackup": true, "DescribeContinuousBackups": true,
}

// answerBackup has moto answer. A backup's content is the engine's: the table
// is copied into moto first. moto takes the account from a header and the
// region from the signature, so its ARNs are right as they are.
func (p *Proxy) answerBackup(r *request) *answer {
	if r.op == "CreateBackup" || r.op == "DescribeContinuousBackups" {
		err := p.account.mirror(p.account.world.ctx, r.table, r.op == "CreateBackup")
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
	return a
}

// mirror makes moto's table like the engine's, with or without its items.
func (a *Account) mirror(ctx context.Context, table string, withItems bool) error {
	name := aws.String(table)
	d, err := a.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if err != nil {
		return err
	}
	moto := a.BackupClient()
	_, err = moto.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if err == nil && !withItems {
		return nil
	}
	if err == nil {
		if _, err := moto.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name}); err != nil {
			return fmt.Errorf("mirror table %s: %w", table, err)
		}
	}
	in := &dynamodb.CreateTableInput{TableName: name, KeySchema: d.Table.KeySchema, AttributeDefinitions: d.Table.AttributeDefinitions,
		BillingMode: types.BillingModePayPerRequest}
	for _, x := range d.Table.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes,
			types.GlobalSecondaryIndex{IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection})
	}
	for _, x := range d.Table.LocalSecondaryIndexes {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes,
			types.LocalSecondaryIndex{IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection})
	}
	if _, err := moto.CreateTable(ctx, in); err != nil {
		return fmt.Errorf("mirror table %s: %w", table, err)
	}
	if !withItems {
		return nil
	}
	var failed error
	items := func(yield func(Item) bool) { failed = scanAll(ctx, a.client, table, yield) }
	return errors.Join(fill(ctx, moto, table, items), failed)
}
