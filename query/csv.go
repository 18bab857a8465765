package query

import (
	"bufio"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// columns write CSV whose header is known.
type columns struct {
	out    *csv.Writer
	names  []string
	cells  []string
	headed bool
}

func newColumns(w io.Writer, names []string) *columns {
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180
	return &columns{out: out, names: names, cells: make([]string, len(names))}
}

func (c *columns) head() error {
	c.headed = true
	for i, name := range c.names {
		c.cells[i] = harmless(Visible(name))
	}
	return c.out.Write(c.cells)
}

func (c *columns) write(it item.Item) error {
	if !c.headed {
		if err := c.head(); err != nil {
			return err
		}
	}
	v, err := decode(it, nil)
	if err != nil {
		return err
	}
	for i, name := range c.names {
		c.cells[i] = ""
		if member, ok := v.member(name); ok {
			c.cells[i] = cell(member)
		}
	}
	if err := c.out.Write(c.cells); err != nil {
		return err
	}
	c.out.Flush() // the writer below has a buffer of its own
	return c.out.Error()
}

func (c *columns) close() error {
	if !c.headed {
		if err := c.head(); err != nil {
			return err
		}
	}
	c.out.Flush()
	return c.out.Error()
}

// cell is a value for a spreadsheet: a number as it is, and no text that it
// would run.
func cell(v value) string {
	if v.tag == "N" {
		return v.plain()
	}
	return harmless(v.plain())
}

// harmless puts a ' before what a spreadsheet takes for a formula. Tab and
// carriage return, which some of them skip, are escaped already.
func harmless(text string) string {
	if text != "" && strings.IndexByte("=+-@", text[0]) >= 0 {
		return "'" + text
	}
	return text
}

// spooled writes CSV whose header is known only when all items have been seen.
type spooled struct {
	w     io.Writer
	keys  []string
	file  *os.File // nil until there is an item
	buf   *bufio.Writer
	found map[string]bool
}

func (s *spooled) write(it item.Item) error {
	if s.file == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	v, err := decode(it, nil)
	if err != nil {
		return err
	}
	for _, name := range v.names {
		s.found[name] = true
	}
	size := binary.AppendUvarint(nil, uint64(len(it)))
	if _, err := s.buf.Write(size); err != nil {
		return fmt.Errorf("spool the items: %w", err)
	}
	if _, err := s.buf.Write(it); err != nil {
		return fmt.Errorf("spool the items: %w", err)
	}
	return nil
}

// create makes the file, with mode 0600, and takes its name away where the
// system lets that be: then nothing stays behind, however the program ends.
func (s *spooled) create() error {
	file, err := os.CreateTemp("", "dynamo-query-*")
	if err != nil {
		return fmt.Errorf("spool the items: %w", err)
	}
	_ = os.Remove(file.Name())
	s.file, s.buf, s.found = file, bufio.NewWriterSize(file, 256<<10), make(map[string]bool)
	return nil
}

// drop closes and removes the file.
func (s *spooled) drop() {
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	_ = os.Remove(s.file.Name()) // where it still has its name
	s.file = nil
}

func (s *spooled) close() error {
	if s.file == nil {
		return newColumns(s.w, s.keys).close()
	}
	defer s.drop()
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("spool the items: %w", err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the spooled items: %w", err)
	}
	c := newColumns(s.w, s.header())
	in := bufio.NewReaderSize(s.file, 256<<10)
	var it []byte
	for {
		size, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return c.close()
		}
		if err != nil {
			return fmt.Errorf("read the spooled items: %w", err)
		}
		it = slices.Grow(it[:0], int(size))[:size]
		if _, err := io.ReadFull(in, it); err != nil {
			return fmt.Errorf("read the spooled items: %w", err)
		}
		if err := c.write(it); err != nil {
			return err
		}
	}
}

// header has the keys first, then what else was found, by name.
func (s *spooled) header() []string {
	names := slices.Clone(s.keys)
	for _, name := range slices.Sorted(maps.Keys(s.found)) {
		if !slices.Contains(s.keys, name) {
			names = append(names, name)
		}
	}
	return names
}
