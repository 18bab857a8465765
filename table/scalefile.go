package table

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/dynamo-cmdline/dynamo/scaling"
)

// SavedScaling is a table's billing mode and auto scaling at one time.
type SavedScaling struct {
	Time    time.Time     `json:"time"`
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Table   string        `json:"table"`
	ID      string        `json:"table_id"`
	Address string        `json:"address,omitempty"` // of the engine that it is in, where that is not AWS
	State   scaling.State `json:"state"`
}

// A scaleFile is what is on disk: what SaveScaling writes, or the record of a
// change, which is the same and more.
type scaleFile struct {
	Version int            `json:"version"`
	Tables  []SavedScaling `json:"tables"`

	Want      *scaling.State `json:"want,omitempty"`      // what the change was to reach
	Steps     []string       `json:"steps,omitempty"`     // by which
	Returning bool           `json:"returning,omitempty"` // it was on its way back from on-demand
	Finished  time.Time      `json:"finished,omitzero"`   // zero for a change that broke off
}

const (
	scaleVersion = 1
	scaleFileMax = 16 << 20 // bytes; a table with 20 indexes takes some 50 kB
)

// SaveScaling writes what was read of tables to a file: whole or not at all, for the owner's eyes only, over a plain file
// that is there. A device or a pipe is written into; a link to a file, or what else is no file, is refused.
func SaveScaling(file string, list []SavedScaling) error {
	err := saveScaling(file, list)
	if err != nil && kindOf(err) != Refused {
		err = &Error{Failed, "", fmt.Errorf("save to %s: %w", file, err)}
	}
	return err
}

func saveScaling(file string, list []SavedScaling) error {
	if is, err := os.Lstat(file); err == nil && !is.Mode().IsRegular() {
		if is, err = os.Stat(file); err != nil || is.Mode().IsRegular() || is.IsDir() {
			return refused("name a file that is one, or - for the standard output", "%s is a link or a directory: it is left alone", file)
		}
		// Without blocking, for nobody may be at a pipe's other end.
		f, err := os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return errors.Join(WriteScaling(f, list), f.Close())
	}
	dir, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return writeWhole(dir, filepath.Base(file), scaleFile{Version: scaleVersion, Tables: list})
}

