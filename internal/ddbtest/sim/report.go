package sim

import (
	"encoding/json"
	"math"
	"sync/atomic"
	"time"
)

// A Report is what happened since the start or the last reset.
type Report struct {
	Items int64 `json:"items"` // in the source

	// The target as it is now. Right+Wrong+Missing = Items.
	Right   int64 `json:"right"`   // the source's items, byte for byte
	Wrong   int64 `json:"wrong"`   // items with the source's key and another content
	Missing int64 `json:"missing"` // the source's items that are not there
	Extra   int64 `json:"extra"`   // items that only the target has

	Source     SideReport `json:"source"`
	Target     SideReport `json:"target"`
	CPUSeconds float64    `json:"cpu_seconds"` // of the whole process, from its start
	ItemBytes  float64    `json:"item_bytes"`  // JSON of an average item
}

// A SideReport counts one account's requests. The puts that were applied are
// Written; each of them is right, or one of Corrupt and Unknown.
type SideReport struct {
	Requests    int64            `json:"requests"`
	Connections int64            `json:"connections"`
	Throttled   int64            `json:"throttled"` // whole requests
	Refused     int64            `json:"refused"`   // requests with an error that is the client's
	BytesIn     int64            `json:"bytes_in"`
	BytesOut    int64            `json:"bytes_out"` // of pages
	Pages       int64            `json:"pages"`
	ItemsOut    int64            `json:"items_out"`
	Units       float64          `json:"units"`
	Faults      map[string]int64 `json:"faults,omitempty"`

	Written        int64   `json:"written"`
	Deleted        int64   `json:"deleted"`    // delete requests
	Duplicates     int64   `json:"duplicates"` // puts of a key that was there
	Corrupt        int64   `json:"corrupt"`    // puts of something else under a key that is ours
	Unknown        int64   `json:"unknown"`    // puts of a key that the source does not have
	Unprocessed    int64   `json:"unprocessed"`
	Unacknowledged int64   `json:"unacknowledged"` // applied writes whose answer was spoilt
	WriteSeconds   float64 `json:"write_seconds"`  // from the first write to the last
}

type counters struct {
	requests                                               atomic.Uint64
	connections, throttled, refused                        atomic.Int64
	bytesIn, bytesOut, pagesOut, itemsOut                  atomic.Int64
	written, deleted, duplicates, corrupt, unknown         atomic.Int64
	unprocessed, unacknowledged, firstWrite, lastWriteNano atomic.Int64
	units                                                  sum
	faults                                                 [faultBraces + 1]atomic.Int64
}

// A sum is a float64 that many may add to.
type sum struct{ bits atomic.Uint64 }

func (s *sum) add(v float64) {
	for {
		old := s.bits.Load()
		if s.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (c *counters) touch() {
	now := time.Now().UnixNano()
	c.firstWrite.CompareAndSwap(0, now)
	c.lastWriteNano.Store(now)
}

// Report says what happened. It looks through all marks: not for a hot loop.
func (s *Server) Report() Report {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	present, wrong := s.marks.count()
	var extra int64
	if n := s.config.Drift.Extra; n > 0 {
		for place := s.marks.next(0, s.places); place < s.places; place = s.marks.next(place+1, s.places) {
			if s.extra(place) {
				extra++
			}
		}
	}
	return Report{
		Items: s.config.Items, Right: present - wrong - extra, Wrong: wrong, Extra: extra,
		Missing: s.config.Items - (present - extra),
		Source:  s.Source.report(), Target: s.Target.report(),
		CPUSeconds: cpuSeconds(), ItemBytes: s.items.average,
	}
}

func (c *counters) report() SideReport {
	r := SideReport{
		Requests: int64(c.requests.Load()), Connections: c.connections.Load(), Throttled: c.throttled.Load(),
		Refused: c.refused.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(), Pages: c.pagesOut.Load(),
		ItemsOut: c.itemsOut.Load(), Units: math.Float64frombits(c.units.bits.Load()),
		Written: c.written.Load(), Deleted: c.deleted.Load(), Duplicates: c.duplicates.Load(),
		Corrupt: c.corrupt.Load(), Unknown: c.unknown.Load(),
		Unprocessed: c.unprocessed.Load(), Unacknowledged: c.unacknowledged.Load(),
		WriteSeconds: time.Duration(c.lastWriteNano.Load() - c.firstWrite.Load()).Seconds(),
	}
	for i, name := range FaultKinds {
		if n := c.faults[i+1].Load(); n > 0 {
			if r.Faults == nil {
				r.Faults = map[string]int64{}
			}
			r.Faults[name] = n
		}
	}
	return r
}

// Reset puts the target and all counters back to the start. It is not for
// while a copy runs.
func (s *Server) Reset() {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	s.marks.clear()
	if d := s.config.Drift; d.Fill {
		s.fill(d)
	}
	for _, side := range []*Side{s.Source, s.Target} {
		side.reset()
		ranges := side.config.Ranges
		if !side.target {
			ranges = 0
		}
		side.capacity.Store(newCapacity(side.config.Units, side.config.Burst, ranges, side.config.RangeUnits))
	}
}

func (c *counters) reset() {
	for _, n := range []*atomic.Int64{
		&c.connections, &c.throttled, &c.refused, &c.bytesIn, &c.bytesOut, &c.pagesOut, &c.itemsOut, &c.written,
		&c.deleted, &c.duplicates, &c.corrupt, &c.unknown, &c.unprocessed, &c.unacknowledged, &c.firstWrite, &c.lastWriteNano,
	} {
		n.Store(0)
	}
	c.requests.Store(0)
	c.units.bits.Store(0)
	for i := range c.faults {
		c.faults[i].Store(0)
	}
}

// fill makes the target's first state. Of the source's items, exactly as many
// are missing and older versions as was asked for.
func (s *Server) fill(d Drift) {
	items := uint64(s.config.Items)
	var rank uint64 // among the source's items
	for place := range s.places {
		if d.Extra > 0 && s.extra(place) {
			s.marks.put(place, true)
			continue
		}
		changed := uint64(d.Missing + d.Differ)
		before := product(rank, changed, items)
		missing := product(before+1, uint64(d.Missing), max(changed, 1)) != product(before, uint64(d.Missing), max(changed, 1))
		switch {
		case !spread(rank, items, changed):
			s.marks.put(place, true)
		case !missing:
			s.marks.put(place, false)
		}
		rank++
	}
}

// control answers the simulator's own paths.
func (s *Server) control(r *request) answer {
	switch string(r.path) {
	case "/_sim/report":
		body, err := json.Marshal(s.Report())
		if err != nil {
			return answer{status: 500, body: []byte(err.Error()), plain: true}
		}
		return answer{status: 200, body: body, plain: true}
	case "/_sim/reset":
		if string(r.method) == "POST" {
			s.Reset()
			return answer{status: 200, body: []byte("{}"), plain: true}
		}
	}
	return answer{status: 404, body: []byte("no such control"), plain: true}
}
