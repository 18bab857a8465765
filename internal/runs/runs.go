// Package runs keeps what a run must remember: its directory holds what it was
// asked for, how far it is, and what the target refused. Another process can go on from there.
//
// A [Store] is the directory of all runs. [Store.New] makes a run, [Run.Save] writes its state,
// [Store.Load] reads one back, and [Store.Lock] keeps a target to one run at a time.
//
// A state appears whole or not at all: it is written under another name, synced and
// renamed, and carries a checksum. Directories are 0700, files 0600, and no link is followed.
// Nothing in here is a secret: profiles are names.
package runs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Place is a table as a run knows it.
type Place struct {
	Profile string `json:"profile,omitempty"` // the one in force
	// it was the environment's, whose keys may win over it
	Unnamed bool   `json:"unnamed,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Table   string `json:"table"`
	// TableId, or what else tells it from one of the same name
	ID string `json:"id"`
	// of the engine that it is in, where that is not AWS
	Address string `json:"address,omitempty"`
	Name    string `json:"name"` // as it was opened: the table's name or ARN
	// the region that was asked for, over the profile's own
	Asked    string `json:"asked,omitempty"`
	Endpoint string `json:"endpoint,omitempty"` // the endpoint that was asked for, likewise
	// hosts, separated by commas, that plain http is allowed to
	AllowHTTP string `json:"allow_http,omitempty"`
	// of a dump, which then is what all else says of where it is from
	Path string `json:"path,omitempty"`
	// ARN of AWS's backup, or a point in time, likewise
	Backup string `json:"backup,omitempty"`
}

// AnyAddress is the address of a place that was noted before there were addresses: nobody knows it.
const AnyAddress = "?"

// String names the table in messages.
func (p Place) String() string {
	text := fmt.Sprintf("%s in account %s, %s", p.Table, p.Account, p.Region)
	if p.Address != "" && p.Address != AnyAddress {
		text += ", at " + p.Address
	}
	return text
}

// A Made is a table that a run has AWS make. It is noted before AWS is asked.
type Made struct {
	Name  string    `json:"name"`
	ID    string    `json:"id,omitempty"`  // TableId; "" until AWS has said it
	ARN   string    `json:"arn,omitempty"` // likewise
	Asked time.Time `json:"asked,omitzero"`
	Kept  bool      `json:"kept,omitempty"` // it is what the run is for, and no temporary table

	// Create is how an empty one is asked for, the command's own; nil for one that
	// AWS makes out of a table's past.
	Create json.RawMessage `json:"create,omitempty"`
}

// A Position is how far a segment has come. It has the form of the engine's own.
type Position struct {
	Next item.Cursor `json:"next,omitempty"`
	Done bool        `json:"done,omitempty"`
}

// A State is what a run remembers.
type State struct {
	Program string          `json:"program"` // the version that wrote it
	Command string          `json:"command"`
	Mode    string          `json:"mode,omitempty"`
	Source  Place           `json:"source"`
	Target  Place           `json:"target"`
	Options json.RawMessage `json:"options"` // the command's own
	Began   time.Time       `json:"began"`   // of [Run]: what runs are ordered by
	Saved   time.Time       `json:"saved"`
	Spent   float64         `json:"seconds"` // over all attempts

	// Changed is whether the target may be another one for this run. It is on disk
	// before the first write is sent.
	Changed bool `json:"changed"`

	Backup   string          `json:"backup,omitempty"`   // ARN
	BackupAt time.Time       `json:"backup_at,omitzero"` // when it was asked for
	Phase    string          `json:"phase"`              // what is under way, or comes next
	Segments int             `json:"segments"`
	Position []Position      `json:"positions,omitempty"` // of the phase
	Counts   json.RawMessage `json:"counts,omitempty"`    // the command's own

	Made *Made `json:"made,omitempty"` // nil for none, and when it is gone
	// to put onto the target at the end; the command's own
	Settings json.RawMessage `json:"settings,omitempty"`

	// when a write was last sent that may be applied later
	Late    time.Time `json:"late,omitzero"`
	Deletes bool      `json:"deletes,omitempty"` // deletes are, or were, under way
	Journal *Journal  `json:"journal,omitempty"` // nil where it keeps none
	Letters int64     `json:"letters,omitempty"` // bytes of the dead-letter file that are certain
	Ended   *End      `json:"ended,omitempty"`   // nil while it runs, and after it was killed

	// Version is that of the format that the state was read in. Before 2 there were neither
	// Changed nor Journal nor End.Outcome.
	Version int `json:"-"`
}

// A Journal is how much of a run's journal is certain. It has the form of the archive's own.
type Journal struct {
	Files   int   `json:"files"`
	Bytes   int64 `json:"bytes"`
	Entries int64 `json:"entries"`
}

// An Outcome is what came of an attempt.
type Outcome string

// The outcomes of an attempt.
const (
	Done    Outcome = "done"    // each item has its fate
	Refused Outcome = "refused" // a guard said no
	Failed  Outcome = "failed"
)

// An End is how an attempt ended.
type End struct {
	Time    time.Time `json:"time"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Done    bool      `json:"done"` // there is nothing to go on with
	Code    int       `json:"code"` // exit code; it only tells people
	Message string    `json:"message,omitempty"`
}

