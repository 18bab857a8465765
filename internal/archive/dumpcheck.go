package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // AWS's manifest has it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Check reads all data, and checks every checksum, count and line against the table's key. It
// keeps what it read in files in tmp, and holds little in memory. The errors are a
// [*PathError], a [*BadDumpError], the context's cause, the shelf's, or the file system's.
func (s *Stored) Check(ctx context.Context, schema item.Schema, tmp string) (*Checked, error) {
	c, err := newChecked(tmp, schema)
	if err != nil {
		return nil, err
	}
	for _, f := range s.Files {
		if err := s.checkFile(ctx, c, f); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.finish(); err != nil {
		return nil, errors.Join(fmt.Errorf("check the dump: %w", err), c.Close())
	}
	return c, nil
}

func (s *Stored) checkFile(ctx context.Context, c *Checked, about DataFile) error {
	f, err := s.shelf.Open(ctx, about.Key)
	name := path.Base(about.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return &BadDumpError{File: name, Err: errors.New("it is missing")}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	stored := &shelved{from: f}
	if err := s.checkContent(ctx, c, about, stored); err != nil {
		if stored.err != nil { // it is not the dump that is bad
			return fmt.Errorf("%s: %w", name, stored.err)
		}
		return err
	}
	return nil
}

// shelved notes why a file cannot be read on.
type shelved struct {
	from io.Reader
	err  error
}

func (s *shelved) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *Stored) checkContent(ctx context.Context, c *Checked, about DataFile, from io.Reader) error {
	name := path.Base(about.Key)
	one, other := md5.New(), sha256.New() //nolint:gosec // as above
	packed := bufio.NewReaderSize(io.TeeReader(from, io.MultiWriter(one, other)), 256<<10)
	before := c.Lines
	if _, err := packed.Peek(1); err == nil || !errors.Is(err, io.EOF) { // AWS writes an empty file for an empty partition
		plain, err := unpacker(packed)
		if err != nil {
			return &BadDumpError{File: name, Err: err}
		}
		err = eachLine(ctx, plain, name, func(line []byte, _ int64) error {
			if c.Lines-before == about.Items {
				return fmt.Errorf("there are more lines than the %d of the manifest", about.Items)
			}
			return c.line(line)
		})
		plain.Close()
		if err != nil {
			return err
		}
	}
	if n := c.Lines - before; n != about.Items {
		return &BadDumpError{File: name, Err: fmt.Errorf("it has %d lines, the manifest says %d", n, about.Items)}
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return &BadDumpError{File: name, Err: err}
	}
	if about.MD5 != "" && about.MD5 != base64.StdEncoding.EncodeToString(one.Sum(nil)) ||
		about.SHA256 != "" && about.SHA256 != hex.EncodeToString(other.Sum(nil)) {
		return &BadDumpError{File: name, Err: errors.New("its checksum differs")}
	}
	return nil
}

// unpacker tells by its first bytes how a file is packed. What is not packed is taken as it is: then its lines say what it is.
func unpacker(packed *bufio.Reader) (io.ReadCloser, error) {
	first, err := packed.Peek(4)
	switch {
	case len(first) >= 2 && string(first[:2]) == "\x1f\x8b":
		return gzip.NewReader(packed)
	case string(first) == "\x28\xb5\x2f\xfd":
		d, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(mostWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	}
	return io.NopCloser(packed), nil
}

// eachLine hands each line out, without its end. It holds no more than the longest line that there may be.
func eachLine(ctx context.Context, from io.Reader, name string, take func(line []byte, n int64) error) error {
	r := bufio.NewReaderSize(from, 64<<10)
	var long []byte
	for n := int64(1); ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		long = long[:0]
		line, err := r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) && len(long)+len(line) <= longestLine {
			long = append(long, line...)
			line, err = r.ReadSlice('\n')
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case len(line) > longestLine:
			return &BadDumpError{name, n, fmt.Errorf("it is longer than %d bytes", longestLine)}
		case err != nil && !errors.Is(err, io.EOF):
			return &BadDumpError{name, n, err}
		}
		if err := take(bytes.TrimSuffix(line, []byte("\n")), n); err != nil {
			return &BadDumpError{name, n, err}
		}
	}
}

var errNoItem = errors.New(`a line must be {"Item":{…}}, in DynamoDB JSON`)

// line checks a line {"Item":{…}} and keeps it.
func (c *Checked) line(line []byte) error {
	s, err := item.NewScanner(line)
	if err != nil {
		return err
	}
	i, err := s.Expect(0, '{')
	if err != nil {
		return errNoItem
	}
	name, i, err := s.Text(i)
	if err == nil && string(name) != "Item" {
		err = errNoItem
	}
	if err == nil {
		i, err = s.Expect(i, ':')
	}
	if err != nil {
		return err
	}
	found, i, err := s.Item(i, c.schema)
	if err == nil {
		i, err = s.Expect(i, '}')
	}
	if err != nil {
		return err
	}
	if s.Space(i) != len(line) {
		return errors.New("there is more than one item")
	}
	return c.keep(found)
}

// keep takes an item whose values are what their types say, and whose key a table can have: else the first
// request that asks for it would end the run.
func (c *Checked) keep(found item.Found) error {
	if _, err := found.Item.Digest(); err != nil {
		return err
	}
	if err := found.CheckKey(c.schema); err != nil {
		return err
	}
	hash, err := found.KeyHash(c.schema)
	if err != nil {
		return err
	}
	return c.add(found.Item, hash)
}

// CheckLetters reads a dead-letter file as Check reads a dump, and says what identifies its content and
// how many of its lines are deletes, which hold no item and are left out.
func CheckLetters(ctx context.Context, name string, schema item.Schema, tmp string) (c *Checked, id string, deletes int64, err error) {
	f, err := openPlain(name)
	if err != nil {
		return nil, "", 0, err
	}
	defer f.Close()
	if c, err = newChecked(tmp, schema); err != nil {
		return nil, "", 0, err
	}
	sum := sha256.New()
	err = eachLine(ctx, io.TeeReader(f, sum), filepath.Base(name), func(line []byte, _ int64) error {
		var letter Letter
		if err := json.Unmarshal(line, &letter); err != nil {
			return err
		}
		switch {
		case letter.Item != nil:
			found, err := item.Parse(letter.Item, schema)
			if err != nil {
				return err
			}
			return c.keep(found)
		case letter.Key != nil:
			deletes++
			return nil
		}
		return errors.New("it has neither an Item nor a Key")
	})
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return nil, "", 0, errors.Join(err, c.Close())
	}
	return c, hex.EncodeToString(sum.Sum(nil)), deletes, nil
}
