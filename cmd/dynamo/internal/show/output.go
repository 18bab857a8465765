package show

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// ErrClosed is that whoever read the output has gone: no error.
var ErrClosed = errors.New("the output was closed")

// flushAfter is how long output waits for more, at most.
const flushAfter = 100 * time.Millisecond

// An Output gathers output into large writes, and lets nothing wait long: the
// next page may take its time. After an error every call returns it.
type Output struct {
	mu    sync.Mutex
	w     io.Writer
	buf   []byte
	timer *time.Timer
	err   error
	begun bool // something was written
}

// NewOutput gathers what goes to w.
func NewOutput(w io.Writer) *Output {
	s := &Output{w: w, buf: make([]byte, 0, 64<<10)}
	s.timer = time.AfterFunc(time.Hour, func() { _ = s.Flush() }) // the error stays for the next call
	s.timer.Stop()
	return s
}

func (s *Output) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) == 0 {
		s.timer.Reset(flushAfter)
	}
	s.buf = append(s.buf, b...)
	if len(s.buf) >= 64<<10 {
		s.flush()
	}
	return len(b), s.err
}

// Flush writes what was gathered.
func (s *Output) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	s.flush()
	return s.err
}

func (s *Output) flush() {
	if s.err == nil && len(s.buf) > 0 {
		s.begun = true
		_, s.err = s.w.Write(s.buf)
		if errors.Is(s.err, syscall.EPIPE) {
			s.err = ErrClosed
		}
	}
	s.buf = s.buf[:0]
}

// Begun reports whether anything has been written.
func (s *Output) Begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}
