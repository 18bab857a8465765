package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// A relay passes connections on to a proxy, and can refuse them for a while,
// as a machine does on which nobody listens.
type relay struct {
	addr, to string
	passing  sync.WaitGroup

	mu     sync.Mutex
	listen net.Listener // nil while it refuses
	conns  map[net.Conn]bool
}

// openRelay listens on a free port and passes on to that address.
func openRelay(to string) (*relay, error) {
	r := &relay{addr: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	return r, r.up()
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
	both.Go(func() { _, _ = io.Copy(far, near); far.Close() }) // either end may go at any time
	both.Go(func() { _, _ = io.Copy(near, far); near.Close() })
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
