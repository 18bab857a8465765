package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// A Stored is a dump, or an export of AWS's: what its manifests say.
type Stored struct {
	Dir     string // the place of its own folder, with the manifests
	ID      string // of the manifests' content
	Summary Summary
	Files   []DataFile // their keys are places on the shelf
	About   []byte     // table.json: what AWS knows of the table; nil in an export of AWS's

	Unsummed bool // some file has no checksum in the manifest

	shelf  Shelf
	folder string // its own, on the shelf
}

// A BadDumpError says what is wrong with a dump, and where.
type BadDumpError struct {
	File string
	Line int64 // 0 for the file as a whole
	Err  error
}

func (e *BadDumpError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, foreign.Error(e.Err))
	}
	return fmt.Sprintf("%s, line %d: %v", e.File, e.Line, foreign.Error(e.Err))
}
func (e *BadDumpError) Unwrap() error { return e.Err }

// A ChoiceError says that a place does not hold exactly one dump.
type ChoiceError struct {
	Dir   string
	Names []string // of those that it holds
	Like  string   // where one of them is
}

func (e *ChoiceError) Error() string {
	if len(e.Names) == 0 {
		return fmt.Sprintf("there is no dump in %s", e.Dir)
	}
	return fmt.Sprintf("there are several dumps in %s: %s", e.Dir, strings.Join(e.Names, ", "))
}

const (
	mostManifest = 64 << 20 // bytes; AWS exports to some 10^5 files at most
	mostSummary  = 1 << 20
	// mostWindow is how far back packed data may refer: what is larger asks for memory.
	mostWindow = 8 << 20
)