// Done reports whether there is nothing to go on with.
func (s State) Done() bool { return s.Ended != nil && s.Ended.Done }

// A Store is a directory of runs.
type Store struct{ dir string }

// Open returns the store in dir, which it makes if need be.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of runs: %w", err)
	}
	if err := plainDir(dir); err != nil {
		return nil, fmt.Errorf("open the directory of runs: %w", err)
	}
	return &Store{dir}, nil
}

// plainDir refuses a link: whoever can plant one must not choose what is written over.
func plainDir(dir string) error {
	is, err := os.Lstat(dir)
	if err == nil && !is.IsDir() {
		err = fmt.Errorf("%s is a link, or no directory", dir)
	}
	return err
}

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// A Run is a run's directory.
type Run struct {
	Name  string
	Dir   string
	Began time.Time // later than that of all that were there
}

// New makes the directory of a run that begins now with that table and that state, whose Began it
// sets. If the clock was set back, the run begins right after the latest that there is. The
// directory appears with the state in it: a run that is killed before that has never been.
func (s *Store) New(table string, now time.Time, state *State) (*Run, error) {
	now, err := s.after(now.UTC())
	if err != nil {
		return nil, err
	}
	s.tidy(now)
	state.Began = now
	r := &Run{Began: now}
	if r.Dir, err = os.MkdirTemp(s.dir, newPrefix); err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	if err = r.Save(state); err == nil {
		err = s.name(r, now.Format(stamp)+"-"+short(table))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the run's directory: %w", err), os.RemoveAll(r.Dir))
	}
	return r, syncDir(s.dir)
}

// newPrefix begins the name of a directory that is not a run's yet.
const newPrefix = ".new-"

