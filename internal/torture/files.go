package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// drainSlack is how long after a refusal another request may begin that was on
// its way already.
const drainSlack = 500 * time.Millisecond

// secrets looks for keys in all that the child has left, and for files that
// others may read.
func (h *history) secrets(o outcome) {
	var secrets []string
	for _, a := range []*ddbtest.Account{h.prod, h.dev} {
		secrets = append(secrets, a.Credentials().SecretAccessKey)
	}
	look := func(where, text string) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				h.blame("%s holds a secret access key", where)
			}
		}
	}
	look("stdout", o.stdout)
	look("stderr", o.stderr)
	err := filepath.WalkDir(h.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == h.home {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && info.Mode().Type() != fs.ModeSymlink {
			h.blame("%s has mode %s", strings.TrimPrefix(path, h.home), info.Mode())
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		look(strings.TrimPrefix(path, h.home), string(text))
		return err
	})
	if err != nil {
		h.blame("look through the child's home: %v", err)
	}
}

// letters checks the dead-letter file: exactly the rejected items, whole, with
// a reason each.
func (h *history) letters(s *summary, rejected []string) {
	have := h.readLetters(s)
	want := map[string]string{}
	for _, key := range rejected {
		want[key] = h.items[key]
	}
	if !maps.Equal(have, want) {
		h.blame("the dead letters are not the rejected items: %s", differences(want, have))
	}
}

// lettered are the keys in the dead-letter file.
func (h *history) lettered(s *summary) []string {
	return slices.Sorted(maps.Keys(h.readLetters(s)))
}

// readLetters reads the dead-letter file: the items' digests by their keys.
func (h *history) readLetters(s *summary) map[string]string {
	if s == nil || s.DeadLetters == "" {
		h.blame("exit 3, and the summary names no dead-letter file")
		return nil
	}
	text, err := os.ReadFile(s.DeadLetters)
	if err != nil {
		h.blame("read the dead letters: %v", err)
		return nil
	}
	have := map[string]string{}
	for line := range bytes.Lines(text) {
		var letter struct {
			Item  json.RawMessage
			Error string
		}
		if err := json.Unmarshal(line, &letter); err != nil {
			h.blame("a dead letter cannot be read: %v", err)
			return nil
		}
		key := ddbtest.RawKeyOf(letter.Item, h.keys...)
		if letter.Error == "" {
			h.blame("the dead letter of %s says no reason", key)
		}
		if _, again := have[key]; again {
			h.blame("there are two dead letters of %s", key)
		}
		have[key] = ddbtest.RawDigestOf(letter.Item)
	}
	return have
}

// canGoOn checks that whoever reads the output learns how to go on.
func (h *history) canGoOn(o outcome) {
	if o.summary == nil || o.summary.Error == nil || !slices.Contains([]int{1, 130, 143}, o.code) {
		return
	}
	if s := o.summary; s.Written+s.Deleted > 0 && !strings.Contains(s.Error.Hint, "resume") {
		h.blame("something was done, and the hint does not say how to resume: %s", fmt.Sprintf("%q", s.Error.Hint))
	}
}