// OpenDump reads the manifests of the dump on the shelf, which is its own folder, or one that holds just one.
// The errors are a [*ChoiceError], a [*PathError], a [*BadDumpError], or the shelf's.
func OpenDump(ctx context.Context, shelf Shelf) (*Stored, error) {
	folder, err := findDump(ctx, shelf)
	if err != nil {
		return nil, err
	}
	s := &Stored{Dir: shelf.Place(folder), shelf: shelf, folder: folder}
	summary, err := s.manifest(ctx, summaryName, mostSummary)
	if err != nil {
		return nil, err
	}
	if err := s.Summary.read(summary); err != nil {
		return nil, &BadDumpError{File: summaryName, Err: err}
	}
	switch {
	case s.Summary.Format != "DYNAMODB_JSON":
		return nil, &BadDumpError{File: summaryName, Err: fmt.Errorf("its format is %q, want DYNAMODB_JSON", s.Summary.Format)}
	case s.Summary.Type != "" && s.Summary.Type != "FULL_EXPORT":
		return nil, &BadDumpError{File: summaryName, Err: fmt.Errorf("it is of type %q, want FULL_EXPORT", s.Summary.Type)}
	}
	files, err := s.manifest(ctx, filesName, mostManifest)
	if err != nil {
		return nil, err
	}
	if want := s.Summary.FilesSHA256; want != "" && want != sha256Of(files) {
		return nil, &BadDumpError{File: filesName, Err: errors.New("it is not the one that the summary has the checksum of")}
	}
	about, err := s.small(ctx, aboutName, mostManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if want := s.Summary.AboutSHA256; want != "" && want != sha256Of(about) {
		return nil, &BadDumpError{File: aboutName, Err: errors.New("it is not the one that the summary has the checksum of")}
	}
	s.About, s.ID = about, sha256Of(append(summary, files...))
	return s, s.parse(files)
}

// findDump is the folder that has the manifests.
func findDump(ctx context.Context, shelf Shelf) (string, error) {
	has := func(folder string) (bool, error) {
		f, err := shelf.Open(ctx, path.Join(folder, summaryName))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err == nil {
			f.Close()
		}
		return err == nil, err
	}
	if yes, err := has(""); yes || err != nil {
		return "", err
	}
	parent := exportDir
	list, err := shelf.Folders(ctx, parent)
	if len(list) == 0 && err == nil {
		parent = ""
		list, err = shelf.Folders(ctx, parent)
	}
	if err != nil {
		return "", err
	}
	var names []string
	var link error
	for _, name := range list {
		yes, err := has(path.Join(parent, name))
		if errors.As(err, new(*PathError)) { // not followed, and said where there is nothing else
			link = err
			continue
		}
		if err != nil {
			return "", err
		}
		if yes {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		if link != nil {
			return "", link
		}
		return "", &ChoiceError{Dir: shelf.Place("")}
	case 1:
		return path.Join(parent, names[0]), nil
	}
	return "", &ChoiceError{shelf.Place(""), names, shelf.Place(path.Join(parent, names[0]))}
}

// manifest reads a manifest, and holds it against the checksum beside it.
func (s *Stored) manifest(ctx context.Context, name string, most int64) ([]byte, error) {
	content, err := s.small(ctx, name, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &BadDumpError{File: name, Err: errors.New("it is missing")}
	}
	if err != nil {
		return nil, err
	}
	for _, tail := range []string{checksumTail, ".md5"} {
		sum, err := s.small(ctx, strings.TrimSuffix(name, ".json")+tail, 1<<10)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if string(bytes.TrimSpace(sum)) != md5Of(content) {
			return nil, &BadDumpError{File: name, Err: errors.New("its checksum differs")}
		}
	}
	return content, nil
}

// small reads a file of its own folder that is not large.
func (s *Stored) small(ctx context.Context, name string, most int64) ([]byte, error) {
	f, err := s.shelf.Open(ctx, path.Join(s.folder, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = &BadDumpError{File: name, Err: fmt.Errorf("it is larger than %d bytes", most)}
	}
	return content, err
}

// parse reads the list of files. No name in it leads out of the dump.
func (s *Stored) parse(list []byte) error {
	total, n := int64(0), int64(0)
	names := make(map[string]bool)
	for line := range bytes.Lines(list) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var f DataFile
		if err := json.Unmarshal(line, &f); err != nil {
			return &BadDumpError{filesName, n, err}
		}
		if strings.HasPrefix(f.Key, "/") || strings.Contains(f.Key, `\`) || slices.Contains(strings.Split(f.Key, "/"), "..") || filepath.IsAbs(f.Key) {
			return &PathError{f.Key, fmt.Sprintf("in %s, line %d, leads out of the dump", filesName, n)}
		}
		key := f.Key
		f.Key = path.Join(s.folder, s.Summary.beside(key))
		s.Unsummed = s.Unsummed || f.MD5 == "" && f.SHA256 == ""
		switch {
		case f.Key == ".." || strings.HasPrefix(f.Key, "../"):
			return &PathError{key, fmt.Sprintf("in %s, line %d, is not below what was named: name the folder that has it, too", filesName, n)}
		case f.Items < 0:
			return &BadDumpError{filesName, n, errors.New("it has no count")}
		case names[f.Key]:
			return &BadDumpError{filesName, n, fmt.Errorf("%s is named twice", f.Key)}
		}
		names[f.Key] = true
		s.Files = append(s.Files, f)
		total += f.Items
	}
	if total != s.Summary.Items {
		return &BadDumpError{File: filesName, Err: fmt.Errorf("its files have %d items, the summary has %d", total, s.Summary.Items)}
	}
	return nil
}

// read reads a manifest-summary.json. When it was made is AWS's to say, others say it otherwise, and nothing rests on it.
func (m *Summary) read(text []byte) error {
	type plain Summary
	said := struct {
		*plain
		StartTime  json.RawMessage `json:"startTime"`
		EndTime    json.RawMessage `json:"endTime"`
		ExportTime json.RawMessage `json:"exportTime"`
	}{plain: (*plain)(m)}
	return json.Unmarshal(text, &said)
}

// beside is where a data file is from the dump's own folder, wherever that is now: its key has the bucket's whole prefix,
// as that of the list of files does, which lies in there. What has nothing in common with that is where AWS has it.
func (m *Summary) beside(key string) string {
	own, parts := strings.Split(path.Dir(m.Files), "/"), strings.Split(key, "/")
	if m.Files == path.Base(m.Files) { // "" too, and then nothing is known
		own = nil
	}
	same := 0
	for same < min(len(own), len(parts)-1) && own[same] == parts[same] {
		same++
	}
	if same == 0 {
		if strings.HasPrefix(key, dataDir+"/") {
			return key
		}
		return path.Join(dataDir, path.Base(key))
	}
	return strings.Repeat("../", len(own)-same) + path.Join(parts[same:]...)
}
