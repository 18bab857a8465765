package ddbtest

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The proxy mends UpdateTable where Dynoxide 1.2.1 is not AWS. What was seen:
// an index's throughput is taken without an error and not kept; a switch to provisioned needs no
// throughput for the indexes; on demand the indexes still show theirs; BillingModeSummary goes
// away again, and never says when the table went on demand; a second change may
// follow at once. Here a table is UPDATING until the first DescribeTable has said so.

// capacities are what the engine does not keep of its tables, by TableId: a
// table that is made again starts anew.
type capacities struct {
	mu     sync.Mutex
	tables map[string]*capacity
}

type capacity struct {
	indexes  map[string]units
	onDemand time.Time // when it last went on demand; zero for never
	busy     bool      // UPDATING, until a DescribeTable has said so
}

type units struct{ read, write, decreases int64 }

func (c *capacities) of(id string) *capacity {
	if c.tables == nil {
		c.tables = map[string]*capacity{}
	}
	if c.tables[id] == nil {
		c.tables[id] = &capacity{indexes: map[string]units{}}
	}
	return c.tables[id]
}

// updateTable does what the engine does, and the rest.
func (p *Proxy) updateTable(r *request) *answer {
	d, err := p.account.client.DescribeTable(p.account.world.ctx, &dynamodb.DescribeTableInput{TableName: aws.String(r.table)})
	if err != nil { // the engine says it better
		return p.forward(r.http, p.account.engineURL, r.body)
	}
	c := &p.account.capacities
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.of(aws.ToString(d.Table.TableId))
	if own.busy {
		return r.fail("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: "+r.table)
	}
	asked := indexUpdates(r)
	if a := own.refuses(r, d.Table, asked); a != nil {
		return a
	}
	a := p.forward(r.http, p.account.engineURL, r.body)
	if a.status != http.StatusOK {
		return a
	}
	for name, u := range asked {
		before := own.index(d.Table, name)
		u.decreases = before.decreases
		if u.read < before.read || u.write < before.write {
			u.decreases++
		}
		own.indexes[name] = u
	}
	if memberString(r.body, "BillingMode") == "PAY_PER_REQUEST" && !onDemand(d.Table) {
		own.onDemand = time.Now()
		clear(own.indexes)
	}
	if len(asked) > 0 || member(r.body, "BillingMode") != nil || member(r.body, "ProvisionedThroughput") != nil {
		own.busy = true
	}
	a.replaceBody(withMember(a.body, "TableDescription", own.mend(member(a.body, "TableDescription"))))
	return a
}

// mendDescription makes what the engine says of a table what AWS would say.
func (p *Proxy) mendDescription(a *answer) {
	table := member(a.body, "Table")
	if a.status != http.StatusOK || table == nil {
		return
	}
	c := &p.account.capacities
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.of(memberString(table, "TableId"))
	a.replaceBody(withMember(a.body, "Table", p.account.restores.mend(own.mend(table), true)))
	own.busy = false
}

// refuses answers what AWS would not do.
func (c *capacity) refuses(r *request, t *types.TableDescription, asked map[string]units) *answer {
	mode, was := memberString(r.body, "BillingMode"), onDemand(t)
	for _, g := range t.GlobalSecondaryIndexes {
		name := aws.ToString(g.IndexName)
		u, named := asked[name]
		before := c.index(t, name)
		switch {
		case mode == "PROVISIONED" && was && !named:
			return r.fail("ValidationException", "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: "+name)
		case named && (mode == "PAY_PER_REQUEST" || mode == "" && was):
			return r.fail("ValidationException", "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits "+
				"can be specified for index: "+name+" when BillingMode is PAY_PER_REQUEST")
		case named && !was && u.read == before.read && u.write == before.write:
			return r.fail("ValidationException", "The provisioned throughput for the index "+name+" will not change. The requested value equals the current value.")
		case named && (u.read < 1 || u.write < 1):
			return r.fail("ValidationException", "1 validation error detected: Value '0' failed to satisfy constraint: Member must have value greater than or equal to 1")
		}
	}
	return nil
}

// index is what an index has now.
func (c *capacity) index(t *types.TableDescription, name string) units {
	if u, ok := c.indexes[name]; ok {
		return u
	}
	for _, g := range t.GlobalSecondaryIndexes {
		if aws.ToString(g.IndexName) == name && g.ProvisionedThroughput != nil && !onDemand(t) {
			return units{read: aws.ToInt64(g.ProvisionedThroughput.ReadCapacityUnits), write: aws.ToInt64(g.ProvisionedThroughput.WriteCapacityUnits)}
		}
	}
	return units{}
}

func onDemand(t *types.TableDescription) bool {
	return t.BillingModeSummary != nil && t.BillingModeSummary.BillingMode == types.BillingModePayPerRequest
}

// indexUpdates are the throughputs that an UpdateTable gives to indexes.
func indexUpdates(r *request) map[string]units {
	all := map[string]units{}
	for e := range elements(member(r.body, "GlobalSecondaryIndexUpdates")) {
		update := member(e, "Update")
		if throughput := member(update, "ProvisionedThroughput"); throughput != nil {
			read, _ := strconv.ParseInt(string(member(throughput, "ReadCapacityUnits")), 10, 64)
			write, _ := strconv.ParseInt(string(member(throughput, "WriteCapacityUnits")), 10, 64)
			all[memberString(update, "IndexName")] = units{read: read, write: write}
		}
	}
	return all
}

// mend rewrites a table's description.
func (c *capacity) mend(table []byte) []byte {
	payPerRequest := memberString(member(table, "BillingModeSummary"), "BillingMode") == "PAY_PER_REQUEST"
	switch {
	case payPerRequest:
		since := member(table, "CreationDateTime")
		if !c.onDemand.IsZero() {
			since = seconds(c.onDemand)
		}
		table = withMember(table, "BillingModeSummary", object{{"BillingMode", quote("PAY_PER_REQUEST")}, {"LastUpdateToPayPerRequestDateTime", since}}.json())
	case !c.onDemand.IsZero():
		table = withMember(table, "BillingModeSummary", object{{"BillingMode", quote("PROVISIONED")}, {"LastUpdateToPayPerRequestDateTime", seconds(c.onDemand)}}.json())
	}
	if c.busy {
		table = withMember(table, "TableStatus", quote("UPDATING"))
	}
	if member(table, "GlobalSecondaryIndexes") == nil {
		return table
	}
	var indexes [][]byte
	for index := range elements(member(table, "GlobalSecondaryIndexes")) {
		u, known := c.indexes[memberString(index, "IndexName")]
		if known || payPerRequest {
			index = withMember(index, "ProvisionedThroughput", u.json())
		}
		if known && c.busy {
			index = withMember(index, "IndexStatus", quote("UPDATING"))
		}
		indexes = append(indexes, index)
	}
	return withMember(table, "GlobalSecondaryIndexes", list("", indexes))
}

func (u units) json() []byte {
	return object{{"NumberOfDecreasesToday", strconv.AppendInt(nil, u.decreases, 10)},
		{"ReadCapacityUnits", strconv.AppendInt(nil, u.read, 10)}, {"WriteCapacityUnits", strconv.AppendInt(nil, u.write, 10)}}.json()
}

func seconds(t time.Time) []byte {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64)
}
