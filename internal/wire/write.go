package wire

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/dynamo-cmdline/dynamo/item"
)

// DynamoDB's limits for BatchWriteItem.
const (
	MaxBatch     = 25       // writes in a request
	MaxBatchBody = 16 << 20 // bytes of body
)

// A Written is what became of a batch.
type Written struct {
	// ascending indexes of the writes that were not taken; they are fine, send them again
	Unprocessed []int
	Units       float64  // write capacity units consumed, indexes included
	Throttled   []Reason // why nothing was taken, where the service said so
}

// A Scratch is the memory of one writer. It must not be used by two calls at once.
type Scratch struct{ body, reply []byte }

// WriteSize is how many bytes of body the write takes.
func WriteSize(w item.Write) int { return len(w.Raw) + len(`{"DeleteRequest":{"Key":}},`) }

// BatchWrite sends up to 25 writes in one request. Being throttled altogether is
// no error: then all writes are unprocessed. The errors are [*Error] or the context's; after
// any error some of the writes may have been applied, or may be later.
func (t *Table) BatchWrite(ctx context.Context, writes []item.Write, attempt int, mem *Scratch) (Written, error) {
	if len(writes) == 0 || len(writes) > MaxBatch {
		return Written{}, fmt.Errorf("batch of %d writes: want 1 to %d", len(writes), MaxBatch)
	}
	mem.body = t.writeBody(mem.body[:0], writes)
	var done Written
	c := call{op: "BatchWriteItem", attempt: attempt, body: mem.body}
	reply, err := t.do(ctx, c, mem.reply[:0], func(reply []byte) (err error) {
		done, err = t.parseWritten(reply, writes)
		return err
	}, func() []slog.Attr {
		return []slog.Attr{slog.Int("writes", len(writes)), slog.Int("unprocessed", len(done.Unprocessed))}
	})
	mem.reply = reply
	if err != nil {
		// the transport may still be reading it
		mem.body = nil
		if e, ok := err.(*Error); ok && e.Kind == Throttled { //nolint:errorlint // one inside another error is not this call's
			return Written{Unprocessed: all(len(writes)), Throttled: reasons(e)}, nil
		}
		return Written{}, err
	}
	return done, nil
}

func reasons(e *Error) []Reason {
	if len(e.Reasons) == 0 {
		return []Reason{{Reason: e.Code}}
	}
	return e.Reasons
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func (t *Table) writeBody(b []byte, writes []item.Write) []byte {
	b = append(append(append(b, `{"RequestItems":{`...), t.quoted...), ":["...)
	for i, w := range writes {
		if i > 0 {
			b = append(b, ',')
		}
		if w.Delete {
			b = append(append(append(b, `{"DeleteRequest":{"Key":`...), w.Raw...), "}}"...)
		} else {
			b = append(append(append(b, `{"PutRequest":{"Item":`...), w.Raw...), "}}"...)
		}
	}
	return append(b, `]},"ReturnConsumedCapacity":"TOTAL"}`...)
}

func (t *Table) parseWritten(reply []byte, writes []item.Write) (Written, error) {
	var done Written
	found := false
	err := members(reply, func(s *item.Scanner, i int, name []byte) (next int, err error) {
		switch string(name) {
		case "UnprocessedItems":
			found = true
			return t.parseUnprocessed(s, i, writes, &done)
		case "ConsumedCapacity":
			return s.Elements(i, func(i int) (int, error) {
				units, i, err := capacity(s, i)
				done.Units += units
				return i, err
			})
		}
		return s.Any(i)
	})
	if err == nil && !found {
		err = garbled("answer has no UnprocessedItems")
	}
	slices.Sort(done.Unprocessed)
	return done, err
}

// parseUnprocessed reads {"table": [{"PutRequest": …}, …]}. The table may be
// named in any form; each write must be one that was sent.
func (t *Table) parseUnprocessed(s *item.Scanner, i int, writes []item.Write, done *Written) (int, error) {
	var seen [MaxBatch]bool
	return s.Members(i, func(i int, _ []byte) (int, error) {
		return s.Elements(i, func(i int) (int, error) {
			return s.Members(i, func(i int, request []byte) (int, error) {
				del := string(request) == "DeleteRequest"
				return s.Members(i, func(i int, _ []byte) (int, error) {
					f, i, err := s.Item(i, t.schema)
					if err != nil {
						return i, err
					}
					key, err := f.Hash(t.schema)
					if err != nil {
						return i, err
					}
					n := indexOf(writes, key, del)
					if n < 0 || seen[n] {
						return i, &Error{Kind: Fatal, Code: "ForeignUnprocessedItem", Message: "the answer hands back a write that was not sent", Ambiguous: true}
					}
					seen[n] = true
					done.Unprocessed = append(done.Unprocessed, n)
					return i, nil
				})
			})
		})
	})
}

func indexOf(writes []item.Write, key uint64, del bool) int {
	for i, w := range writes {
		if w.Key == key && w.Delete == del {
			return i
		}
	}
	return -1
}
