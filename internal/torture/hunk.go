package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A hunk is one change of a patch: lines of a file, and those that come in their place. Its lines
// alone say where that is, so code may move. `git apply` finds it in the same way, but where it
// fits in several places it takes the nearest: then nobody knows which bug was tried.
type hunk struct {
	file          string // below the module's root, with slashes
	old, new      []string
	before, after int // lines of context at the beginning and the end, which old and new share
}

// fuzz is how many lines of context at each end of a hunk may have changed; patch(1) has the same.
const fuzz = 2

var (
	errAbsent = errors.New("the code that it changes is not in")
	errMoved  = errors.New("the code that it changes has moved to")
	errTwice  = errors.New("the code that it changes is more than once in")
)

// parseHunks reads a unified diff. Its line numbers and counts are for people and for git.
func parseHunks(text string) ([]hunk, error) {
	var hunks []hunk
	file, inside := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "--- a/"):
			inside = false
		case strings.HasPrefix(line, "+++ b/"):
			file, inside = strings.TrimPrefix(line, "+++ b/"), false
		case strings.HasPrefix(line, "@@ "):
			hunks, inside = append(hunks, hunk{file: file}), true
		case inside:
			if err := hunks[len(hunks)-1].add(line); err != nil {
				return nil, err
			}
		}
	}
	if len(hunks) == 0 {
		return nil, errors.New("there is no hunk in it")
	}
	for _, h := range hunks {
		if h.file == "" || slices.Equal(h.old, h.new) {
			return nil, errors.New("it has a hunk that changes nothing, or nobody knows where")
		}
	}
	return hunks, nil
}

func (h *hunk) add(line string) error {
	kind, rest := byte(' '), "" // an editor may take the blank that an empty line begins with
	if line != "" {
		kind, rest = line[0], line[1:]
	}
	switch kind {
	case ' ':
		h.after++
		if len(h.old) == h.before && len(h.new) == h.before {
			h.before, h.after = h.before+1, 0
		}
		h.old, h.new = append(h.old, rest), append(h.new, rest)
		return nil
	case '-':
		h.old = append(h.old, rest)
	case '+':
		h.new = append(h.new, rest)
	default:
		return fmt.Errorf("%q is no line of a hunk", line)
	}
	h.after = 0
	return nil
}

// places is where the hunk's lines stand in a file: all of them, or else all but as many of the
// outermost context as cut says.
func (h hunk) places(text string) (at []int, cut int) {
	lines := strings.Split(text, "\n")
	for cut = range fuzz + 1 {
		want := h.old[min(cut, h.before) : len(h.old)-min(cut, h.after)]
		if strings.TrimSpace(strings.Join(want, "")) == "" {
			return nil, 0
		}
		for i := range len(lines) - len(want) + 1 {
			if slices.Equal(lines[i:i+len(want)], want) {
				at = append(at, i)
			}
		}
		if len(at) > 0 {
			return at, cut
		}
	}
	return nil, 0
}

// change makes the hunks' changes in files, by name. Each must fit in one place.
func change(files map[string]string, hunks []hunk) (map[string]string, error) {
	type edit struct {
		hunk
		at, cut int
	}
	var edits []edit
	for _, h := range hunks {
		switch at, cut := h.places(files[h.file]); len(at) {
		case 0:
			return nil, fmt.Errorf("%w %s", errAbsent, h.file)
		case 1:
			edits = append(edits, edit{h, at[0], cut})
		default:
			return nil, fmt.Errorf("%w %s", errTwice, h.file)
		}
	}
	// From below, so that what is above stays where it was found.
	slices.SortFunc(edits, func(a, b edit) int { return b.at - a.at })
	changed := maps.Clone(files)
	for _, e := range edits {
		lead, trail := min(e.cut, e.before), min(e.cut, e.after)
		lines := strings.Split(changed[e.file], "\n")
		lines = slices.Replace(lines, e.at, e.at+len(e.old)-lead-trail, e.new[lead:len(e.new)-trail]...)
		changed[e.file] = strings.Join(lines, "\n")
	}
	return changed, nil
}

// files are those that the hunks change, as they are.
func files(module fs.FS, hunks []hunk) (map[string]string, error) {
	texts := map[string]string{}
	for _, h := range hunks {
		text, err := fs.ReadFile(module, h.file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		texts[h.file] = string(text)
	}
	return texts, nil
}

// follow says where hunks that no longer fit their file fit now, if that is one place in all of
// the code.
func follow(module fs.FS, hunks []hunk) ([]hunk, error) {
	hunks = slices.Clone(hunks)
	texts, err := files(module, hunks)
	if err != nil {
		return nil, err
	}
	for i, h := range hunks {
		if at, _ := h.places(texts[h.file]); len(at) > 0 {
			continue
		}
		found := map[string]int{}
		err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && name != "." && (d.Name()[0] == '.' || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			text, err := fs.ReadFile(module, name)
			if at, _ := h.places(string(text)); len(at) > 0 {
				found[name] = len(at)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for file, n := range found {
			if len(found) == 1 && n == 1 {
				hunks[i].file = file
			}
		}
	}
	return hunks, nil
}
