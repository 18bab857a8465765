// Package sim simulates two DynamoDB tables in two accounts for copies that
// are larger or faster than an engine on one machine can serve.
//
// [Start] serves both. The source generates its items from a seed and stores
// none. The target compares every put with the item that it must be and keeps
// two bits for it, so that [Server.Report] says exactly what is missing, wrong
// or was written twice, at 10^7 items and more. The program in simd does the
// same in a process of its own, so that a client's CPU can be told from the
// simulator's; GET /_sim/report on either side is then the report, and
// POST /_sim/reset empties the target and all counters.
//
// It knows the operations that a copy needs: DescribeTable, Scan,
// BatchWriteItem, BatchGetItem, DescribeTimeToLive and ListTables. It checks
// the access key's id, not the signature. It imports no package of the product.
package sim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Config says what to simulate. The zero value is 1,000 items of 1 KB.
type Config struct {
	Items     int64 // in the source; 0 means 1,000
	ItemBytes int   // JSON bytes of an average item; 0 means 1,000; at least 200
	SortKey   bool  // the key is pk and sk, not pk alone
	Escapes   bool  // texts hold what JSON must escape, and letters that are not ASCII
	Seed      uint64
	TLS       bool
	Drift     Drift

	Source, Target SideConfig
}

// Drift fills the target before the copy with the source's items, except for
// so many. The zero value leaves the target empty.
type Drift struct {
	Fill    bool
	Missing int64 // items that only the source has
	Differ  int64 // items of which the target has an older version
	Extra   int64 // items that only the target has
}

// A SideConfig is one account's table.
type SideConfig struct {
	Profile string // "simprod" and "simdev"
	Account string // "111111111111" and "222222222222"
	Region  string // "eu-west-1"
	Table   string // "orders"
	KeyID   string // the access key's id
	Address string // to listen on; "" means a free port of the loopback interface

	// capacity units per second, read ones on the source, write ones
	// on the target; 0 means no limit
	Units      float64
	Burst      time.Duration // of unused capacity that is kept; 0 means 1 s
	OnDemand   bool          // the billing mode that DescribeTable reports
	Ranges     int           // so many key ranges, each with its own limit; 0 means none
	RangeUnits float64       // units per second of each key range; 0 means 1,000, as on AWS
	Latency    time.Duration // added to each request
	Jitter     time.Duration // at most so much more, at random
	// scans return the items in another order, and in other segments, than the other side's
	Shuffled bool
	Faults   Faults
}

// A Server is a running simulation.
type Server struct {
	Source, Target *Side

	config    Config
	items     *generator
	places    uint64 // the source's items and the target's extra ones
	marks     *marks
	authority *authority
	reporting sync.Mutex

	group sync.WaitGroup
	conns sync.Map
	done  atomic.Bool
}

// A Side is one of the two accounts.
type Side struct {
	server     *Server
	config     SideConfig
	target     bool
	listener   net.Listener
	faultKinds []faultKind
	capacity   atomic.Pointer[capacity]
	order      order
	pages      sync.Pool
	counters
}

// Start listens on two ports and serves until Close.
func Start(c Config) (*Server, error) {
	if c.Items == 0 {
		c.Items = 1000
	}
	if c.ItemBytes == 0 {
		c.ItemBytes = 1000
	}
	if c.Items < 0 || c.ItemBytes < 200 || c.Drift.Missing+c.Drift.Differ > c.Items {
		return nil, fmt.Errorf("simulate %d items of %d bytes: out of range", c.Items, c.ItemBytes)
	}
	items, err := newGenerator(c.Seed, c.ItemBytes, c.SortKey, c.Escapes)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, items: items, places: uint64(c.Items + c.Drift.Extra)}
	s.marks = newMarks(s.places)
	if c.TLS {
		if s.authority, err = newAuthority(); err != nil {
			return nil, err
		}
	}
	if s.Source, err = s.open(c.Source, "simprod", "111111111111", false); err != nil {
		return nil, err
	}
	if s.Target, err = s.open(c.Target, "simdev", "222222222222", true); err != nil {
		return nil, errors.Join(err, s.Source.listener.Close())
	}
	s.Reset()
	for _, side := range []*Side{s.Source, s.Target} {
		s.group.Go(side.accept)
	}
	return s, nil
}

func (s *Server) open(c SideConfig, profile, account string, target bool) (*Side, error) {
	defaults := []struct {
		at    *string
		value string
	}{
		{&c.Profile, profile}, {&c.Account, account}, {&c.Region, "eu-west-1"}, {&c.Table, "orders"},
		{&c.Address, "127.0.0.1:0"}, {&c.KeyID, "AKIASIM" + account},
	}
	for _, d := range defaults {
		if *d.at == "" {
			*d.at = d.value
		}
	}
	if c.Burst == 0 {
		c.Burst = time.Second
	}
	if c.RangeUnits == 0 {
		c.RangeUnits = 1000
	}
	kinds, err := c.Faults.kinds()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, err
	}
	if s.authority != nil {
		l = tls.NewListener(l, s.authority.config())
	}
	side := &Side{server: s, config: c, target: target, listener: l, faultKinds: kinds}
	if c.Shuffled {
		side.order = newOrder(s.places)
	}
	return side, nil
}

// URL is the endpoint.
func (s *Side) URL() string {
	scheme := "http"
	if s.server.authority != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// CAFile is the path of the PEM file with the authority that signed the
// servers' certificates; "" without TLS.
func (s *Server) CAFile() string {
	if s.authority == nil {
		return ""
	}
	return s.authority.file
}

// Close ends all connections and waits for their ends.
func (s *Server) Close() error {
	s.done.Store(true)
	err := errors.Join(s.Source.listener.Close(), s.Target.listener.Close())
	s.conns.Range(func(c, _ any) bool {
		_ = c.(*conn).Close()
		return true
	})
	s.group.Wait()
	if s.authority != nil {
		err = errors.Join(err, os.Remove(s.authority.file))
	}
	return err
}

func (s *Side) accept() {
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := newConn(raw)
		s.server.conns.Store(c, nil)
		if s.server.done.Load() {
			_ = c.Close()
		}
		s.connections.Add(1)
		s.server.group.Go(func() {
			s.serve(c)
			s.server.conns.Delete(c)
		})
	}
}
