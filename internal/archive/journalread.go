package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A JournalLine is an entry as it was written.
type JournalLine struct {
	Entry
	Number int64        // among all entries of the journal, from 0
	Hash   item.KeyHash // of the key
	At     time.Time    // when it was written, to the microsecond
	File   string       // where it stands
	Line   int          // from 1
}

// A DamageError says that a file is not as it was written, and not just torn at its end.
type DamageError struct {
	File string
	Line int // 0 where it is not known
	Err  error
}

func (e *DamageError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: line %d: %v", e.File, e.Line, foreign.Error(e.Err))
	}
	return fmt.Sprintf("%s: %v", e.File, foreign.Error(e.Err))
}
func (e *DamageError) Unwrap() error { return e.Err }

// ReadJournal yields all entries, in file order. What it yields is valid until the next one.
// After an error, which is a [*DamageError] or the file system's, there is nothing more. A directory without
// files is an empty journal. A member that a crash has torn is passed over wherever a file ends; one that is
// damaged and has a whole one behind it is an error, and so is a file that is missing between others. In the end there
// must have been as much as is wanted. Of a key the first entry counts, see [FindRepeats].
func ReadJournal(dir string, schema item.Schema, want JournalRecord) iter.Seq2[JournalLine, error] {
	return func(yield func(JournalLine, error) bool) {
		files, err := journalFiles(dir)
		if err != nil {
			yield(JournalLine{}, err)
			return
		}
		have := JournalSize{Files: len(files)}
		for i, f := range files {
			if err := want.missing(dir, i+1, f.number); err != nil {
				yield(JournalLine{}, err)
				return
			}
			have.Bytes += f.size
			for line, err := range readFile(f.name, schema, want.Incomplete) {
				if err == nil {
					line.Number = have.Entries
					have.Entries++
				}
				if !yield(line, err) || err != nil {
					return
				}
			}
		}
		if err := want.judge(dir, have); err != nil {
			yield(JournalLine{}, err)
		}
	}
}

// readFile yields the entries in the whole members of a file.
func readFile(name string, schema item.Schema, incomplete bool) iter.Seq2[JournalLine, error] {
	return func(yield func(JournalLine, error) bool) {
		number := 0
		for lines, err := range readMembers(name, incomplete) {
			if err != nil {
				yield(JournalLine{}, err)
				return
			}
			for len(lines) > 0 {
				number++
				raw, rest, ended := bytes.Cut(lines, []byte("\n"))
				line, err := parseLine(raw, schema)
				switch {
				case !ended:
					err = errors.New("the line has no end")
				case len(raw) > longestLine:
					err = errors.New("the line is longer than any item")
				}
				if err != nil {
					yield(JournalLine{}, &DamageError{File: name, Line: number, Err: err})
					return
				}
				line.File, line.Line = name, number
				if !yield(line, nil) {
					return
				}
				lines = rest
			}
		}
	}
}

// readMembers yields what the whole members of a file hold. Incomplete passes over those that are damaged.
func readMembers(name string, incomplete bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.OpenFile(name, os.O_RDONLY|noFollow, 0)
		if err != nil {
			yield(nil, fmt.Errorf("journal: %w", err))
			return
		}
		defer f.Close()
		m := membersFrom(f, 0)
		for {
			at := m.at
			lines, err := m.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				if !yield(lines, nil) {
					return
				}
				continue
			}
			behind, readErr := wholeBehind(f, at+1)
			switch {
			case readErr != nil:
				yield(nil, fmt.Errorf("journal: %w", readErr))
				return
			case !incomplete && (behind >= 0 || errors.Is(err, errMemberTooLarge)):
				yield(nil, &DamageError{File: name, Err: fmt.Errorf("the part from byte %d on: %w", at, err)})
				return
			case behind < 0:
				return // torn
			}
			m = membersFrom(f, behind)
		}
	}
}

// members reads one gzip member after the other, each as a whole.
type members struct {
	in  *bufio.Reader
	at  int64 // bytes read
	zip *gzip.Reader
	out bytes.Buffer
}

