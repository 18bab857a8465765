package sim

import (
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

const (
	// maxPage is DynamoDB's limit for a page, in bytes as it counts them.
	maxPage = 1 << 20
	// maxSegments is DynamoDB's limit for TotalSegments.
	maxSegments = 1_000_000
)

type scanInput struct {
	TableName                string
	IndexName                string
	FilterExpression         string
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
	ExclusiveStartKey        map[string]struct{ S string }
	Segment, TotalSegments   *int
	Limit                    int
	ConsistentRead           bool
	ReturnConsumedCapacity   string
	Select                   string
}

// scan answers one page.
func (s *Side) scan(r *request) answer {
	var in scanInput
	if err := json.Unmarshal(r.body, &in); err != nil {
		return s.refuse("SerializationException", err.Error())
	}
	if !s.isTable([]byte(in.TableName)) {
		return s.noTable()
	}
	keysOnly, problem := s.projection(in)
	from, end, reason := s.span(in)
	if problem += reason; problem != "" {
		return s.refuse("ValidationException", problem)
	}
	c := s.capacity.Load()
	if !s.target && !c.admit() {
		return s.throttle(tableLimit)
	}
	return s.page(in, from, end, keysOnly)
}

// projection says whether only keys are wanted, and what is wrong.
func (s *Side) projection(in scanInput) (keysOnly bool, problem string) {
	if in.IndexName != "" || in.FilterExpression != "" || in.Select == "COUNT" {
		return false, "indexes, filters and counts are not simulated"
	}
	if in.ProjectionExpression == "" {
		return false, ""
	}
	wanted := map[string]bool{"pk": true}
	if s.server.config.SortKey {
		wanted["sk"] = true
	}
	for name := range strings.SplitSeq(in.ProjectionExpression, ",") {
		name = strings.TrimSpace(name)
		if full, ok := in.ExpressionAttributeNames[name]; ok {
			name = full
		}
		if !wanted[name] {
			return false, "only projections of the key are simulated"
		}
		delete(wanted, name)
	}
	if len(wanted) > 0 {
		return false, "only projections of the whole key are simulated"
	}
	return true, ""
}

// span returns the positions that are left of the wanted segment. Segments are
// contiguous, so that the items are the same whatever their number.
func (s *Side) span(in scanInput) (from, end uint64, problem string) {
	segment, total := 0, 1
	if (in.Segment == nil) != (in.TotalSegments == nil) {
		return 0, 0, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
	}
	if in.Segment != nil {
		segment, total = *in.Segment, *in.TotalSegments
	}
	if total < 1 || total > maxSegments || segment < 0 || segment >= total {
		return 0, 0, "The Segment parameter must be zero-based and less than parameter TotalSegments"
	}
	places := s.server.places
	from, end = places*uint64(segment)/uint64(total), places*uint64(segment+1)/uint64(total)
	if in.ExclusiveStartKey == nil {
		return from, end, ""
	}
	place, known := s.server.items.keyPlace([]byte(in.ExclusiveStartKey["pk"].S), []byte(in.ExclusiveStartKey["sk"].S))
	at := s.order.position(place)
	if !known || at < from || at >= end {
		return 0, 0, "The provided starting key is invalid: Invalid ExclusiveStartKey. " +
			"Please use ExclusiveStartKey with correct Segment. TotalSegments: " + strconv.Itoa(total)
	}
	return at + 1, end, ""
}

// next returns the first position from one on at which this side has an item.
func (s *Side) next(at, end uint64) uint64 {
	if s.target && !s.order.shuffled() {
		return s.server.marks.next(at, end)
	}
	for at < end && !s.holds(s.order.place(at)) {
		at++
	}
	return at
}

// holds reports whether this side has an item at a place.
func (s *Side) holds(place uint64) bool {
	if s.target {
		present, _ := s.server.marks.has(place)
		return present
	}
	return s.server.config.Drift.Extra == 0 || !s.server.extra(place)
}

// page writes a page with its header's room.
func (s *Side) page(in scanInput, at, end uint64, keysOnly bool) answer {
	items := s.server.items
	limit := in.Limit
	if limit <= 0 {
		limit = math.MaxInt
	}
	b := s.buffer()
	b = append(b, `{"Items":[`...)
	var size, count int
	var last uint64
	full := false
	for at = s.next(at, end); at < end; at = s.next(at+1, end) {
		place := s.order.place(at)
		f := items.form(place)
		if size+f.size > maxPage || count == limit {
			full = true
			break
		}
		if count > 0 {
			b = append(b, ',')
		}
		if keysOnly {
			b = items.appendKey(b, place)
		} else {
			stale := false
			if s.target {
				_, stale = s.server.marks.has(place)
			}
			b = items.appendItem(b, place, stale)
		}
		size += f.size
		count++
		last = place
	}
	b = append(b, `],"Count":`...)
	b = strconv.AppendInt(b, int64(count), 10)
	b = append(b, `,"ScannedCount":`...)
	b = strconv.AppendInt(b, int64(count), 10)
	if full || count == limit {
		b = append(b, `,"LastEvaluatedKey":`...)
		b = items.appendKey(b, last)
	}
	units := max(1, math.Ceil(float64(size)/4096))
	if !in.ConsistentRead {
		units /= 2
	}
	if in.ReturnConsumedCapacity == "TOTAL" || in.ReturnConsumedCapacity == "INDEXES" {
		b = append(b, `,"ConsumedCapacity":`...)
		b = s.appendConsumed(b, units)
	}
	b = append(b, '}')
	if !s.target {
		s.capacity.Load().spend(units)
	}
	s.pagesOut.Add(1)
	s.itemsOut.Add(int64(count))
	s.bytesOut.Add(int64(len(b) - headroom))
	s.units.add(units)
	return answer{status: 200, page: b}
}

func (s *Side) appendConsumed(b []byte, units float64) []byte {
	b = append(b, `{"TableName":"`...)
	b = append(b, s.config.Table...)
	b = append(b, `","CapacityUnits":`...)
	b = strconv.AppendFloat(b, units, 'f', -1, 64)
	return append(b, '}')
}

// buffer returns room for a page, its header's part included.
func (s *Side) buffer() []byte {
	if b, ok := s.pages.Get().(*[]byte); ok {
		return (*b)[:headroom]
	}
	return make([]byte, headroom, maxPage*3/2)
}

func (s *Side) release(page []byte) {
	if page != nil {
		s.pages.Put(&page)
	}
}

// extra reports whether only the target has an item here. So many places are
// extra as was asked for, spread evenly.
func (s *Server) extra(place uint64) bool {
	return spread(place, s.places, uint64(s.config.Drift.Extra))
}

// spread picks exactly n of all places.
func spread(place, all, n uint64) bool {
	return product(place+1, n, all) != product(place, n, all)
}

// product is a*b/c without overflow, for a <= c.
func product(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	quotient, _ := bits.Div64(high, low, c)
	return quotient
}
