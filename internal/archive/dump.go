package archive

import (
	"crypto/md5" //nolint:gosec // AWS's manifest has it; what we trust is the SHA-256 beside it
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Compression is how the data files of a dump are packed.
type Compression string

// The compressions.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// endings are how the names of data files end.
var endings = map[Compression]string{Gzip: ".json.gz", Zstd: ".json.zst"}

const (
	exportDir    = "AWSDynamoDB"
	dataDir      = "data"
	summaryName  = "manifest-summary.json"
	filesName    = "manifest-files.json"
	aboutName    = "table.json"
	checksumTail = ".checksum" // of the file beside a manifest that has its MD5
	partialTail  = ".partial"  // of a dump's directory until it is whole; the name begins with a dot, too
)

// A Summary is what a dump's manifest-summary.json says, as AWS's export has it. What AWS's lacks comes last.
type Summary struct {
	Version     string    `json:"version"`
	ExportARN   string    `json:"exportArn,omitempty"`
	StartTime   time.Time `json:"startTime"`
	EndTime     time.Time `json:"endTime"`
	TableARN    string    `json:"tableArn"`
	TableID     string    `json:"tableId"`
	ExportTime  time.Time `json:"exportTime"`
	Bucket      string    `json:"s3Bucket"`
	Prefix      *string   `json:"s3Prefix"`
	Files       string    `json:"manifestFilesS3Key"`
	BilledBytes int64     `json:"billedSizeBytes"`
	Items       int64     `json:"itemCount"`
	Format      string    `json:"outputFormat"`
	Type        string    `json:"exportType,omitempty"`
	Bytes       int64     `json:"dumpItemBytes,omitempty"` // of the lines, without their compression
	FilesSHA256 string    `json:"dumpManifestFilesSHA256,omitempty"`
	AboutSHA256 string    `json:"dumpTableSHA256,omitempty"`
	Program     string    `json:"dumpProgram,omitempty"`
}

// A DataFile is a line of a dump's manifest-files.json, as AWS's export has it, and a SHA-256.
type DataFile struct {
	Items  int64  `json:"itemCount"`
	MD5    string `json:"md5Checksum"` // of the file as it is stored, base64
	ETag   string `json:"etag"`
	Key    string `json:"dataFileS3Key"`
	SHA256 string `json:"sha256,omitempty"` // likewise, hex
}

// fullData is how large a data file grows before the next is begun.
const fullData = 256 << 20

// A Dump is being written, in the layout of AWS's export to S3. It appears under its
// name whole or not at all: [Dump.Finish] renames it when all is on disk. Nobody else can read it.
type Dump struct {
	ID   string
	root string // the directory that holds AWSDynamoDB
	dir  string // where it is written
	kind Compression

	create func(name string) (journalFile, error)
	full   int64
	shards chan *shard // those that nobody writes to
	all    []*shard

	mu     sync.Mutex
	files  []DataFile
	number int
	bytes  int64
	broken error
}

// BeginDump begins a dump below root, which is made if it is missing. No link is followed.
func BeginDump(root string, kind Compression, now time.Time) (*Dump, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	d := &Dump{root: root, kind: kind, create: createFile, full: fullData}
	if err := plainDir(root); err != nil {
		return nil, err
	}
	parent := filepath.Join(root, exportDir)
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("dump: %w", err)
	}
	if err := plainDir(parent); err != nil {
		return nil, err
	}
	var random [4]byte
	rand.Read(random[:]) //nolint:errcheck // it never fails
	d.ID = fmt.Sprintf("%014d-%s", now.UnixMilli(), hex.EncodeToString(random[:]))
	d.dir = filepath.Join(parent, "."+d.ID+partialTail)
	for _, dir := range []string{d.dir, filepath.Join(d.dir, dataDir)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("dump: %w", err)
		}
	}
	d.all = make([]*shard, max(2, runtime.GOMAXPROCS(0)))
	d.shards = make(chan *shard, len(d.all))
	for i := range d.all {
		d.all[i] = &shard{dump: d}
		d.shards <- d.all[i]
	}
	return d, nil
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

// Writers is how many calls of Write make progress at once.
func (d *Dump) Writers() int { return len(d.all) }

// Write adds items, each as DynamoDB JSON. Many goroutines may call it. After an error, a
// full disk for example, the dump can only be given up.
func (d *Dump) Write(items [][]byte) error {
	s := <-d.shards
	defer func() { d.shards <- s }()
	if err := d.failed(); err != nil {
		return err
	}
	err := s.write(items)
	if err != nil {
		err = fmt.Errorf("dump: %w", err)
		d.mu.Lock()
		d.broken = err
		d.mu.Unlock()
	}
	return err
}

func (d *Dump) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.broken
}

// Finish completes the dump and gives it its name. about is kept as table.json. It returns the path
// of the manifest. The caller gives what the manifest says of the table; the rest is filled in.
func (d *Dump) Finish(m Summary, about []byte) (string, error) {
	manifest, err := d.finish(m, about)
	if err != nil {
		err = fmt.Errorf("dump: %w", err)
		d.mu.Lock()
		d.broken = err // or a second attempt would find nothing left to write, and be content
		d.mu.Unlock()
	}
	return manifest, err
}

func (d *Dump) finish(m Summary, about []byte) (string, error) {
	if err := d.failed(); err != nil {
		return "", err
	}
	for _, s := range d.all {
		if err := s.close(); err != nil {
			return "", err
		}
	}
	slices.SortFunc(d.files, func(x, y DataFile) int { return strings.Compare(x.Key, y.Key) })
	var list strings.Builder
	for _, f := range d.files {
		line, err := json.Marshal(f)
		if err != nil {
			return "", err
		}
		list.Write(append(line, '\n'))
		m.Items += f.Items
	}
	m.Version, m.Format, m.Type, m.Bytes = "2020-06-30", "DYNAMODB_JSON", "FULL_EXPORT", d.bytes
	m.Files = d.key(filesName)
	m.FilesSHA256, m.AboutSHA256 = sha256Of([]byte(list.String())), sha256Of(about)
	summary, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{filesName, []byte(list.String())}, {aboutName, about}, {summaryName, append(summary, '\n')}} {
		if err := d.small(f.name, f.content); err != nil {
			return "", err
		}
		if base, ok := strings.CutSuffix(f.name, ".json"); ok && f.name != aboutName {
			if err := d.small(base+checksumTail, []byte(md5Of(f.content))); err != nil {
				return "", err
			}
		}
	}
	whole := filepath.Join(d.root, exportDir, d.ID)
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

func sha256Of(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

func md5Of(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// key is a file's name as the manifest has it.
func (d *Dump) key(name string) string { return path.Join(exportDir, d.ID, name) }

// small writes a file at once.
func (d *Dump) small(name string, content []byte) error {
	f, err := d.create(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Abort takes away what is not finished. It does nothing after Finish. No Write may be under way.
func (d *Dump) Abort() error {
	for _, s := range d.all {
		if s.file != nil {
			s.file.Close() //nolint:errcheck // it goes away
			s.file = nil
		}
	}
	return os.RemoveAll(d.dir)
}
