package copier

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A spill is the file in which a join keeps what is too much for memory:
// sections of entries sorted by key hash, in blocks with a checksum each.
type spill struct {
	dir    string
	create func(dir string) (spillFile, error) // nil for a file in dir

	mu   sync.Mutex
	file spillFile
	end  int64
}

// A spillFile is what a spill needs of a file.
type spillFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// A section is one sorted part of the file.
type section struct{ from, to int64 }

// spilled is an entry of the file: an item that waits.
type spilled struct {
	hash   item.KeyHash
	which  uint8
	digest item.Digest
	key    []byte
}

const (
	blockSize   = 32 << 10
	blockHeader = 8 // length and checksum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func compareHashes(x, y item.KeyHash) int {
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
}

// write sorts the entries and writes them out.
func (s *spill) write(all []spilled) (section, error) {
	slices.SortFunc(all, func(x, y spilled) int { return compareHashes(x.hash, y.hash) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		create := s.create
		if create == nil {
			create = createSpill
		}
		file, err := create(s.dir)
		if err != nil {
			return section{}, fmt.Errorf("spill: %w", err)
		}
		s.file = file
	}
	run := section{from: s.end, to: s.end}
	block := make([]byte, blockHeader, blockSize)
	flush := func() error {
		binary.LittleEndian.PutUint32(block, uint32(len(block)))
		binary.LittleEndian.PutUint32(block[4:], crc32.Checksum(block[blockHeader:], castagnoli))
		n, err := s.file.WriteAt(block, run.to)
		if err == nil && n < len(block) {
			err = io.ErrShortWrite
		}
		run.to += int64(n)
		block = block[:blockHeader]
		return err
	}
	for _, e := range all {
		if len(block) > blockHeader && len(block)+len(e.key)+entryHead > blockSize {
			if err := flush(); err != nil {
				return section{}, fmt.Errorf("spill: %w", err)
			}
		}
		block = e.append(block)
	}
	if err := flush(); err != nil {
		return section{}, fmt.Errorf("spill: %w", err)
	}
	s.end = run.to
	return run, nil
}

// entryHead is the most that an entry takes beside its key.
const entryHead = 16 + 1 + 8 + binary.MaxVarintLen32

func (e *spilled) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, e.hash[0])
	b = binary.LittleEndian.AppendUint64(b, e.hash[1])
	b = binary.LittleEndian.AppendUint64(append(b, e.which), uint64(e.digest))
	return append(binary.AppendUvarint(b, uint64(len(e.key))), e.key...)
}

// createSpill makes a file that nobody else can read. Where a file in use can
// be removed, it has no name any more from here on, so that even a kill leaves nothing behind.
func createSpill(dir string) (spillFile, error) {
	f, err := os.CreateTemp(dir, "join-*.tmp") // 0600, and never one that exists
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) == nil {
		return f, nil
	}
	return &namedFile{f}, nil
}

// A namedFile is removed when it is closed.
type namedFile struct{ *os.File }

func (f *namedFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	return nil
}

// A reel reads a section from its beginning to its end.
type reel struct {
	section
	age     int // among the sections of its shard
	file    io.ReaderAt
	block   []byte
	rest    []byte // of the block
	current spilled
}

var errSpillDamaged = errors.New("spill: the file is not as it was written")

// next moves to the next entry, whose key is valid until the next move.
// io.EOF is the end.
func (r *reel) next() error {
	if len(r.rest) == 0 {
		if r.from == r.to {
			return io.EOF
		}
		var header [blockHeader]byte
		if err := r.readAt(header[:], r.from); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(header[:]))
		if n <= blockHeader || n > r.to-r.from {
			return errSpillDamaged
		}
		r.block = slices.Grow(r.block[:0], int(n))[:n-blockHeader]
		if err := r.readAt(r.block, r.from+blockHeader); err != nil {
			return err
		}
		if crc32.Checksum(r.block, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
			return errSpillDamaged
		}
		r.rest = r.block
		r.from += n
	}
	b := r.rest
	e := spilled{
		hash:  item.KeyHash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		which: b[16], digest: item.Digest(binary.LittleEndian.Uint64(b[17:])),
	}
	n, size := binary.Uvarint(b[25:])
	b = b[25+size:]
	e.key, r.rest = b[:n:n], b[n:]
	r.current = e
	return nil
}

func (r *reel) readAt(b []byte, at int64) error {
	if _, err := r.file.ReadAt(b, at); err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	return nil
}

// reels is a heap by hash, then age.
type reels []*reel

func (r reels) Len() int { return len(r) }
func (r reels) Less(i, j int) bool {
	return cmp.Or(compareHashes(r[i].current.hash, r[j].current.hash), cmp.Compare(r[i].age, r[j].age)) < 0
}
func (r reels) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *reels) Push(x any)   { *r = append(*r, x.(*reel)) }
func (r *reels) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// A group is all that is still known of one key.
type group struct {
	hash   item.KeyHash
	halves [2]sighting
	older  [2]int64 // sightings that later ones replaced
}

// groups yields what waits in the shard, key by key. It may be called again.
func (s *shard) groups(yield func(*group) error) error {
	if len(s.runs) == 0 {
		for hash, w := range s.index {
			g := group{hash: hash}
			g.halves[w.which] = s.sighting(w)
			if err := yield(&g); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spillOut(); err != nil {
		return err
	}
	return s.merge(yield)
}

// merge reads all sections of the shard side by side.
func (s *shard) merge(yield func(*group) error) error {
	var open reels
	for age, run := range s.runs {
		r := &reel{section: run, age: age, file: s.spill.file}
		if err := r.next(); err != nil {
			return err // a section is never empty
		}
		open = append(open, r)
	}
	heap.Init(&open)
	var keys [2][]byte
	for len(open) > 0 {
		g := group{hash: open[0].current.hash}
		for len(open) > 0 && open[0].current.hash == g.hash {
			e := &open[0].current
			h := &g.halves[e.which]
			if h.seen {
				g.older[e.which]++
			}
			keys[e.which] = append(keys[e.which][:0], e.key...)
			*h = sighting{seen: true, key: keys[e.which], digest: e.digest}
			switch err := open[0].next(); {
			case err == nil:
				heap.Fix(&open, 0)
			case errors.Is(err, io.EOF):
				heap.Pop(&open)
			default:
				return err
			}
		}
		if err := yield(&g); err != nil {
			return err
		}
	}
	return nil
}