// membersFrom reads the members of a file from an offset on.
func membersFrom(f *os.File, at int64) *members {
	return &members{in: bufio.NewReaderSize(io.NewSectionReader(f, at, 1<<62), 64<<10), at: at}
}

// Read and ReadByte count what is taken. That there is a ReadByte keeps gzip
// from reading beyond the member.
func (m *members) Read(b []byte) (int, error) {
	n, err := m.in.Read(b)
	m.at += int64(n)
	return n, err
}

func (m *members) ReadByte() (byte, error) {
	b, err := m.in.ReadByte()
	if err == nil {
		m.at++
	}
	return b, err
}

var errMemberTooLarge = errors.New("a part holds more than was ever written at once")

// next returns what the next member holds; io.EOF where there is none.
func (m *members) next() ([]byte, error) {
	if _, err := m.in.Peek(1); err != nil {
		return nil, err
	}
	var err error
	if m.zip == nil {
		m.zip, err = gzip.NewReader(m)
	} else {
		err = m.zip.Reset(m)
	}
	if err != nil {
		return nil, torn(err)
	}
	m.zip.Multistream(false)
	m.out.Reset()
	const most = fullMember + longestLine
	n, err := m.out.ReadFrom(io.LimitReader(m.zip, most+1))
	if err != nil {
		return nil, torn(err)
	}
	if n > most {
		return nil, errMemberTooLarge
	}
	return m.out.Bytes(), nil
}

// torn keeps the end of a file inside a member apart from one between two.
func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// wholeBehind is where the first whole member begins at or behind an offset, or -1: if there is one, then what is
// broken before it was not torn by a crash, for nothing is written behind that.
func wholeBehind(f *os.File, at int64) (int64, error) {
	magic := []byte{0x1f, 0x8b, 8}
	buf := make([]byte, 64<<10)
	for {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		i := bytes.Index(buf[:n], magic)
		switch {
		case i >= 0:
			m := members{in: bufio.NewReader(io.NewSectionReader(f, at+int64(i), 1<<62))}
			if _, err := m.next(); err == nil {
				return at + int64(i), nil
			}
			at += int64(i) + 1
		case errors.Is(err, io.EOF):
			return -1, nil
		default:
			at += int64(n - len(magic) + 1)
		}
	}
}

// parseLine reads a line without its end.
func parseLine(raw []byte, schema item.Schema) (JournalLine, error) {
	var line JournalLine
	s, err := item.NewScanner(raw)
	if err != nil {
		return line, err
	}
	var key, old item.Found
	i, err := s.Members(0, func(i int, name []byte) (int, error) {
		var err error
		switch string(name) {
		case "Metadata":
			line.At, i, err = parseTime(&s, i)
		case "Keys":
			key, i, err = s.Item(i, schema)
		case "OldImage":
			old, i, err = s.Item(i, schema)
		case "NewDigest":
			var text []byte
			text, i, err = s.Text(i)
			line.NewDigest = string(text)
		default:
			i, err = s.Any(i)
		}
		return i, err
	})
	switch {
	case err != nil:
		return line, err
	case s.Space(i) != len(raw):
		return line, errors.New("something stands behind the entry")
	case key.Item == nil || line.At.IsZero():
		return line, errors.New("no key, or no time")
	case old.Item == nil && line.NewDigest == "":
		return line, errors.New("neither an old image nor a new digest")
	}
	line.Key, line.Old = key.Item, old.Item
	if line.Hash, err = key.KeyHash(schema); err != nil || old.Item == nil {
		return line, err
	}
	if hash, err := old.KeyHash(schema); err != nil || hash != line.Hash {
		return line, errors.Join(err, errors.New("the old image has another key"))
	}
	return line, nil
}

func parseTime(s *item.Scanner, i int) (at time.Time, next int, err error) {
	next, err = s.Members(i, func(i int, name []byte) (int, error) {
		if string(name) != "WriteTimestampMicros" {
			return s.Any(i)
		}
		return s.Members(i, func(i int, _ []byte) (int, error) {
			text, i, err := s.Text(i)
			if err != nil {
				return i, err
			}
			micros, err := strconv.ParseInt(string(text), 10, 64)
			at = time.UnixMicro(micros)
			return i, err
		})
	})
	return at, next, err
}
