package archive

import (
	"bufio"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // AWS's manifest has it; what we trust is the SHA-256 beside it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A shard is a data file that one goroutine at a time writes to.
type shard struct {
	dump  *Dump
	about DataFile
	file  File // nil for none
	md5   hash.Hash
	sum   hash.Hash
	size  int64
	buf   *bufio.Writer
	zip   packer
	line  []byte
}

// A packer compresses what is written to it.
type packer interface {
	io.WriteCloser
	Reset(io.Writer)
}

func (s *shard) open() (err error) {
	d := s.dump
	d.mu.Lock()
	d.number++
	number := d.number
	d.mu.Unlock()
	name := fmt.Sprintf("%06d%s", number, endings[d.kind])
	if s.file, err = d.depot.Create(dataDir + "/" + name); err != nil {
		s.file = nil
		return err
	}
	s.about, s.size = DataFile{Key: d.depot.Key(dataDir + "/" + name)}, 0
	s.md5, s.sum = md5.New(), sha256.New() //nolint:gosec // as above
	if s.zip == nil {
		s.buf = bufio.NewWriterSize(nil, 256<<10)
		if d.kind == Zstd {
			// One goroutine each: there are as many shards as processors.
			s.zip, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		} else {
			s.zip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed)
		}
		if err != nil {
			return err
		}
	}
	s.buf.Reset(stored{s})
	s.zip.Reset(s.buf)
	return nil
}

// stored is the file itself: what goes there is counted in its checksums.
type stored struct{ *shard }

func (s stored) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	s.md5.Write(b[:n]) //nolint:errcheck // a hash takes everything
	s.sum.Write(b[:n]) //nolint:errcheck // as above
	s.size += int64(n)
	return n, err
}

func (s *shard) write(items [][]byte) error {
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	bytes := int64(0)
	for _, it := range items {
		s.line = append(appendOneLine(append(s.line[:0], `{"Item":`...), it), '}', '\n')
		if len(s.line) > longestLine {
			return fmt.Errorf("an item of %d bytes, more than any can have", len(s.line))
		}
		if _, err := s.zip.Write(s.line); err != nil {
			return err
		}
		bytes += int64(len(s.line))
	}
	s.about.Items += int64(len(items))
	s.dump.mu.Lock()
	s.dump.bytes += bytes
	s.dump.mu.Unlock()
	if s.size >= s.dump.full {
		return s.close()
	}
	return nil
}

// close completes the file, for good.
func (s *shard) close() error {
	if s.file == nil {
		return nil
	}
	err := s.zip.Close()
	if err == nil {
		err = s.buf.Flush()
	}
	if err == nil {
		err = s.file.Close()
	} else {
		s.file.Discard()
	}
	s.file = nil
	if err != nil {
		return err
	}
	sum := s.md5.Sum(nil)
	s.about.MD5, s.about.ETag = base64.StdEncoding.EncodeToString(sum), hex.EncodeToString(sum)
	s.about.SHA256 = hex.EncodeToString(s.sum.Sum(nil))
	s.dump.mu.Lock()
	defer s.dump.mu.Unlock()
	s.dump.files = append(s.dump.files, s.about)
	return nil
}
