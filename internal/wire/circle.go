package wire

import (
	"bytes"
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// circles find in each segment a cursor that comes again, which would be read for ever.
type circles struct {
	mu   sync.Mutex
	list map[int]*circle // by segment
}

// A circle keeps one cursor at a time, for twice as many pages each time, and so
// finds a return at any distance.
type circle struct {
	last, kept   item.Cursor
	steps, limit int
}

// closed is told that the page after from has next behind it, and reports whether that was there
// before. A page may be read again.
func (c *circles) closed(segment int, from, next item.Cursor) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		c.list = map[int]*circle{}
	}
	s := c.list[segment]
	if s == nil || from == nil {
		s = &circle{limit: 1}
		c.list[segment] = s
	}
	if next == nil || from != nil && bytes.Equal(from, s.last) {
		return false
	}
	s.last = bytes.Clone(from)
	if s.kept != nil && bytes.Equal(next, s.kept) {
		return true
	}
	if s.steps++; s.steps == s.limit {
		s.kept, s.steps, s.limit = bytes.Clone(next), 0, 2*s.limit
	}
	return false
}
