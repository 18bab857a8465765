package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A Depot is where a dump is written to: a directory, or a bucket. It is for one dump.
type Depot interface {
	// Begin makes room for the dump of that ID, as AWSDynamoDB/ID. Names below are paths in there, with slashes.
	Begin(id string) error
	// Key is what the manifests call a file.
	Key(name string) string
	// Create begins a file. Several may be open at once.
	Create(name string) (File, error)
	// Finish gives the dump its name, once all files are closed. It returns the place of its manifest.
	Finish() (string, error)
	// Abort takes away all that there is, the manifest first. Nothing may be under way.
	Abort() error
}

// A File of a Depot is being written. Close keeps it, for good; Discard does not. One of them is called, once.
type File interface {
	io.Writer
	Close() error
	Discard()
}

// A Shelf is where dumps are read from: a directory, or a bucket. Names are paths in there, with slashes; "" is itself.
type Shelf interface {
	// Open opens a file. The error is fs.ErrNotExist where there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Folders are the names of what is in a folder and may be a folder; none where it is missing.
	Folders(ctx context.Context, name string) ([]string, error)
	// Place says where that is, for people.
	Place(name string) string
}

// A Directory is a Shelf whose root it is. No link is followed.
type Directory string

// Place is the path.
func (d Directory) Place(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

// Open opens a file that is no link, in directories that are none. The errors are a [*PathError] or the file system's.
func (d Directory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	if err := d.plain(path.Dir(name)); err != nil {
		return nil, err
	}
	return openPlain(d.Place(name))
}

// Folders are the directories, and links, but those whose name begins with a dot, as that of a dump does that is not whole.
func (d Directory) Folders(_ context.Context, name string) (names []string, err error) {
	if err := d.plain("."); err != nil {
		return nil, err
	}
	if err := d.plain(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	list, err := os.ReadDir(d.Place(name))
	for _, e := range list {
		if (e.IsDir() || e.Type()&fs.ModeSymlink != 0) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// plain refuses a directory in the root that is a link or no directory at all, and one in such a one.
func (d Directory) plain(name string) error {
	if err := plainDir(string(d)); err != nil {
		return err
	}
	at := string(d)
	for step := range strings.SplitSeq(name, "/") {
		if step == "" || step == "." {
			continue
		}
		at = filepath.Join(at, step)
		if err := plainDir(at); err != nil {
			return err
		}
	}
	return nil
}

// A PathError says that a path of a dump is not what it should be, or leads out of it.
type PathError struct{ Path, Reason string }

func (e *PathError) Error() string { return fmt.Sprintf("%q %s", e.Path, e.Reason) }

// plainDir refuses a directory that is a link or no directory at all.
func plainDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return &PathError{dir, "is a link"}
	case !info.IsDir():
		return &PathError{dir, "is not a directory"}
	}
	return nil
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

// InDirectory is a Depot below root, which is made if it is missing. What is there can be read by nobody else, has another
// name until it is finished, and no link is followed.
func InDirectory(root string) Depot { return &directory{root: root, create: createFile} }

type directory struct {
	root   string // the directory that holds AWSDynamoDB
	dir    string // where it is written
	id     string
	create func(name string) (journalFile, error)
}

func (d *directory) Begin(id string) error {
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return err
	}
	if err := plainDir(d.root); err != nil {
		return err
	}
	parent := filepath.Join(d.root, exportDir)
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := plainDir(parent); err != nil {
		return err
	}
	d.id, d.dir = id, filepath.Join(parent, "."+id+partialTail)
	for _, dir := range []string{d.dir, filepath.Join(d.dir, dataDir)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) Key(name string) string { return path.Join(exportDir, d.id, name) }

func (d *directory) Create(name string) (File, error) {
	f, err := d.create(filepath.Join(d.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	return durable{f}, nil
}

// durable is a file that is on disk once it is closed.
type durable struct{ journalFile }

func (f durable) Close() error { return errors.Join(f.Sync(), f.journalFile.Close()) }

func (f durable) Discard() { f.journalFile.Close() } //nolint:errcheck // it goes away

func (d *directory) Finish() (string, error) {
	whole := filepath.Join(d.root, exportDir, d.id)
	for _, dir := range []string{filepath.Join(d.dir, dataDir), d.dir} {
		if err := syncDir(dir); err != nil {
			return "", err
		}
	}
	if _, err := os.Lstat(whole); !errors.Is(err, fs.ErrNotExist) {
		return "", &PathError{whole, "is there already"}
	}
	if err := os.Rename(d.dir, whole); err != nil {
		return "", err
	}
	if err := errors.Join(syncDir(filepath.Dir(whole)), syncDir(d.root)); err != nil {
		return "", err
	}
	return filepath.Join(whole, summaryName), nil
}

func (d *directory) Abort() error { return os.RemoveAll(d.dir) }
