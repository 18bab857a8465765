package wire

import (
	"context"
	"strconv"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Expressions narrow what a Query or a Scan brings. Their texts name attributes
// #k0, #k1, … by their place in Names, and values :v0, :v1, … by their place in Values.
//
// A projection has to hold the table's primary key: a page whose items lack it
// is refused.
type Expressions struct {
	Filter     string
	Projection string
	Names      []string
	Values     [][]byte // DynamoDB JSON, as {"S":"a"}
}

// A Query asks for one page of the items under one partition key.
type Query struct {
	Index     string // to look in; "" for the table itself
	Condition string // on the keys, in the placeholders of Expressions
	Expressions
	From     item.Cursor // nil for the beginning
	Reverse  bool        // from the largest sort key down
	Eventual bool        // eventually consistent, at half the cost; a global index has nothing else
	Limit    int         // most items to look at, before the filter; 0 for as many as fit in 1 MB
	Attempt  int         // for the log, from 1
}

// Query fills page with the next page of what the condition selects. An empty
// page with a Next is not the end. On an error the page holds nothing to be used. The
// errors are [*Error] or the context's.
func (t *Table) Query(ctx context.Context, q Query, page *item.Page) error {
	return t.page(ctx, call{op: "Query", attempt: q.Attempt, body: t.queryBody(q)}, -1, q.From, page)
}

// queryBody has its members in the order that the typed client sends them.
func (t *Table) queryBody(q Query) []byte {
	b := q.begin(q.Eventual, q.From)
	b = member(b, "FilterExpression", q.Filter)
	b = member(b, "IndexName", q.Index)
	b = member(b, "KeyConditionExpression", q.Condition)
	if q.Limit > 0 {
		b = strconv.AppendInt(append(b, `,"Limit":`...), int64(q.Limit), 10)
	}
	b = member(b, "ProjectionExpression", q.Projection)
	b = append(b, `,"ReturnConsumedCapacity":"TOTAL"`...)
	if q.Reverse {
		b = append(b, `,"ScanIndexForward":false`...)
	}
	return append(append(append(b, `,"TableName":`...), t.quoted...), '}')
}

// begin is the part of a body that a Query and a Scan have alike.
func (e Expressions) begin(eventual bool, from item.Cursor) []byte {
	b := append(make([]byte, 0, 512+len(from)), `{"ConsistentRead":`...)
	b = strconv.AppendBool(b, !eventual)
	if from != nil {
		b = append(append(b, `,"ExclusiveStartKey":`...), from...)
	}
	if len(e.Names) > 0 {
		b = append(b, `,"ExpressionAttributeNames":`...)
		for i, name := range e.Names {
			b = append(strconv.AppendInt(append(b, opening(i)+`"#k`...), int64(i), 10), `":`...)
			b = append(b, quote(name)...)
		}
		b = append(b, '}')
	}
	if len(e.Values) > 0 {
		b = append(b, `,"ExpressionAttributeValues":`...)
		for i, value := range e.Values {
			b = append(strconv.AppendInt(append(b, opening(i)+`":v`...), int64(i), 10), `":`...)
			b = append(b, value...)
		}
		b = append(b, '}')
	}
	return b
}

// opening stands before the i-th member of an object.
func opening(i int) string {
	if i == 0 {
		return "{"
	}
	return ","
}

// member appends a text, if there is one.
func member(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return append(b, quote(text)...)
}
