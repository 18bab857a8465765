package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/time/rate"
)

// A relay passes connections on to a proxy, and can refuse them for a while,
// as a machine does on which nobody listens. It may move only so many bytes a second each way, over all connections.
type relay struct {
	addr, to string
	passing  sync.WaitGroup
	out, in  *rate.Limiter

	mu     sync.Mutex
	listen net.Listener // nil while it refuses
	conns  map[net.Conn]bool
}

// relayPiece is how many bytes a connection moves at a time where the relay is slow.
const relayPiece = 4 << 10

// openRelay listens on a free port and passes on to that address, so many bytes a second; 0 for as fast as can be.
func openRelay(to string, speed float64) (*relay, error) {
	r := &relay{addr: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	if speed > 0 {
		r.out, r.in = rate.NewLimiter(rate.Limit(speed), relayPiece), rate.NewLimiter(rate.Limit(speed), relayPiece)
	}
	return r, r.up()
}

// A slowed reader takes what it reads from a limit that it shares.
type slowed struct {
	io.Reader
	limit *rate.Limiter
}

func (s slowed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), relayPiece)])
	if n > 0 {
		if e := s.limit.WaitN(context.Background(), n); e != nil {
			return 0, e
		}
	}
	return n, err
}

// copy moves bytes one way until an end goes, which it may at any time.
func (r *relay) copy(to, from net.Conn, limit *rate.Limiter) {
	defer to.Close()
	if limit == nil {
		_, _ = io.Copy(to, from)
		return
	}
	_, _ = io.Copy(to, slowed{from, limit})
}

// up takes connections, on the same port as before.
func (r *relay) up() error {
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		return fmt.Errorf("open the relay: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listen, r.addr = l, l.Addr().String()
	r.passing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.passing.Go(func() { r.pass(conn) })
		}
	})
	return nil
}

func (r *relay) pass(near net.Conn) {
	far, err := net.Dial("tcp", r.to)
	if err != nil {
		near.Close()
		return
	}
	if !r.keep(near, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.copy(far, near, r.out) })
	both.Go(func() { r.copy(near, far, r.in) })
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, near)
	delete(r.conns, far)
}

// keep notes the connections, or ends them where the relay refuses by now.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.listen == nil {
			c.Close()
			continue
		}
		r.conns[c] = true
	}
	return r.listen != nil
}

// down ends all connections and refuses new ones.
func (r *relay) down() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listen == nil {
		return nil
	}
	err := r.listen.Close()
	r.listen = nil
	for c := range r.conns {
		c.Close()
	}
	return err
}

func (r *relay) close() error {
	err := r.down()
	r.passing.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
