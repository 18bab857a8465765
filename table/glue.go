package table

import (
	"context"
	"errors"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/wire"
	"github.com/dynamo-cmdline/dynamo/item"
)

// This file is the one place where AWS and the engine meet.

const (
	sourceSide = "source"
	targetSide = "target"
)

type scanOptions struct {
	segments int // 0 for one scan without segments
	eventual bool
	keysOnly bool
	limit    int
	side     string
}

func (t *Table) plane(d Description) *wire.Table {
	return wire.New(t.account.client, t.name, d.Schema, wire.Settings{Log: t.account.log, UserAgent: t.account.agent})
}

// reader makes a source of the table.
func (t *Table) reader(d Description, o scanOptions) *reader {
	if o.side == "" {
		o.side = sourceSide
	}
	return &reader{t.plane(d), d.Schema, o}
}

type reader struct {
	table  *wire.Table
	schema item.Schema
	scanOptions
}

func (r *reader) Segments() int { return max(1, r.segments) }

func (r *reader) Read(ctx context.Context, segment int, from item.Cursor, attempt int, page *item.Page) error {
	return fault(r.side, r.table.Scan(ctx, wire.Scan{
		Segment: segment, Segments: r.segments, From: from,
		Eventual: r.eventual, KeysOnly: r.keysOnly, Limit: max(r.limit, page.Limit), Attempt: attempt,
	}, page))
}

// Distinct says that a scan never hands out a key twice.
func (r *reader) Distinct() {}

var _ copier.Distinct = (*reader)(nil)

// Cursor is where a scan goes on right after an item: with its primary key, as
// DynamoDB itself says it.
func (r *reader) Cursor(it item.Item) (item.Cursor, error) {
	found, err := item.Parse(it, r.schema)
	if err != nil {
		return nil, err
	}
	return item.Cursor(found.AppendKey(nil, r.schema)), nil
}

// writer makes a sink of the table.
func (t *Table) writer(d Description) *writer {
	return &writer{table: t.plane(d), spare: make(chan *wire.Scratch, 1024)} // at most one a worker
}

// A writer keeps its buffers for the next batch: a sync.Pool would give them
// up at each collection, and collections are frequent.
type writer struct {
	table *wire.Table
	spare chan *wire.Scratch
}

func (w *writer) Write(ctx context.Context, batch []item.Write, attempt int) (copier.Result, error) {
	var mem *wire.Scratch
	select {
	case mem = <-w.spare:
	default:
		mem = new(wire.Scratch)
	}
	done, err := w.table.BatchWrite(ctx, batch, attempt, mem)
	select {
	case w.spare <- mem:
	default:
	}
	if err != nil {
		return copier.Result{}, fault(targetSide, err)
	}
	return copier.Result{Unprocessed: done.Unprocessed, Units: done.Units, Throttled: reasons(done.Throttled)}, nil
}

func reasons(list []wire.Reason) []copier.Reason {
	var out []copier.Reason
	for _, r := range list {
		out = append(out, copier.Reason(r))
	}
	return out
}

var classes = map[wire.Kind]copier.Class{
	wire.Fatal: copier.Fatal, wire.Throttled: copier.Throttled, wire.Transient: copier.Transient,
	wire.Stale: copier.Stale, wire.Credentials: copier.Credentials, wire.Denied: copier.Denied,
	wire.State: copier.State, wire.Invalid: copier.Invalid, wire.TooLarge: copier.TooLarge,
}

// fault says an error of the wire in the engine's words.
func fault(side string, err error) error {
	e, ok := err.(*wire.Error) //nolint:errorlint // one inside another error is why the context ended: not this call's
	if !ok {
		return err
	}
	return &copier.Fault{
		Class: classes[e.Kind], Side: side, Garbled: e.Garbled, Late: e.Ambiguous, Slow: e.Slow,
		Reasons: reasons(e.Reasons), Err: err,
	}
}

// ownWords are AWS's own on why it refused, as the dead-letter file has them.
func ownWords(f *copier.Fault) string {
	e := (*wire.Error)(nil)
	if !errors.As(f.Err, &e) {
		return f.Err.Error()
	}
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}
