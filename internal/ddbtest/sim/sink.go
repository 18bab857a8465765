package sim

import (
	"errors"
	"strconv"
)

// batchWrite answers BatchWriteItem: it judges every write, applies those that
// there is capacity for and returns the others as they came.
func (s *Side) batchWrite(c *conn, r *request, fault faultKind, id uint64) answer {
	b := &c.batch
	err := s.server.items.parseBatch(r.body, b)
	switch {
	case errors.Is(err, errSyntax):
		return s.refuse("SerializationException", err.Error())
	case err != nil:
		return s.refuse("ValidationException", err.Error())
	case !s.target:
		s.written.Add(int64(len(b.writes)))
		return s.refuse("AccessDeniedException", "the source is not for writing")
	case !s.isTable(b.table):
		return s.noTable()
	case repeats(b.writes):
		return s.refuse("ValidationException", "Provided list of item keys contains duplicates")
	}
	if fault.spares(id) {
		return answer{status: 200, body: []byte(`{"UnprocessedItems":{}}`)}
	}
	taken, met := s.capacity.Load().write(b.writes, s.keyRange)
	if taken == 0 {
		return s.throttle(met)
	}
	units := s.apply(b.writes, fault)
	return s.batchAnswer(c, r.body, units, taken < len(b.writes))
}

// keyRange says in which key range a place lies.
func (s *Side) keyRange(place uint64) int {
	return int(product(min(place, s.server.places-1), uint64(s.config.Ranges), s.server.places))
}

// repeats reports whether a key occurs twice in a batch.
func repeats(writes []write) bool {
	for i := range writes {
		for j := range writes[:i] {
			if writes[i].known && writes[j].known && writes[i].place == writes[j].place {
				return true
			}
		}
	}
	return false
}

// apply stores and deletes, counts, and returns the units that it took.
func (s *Side) apply(writes []write, fault faultKind) (units float64) {
	var put, deleted, again, wrong, unknown, unacknowledged int64
	for i := range writes {
		w := &writes[i]
		if !w.take {
			continue
		}
		units += w.units
		if fault != noFault {
			unacknowledged++
		}
		if w.remove {
			deleted++
			if w.known && w.place < s.server.places {
				s.server.marks.remove(w.place)
			}
			continue
		}
		put++
		if !w.known || w.place >= s.server.places || s.server.config.Drift.Extra > 0 && s.server.extra(w.place) {
			unknown++
			continue
		}
		if !w.right {
			wrong++
		}
		if s.server.marks.put(w.place, w.right) {
			again++
		}
	}
	s.written.Add(put)
	s.deleted.Add(deleted)
	s.duplicates.Add(again)
	s.corrupt.Add(wrong)
	s.unknown.Add(unknown)
	s.unacknowledged.Add(unacknowledged)
	s.units.add(units)
	s.touch()
	return units
}

func (s *Side) batchAnswer(c *conn, body []byte, units float64, partly bool) answer {
	c.text = append(c.text[:0], `{"UnprocessedItems":{`...)
	b := c.text
	if partly {
		b = append(b, '"')
		b = append(b, c.batch.table...)
		b = append(b, `":[`...)
		first := true
		for _, w := range c.batch.writes {
			if w.take {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, body[w.from:w.to]...)
			s.unprocessed.Add(1)
		}
		b = append(b, ']')
	}
	b = append(b, '}')
	if c.batch.wantsUnits {
		b = append(b, `,"ConsumedCapacity":[`...)
		b = s.appendConsumed(b, units)
		b = append(b, ']')
	}
	b = append(b, '}')
	c.text = b
	return answer{status: 200, body: b}
}

// batchGet answers BatchGetItem, for as many keys as fit a page; the rest is
// unprocessed.
func (s *Side) batchGet(c *conn, r *request) answer {
	var table []byte
	var keys []write
	wantsUnits := false
	p := parser{b: r.body}
	err := p.object(func(name []byte) error {
		switch string(name) {
		case "RequestItems":
			return p.object(func(t []byte) error {
				table = t
				return p.object(func(member []byte) error {
					if string(member) != "Keys" {
						return p.skip()
					}
					return p.array(func() error {
						p.space()
						w := write{from: p.i}
						err := s.server.items.parseKey(&p, &w)
						w.to = p.i
						keys = append(keys, w)
						return err
					})
				})
			})
		case "ReturnConsumedCapacity":
			mode, err := p.text()
			wantsUnits = string(mode) != "NONE"
			return err
		}
		return p.skip()
	})
	switch {
	case err != nil:
		return s.refuse("SerializationException", err.Error())
	case !s.isTable(table):
		return s.noTable()
	case len(keys) == 0 || len(keys) > 100 || repeats(keys):
		return s.refuse("ValidationException", "Provided list of item keys is empty, too long or contains duplicates")
	}
	b := append(s.buffer(), `{"Responses":{`+strconv.Quote(string(table))+`:[`...)
	units, rest, found := 0.0, len(keys), 0
	for i, k := range keys {
		if len(b) > maxPage {
			rest = i
			break
		}
		units++
		if !k.known || k.place >= s.server.places || !s.holds(k.place) {
			continue
		}
		if found++; found > 1 {
			b = append(b, ',')
		}
		stale := false
		if s.target {
			_, stale = s.server.marks.has(k.place)
		}
		b = s.server.items.appendItem(b, k.place, stale)
	}
	b = append(b, `]},"UnprocessedKeys":{`...)
	if rest < len(keys) {
		b = append(b, strconv.Quote(string(table))+`:{"Keys":[`...)
		for i, k := range keys[rest:] {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, r.body[k.from:k.to]...)
		}
		b = append(b, `]}`...)
	}
	b = append(b, '}')
	if wantsUnits {
		b = append(b, `,"ConsumedCapacity":[`...)
		b = append(s.appendConsumed(b, units), ']')
	}
	s.itemsOut.Add(int64(found))
	return answer{status: 200, page: append(b, '}')}
}
