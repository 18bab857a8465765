package sim

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// Faults spoil requests at random. The choice follows from Seed and the number
// of the request.
type Faults struct {
	Probability float64  // of any fault, for each request; 0 means none
	Kinds       []string // names from FaultKinds; none means all
	Seed        uint64
}

// FaultKinds are the names of the faults.
var FaultKinds = []string{
	"500-before", // error 500, nothing applied
	"500-after",  // error 500 although the writes are applied
	"reset-before",
	"reset-after",
	"cut",    // the body ends before its announced length
	"short",  // half a body, announced as such
	"empty",  // status 200 and no body
	"braces", // status 200 and {}
}

type faultKind uint8

const (
	noFault faultKind = iota
	fault500Before
	fault500After
	faultResetBefore
	faultResetAfter
	faultCut
	faultShort
	faultEmpty
	faultBraces
)

var errHangUp = errors.New("hang up on purpose")

// kinds turns the names into kinds.
func (f Faults) kinds() ([]faultKind, error) {
	names := f.Kinds
	if len(names) == 0 {
		names = FaultKinds
	}
	var kinds []faultKind
next:
	for _, name := range names {
		for i, known := range FaultKinds {
			if name == known {
				kinds = append(kinds, faultKind(i+1))
				continue next
			}
		}
		return nil, fmt.Errorf("unknown fault %q: it is one of %s", name, strings.Join(FaultKinds, ", "))
	}
	return kinds, nil
}

// pick says what happens to request number n.
func (s *Side) pick(n uint64) faultKind {
	p := s.config.Faults.Probability
	if p == 0 {
		return noFault
	}
	x := mix(n + mix(s.config.Faults.Seed+7))
	if float64(x>>11)/(1<<53) >= p {
		return noFault
	}
	kind := s.faultKinds[mix(x)%uint64(len(s.faultKinds))]
	s.faults[kind].Add(1)
	return kind
}

// spares reports whether a request with this fault is not applied. Of the
// spoilt answers, half come from requests that were.
func (k faultKind) spares(n uint64) bool {
	switch k {
	case noFault, fault500After, faultResetAfter:
		return false
	case fault500Before, faultResetBefore:
		return true
	}
	return mix(n)&1 == 0
}

// reset closes a connection so that the other end sees it reset.
func (c *conn) reset() {
	under := c.Conn
	if t, ok := under.(interface{ NetConn() net.Conn }); ok {
		under = t.NetConn()
	}
	if t, ok := under.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
		_ = t.Close()
	}
}
