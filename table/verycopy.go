package table

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// deciding are the options that decide what a run writes, deletes or keeps, by their flags. With another one it is not
// the very same run. All others say how fast it goes, and whom it asks.
var deciding = []struct {
	flag string
	of   func(CopyOptions) any
}{
	{"--pk, --sk, --index or --filter", func(o CopyOptions) any { return o.Slice }},
	{"--backup", func(o CopyOptions) any { return o.Backup }},
	{"--no-backup", func(o CopyOptions) any { return o.NoBackup }},
	{"--eventual", func(o CopyOptions) any { return o.Eventual }},
	{"--allow-empty-source", func(o CopyOptions) any { return o.AllowEmptySource }},
	{"--skip-expired", func(o CopyOptions) any { return o.SkipExpired }},
	{"--max-delete", func(o CopyOptions) any { return o.MaxDelete }},
	{"--verify", func(o CopyOptions) any { return o.Verify }},
}

// otherOptions says in what a run is asked for other things than this one is; "" for nothing.
func (c *copying) otherOptions(s *runs.State) string {
	if s.Command != c.command || s.Mode != string(c.mode()) {
		return fmt.Sprintf("it is a %s of mode %q", s.Command, s.Mode)
	}
	var saved savedOptions
	if err := json.Unmarshal(s.Options, &saved); err != nil {
		return err.Error()
	}
	for _, option := range deciding {
		was, err := json.Marshal(option.of(saved.CopyOptions))
		now, err2 := json.Marshal(option.of(c.CopyOptions))
		if err != nil || err2 != nil || !bytes.Equal(was, now) {
			return "it has another " + option.flag
		}
	}
	return ""
}

// otherSides says whether a run has another source, or names its target in another way; "" for no.
func (c *copying) otherSides(s *runs.State) string {
	source := c.from()
	switch {
	case s.Source.Profile != source.Profile, s.Source.Name != source.Name, s.Source.Path != source.Path, s.Source.Backup != source.Backup:
		return "it has another source"
	case s.Target.Profile != c.target.account.Profile(), s.Target.Name != c.target.name:
		return "it names its target in another way"
	}
	return ""
}
