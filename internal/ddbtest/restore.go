package ddbtest

import (
	"bytes"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The proxy restores tables into the engine: moto could not take the largest items. A
// backup's items are those that the table had at CreateBackup; whether there still is such a
// backup, moto says. Point-in-time recovery is the proxy's own, and keeps no past: whatever
// time is asked for, the items are those that the table has at the moment of the request. A
// test may change the table after that.
//
// As at AWS, a restored table is CREATING for a while, and until then knows no items; it has
// the keys, the indexes and the billing of its origin, but no tags, stream, TTL, auto
// scaling, recovery or protection.

// creatingFor is how many calls of DescribeTable find a restored table CREATING.
const creatingFor = 2

// restores are what the proxy knows of backups and restored tables beside moto and the engine.
type restores struct {
	mu       sync.Mutex
	backups  map[string]*backup   // by ARN
	tables   map[string]*restored // by name, while they exist
	recovery map[string]recovery  // point-in-time recovery, by TableId
}

// backup is what a backup has.
type backup struct {
	shape *dynamodb.CreateTableInput
	items []Item
}

// restored is a table that came from a backup or a point in time.
type restored struct {
	left    int // calls of DescribeTable that still find it CREATING
	summary object
}

// recovery is a table's point-in-time recovery.
type recovery struct {
	since time.Time // zero for off
	days  int
}

func (s *restores) keep(arn string, b *backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backups == nil {
		s.backups = map[string]*backup{}
	}
	s.backups[arn] = b
}

// forget drops what is known of a table that is made or deleted by others.
func (s *restores) forget(table string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tables, table)
}

// creating reports whether a table is still being restored.
func (s *restores) creating(table string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[table]
	return t != nil && t.left > 0
}

// mend makes a description that of a restored table, for as long as it is one.
func (s *restores) mend(table []byte, looks bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[memberString(table, "TableName")]
	if t == nil {
		return table
	}
	summary := append(object(nil), t.summary...)
	if t.left > 0 {
		table = withMember(withMember(table, "TableStatus", quote("CREATING")), "ItemCount", []byte("0"))
		if looks {
			t.left--
		}
	}
	summary = append(summary, pair{"RestoreInProgress", []byte(strconv.FormatBool(memberString(table, "TableStatus") == "CREATING"))})
	return withMember(table, "RestoreSummary", summary.json())
}

// unready refuses what AWS would not do with a table that is still being restored.
func (p *Proxy) unready(r *request) *answer {
	if r.table == "" || r.op == "DescribeTable" || !p.account.restores.creating(r.table) {
		return nil
	}
	if r.op == "DeleteTable" || r.op == "UpdateTable" {
		return r.fail("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being created: "+r.table)
	}
	return r.fail("ResourceNotFoundException", "Requested resource not found")
}

// nameOrigin finds the table that a restore is from: that is the one a fault or the log names.
func (r *request) nameOrigin() {
	switch r.op {
	case "RestoreTableFromBackup", "DescribeBackup", "DeleteBackup":
		_, name, _ := strings.Cut(memberString(r.body, "BackupArn"), ":table/")
		r.table, _, _ = strings.Cut(name, "/")
	case "RestoreTableToPointInTime":
		r.table = memberString(r.body, "SourceTableName")
		if arn := memberString(r.body, "SourceTableArn"); arn != "" {
			_, r.table, _ = strings.Cut(arn, ":table/")
		}
	}
}

// shapeOf is how a table would be made again.
func shapeOf(d *types.TableDescription) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: d.TableName, KeySchema: d.KeySchema, AttributeDefinitions: d.AttributeDefinitions,
		BillingMode: types.BillingModeProvisioned}
	throughput := func(p *types.ProvisionedThroughputDescription) *types.ProvisionedThroughput {
		if onDemand(d) || p == nil {
			return nil
		}
		return &types.ProvisionedThroughput{ReadCapacityUnits: p.ReadCapacityUnits, WriteCapacityUnits: p.WriteCapacityUnits}
	}
	if onDemand(d) {
		in.BillingMode = types.BillingModePayPerRequest
	}
	in.ProvisionedThroughput = throughput(d.ProvisionedThroughput)
	for _, x := range d.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection, ProvisionedThroughput: throughput(x.ProvisionedThroughput)})
	}
	for _, x := range d.LocalSecondaryIndexes {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes,
			types.LocalSecondaryIndex{IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection})
	}
	return in
}

