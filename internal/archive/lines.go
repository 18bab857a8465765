package archive

import (
	"cmp"
	"encoding/binary"
	"io"
	"os"
	"slices"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A lineSorter brings lines into the order of their keys, and finds which line of each key counts. It holds what is
// new of each part of the keys, and the rest lies in a file.
type lineSorter struct {
	first bool     // of several lines with one key the first one counts, not the last
	run   int      // entries of a part that are written together
	spill *os.File // the caller's, and empty
	at    int64

	pending [parts][]keyLine
	spilled [parts][]stretch
	gone    lineSet // lines that do not count
}

// A keyLine says which line has a key.
type keyLine struct {
	hash item.KeyHash
	line int64
}

// A stretch is where in the file there are so many entries.
type stretch struct {
	at int64
	n  int
}

const (
	parts     = 256
	entrySize = 24
	runSize   = 1024
)

func partOf(hash item.KeyHash) uint64 { return hash[0] % parts }

// add takes a line. The file is written to only when there are many keys: of those that come again and again
// one entry is held each.
func (x *lineSorter) add(hash item.KeyHash, line int64) error {
	part := partOf(hash)
	x.pending[part] = append(x.pending[part], keyLine{hash, line})
	if len(x.pending[part]) < x.run {
		return nil
	}
	x.pending[part] = x.settle(x.pending[part])
	if len(x.pending[part]) <= x.run/2 {
		return nil
	}
	at := x.at
	if err := writeEntries(x.spill, &x.at, x.pending[part]); err != nil {
		return err
	}
	x.spilled[part] = append(x.spilled[part], stretch{at, len(x.pending[part])})
	x.pending[part] = x.pending[part][:0]
	return nil
}

// settle sorts entries by key, and keeps of each key the line that counts.
func (x *lineSorter) settle(all []keyLine) []keyLine {
	slices.SortFunc(all, func(a, b keyLine) int {
		order := cmp.Compare(a.line, b.line)
		if x.first {
			order = -order
		}
		return cmp.Or(compareKeys(a.hash, b.hash), order)
	})
	kept := all[:0]
	for i, e := range all {
		if i+1 < len(all) && all[i+1].hash == e.hash {
			x.gone.add(e.line)
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// finish hands out, part by part, the entries that count, by key.
func (x *lineSorter) finish(take func(part int, list []keyLine) error) error {
	var all []keyLine
	for part := range parts {
		n := len(x.pending[part])
		for _, s := range x.spilled[part] {
			n += s.n
		}
		all = slices.Grow(all[:0], n)
		for _, s := range x.spilled[part] {
			var err error
			if all, err = readEntries(x.spill, s.at, s.n, all); err != nil {
				return err
			}
		}
		all = append(all, x.pending[part]...)
		x.pending[part], x.spilled[part] = nil, nil
		if err := take(part, x.settle(all)); err != nil {
			return err
		}
	}
	return nil
}

func compareKeys(x, y item.KeyHash) int {
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
}

func writeEntries(f *os.File, at *int64, list []keyLine) error {
	b := make([]byte, 0, len(list)*entrySize)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint64(b, e.hash[0])
		b = binary.LittleEndian.AppendUint64(b, e.hash[1])
		b = binary.LittleEndian.AppendUint64(b, uint64(e.line))
	}
	n, err := f.WriteAt(b, *at)
	*at += int64(n)
	return err
}

func readEntries(f io.ReaderAt, at int64, n int, list []keyLine) ([]keyLine, error) {
	b := make([]byte, n*entrySize)
	if _, err := f.ReadAt(b, at); err != nil {
		return list, err
	}
	for ; len(b) > 0; b = b[entrySize:] {
		list = append(list, keyLine{
			item.KeyHash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}, int64(binary.LittleEndian.Uint64(b[16:])),
		})
	}
	return list, nil
}

// A lineSet is a set of line numbers. It takes about a bit for each line there is, at the most.
type lineSet struct {
	n     int64
	words map[int64]*[lineWords]uint64
}

const lineWords = 64

func (s *lineSet) add(line int64) {
	if s.words == nil {
		s.words = make(map[int64]*[lineWords]uint64)
	}
	chunk := s.words[line/(64*lineWords)]
	if chunk == nil {
		chunk = new([lineWords]uint64)
		s.words[line/(64*lineWords)] = chunk
	}
	chunk[line/64%lineWords] |= 1 << (line % 64)
	s.n++
}

// has may be called by many, once all is added.
func (s *lineSet) has(line int64) bool {
	chunk := s.words[line/(64*lineWords)]
	return chunk != nil && chunk[line/64%lineWords]>>(line%64)&1 == 1
}
