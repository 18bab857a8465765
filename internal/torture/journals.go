package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// This file knows what is in a journal, and what may happen to one on disk, without the program's own code.

// A journal is the files in a run's journal directory, by number from 1 on; a nil one of them is not there. A nil journal
// has no directory.
type journal [][]byte

// A part is what was synced at once: one gzip member of a file.
type part struct {
	file, from, to int
	entries        []entry
}

// An entry is what was there before of a key.
type entry struct {
	key string
	old string // its digest; "" where there was nothing
}

// A damage is done to a copy of a journal that has entries.
type damage struct {
	name string
	do   func(*rand.Rand, journal) journal
}

var damages = []damage{
	{"a file is cut", func(r *rand.Rand, j journal) journal {
		file := j.part(r).file
		j[file] = j[file][:r.IntN(len(j[file]))]
		return j
	}},
	{"a bit is flipped", func(r *rand.Rand, j journal) journal {
		for {
			p := j.part(r)
			bad := bytes.Clone(j[p.file])
			bad[p.from+r.IntN(p.to-p.from)] ^= 1 << r.IntN(8)
			if _, _, err := member(bad[p.from:p.to]); err != nil { // some bits of gzip's say nothing
				j[p.file] = bad
				return j
			}
		}
	}},
	{"a file is cut between two parts", func(r *rand.Rand, j journal) journal {
		p := j.part(r)
		j[p.file] = j[p.file][:p.from]
		return j
	}},
	{"a file is gone", func(r *rand.Rand, j journal) journal {
		j[j.part(r).file] = nil
		return j
	}},
	{"an older part stands at the end once more", func(r *rand.Rand, j journal) journal {
		p, last := j.part(r), len(j)-1
		j[last] = slices.Concat(j[last], j[p.file][p.from:p.to])
		return j
	}},
	{"all files are empty", func(_ *rand.Rand, j journal) journal {
		for i := range j {
			j[i] = []byte{}
		}
		return j
	}},
	{"there is an entry more", func(r *rand.Rand, j journal) journal {
		p, last := j.part(r), len(j)-1
		j[last] = slices.Concat(j[last], forged(j[p.file][p.from:p.to]))
		return j
	}},
	{"the directory is gone", func(*rand.Rand, journal) journal { return nil }},
	{"there is a file more", func(r *rand.Rand, j journal) journal { return append(j, j[j.part(r).file]) }},
	{"the directory is empty", func(*rand.Rand, journal) journal { return journal{} }},
}

// part is some part of the journal.
func (j journal) part(r *rand.Rand) part {
	list := j.parts(nil)
	return list[r.IntN(len(list))]
}

// forged says of the first key of a part that something else was there.
func forged(part []byte) []byte {
	_, text, err := member(part)
	if err != nil {
		panic(err) // it is whole
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		panic(err)
	}
	old := maps.Clone(fields["Keys"].(map[string]any))
	old["forged"] = map[string]any{"S": "it was never there"}
	fields["OldImage"] = old
	if line, err = json.Marshal(fields); err != nil {
		panic(err)
	}
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	_, _ = zip.Write(append(line, '\n')) // into memory
	_ = zip.Close()
	return b.Bytes()
}

// member reads the gzip member that stands in front of b, and says how long it is.
func member(b []byte) (size int, text []byte, err error) {
	in := bytes.NewReader(b)
	zip, err := gzip.NewReader(in)
	if err != nil {
		return 0, nil, err
	}
	zip.Multistream(false)
	var out bytes.Buffer
	_, err = out.ReadFrom(zip)
	return len(b) - in.Len(), out.Bytes(), err
}

// parts reads a journal that is whole, but for what kills may have torn where files end. Without the names of the key's
// attributes it says of the entries only how many there are.
func (j journal) parts(keys []string) (list []part) {
	for i, raw := range j {
		for at := 0; at < len(raw); {
			size, text, err := member(raw[at:])
			if err != nil {
				break
			}
			p := part{file: i, from: at, to: at + size}
			for line := range bytes.Lines(text) {
				p.entries = append(p.entries, entryOf(line, keys))
			}
			list, at = append(list, p), p.to
		}
	}
	return list
}

func entryOf(line []byte, keys []string) (e entry) {
	var fields struct{ Keys, OldImage json.RawMessage }
	if keys == nil || json.Unmarshal(line, &fields) != nil {
		return e
	}
	if e.key = ddbtest.RawKeyOf(fields.Keys, keys...); fields.OldImage != nil {
		e.old = ddbtest.RawDigestOf(fields.OldImage)
	}
	return e
}

// left are the entries that a damage has left whole, in their order, and how many it has not.
func (j journal) left(bad journal, keys []string) (entries []entry, lost int) {
	for _, p := range j.parts(keys) {
		if p.file < len(bad) && len(bad[p.file]) >= p.to && bytes.Equal(bad[p.file][p.from:p.to], j[p.file][p.from:p.to]) {
			entries = append(entries, p.entries...)
		} else {
			lost += len(p.entries)
		}
	}
	return entries, lost
}

// rewound is a table in which these entries were undone. Of a key the first one counts.
func rewound(now map[string]string, entries []entry) map[string]string {
	was := maps.Clone(now)
	for _, e := range slices.Backward(entries) {
		if was[e.key] = e.old; e.old == "" {
			delete(was, e.key)
		}
	}
	return was
}

func readJournal(dir string) (j journal, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json.gz")) // in the order of their numbers
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		j = append(j, raw)
	}
	return j, nil
}

// lay makes a directory hold the journal, and nothing else.
func (j journal) lay(dir string) error {
	if err := os.RemoveAll(dir); err != nil || j == nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for i, raw := range j {
		if raw == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.json.gz", i+1)), raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}