// answerRestore does RestoreTableFromBackup and RestoreTableToPointInTime.
func (p *Proxy) answerRestore(r *request) *answer {
	ctx, a := p.account.world.ctx, p.account
	name := memberString(r.body, "TargetTableName")
	if _, err := a.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}); err == nil {
		return r.fail("TableAlreadyExistsException", "Table already exists: "+name)
	}
	summary := object{{"RestoreDateTime", seconds(time.Now())}, {"SourceTableArn", quote(a.TableARN(r.table))}}
	var failed error
	var shape *dynamodb.CreateTableInput
	var items iter.Seq[Item] = func(yield func(Item) bool) { failed = scanAll(ctx, a.client, r.table, yield) }
	if r.op == "RestoreTableFromBackup" {
		arn := memberString(r.body, "BackupArn")
		d, err := a.BackupClient().DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: aws.String(arn)})
		a.restores.mu.Lock()
		kept := a.restores.backups[arn]
		a.restores.mu.Unlock()
		if err != nil || kept == nil {
			return r.fail("BackupNotFoundException", "Backup not found: "+arn)
		}
		if d.BackupDescription.BackupDetails.BackupStatus != types.BackupStatusAvailable {
			return r.fail("BackupInUseException", "Backup is being created or deleted: "+arn)
		}
		summary = append(summary, pair{"SourceBackupArn", quote(arn)})
		shape, items = kept.shape, slices.Values(kept.items)
	} else {
		d, err := a.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(r.table)})
		if err != nil {
			return r.fail("TableNotFoundException", "Table not found: "+r.table)
		}
		if refusal := p.checkTime(r, aws.ToString(d.Table.TableId)); refusal != nil {
			return refusal
		}
		shape = shapeOf(d.Table)
	}
	made, err := a.client.CreateTable(ctx, overridden(r, shape, name))
	if err == nil {
		err = dynamodb.NewTableExistsWaiter(a.client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).
			Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, time.Minute)
	}
	if err == nil {
		err = fill(ctx, a.client, name, items)
		err = errors.Join(err, failed)
	}
	if err != nil {
		return r.failStatus(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	a.schemas.forget(name)
	a.restores.mu.Lock()
	if a.restores.tables == nil {
		a.restores.tables = map[string]*restored{}
	}
	a.restores.tables[name] = &restored{left: creatingFor, summary: summary}
	a.restores.mu.Unlock()
	id := aws.ToString(made.TableDescription.TableId)
	description := object{{"TableName", quote(name)}, {"TableId", quote(id)}, {"TableArn", quote(a.TableARN(name))}, {"TableStatus", quote("CREATING")}}
	return jsonAnswer(http.StatusOK, object{{"TableDescription", a.restores.mend(description.json(), false)}}.json())
}

// overridden is the shape of the new table, with what the request wants otherwise.
func overridden(r *request, shape *dynamodb.CreateTableInput, name string) *dynamodb.CreateTableInput {
	in := *shape
	in.TableName = aws.String(name)
	if mode := memberString(r.body, "BillingModeOverride"); mode != "" {
		in.BillingMode = types.BillingMode(mode)
	}
	if v := member(r.body, "GlobalSecondaryIndexOverride"); bytes.Equal(v, []byte("[]")) {
		in.GlobalSecondaryIndexes = nil
	}
	if v := member(r.body, "LocalSecondaryIndexOverride"); bytes.Equal(v, []byte("[]")) {
		in.LocalSecondaryIndexes = nil
	}
	if in.BillingMode == types.BillingModePayPerRequest {
		in.ProvisionedThroughput = nil
		in.GlobalSecondaryIndexes = append([]types.GlobalSecondaryIndex(nil), in.GlobalSecondaryIndexes...)
		for i := range in.GlobalSecondaryIndexes {
			in.GlobalSecondaryIndexes[i].ProvisionedThroughput = nil
		}
	}
	used := map[string]bool{}
	note := func(keys []types.KeySchemaElement) {
		for _, k := range keys {
			used[aws.ToString(k.AttributeName)] = true
		}
	}
	note(in.KeySchema)
	for _, x := range in.GlobalSecondaryIndexes {
		note(x.KeySchema)
	}
	for _, x := range in.LocalSecondaryIndexes {
		note(x.KeySchema)
	}
	in.AttributeDefinitions = nil
	for _, d := range shape.AttributeDefinitions {
		if used[aws.ToString(d.AttributeName)] {
			in.AttributeDefinitions = append(in.AttributeDefinitions, d)
		}
	}
	return &in
}

// answerRecovery switches point-in-time recovery, and says what it is.
func (p *Proxy) answerRecovery(r *request) *answer {
	d, err := p.account.client.DescribeTable(p.account.world.ctx, &dynamodb.DescribeTableInput{TableName: aws.String(r.table)})
	if err != nil {
		return r.fail("TableNotFoundException", "Table not found: "+r.table)
	}
	s := &p.account.restores
	s.mu.Lock()
	defer s.mu.Unlock()
	id := aws.ToString(d.Table.TableId)
	now := s.recovery[id]
	if r.op == "UpdateContinuousBackups" {
		want := member(r.body, "PointInTimeRecoverySpecification")
		switch on := string(member(want, "PointInTimeRecoveryEnabled")); {
		case on != "true":
			now = recovery{}
		case now.since.IsZero():
			now = recovery{since: time.Now(), days: 35}
		}
		if days, err := strconv.Atoi(string(member(want, "RecoveryPeriodInDays"))); err == nil && !now.since.IsZero() {
			now.days = days
		}
		if s.recovery == nil {
			s.recovery = map[string]recovery{}
		}
		s.recovery[id] = now
	}
	point := object{{"PointInTimeRecoveryStatus", quote("DISABLED")}}
	if !now.since.IsZero() {
		point = object{{"PointInTimeRecoveryStatus", quote("ENABLED")}, {"RecoveryPeriodInDays", strconv.AppendInt(nil, int64(now.days), 10)},
			{"EarliestRestorableDateTime", seconds(now.since)}, {"LatestRestorableDateTime", seconds(time.Now())}}
	}
	return jsonAnswer(http.StatusOK, object{{"ContinuousBackupsDescription", object{
		{"ContinuousBackupsStatus", quote("ENABLED")}, {"PointInTimeRecoveryDescription", point.json()},
	}.json()}}.json())
}

// checkTime refuses a point in time that cannot be restored.
func (p *Proxy) checkTime(r *request, id string) *answer {
	s := &p.account.restores
	s.mu.Lock()
	now := s.recovery[id]
	s.mu.Unlock()
	if now.since.IsZero() {
		return r.fail("PointInTimeRecoveryUnavailableException", "Point in time recovery is not enabled for table '"+r.table+"'")
	}
	if string(member(r.body, "UseLatestRestorableTime")) == "true" {
		return nil
	}
	at, err := strconv.ParseFloat(string(member(r.body, "RestoreDateTime")), 64)
	if err != nil {
		return r.fail("ValidationException", "Either RestoreDateTime or UseLatestRestorableTime must be specified")
	}
	// To the second, as people write it.
	if at < float64(now.since.Unix()) || at > float64(time.Now().Unix()+1) {
		return r.fail("InvalidRestoreTimeException", "Requested time is not within the restorable range")
	}
	return nil
}
