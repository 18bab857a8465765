package wire

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/dynamo-cmdline/dynamo/item"
)

// MaxGet is DynamoDB's limit of keys in one BatchGetItem request.
const MaxGet = 100

// maxGetReply bounds the answer to a BatchGetItem: 16 MB of data, of which a
// control character may take six bytes each.
const maxGetReply = 97 << 20

// A Got is what became of the keys that were asked for: each has its item in the
// page, or is unprocessed, or has no item in the table.
type Got struct {
	// ascending indexes of the keys that were not looked up; ask for them again
	Unprocessed []int
	Throttled   []Reason // why none was looked up, where the service said so
}

// BatchGet fills page with the items of up to 100 primary keys, no key twice, in
// any order. The keys are DynamoDB JSON, as {"pk":{"S":"a"}}. Being throttled altogether is no
// error: then all keys are unprocessed. On an error the page holds nothing to be used. The
// errors are [*Error], the context's, or what is wrong with the keys; of those nothing is sent.
func (t *Table) BatchGet(ctx context.Context, keys [][]byte, consistent bool, attempt int, page *item.Page) (Got, error) {
	page.Reset()
	sent, err := t.keySet(keys)
	if err != nil {
		return Got{}, err
	}
	var got Got
	c := call{op: "BatchGetItem", attempt: attempt, body: t.getBody(keys, consistent), most: maxGetReply}
	buf, err := t.do(ctx, c, page.Buf, func(reply []byte) (err error) {
		page.Buf = reply
		got, err = t.parseGot(page, sent)
		return err
	}, func() []slog.Attr {
		return []slog.Attr{slog.Int("keys", len(keys)), slog.Int("items", len(page.Items)), slog.Int("unprocessed", len(got.Unprocessed))}
	})
	page.Buf = buf
	if err != nil {
		page.Reset()
		if e, ok := err.(*Error); ok && e.Kind == Throttled { //nolint:errorlint // one inside another error is not this call's
			return Got{Unprocessed: all(len(keys)), Throttled: reasons(e)}, nil
		}
		return Got{}, err
	}
	return got, nil
}

// keySet maps the hash of each key to its index.
func (t *Table) keySet(keys [][]byte) (map[uint64]int, error) {
	if len(keys) == 0 || len(keys) > MaxGet {
		return nil, fmt.Errorf("%d keys: want 1 to %d", len(keys), MaxGet)
	}
	set := make(map[uint64]int, len(keys))
	for i, key := range keys {
		f, err := item.Parse(key, t.schema)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		hash, err := f.Hash(t.schema)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if _, ok := set[hash]; ok {
			return nil, fmt.Errorf("key %d stands there before", i)
		}
		set[hash] = i
	}
	return set, nil
}

func (t *Table) getBody(keys [][]byte, consistent bool) []byte {
	size := 256
	for _, key := range keys {
		size += len(key) + 1
	}
	b := append(append(make([]byte, 0, size), `{"RequestItems":{`...), t.quoted...)
	b = strconv.AppendBool(append(b, `:{"ConsistentRead":`...), consistent)
	b = append(b, `,"Keys":[`...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, key...)
	}
	return append(b, `]}},"ReturnConsumedCapacity":"TOTAL"}`...)
}

// parseGot finds items and unprocessed keys in page.Buf. Each must answer one
// of the keys that were sent, and none of them twice.
func (t *Table) parseGot(page *item.Page, sent map[uint64]int) (Got, error) {
	var got Got
	var seen [MaxGet]bool
	answers := func(key uint64) (int, error) {
		n, ok := sent[key]
		if !ok || seen[n] {
			return 0, &Error{Kind: Fatal, Code: "ForeignKey", Message: "the answer has an item or a key that was not asked for"}
		}
		seen[n] = true
		return n, nil
	}
	responses, listed, unprocessed := false, false, false
	err := members(page.Buf, func(s *item.Scanner, i int, name []byte) (int, error) {
		switch string(name) {
		case "Responses":
			if responses {
				return i, garbled("answer has Responses twice")
			}
			responses = true
			return s.Members(i, func(i int, _ []byte) (int, error) {
				listed = true
				before := len(page.Keys)
				i, err := t.parseItems(s, i, page)
				if err != nil {
					return i, err
				}
				for _, key := range page.Keys[before:] {
					if _, err := answers(key); err != nil {
						return i, err
					}
				}
				return i, nil
			})
		case "UnprocessedKeys":
			if unprocessed {
				return i, garbled("answer has UnprocessedKeys twice")
			}
			unprocessed = true
			return t.parseKeys(s, i, func(key uint64) error {
				n, err := answers(key)
				got.Unprocessed = append(got.Unprocessed, n)
				return err
			})
		case "ConsumedCapacity":
			return s.Elements(i, func(i int) (int, error) {
				units, i, err := capacity(s, i)
				page.Units += units
				return i, err
			})
		}
		return s.Any(i)
	})
	switch {
	case err != nil:
	case !responses:
		err = garbled("answer has no Responses")
	case !unprocessed:
		err = garbled("answer has no UnprocessedKeys")
	case !listed && len(got.Unprocessed) < len(sent):
		// A table whose items are not there has an empty list. Without one, nothing
		// says that the keys were looked up, and a delete may hang on it.
		err = garbled("answer has no list of items")
	}
	slices.Sort(got.Unprocessed)
	return got, err
}

// parseKeys reads {"table":{"Keys":[…]}}. The table may be named in any form.
func (t *Table) parseKeys(s *item.Scanner, i int, found func(key uint64) error) (int, error) {
	return s.Members(i, func(i int, _ []byte) (int, error) {
		return s.Members(i, func(i int, name []byte) (int, error) {
			if string(name) != "Keys" {
				return s.Any(i)
			}
			return s.Elements(i, func(i int) (int, error) {
				f, i, err := s.Item(i, t.schema)
				if err != nil {
					return i, err
				}
				key, err := f.Hash(t.schema)
				if err != nil {
					return i, err
				}
				return i, found(key)
			})
		})
	})
}
