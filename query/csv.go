package query

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dynamo-cmdline/dynamo/item"
)

// columns write CSV whose header is known, as RFC 4180 has it: what is in a cell is exact, line
// ends and controls too, which stand inside quotes. An attribute that is not there is an empty
// cell, an empty text a pair of quotes.
type columns struct {
	w      io.Writer
	names  []string
	o      Options
	headed bool
	line   []byte
}

func newColumns(w io.Writer, names []string, o Options) *columns {
	return &columns{w: w, names: names, o: o}
}

func (c *columns) head() error {
	c.headed = true
	c.line = c.line[:0]
	for i, name := range c.names {
		c.text(i, name)
	}
	return c.end()
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
	c.line = c.line[:0]
	for i, name := range c.names {
		switch member, ok := v.member(name); {
		case ok && member.tag == "N":
			c.cell(i, member.text) // which no spreadsheet runs
		case ok:
			c.text(i, member.exact())
		case i > 0:
			c.line = append(c.line, ',')
		case len(c.names) == 1: // an empty line would be no record
			c.text(i, "")
		}
	}
	return c.end()
}

func (c *columns) close() error {
	if !c.headed {
		return c.head()
	}
	return nil
}

// text writes a cell that is no number.
func (c *columns) text(i int, text string) {
	if c.o.Visible {
		text = Visible(text)
	}
	if first, _ := utf8.DecodeRuneInString(text); c.o.Spreadsheet && text != "" && strings.ContainsRune(runs, first) {
		text = "'" + text
	}
	c.cell(i, text)
}

// runs are what texts begin with that a spreadsheet takes for formulas: some skip what is
// blank, and some know full width.
const runs = "=+-@\t\r\n＝＋－＠"

func (c *columns) cell(i int, text string) {
	if i > 0 {
		c.line = append(c.line, ',')
	}
	if text != "" && text == strings.TrimSpace(text) && strings.IndexFunc(text, quotable) < 0 {
		c.line = append(c.line, text...)
		return
	}
	c.line = append(c.line, '"')
	c.line = append(c.line, strings.ReplaceAll(text, `"`, `""`)...)
	c.line = append(c.line, '"')
}

// quotable reports whether what holds c stands in quotes: also what a
// locale's spreadsheet would split at.
func quotable(c rune) bool { return c == ',' || c == '"' || c == ';' || hidden(c) }

func (c *columns) end() error {
	_, err := c.w.Write(append(c.line, '\r', '\n'))
	return err
}

// spooled writes CSV whose header is known only when all items have been seen.
type spooled struct {
	w     io.Writer
	o     Options
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
		return newColumns(s.w, s.o.Keys, s.o).close()
	}
	defer s.drop()
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("spool the items: %w", err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the spooled items: %w", err)
	}
	c := newColumns(s.w, s.header(), s.o)
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
	names := slices.Clone(s.o.Keys)
	for _, name := range slices.Sorted(maps.Keys(s.found)) {
		if !slices.Contains(s.o.Keys, name) {
			names = append(names, name)
		}
	}
	return names
}
