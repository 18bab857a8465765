package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// Query reads what q selects, every page to the end, and yields each item. An
// item may be used until the next one is asked for; [item.Item.Clone] keeps it. Nothing is read
// ahead of the loop but in a scan, and nothing goes on when the loop is left.
//
// An error is the last that it yields: an [*Error], of kind [Usage] where the query does
// not fit the table or DynamoDB refuses its expressions, or the context's cause.
func (t *Table) Query(ctx context.Context, q query.Query) iter.Seq2[item.Item, error] {
	return func(yield func(item.Item, error) bool) {
		plan, err := t.PlanQuery(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		plan.Read(ctx)(yield)
	}
}

// A QueryPlan is a query that fits its table.
type QueryPlan struct {
	Table     Description
	Selection query.Selection
	Items     int64    // in the table or index, as AWS last counted: what a scan reads
	Bytes     int64    // likewise
	Units     float64  // read capacity units that a scan of so many bytes takes
	Notes     []string // what whoever looks at the items should know

	table    *Table
	query    query.Query
	segments int
}

// PlanQuery describes the table and checks the query against it. It reads no
// item. The errors are an [*Error].
func (t *Table) PlanQuery(ctx context.Context, q query.Query) (*QueryPlan, error) {
	ctx = account.WithStall(ctx, q.Stall)
	if err := q.Check(); err != nil {
		return nil, queryError(err)
	}
	d, err := t.ready(ctx)
	if err != nil {
		return nil, err
	}
	p := &QueryPlan{Table: d, Items: d.Items, Bytes: d.Bytes, table: t, query: q}
	if p.Selection, err = q.Compile(queryTable(d)); err != nil {
		return nil, queryError(err)
	}
	if i := slices.IndexFunc(d.Indexes, func(i Index) bool { return i.Name == q.Index }); i >= 0 {
		p.Items, p.Bytes = d.Indexes[i].Items, d.Indexes[i].Bytes
	}
	p.Units = float64(p.Bytes) / 4096 // bytes that one unit reads, consistently
	if p.Selection.Eventual {
		p.Units /= 2
	}
	p.Notes = append(p.Notes, t.notices()...)
	if p.Selection.Lacking != "" {
		p.Notes = append(p.Notes, p.Selection.Lacking)
	}
	if p.Selection.Scan {
		p.segments = q.Segments
		if p.segments == 0 {
			p.segments = p.scanSegments()
		}
	}
	return p, nil
}

const (
	// segmentBytes is what a segment of a query's scan has at least: a few pages.
	segmentBytes = 8 << 20
	// scanReaders bounds the segments that a query reads at once, and with them
	// what is held in memory: a page each.
	scanReaders = 4
)

// scanSegments is one where the pages after the first few will not be wanted,
// else a power of two.
func (p *QueryPlan) scanSegments() int {
	if p.Selection.PageLimit() > 0 {
		return 1
	}
	return min(8*scanReaders, 1<<bits.Len(uint(p.Bytes/segmentBytes)))
}

// Read yields what the plan selects, as [Table.Query] does.
func (p *QueryPlan) Read(ctx context.Context) iter.Seq2[item.Item, error] {
	return func(yield func(item.Item, error) bool) {
		src := p.table.selected(p.Table, p.Selection, p.segments, "table")
		n := 0
		for page, err := range copier.Pages(ctx, src, copier.ReadOptions{Readers: scanReaders, Stall: p.query.Stall}) {
			if err != nil {
				yield(nil, p.table.readError(err))
				return
			}
			for _, it := range page.Items {
				shown, err := p.Selection.Show(it)
				if err != nil {
					yield(nil, err)
					return
				}
				if n++; !yield(shown, nil) || n == p.Selection.Limit {
					return
				}
			}
		}
	}
}

// queryTable is what the package query has to know.
func queryTable(d Description) query.Table {
	t := query.Table{Schema: d.Schema}
	for _, i := range d.Indexes {
		t.Indexes = append(t.Indexes, query.Index{
			Name: i.Name, Schema: i.Schema, Local: i.Local,
			All: i.Projection == string(types.ProjectionTypeAll), Attributes: i.Attributes,
		})
	}
	return t
}

// selected makes a source of what a selection selects. Its side is for errors.
func (t *Table) selected(d Description, s query.Selection, segments int, side string) copier.Source {
	return &selected{table: t.plane(d), Selection: s, segments: segments, side: side}
}

type selected struct {
	table *wire.Table
	query.Selection
	segments int // of a scan; 0 for one without segments
	side     string
}

func (s *selected) Segments() int { return max(1, s.segments) }

func (s *selected) Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error {
	limit := s.PageLimit()
	if page.Limit > 0 && (limit == 0 || page.Limit < limit) {
		limit = page.Limit // the engine's budget
	}
	e := wire.Expressions{Filter: s.Filter, Projection: s.Projection, Names: s.Names, Values: s.Values}
	if !s.Scan {
		return fault(s.side, s.table.Query(ctx, wire.Query{
			Index: s.Index, Condition: s.Condition, Expressions: e, From: from,
			Reverse: s.Reverse, Eventual: s.Eventual, Limit: limit, Attempt: attempt,
		}, page))
	}
	scan := wire.Scan{Index: s.Index, Expressions: e, From: from, Eventual: s.Eventual, Limit: limit, Attempt: attempt}
	if s.segments > 1 {
		scan.Segment, scan.Segments = segment, s.segments
	}
	return fault(s.side, s.table.Scan(ctx, scan, page))
}

// queryError makes a complaint of the package query one of ours.
func queryError(err error) error {
	var bad *query.Error
	if errors.As(err, &bad) {
		return &Error{Usage, bad.Hint, err}
	}
	return err
}

// readError explains why a query broke off.
func (t *Table) readError(err error) error {
	var f *copier.Fault
	if !errors.As(err, &f) {
		return err
	}
	e := t.account.faultError(f, f.Err)
	if f.Class == copier.Invalid {
		e.Kind = Usage // the keys were checked: what is left is the user's filter
		if strings.Contains(f.Err.Error(), "reserved keyword") {
			e.Hint = "in --filter write #n, and give --name '#n=attribute'"
		}
	}
	return e
}

// Unmarshal stores the item in what v points to: a map, or a struct whose
// fields have dynamodbav tags.
func Unmarshal(it item.Item, v any) error {
	attributes, err := attributevalue.UnmarshalMapJSON(it)
	if err != nil {
		return fmt.Errorf("unmarshal an item: %w", err)
	}
	if err := attributevalue.UnmarshalMap(attributes, v); err != nil {
		return fmt.Errorf("unmarshal an item: %w", err)
	}
	return nil
}
