package copier

import (
	"fmt"
	"sync/atomic"
)

// JoinStats count what a [Join] finds, while it finds it. They may be read at
// any time with [JoinStats.Count]. One join counts in them.
type JoinStats struct {
	read, unread, again, survived    [2]atomic.Int64 // unread are segments
	equal, differs                   atomic.Int64
	onlySource, onlyTarget           atomic.Int64
	skipped, gone, hidden            atomic.Int64
	pairs, extras, spilled, readBack atomic.Int64
	waiting, held                    peak
}

// A JoinCount is the state of JoinStats at one moment.
type JoinCount struct {
	Source, Target int64 // items read
	Skipped        int64 // source items that the shape dropped

	Equal, Differs, OnlySource int64
	OnlyTarget                 int64 // given to Found; it may be less than Extras
	Extras                     int64 // what only the target has, known when Extras was asked
	Hidden                     int64 // of Differs and OnlySource: what was given to Found as Hidden

	Again    int64 // items that were read once more, source and target together
	Gone     int64 // items that were no more when they were read back
	Waiting  int64 // the most items that waited at once outside of pages, in memory
	Held     int64 // the most bytes that such items took
	Spilled  int64 // items that waited on disk
	ReadBack int64 // keys that were asked for
}

// Count returns the current numbers.
func (s *JoinStats) Count() JoinCount {
	return JoinCount{
		Source: s.read[sourceHalf].Load(), Target: s.read[targetHalf].Load(), Skipped: s.skipped.Load(),
		Equal: s.equal.Load(), Differs: s.differs.Load(), OnlySource: s.onlySource.Load(),
		OnlyTarget: s.onlyTarget.Load(), Extras: s.extras.Load(), Hidden: s.hidden.Load(),
		Again: s.again[sourceHalf].Load() + s.again[targetHalf].Load(), Gone: s.gone.Load(),
		Waiting: s.waiting.most.Load(), Held: s.held.most.Load(), Spilled: s.spilled.Load(), ReadBack: s.readBack.Load(),
	}
}

// A peak is a number that goes up and down, and the highest that it was.
type peak struct{ now, most atomic.Int64 }

func (p *peak) add(n int64) {
	now := p.now.Add(n)
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
}

// check closes the books: every item read has become something, and everything
// that something was made of was read.
func (s *JoinStats) check() error {
	pairs := s.pairs.Load()
	for which, name := range halfNames {
		read, known := s.read[which].Load(), s.again[which].Load()+pairs+s.survived[which].Load()
		if which == sourceHalf {
			known += s.skipped.Load()
		}
		if read != known {
			return &BooksError{Detail: fmt.Sprintf("%d items read of the %s, %d accounted for", read, name, known)}
		}
		if n := s.unread[which].Load(); n != 0 {
			return &BooksError{Detail: fmt.Sprintf("%d segments of the %s were left before their end", n, name)}
		}
	}
	seen := pairs + s.survived[sourceHalf].Load() + s.survived[targetHalf].Load()
	became := s.equal.Load() + s.differs.Load() + s.onlySource.Load() + s.gone.Load() + s.extras.Load()
	if seen != became {
		return &BooksError{Detail: fmt.Sprintf("%d keys seen, %d judged", seen, became)}
	}
	return nil
}
