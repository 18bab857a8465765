package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// A JournalRecord is what is known of a journal beside what lies in its directory. Without it a journal that has
// lost a part of itself at its end cannot be told from one that never had it.
type JournalRecord struct {
	JournalSize      // what was synced, and must be there
	Closed      bool // nothing was written behind that
	Incomplete  bool // what is there is read, whatever is missing
}

// judge compares what a journal has with the record.
func (r JournalRecord) judge(dir string, have JournalSize) error {
	fewer := have.Files < r.Files || have.Bytes < r.Bytes || have.Entries < r.Entries
	if r.Incomplete || !fewer && (!r.Closed || have == r.JournalSize) {
		return nil
	}
	return &DamageError{File: dir, Err: fmt.Errorf("there are %s, and there were %s", have, r.JournalSize)}
}

func (s JournalSize) String() string {
	return fmt.Sprintf("%d entries in %d bytes of %d files", s.Entries, s.Bytes, s.Files)
}

// missing is the error of a gap in the files' numbers before a file, or nil.
func (r JournalRecord) missing(dir string, want, have int) error {
	if want == have || r.Incomplete {
		return nil
	}
	return &DamageError{File: filepath.Join(dir, fileName(want)), Err: errors.New("the file is missing")}
}

// CheckJournal says how much is in a directory of journals, if it is what is wanted; where nothing is, the directory need
// not be there. The errors are those of [ReadJournal].
func CheckJournal(dir string, want JournalRecord) (have JournalSize, err error) {
	files, err := journalFiles(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return have, err
	}
	for i, f := range files {
		if err := want.missing(dir, i+1, f.number); err != nil {
			return have, err
		}
		have.Files++
		have.Bytes += f.size
		for lines, err := range readMembers(f.name, want.Incomplete) {
			if err != nil {
				return have, err
			}
			have.Entries += int64(bytes.Count(lines, []byte("\n")))
		}
	}
	return have, want.judge(dir, have)
}