// WriteScaling writes what SaveScaling keeps in a file.
func WriteScaling(w io.Writer, list []SavedScaling) error {
	text, err := scaleFile{Version: scaleVersion, Tables: list}.text()
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// text is the file's content.
func (f scaleFile) text() ([]byte, error) {
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}

// LoadScaling reads what SaveScaling wrote, or the record of a change: then it is
// what was before. The errors are an [*Error]: [Usage] where the file cannot be read, [Mismatch] where it is
// none of these.
func LoadScaling(file string) ([]SavedScaling, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usage("", "read what was saved: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	saved, err := readScaleFile(f)
	if err != nil {
		return nil, mismatch("it must be a file of dynamo scale --save, or of the run directory", "%s: %w", file, err)
	}
	return saved.Tables, nil
}

func readScaleFile(r io.Reader) (scaleFile, error) {
	var s scaleFile
	text, err := io.ReadAll(io.LimitReader(r, scaleFileMax+1))
	if err != nil {
		return s, err
	}
	if len(text) > scaleFileMax {
		return s, errors.New("it is too long to be one")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, errors.New("there is more after its end")
	}
	if s.Version != scaleVersion || len(s.Tables) == 0 {
		return s, fmt.Errorf("version %d with %d tables", s.Version, len(s.Tables))
	}
	if s.Want != nil {
		if err := s.Want.Check(); err != nil {
			return s, fmt.Errorf("what was to be reached: %w", err)
		}
	}
	for _, t := range s.Tables {
		if err := t.State.Check(); err != nil || t.Account == "" || t.Region == "" || checkName(t.Table) != nil {
			return s, fmt.Errorf("table %q: %w", t.Table, cmp.Or(err, errors.New("it has no name")))
		}
	}
	return s, nil
}

// scaleDir opens the records' directory, and makes it where create says so. It
// follows no link: whoever can plant one must not choose what is written over.
func scaleDir(runDir string, create bool) (*os.Root, string, error) {
	if runDir == "" {
		var err error
		if runDir, err = defaultRunDir(); err != nil {
			return nil, "", err
		}
	}
	if create {
		if err := os.MkdirAll(runDir, 0o700); err != nil {
			return nil, "", err
		}
	}
	if err := realDir(os.Lstat(runDir)); err != nil {
		return nil, "", fmt.Errorf("%s: %w", runDir, err)
	}
	root, err := os.OpenRoot(runDir)
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	if err := root.Mkdir("scale", 0o700); create && err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", err
	}
	if err := realDir(root.Lstat("scale")); err != nil {
		return nil, "", fmt.Errorf("%s: %w", filepath.Join(runDir, "scale"), err)
	}
	dir, err := root.OpenRoot("scale")
	return dir, filepath.Join(runDir, "scale"), err
}

func realDir(info fs.FileInfo, err error) error {
	if err == nil && !info.IsDir() {
		return errors.New("it is no directory, or a link to one")
	}
	return err
}

// A record is the file of a change, while it is made.
type record struct {
	scaleFile
	runDir, name, path string
}

// newRecord writes what is, and what is about to be done.
func newRecord(runDir string, p ScalePlan) (*record, error) {
	r := &record{runDir: runDir, scaleFile: scaleFile{Version: scaleVersion, Tables: []SavedScaling{p.saved()}, Want: &p.After, Returning: p.returning}}
	for _, s := range p.Steps {
		r.Steps = append(r.Steps, s.String())
	}
	dir, path, err := scaleDir(runDir, true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	for at := r.Tables[0].Time; ; at = at.Add(time.Millisecond) {
		r.name = at.Format("20060102T150405.000Z") + "-" + p.Table + ".json"
		if _, err := dir.Lstat(r.name); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	r.path = filepath.Join(path, r.name)
	return r, writeWhole(dir, r.name, r.scaleFile)
}

// finish notes that the change was carried out.
func (r *record) finish() error {
	dir, _, err := scaleDir(r.runDir, false)
	if err != nil {
		return err
	}
	defer dir.Close()
	r.Finished = time.Now().UTC()
	return writeWhole(dir, r.name, r.scaleFile)
}

// writeWhole writes a file under another name, and renames it when it is on
// disk. A link that has got that name meanwhile is replaced, not followed.
func writeWhole(dir *os.Root, name string, content scaleFile) (err error) {
	text, err := content.text()
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf(".%s.%d.%d", name, os.Getpid(), time.Now().UnixNano())
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temporary) // the first error says more
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := dir.Rename(temporary, name); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last. Windows has no such thing.
func syncDir(dir *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// settleTime is how long after its record a switch may have been made.
const settleTime = time.Hour

// pastOf finds in the records what is known of the table's past: for one on
// demand what it was before, for another whether its way back was gone to the end.
func pastOf(runDir string, p *ScalePlan) (scaling.Past, error) {
	var past scaling.Past
	list, err := records(runDir, p.Target)
	if err != nil || len(list) == 0 {
		return past, err
	}
	if p.Before.Billing == scaling.Provisioned {
		if newest := list[0]; newest.Returning && newest.Finished.IsZero() && newest.Want != nil {
			want := p.unexpired(*newest.Want)
			past.Unfinished = &want
		}
		return past, nil
	}
	for _, r := range list {
		before := r.Tables[0]
		if before.State.Billing != scaling.Provisioned || r.Want == nil || r.Want.Billing != scaling.OnDemand {
			continue
		}
		until := before.Time.Add(settleTime)
		if r.Finished.After(until) {
			until = r.Finished
		}
		// Gone there once more since, and not by us: what it was then, nobody wrote down.
		if p.Before.OnDemandSince.After(until) {
			p.Notes = append(p.Notes, fmt.Sprintf("the record of %s is not used: the table went on demand again at %s",
				before.Time.Format(time.RFC3339), p.Before.OnDemandSince.UTC().Format(time.RFC3339)))
			break
		}
		state := p.unexpired(before.State)
		past.Provisioned = &state
		break
	}
	return past, nil
}

// records are those of the table, newest first.
func records(runDir string, d Description) ([]scaleFile, error) {
	dir, path, err := scaleDir(runDir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Failed, "", fmt.Errorf("look for what was recorded: %w", err)}
	}
	defer dir.Close()
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, &Error{Failed, "", fmt.Errorf("look for what was recorded: %w", err)}
	}
	name := regexp.MustCompile(`^\d{8}T\d{6}(\.\d+)?Z-` + regexp.QuoteMeta(d.Table) + `\.json$`)
	var list []scaleFile
	for _, e := range entries {
		if !name.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		f, err := dir.Open(e.Name())
		var r scaleFile
		if err == nil {
			r, err = readScaleFile(f)
			f.Close()
		}
		if err != nil {
			return nil, mismatch("mend or remove it, or give numbers", "the record %s cannot be read: %w", filepath.Join(path, e.Name()), err)
		}
		if t := r.Tables[0]; t.Account == d.Account && t.Region == d.Region && t.Table == d.Table && t.Address == d.engine() {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b scaleFile) int { return b.Tables[0].Time.Compare(a.Tables[0].Time) })
	return list, nil
}
