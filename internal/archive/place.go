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
	"strconv"
	"strings"
	"time"
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
	held   *os.File // dir, for as long as it is written; nil where that cannot be said to others
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
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return err
	}
	d.held, _, _ = lockDir(d.dir) // where there are no locks, nobody takes it away
	return os.Mkdir(filepath.Join(d.dir, dataDir), 0o700)
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
	defer closed(d.held) //nolint:errcheck // nothing was written to it
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

func (d *directory) Abort() error {
	return errors.Join(os.RemoveAll(d.dir), closed(d.held))
}

// closed closes what is open.
func closed(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	return nil
}

// leftFor is how old a dump that is not whole must be before it is taken for one that was killed.
const leftFor = time.Minute

// Leftovers takes away what dumps into that root left that were killed. Of what it cannot know whether somebody still
// writes to it, and of what it cannot take away, it returns the paths as left.
func Leftovers(root string, now time.Time) (gone, left []string) {
	parent := filepath.Join(root, exportDir)
	if plainDir(root) != nil || plainDir(parent) != nil {
		return nil, nil
	}
	list, err := os.ReadDir(parent)
	if err != nil { // the dump itself will say so
		return nil, nil
	}
	for _, e := range list {
		id, found := strings.CutSuffix(e.Name(), partialTail)
		began, _, _ := strings.Cut(strings.TrimPrefix(id, "."), "-")
		milli, err := strconv.ParseInt(began, 10, 64)
		if !found || !e.IsDir() || err != nil || now.Sub(time.UnixMilli(milli)) < leftFor {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		held, free, err := lockDir(dir)
		switch {
		case err != nil:
			left = append(left, dir)
			continue
		case !free: // it is being written
			continue
		}
		if errors.Join(os.RemoveAll(dir), held.Close()) != nil {
			left = append(left, dir)
			continue
		}
		gone = append(gone, dir)
	}
	return gone, left
}
