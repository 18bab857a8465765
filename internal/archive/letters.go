// Package archive keeps items in files, as lines of DynamoDB JSON.
//
// [Letters] is the dead-letter file of a run: the items that the target refused, each with the
// reason. [Journal] is the old images of what a run changed, for undo.
// [Dump] is all items of a table, in the layout of AWS's export to S3; [OpenDump] reads one, and [Checked] is what it held.
package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Letter is a line of a dead-letter file: an item that was to be put, or the
// key of one that was to be deleted, and in AWS's own words why it was not.
type Letter struct {
	Item  json.RawMessage `json:"Item,omitempty"`
	Key   json.RawMessage `json:"Key,omitempty"`
	Error string          `json:"Error"`
}

// Letters writes a dead-letter file, each key once. It may be used from many goroutines.
type Letters struct {
	path   string
	schema item.Schema

	mu   sync.Mutex
	file *os.File // nil until there is something to write
	size int64
	sure int64 // bytes of it that are synced
	seen map[uint64]bool
}

// OpenLetters goes on with the file at path, of which only the first size
// bytes are certain; 0 is a new one. The file, of mode 0600, is made with the first letter.
func OpenLetters(path string, size int64, schema item.Schema) (*Letters, error) {
	l := &Letters{path: path, schema: schema, size: size, sure: size, seen: map[uint64]bool{}}
	about, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && size == 0:
		return l, nil
	case err != nil:
		return nil, fmt.Errorf("open the dead-letter file: %w", err)
	case !about.Mode().IsRegular() || about.Size() < size:
		return nil, fmt.Errorf("open the dead-letter file: %s is not what the run wrote", path)
	}
	if l.file, err = os.OpenFile(path, os.O_RDWR|noFollow, 0); err != nil {
		return nil, fmt.Errorf("open the dead-letter file: %w", err)
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the dead-letter file: %w", err), l.file.Close())
	}
	return l, nil
}

// load learns what is there and cuts off what is not certain.
func (l *Letters) load() error {
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	lines := bufio.NewReader(l.file)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		var letter Letter
		if err := json.Unmarshal(line, &letter); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		key, err := l.key(letter)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		l.seen[key] = true
	}
	_, err := l.file.Seek(l.size, io.SeekStart)
	return err
}

func (l *Letters) key(letter Letter) (uint64, error) {
	raw := letter.Item
	if raw == nil {
		raw = letter.Key
	}
	found, err := item.Parse(raw, l.schema)
	if err != nil {
		return 0, err
	}
	return found.Hash(l.schema)
}

// Add appends a letter, unless there is one for its key. After an error nothing of it is in the
// file.
func (l *Letters) Add(letter Letter) error {
	key, err := l.key(letter)
	if err != nil {
		return fmt.Errorf("write the dead-letter file: %w", err)
	}
	var line bytes.Buffer
	out := json.NewEncoder(&line)
	out.SetEscapeHTML(false)
	if err := out.Encode(letter); err != nil {
		return fmt.Errorf("write the dead-letter file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[key] {
		return nil
	}
	if l.file == nil {
		if l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600); err != nil {
			return fmt.Errorf("write the dead-letter file: %w", err)
		}
	}
	if _, err := l.file.Write(line.Bytes()); err != nil {
		return errors.Join(fmt.Errorf("write the dead-letter file: %w", err), l.file.Truncate(l.size))
	}
	l.size += int64(line.Len())
	l.seen[key] = true
	return nil
}

// Sync returns how many bytes are on disk for certain.
func (l *Letters) Sync() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == l.sure {
		return l.sure, nil
	}
	if err := l.file.Sync(); err != nil {
		return l.sure, fmt.Errorf("write the dead-letter file: %w", err)
	}
	l.sure = l.size
	return l.sure, nil
}

// Path is the file's, or "" where there is none.
func (l *Letters) Path() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == 0 {
		return ""
	}
	return l.path
}

// Close closes the file.
func (l *Letters) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
