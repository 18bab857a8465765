package archive

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// An Entry is a key that a run is about to change.
type Entry struct {
	Key       []byte // the primary key as DynamoDB JSON
	Old       []byte // the item that is there as DynamoDB JSON; nil where there is none
	NewDigest string // the fingerprint of the item that will be there, see item.Item; empty for a delete
}

// A Journal is the old images of what a run changes, on disk before it is
// changed: lines in the shape of AWS's incremental export, in files of its own that are only ever
// appended to. Each sync ends a gzip member, so what a crash leaves behind are whole members and perhaps a torn one,
// whose entries nobody was told are safe.
//
// Several journals, one after the other, may write to one directory: each begins a new file.
// The first entry of a key, in file order, is the one that counts, so it does no harm that a run which goes
// on writes a key again.
type Journal struct {
	dir    string
	create func(name string) (journalFile, error)
	full   int64 // bytes at which a file is followed by the next

	mu   sync.Mutex
	next *group // the entries that wait for their turn
	size JournalSize

	turn   chan struct{} // holds one while a group is being written; what follows is that group's
	file   journalFile
	number int   // of the file
	end    int64 // of what is whole in it
	broken error // why nothing can be written any more
	buf    bytes.Buffer
	zip    *gzip.Writer
}

// A group is entries that are synced together.
type group struct {
	lines [][]byte
	done  chan struct{}
	err   error
}

// A journalFile is what a journal needs of a file.
type journalFile interface {
	io.Writer
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// A JournalSize says how much is in a directory of journals, all of it synced.
type JournalSize struct {
	Files   int
	Bytes   int64
	Entries int64
}

const (
	// fullFile is when a file is followed by the next: small enough to be handed around.
	fullFile = 256 << 20
	// fullMember is when a member is followed by the next without a sync, so that
	// a reader can hold one in memory.
	fullMember = 8 << 20
	// longestLine has room for an item of 400 KB all of whose characters are
	// written as six, and its key.
	longestLine = 4 << 20
)

// fileName is the name of a journal's file.
func fileName(number int) string { return fmt.Sprintf("%06d.json.gz", number) }

var journalName = regexp.MustCompile(`^([0-9]{6,})\.json\.gz$`)

// OpenJournal begins a journal in a directory, which is made if it is missing,
// for nobody else to look into. A file is made when there is something to put into it.
// What is there already is as much as [CheckJournal] has found.
func OpenJournal(dir string, have JournalSize) (*Journal, error) {
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("journal: %w", err)
	}
	files, err := journalFiles(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, create: createFile, full: fullFile, turn: make(chan struct{}, 1), size: have}
	if len(files) > 0 {
		j.number = files[len(files)-1].number
	}
	if j.zip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
		return nil, err
	}
	return j, nil
}

// numbered is one file of a journal.
type numbered struct {
	name   string
	number int
	size   int64
}

// journalFiles lists the files of a journal in their order.
func journalFiles(dir string) ([]numbered, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("journal: %s is not a directory", dir)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var files []numbered
	for _, entry := range list {
		match := journalName.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		number, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, fmt.Errorf("journal: %s: %w", entry.Name(), err)
		}
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("journal: %s is not a file", filepath.Join(dir, entry.Name()))
		}
		files = append(files, numbered{filepath.Join(dir, entry.Name()), number, info.Size()})
	}
	slices.SortFunc(files, func(x, y numbered) int { return x.number - y.number })
	return files, nil
}

// createFile makes a file that nobody else can read, and its name durable. It never opens what is
// there.
func createFile(name string) (journalFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Append returns when the entries are on disk, for good. Many goroutines may
// call it; those that come while another one's entries are being synced share the next sync.
// After an error, a full disk for example, nothing can be appended any more; what was appended before is whole.
func (j *Journal) Append(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	lines := make([][]byte, len(entries))
	now := time.Now()
	for i, e := range entries {
		if e.Old == nil && e.NewDigest == "" {
			return errors.New("journal: an entry has neither an old image nor a new digest")
		}
		lines[i] = e.appendLine(nil, now)
		if len(lines[i]) > longestLine {
			return fmt.Errorf("journal: an entry of %d bytes, more than any item can have", len(lines[i]))
		}
	}
	j.mu.Lock()
	g := j.next
	first := g == nil
	if first {
		g = &group{done: make(chan struct{})}
		j.next = g
	}
	g.lines = append(g.lines, lines...)
	j.mu.Unlock()
	if !first {
		<-g.done
		return g.err
	}
	j.turn <- struct{}{} // the others of the group come while this one waits
	j.mu.Lock()
	j.next = nil
	j.mu.Unlock()
	g.err = j.commit(g.lines)
	<-j.turn
	close(g.done)
	return g.err
}

// commit writes lines to the file and syncs it.
func (j *Journal) commit(lines [][]byte) error {
	if j.broken != nil {
		return fmt.Errorf("journal: closed: %w", j.broken)
	}
	if err := j.write(lines); err != nil {
		j.broken = err
		if j.file != nil {
			// A torn member is cut off at reading anyway; this gives its room back.
			err = errors.Join(err, j.file.Truncate(j.end), j.close())
		}
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) write(lines [][]byte) error {
	created := 0
	if j.file == nil {
		f, err := j.create(filepath.Join(j.dir, fileName(j.number+1)))
		if err != nil {
			return err
		}
		j.number++
		j.file, j.end, created = f, 0, 1
	}
	end := j.end
	for entries := lines; len(entries) > 0; {
		var err error
		if entries, err = j.member(entries); err != nil {
			return err
		}
		n, err := j.file.Write(j.buf.Bytes())
		if err == nil && n < j.buf.Len() {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		end += int64(n)
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.mu.Lock()
	j.size.Files += created
	j.size.Bytes += end - j.end
	j.size.Entries += int64(len(lines))
	j.mu.Unlock()
	j.end = end
	if j.end >= j.full {
		return j.close()
	}
	return nil
}

// member packs lines into one gzip member and returns those that have no room.
func (j *Journal) member(lines [][]byte) ([][]byte, error) {
	j.buf.Reset()
	j.zip.Reset(&j.buf)
	size, n := 0, 0
	for n < len(lines) && (n == 0 || size+len(lines[n]) <= fullMember) {
		if _, err := j.zip.Write(lines[n]); err != nil {
			return nil, err
		}
		size += len(lines[n])
		n++
	}
	return lines[n:], j.zip.Close()
}

// appendLine appends the entry as a line.
func (e *Entry) appendLine(b []byte, at time.Time) []byte {
	b = append(b, `{"Metadata":{"WriteTimestampMicros":{"N":"`...)
	b = strconv.AppendInt(b, at.UnixMicro(), 10)
	b = appendOneLine(append(b, `"}},"Keys":`...), e.Key)
	if e.Old != nil {
		b = appendOneLine(append(b, `,"OldImage":`...), e.Old)
	}
	if e.NewDigest != "" {
		b = append(append(append(b, `,"NewDigest":"`...), e.NewDigest...), '"')
	}
	return append(b, '}', '\n')
}

// appendOneLine appends JSON. The line ends in it can only be white space:
// strings have theirs escaped.
func appendOneLine(b, raw []byte) []byte {
	from := len(b)
	b = append(b, raw...)
	for i, c := range b[from:] {
		if c == '\n' || c == '\r' {
			b[from+i] = ' '
		}
	}
	return b
}

// Size says how much is in the journal now.
func (j *Journal) Size() JournalSize {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// Close ends the journal. No Append may be under way.
func (j *Journal) Close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	if j.broken == nil {
		j.broken = fs.ErrClosed
	}
	if err := j.close(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
