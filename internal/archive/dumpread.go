package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A Stored is a dump, or an export of AWS's, in a directory: what its manifests say.
type Stored struct {
	Dir     string // its own, with the manifests
	ID      string // of the manifests' content
	Summary Summary
	Files   []DataFile
	About   []byte // table.json: what AWS knows of the table; nil in an export of AWS's
}

// A BadDumpError says what is wrong with a dump, and where.
type BadDumpError struct {
	File string
	Line int64 // 0 for the file as a whole
	Err  error
}

func (e *BadDumpError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s, line %d: %v", e.File, e.Line, e.Err)
}
func (e *BadDumpError) Unwrap() error { return e.Err }

// A ChoiceError says that a directory does not hold exactly one dump.
type ChoiceError struct {
	Dir   string
	Names []string // of those that it holds
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

// OpenDump reads the manifests of the dump in dir: its own directory, or one that holds just one. No
// link is followed. The errors are a [*ChoiceError], a [*PathError], a [*BadDumpError], or the file system's.
func OpenDump(dir string) (*Stored, error) {
	dir, err := findDump(dir)
	if err != nil {
		return nil, err
	}
	s := &Stored{Dir: dir}
	summary, err := s.manifest(summaryName, mostSummary)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(summary, &s.Summary); err != nil {
		return nil, &BadDumpError{File: summaryName, Err: err}
	}
	switch {
	case s.Summary.Format != "DYNAMODB_JSON":
		return nil, &BadDumpError{File: summaryName, Err: fmt.Errorf("its format is %q, want DYNAMODB_JSON", s.Summary.Format)}
	case s.Summary.Type != "" && s.Summary.Type != "FULL_EXPORT":
		return nil, &BadDumpError{File: summaryName, Err: fmt.Errorf("it is of type %q, want FULL_EXPORT", s.Summary.Type)}
	}
	files, err := s.manifest(filesName, mostManifest)
	if err != nil {
		return nil, err
	}
	if want := s.Summary.FilesSHA256; want != "" && want != sha256Of(files) {
		return nil, &BadDumpError{File: filesName, Err: errors.New("it is not the one that the summary has the checksum of")}
	}
	about, err := readSmall(filepath.Join(dir, aboutName), mostManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if want := s.Summary.AboutSHA256; want != "" && want != sha256Of(about) {
		return nil, &BadDumpError{File: aboutName, Err: errors.New("it is not the one that the summary has the checksum of")}
	}
	s.About, s.ID = about, sha256Of(append(summary, files...))
	return s, s.parse(files)
}

// findDump is the directory that has the manifests.
func findDump(dir string) (string, error) {
	if err := plainDir(dir); err != nil {
		return "", err
	}
	has := func(dir string) bool {
		_, err := os.Lstat(filepath.Join(dir, summaryName))
		return err == nil
	}
	if has(dir) {
		return dir, nil
	}
	parent := dir
	if _, err := os.Lstat(filepath.Join(dir, exportDir)); err == nil {
		parent = filepath.Join(dir, exportDir)
		if err := plainDir(parent); err != nil {
			return "", err
		}
	}
	list, err := os.ReadDir(parent)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range list {
		if name := e.Name(); name[0] != '.' && has(filepath.Join(parent, name)) { // a dot begins those that are not whole
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return "", &ChoiceError{dir, names}
	}
	found := filepath.Join(parent, names[0])
	return found, plainDir(found)
}

// manifest reads a manifest, and holds it against the checksum beside it.
func (s *Stored) manifest(name string, most int64) ([]byte, error) {
	content, err := readSmall(filepath.Join(s.Dir, name), most)
	if err != nil {
		return nil, err
	}
	for _, tail := range []string{checksumTail, ".md5"} {
		sum, err := readSmall(filepath.Join(s.Dir, strings.TrimSuffix(name, ".json")+tail), 1<<10)
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

// openPlain opens a file that is no link.
func openPlain(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, &PathError{name, "is a link"}
	case !info.Mode().IsRegular():
		return nil, &PathError{name, "is not a file"}
	}
	return os.OpenFile(name, os.O_RDONLY|noFollow, 0)
}

func readSmall(name string, most int64) ([]byte, error) {
	f, err := openPlain(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = &BadDumpError{File: filepath.Base(name), Err: fmt.Errorf("it is larger than %d bytes", most)}
	}
	return content, err
}

// parse reads the list of files. No name in it leads out of the dump.
func (s *Stored) parse(list []byte) error {
	total, n := int64(0), int64(0)
	var names []string
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
		// AWS's keys have the bucket's whole prefix, wherever the files are now.
		f.Key = path.Base(f.Key)
		switch {
		case f.Items < 0 || f.MD5 == "" && f.SHA256 == "":
			return &BadDumpError{filesName, n, errors.New("it has no count, or no checksum")}
		case slices.Contains(names, f.Key):
			return &BadDumpError{filesName, n, fmt.Errorf("%s is named twice", f.Key)}
		}
		names = append(names, f.Key)
		s.Files = append(s.Files, f)
		total += f.Items
	}
	if total != s.Summary.Items {
		return &BadDumpError{File: filesName, Err: fmt.Errorf("its files have %d items, the summary has %d", total, s.Summary.Items)}
	}
	return nil
}
