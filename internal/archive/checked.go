package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/klauspost/compress/zstd"

	"github.com/dynamo-cmdline/dynamo/item"
)

// Checked is a private copy of the items of a dump, made while its lines were checked: what is
// handed out later is what was checked, whatever becomes of the files. It can be read in order and by key. It
// lies in files without a name, about as large as the dump, and holds in memory some 16 bytes for each 64 KB
// of items, and a bit for each line where later ones replace some.
//
// Where several lines have one key, by value, the last one counts: files in the order of the manifest, then lines.
type Checked struct {
	Lines int64 // all
	Items int64 // those that count: one for each key
	Bytes int64 // of all lines' items

	schema item.Schema
	data   *os.File
	index  *os.File
	blocks []block
	parts  [parts + 1]int64
	pack   *zstd.Encoder
	unpack *zstd.Decoder
	names  []string // of files that could not be unlinked

	lines lineSorter
	open  []byte // lines of the next block, while it is being made
	first int64
	end   int64 // of data
}

// A block is where in the file some lines are.
type block struct{ offset, first int64 }

const blockSize = 64 << 10

// newChecked makes an empty one, with its files in dir.
func newChecked(dir string, schema item.Schema) (c *Checked, err error) {
	c = &Checked{schema: schema, lines: lineSorter{run: runSize}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("check the dump: %w", err), c.Close())
		}
	}()
	for _, f := range []**os.File{&c.data, &c.index, &c.lines.spill} {
		var name string
		if *f, name, err = nameless(dir, "dump-*.tmp"); err != nil {
			return c, err
		}
		if name != "" {
			c.names = append(c.names, name)
		}
	}
	if c.pack, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err != nil {
		return c, err
	}
	c.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	return c, err
}

// add takes the next line's item, which must lie on one line.
func (c *Checked) add(raw item.Item, hash item.KeyHash) error {
	if len(c.open) > 0 && len(c.open)+len(raw) >= blockSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.open = append(append(c.open, raw...), '\n')
	line := c.Lines
	c.Lines++
	c.Bytes += int64(len(raw))
	return c.lines.add(hash, line)
}

func (c *Checked) flush() error {
	packed := c.pack.EncodeAll(c.open, nil) // with a checksum
	if _, err := c.data.WriteAt(packed, c.end); err != nil {
		return err
	}
	c.blocks = append(c.blocks, block{c.end, c.first})
	c.end += int64(len(packed))
	c.first, c.open = c.Lines, c.open[:0]
	return nil
}

// finish ends the copy: it sorts the entries of each part by key, and keeps of each key the last line.
func (c *Checked) finish() error {
	if len(c.open) > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	at := int64(0)
	err := c.lines.finish(func(part int, list []keyLine) error {
		c.parts[part] = at / entrySize
		return writeEntries(c.index, &at, list)
	})
	c.parts[parts] = at / entrySize
	c.Items = c.parts[parts]
	err = errors.Join(err, c.lines.spill.Close())
	c.lines.spill = nil
	return err
}

// Read fills the page with items from the line of that number on, but none from the line to on, and
// returns the line to go on with. Many goroutines may call it.
func (c *Checked) Read(from, to int64, page *item.Page) (int64, error) {
	page.Reset()
	for from < to && len(page.Items) == 0 {
		i := c.block(from)
		if err := c.load(i, page); err != nil {
			return from, err
		}
		line := c.blocks[i].first
		for raw := range itemLines(page.Buf) {
			if line >= to {
				break
			}
			if line >= from && !c.lines.gone.has(line) {
				found, err := item.Parse(raw, c.schema)
				if err != nil {
					return from, fmt.Errorf("read the checked dump: %w", err)
				}
				key, err := found.Hash(c.schema)
				if err != nil {
					return from, fmt.Errorf("read the checked dump: %w", err)
				}
				page.Items, page.Keys = append(page.Items, raw), append(page.Keys, key)
			}
			line++
		}
		from = line
	}
	return from, nil
}

// itemLines yields each line without its end.
func itemLines(text []byte) func(yield func(item.Item) bool) {
	return func(yield func(item.Item) bool) {
		for len(text) > 0 {
			end := bytes.IndexByte(text, '\n')
			if !yield(item.Item(text[:end:end])) {
				return
			}
			text = text[end+1:]
		}
	}
}

// block is the number of the block that has the line.
func (c *Checked) block(line int64) int {
	return sort.Search(len(c.blocks), func(i int) bool { return c.blocks[i].first > line }) - 1
}

// load unpacks a block into the page.
func (c *Checked) load(i int, page *item.Page) error {
	end := c.end
	if i+1 < len(c.blocks) {
		end = c.blocks[i+1].offset
	}
	packed := make([]byte, end-c.blocks[i].offset)
	_, err := c.data.ReadAt(packed, c.blocks[i].offset)
	if err == nil {
		page.Buf, err = c.unpack.DecodeAll(packed, page.Buf[:0])
	}
	if err != nil {
		return fmt.Errorf("read the checked dump: %w", err)
	}
	return nil
}

// Get returns a copy of the item with that primary key, or nil. Many goroutines may call it.
func (c *Checked) Get(key []byte) (item.Item, error) {
	found, err := item.Parse(key, c.schema)
	if err != nil {
		return nil, err
	}
	hash, err := found.KeyHash(c.schema)
	if err != nil {
		return nil, err
	}
	line, err := c.find(hash)
	if line < 0 || err != nil {
		return nil, err
	}
	var page item.Page
	if _, err := c.Read(line, line+1, &page); err != nil {
		return nil, err
	}
	return page.Items[0].Clone(), nil
}

// find returns the line that counts for the key, or -1.
func (c *Checked) find(hash item.KeyHash) (int64, error) {
	part := partOf(hash)
	from, to := c.parts[part], c.parts[part+1]
	var one [1]keyLine
	var failed error
	at := func(i int64) keyLine {
		list, err := readEntries(c.index, i*entrySize, 1, one[:0])
		if err != nil {
			failed = err
			return keyLine{}
		}
		return list[0]
	}
	i := from + int64(sort.Search(int(to-from), func(i int) bool { return compareKeys(at(from+int64(i)).hash, hash) >= 0 }))
	if failed == nil && i < to {
		if e := at(i); failed == nil && e.hash == hash {
			return e.line, nil
		}
	}
	if failed != nil {
		return -1, fmt.Errorf("read the checked dump: %w", failed)
	}
	return -1, nil
}

// Close gives the files back.
func (c *Checked) Close() error {
	var errs []error
	for _, f := range []*os.File{c.data, c.index, c.lines.spill} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	for _, name := range c.names {
		errs = append(errs, os.Remove(name))
	}
	if c.unpack != nil {
		c.unpack.Close()
	}
	return errors.Join(errs...)
}