// name gives a run's directory its name, with a number if there is one of that name.
func (s *Store) name(r *Run, name string) error {
	for n := 1; n < 1000; n++ {
		if r.Name = name; n > 1 {
			r.Name += fmt.Sprintf("-%d", n)
		}
		dir := filepath.Join(s.dir, r.Name)
		if _, err := os.Lstat(dir); err == nil {
			continue
		}
		// Over a directory that came in between, and has something in it, nothing is moved.
		err := os.Rename(r.Dir, dir)
		if err == nil {
			r.Dir = dir
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("there are too many of the name %s", name)
}

// tidy removes what is left of runs that were killed before they began. That
// it cannot is nobody's trouble.
func (s *Store) tidy(now time.Time) {
	left, _ := filepath.Glob(filepath.Join(s.dir, newPrefix+"*")) // the pattern is a good one
	for _, dir := range left {
		if is, err := os.Lstat(dir); err == nil && is.IsDir() && now.Sub(is.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

// after is now, or a moment after the latest run, if that began later. Only those are looked at
// whose names say that they may have.
func (s *Store) after(now time.Time) (time.Time, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return now, fmt.Errorf("list the runs: %w", err)
	}
	first := now.Format(stamp)
	for _, e := range entries {
		if !named(e.Name()) || e.Name() < first {
			continue
		}
		began := began(e.Name())
		if _, state, err := s.Load(e.Name()); err == nil {
			began = state.Began
		}
		if !now.After(began) {
			now = began.Add(time.Nanosecond).UTC()
		}
	}
	return now, nil
}

// short makes a name of a table's, which may have as many letters as a file name.
func short(table string) string {
	const most = 100
	if len(table) <= most {
		return table
	}
	sum := sha256.Sum256([]byte(table))
	return table[:most-17] + "-" + hex.EncodeToString(sum[:8])
}

// ErrDamaged is what cannot be believed: a state that is cut, changed, or from
// a version that this one does not know.
var ErrDamaged = errors.New("the run cannot be gone on with")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

const (
	stateFile = "checkpoint.json"
	version   = 2 // and 1 is read
	// mostState bounds what is read: a million segments with the longest keys
	// would be more, but nobody has asked for those.
	mostState = 1 << 30
)

// A header is a state file's first line.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Sum     string `json:"sha256"` // of what follows the line
}

const format = "dynamo run"

// Save writes the state, whole or not at all.
func (r *Run) Save(s *State) error {
	s.Saved = time.Now().UTC()
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	body = append(body, '\n')
	if err := replace(filepath.Join(r.Dir, stateFile), slices.Concat(headerOf(version, body), []byte("\n"), body)); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}

// headerOf is the first line of a state file, without its end.
func headerOf(version int, body []byte) []byte {
	sum := sha256.Sum256(body)
	line, err := json.Marshal(header{format, version, hex.EncodeToString(sum[:])})
	if err != nil {
		panic(err) // it always marshals
	}
	return line
}

// Load reads a run's state. The errors are [ErrDamaged], fs.ErrNotExist where there is no such
// run, or what the file system says.
func (s *Store) Load(name string) (*Run, *State, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, nil, fmt.Errorf("run %q: %w", name, fs.ErrNotExist)
	}
	r := &Run{Name: name, Dir: filepath.Join(s.dir, name)}
	switch about, err := os.Lstat(r.Dir); {
	case err != nil:
		return nil, nil, fmt.Errorf("run %q: %w", name, fs.ErrNotExist)
	case !about.IsDir():
		return nil, nil, damaged("%s is no directory", r.Dir)
	}
	raw, err := readPlain(filepath.Join(r.Dir, stateFile))
	if err != nil {
		return r, nil, err
	}
	state, err := decode(raw)
	if err != nil {
		return r, nil, fmt.Errorf("%s: %w", filepath.Join(r.Dir, stateFile), err)
	}
	r.Began = state.Began
	return r, state, nil
}

// readPlain reads a file that is a file, and nothing else.
func readPlain(path string) ([]byte, error) {
	about, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, damaged("%s is missing", path)
	case err != nil:
		return nil, err
	case !about.Mode().IsRegular():
		return nil, damaged("%s is no plain file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, mostState+1))
	if err == nil && len(raw) > mostState {
		err = damaged("%s is too large", path)
	}
	return raw, err
}

func decode(raw []byte) (*State, error) {
	line, body, found := bytes.Cut(raw, []byte("\n"))
	var head header
	if !found || json.Unmarshal(line, &head) != nil || head.Format != format {
		return nil, damaged("it is cut, or no checkpoint")
	}
	if head.Version > version {
		return nil, damaged("it was written by a newer version of this program (format %d, this one knows %d)", head.Version, version)
	}
	if head.Version < 1 || !bytes.Equal(line, headerOf(head.Version, body)) {
		return nil, damaged("its checksum does not match: it was changed or cut")
	}
	state := new(State)
	if err := json.Unmarshal(body, state); err != nil {
		return nil, damaged("%v", err)
	}
	if state.Version = head.Version; state.Version < 2 {
		state.Source.Address, state.Target.Address = AnyAddress, AnyAddress
	}
	return state, nil
}

// An Info is a run in a list. State is nil where it cannot be read, and Err says why.
type Info struct {
	*Run
	State *State
	Err   error
}

// List returns all runs, the latest first.
func (s *Store) List() ([]Info, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	var list []Info
	for _, e := range entries {
		if !named(e.Name()) {
			continue
		}
		run, state, err := s.Load(e.Name())
		if run == nil {
			run = &Run{Name: e.Name(), Dir: filepath.Join(s.dir, e.Name())}
		}
		list = append(list, Info{run, state, err})
	}
	slices.SortStableFunc(list, func(a, b Info) int {
		return cmp.Or(b.began().Compare(a.began()), strings.Compare(b.Name, a.Name))
	})
	return list, nil
}

// began is when the run began. Of one whose state cannot be read only the second is known: it
// is taken for the last of that.
func (i Info) began() time.Time {
	if i.State != nil {
		return i.State.Began
	}
	return began(i.Name).Add(time.Second)
}

// stamp is the form of the time that a run's name begins with.
const stamp = "20060102T150405Z"

// named reports whether a name is a run's: it begins with a time.
func named(name string) bool {
	return !began(name).IsZero()
}

// began is the second in a run's name; the zero time where it has none.
func began(name string) time.Time {
	text, _, found := strings.Cut(name, "-")
	at, err := time.Parse(stamp, text)
	if !found || err != nil {
		return time.Time{}
	}
	return at
}

// MayBeOf reports whether a run of that name may be about the table. Behind the table's name there
// may be a number, and the names of tables may end like that.
func MayBeOf(name, table string) bool {
	_, rest, _ := strings.Cut(name, "-")
	rest, found := strings.CutPrefix(rest, short(table))
	number, numbered := strings.CutPrefix(rest, "-")
	_, err := strconv.ParseUint(number, 10, 32)
	return found && (rest == "" || numbered && err == nil)
}
