package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
)

// Repeats are the lines of a journal whose key a line before them has.
type Repeats struct{ lines lineSet }

// Has reports whether it is one. Many goroutines may call it; a nil Repeats has none.
func (r *Repeats) Has(line JournalLine) bool { return r != nil && r.lines.has(line.Number) }

// FindRepeats reads all of a journal. It holds some megabytes, and then a bit for each line at the most; keys beyond that
// lie in a file without a name in tmp. The errors are those of the journal, the context's cause, and the file system's.
func FindRepeats(ctx context.Context, journal iter.Seq2[JournalLine, error], tmp string) (r *Repeats, err error) {
	spill, name, err := nameless(tmp, "journal-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer func() {
		e := spill.Close()
		if name != "" {
			e = errors.Join(e, os.Remove(name))
		}
		if err == nil && e != nil {
			err = fmt.Errorf("journal: %w", e)
		}
	}()
	sorter := lineSorter{first: true, run: runSize, spill: spill}
	for line, err := range journal {
		switch {
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		if err := sorter.add(line.Hash, line.Number); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	if err := sorter.finish(func(int, []keyLine) error { return nil }); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &Repeats{sorter.gone}, nil
}

// nameless makes a file that nobody else can open. Its name is "" but where a file in use cannot be removed.
func nameless(dir, pattern string) (f *os.File, name string, err error) {
	if f, err = os.CreateTemp(dir, pattern); err != nil { // 0600, and never one that exists
		return nil, "", err
	}
	if os.Remove(f.Name()) != nil {
		name = f.Name()
	}
	return f, name, nil
}
