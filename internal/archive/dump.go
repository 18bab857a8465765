package archive

import (
	"crypto/md5" //nolint:gosec // AWS's manifest has it; what we trust is the SHA-256 beside it
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// Manifest is the name of the file that says what a dump is: with it there is one.
const Manifest = "manifest-summary.json"

const (
	exportDir    = "AWSDynamoDB"
	dataDir      = "data"
	summaryName  = Manifest
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
// name whole or not at all: [Dump.Finish] gives it one when all is in place, the manifest last.
type Dump struct {
	ID    string
	depot Depot
	kind  Compression

	full   int64
	shards chan *shard // those that nobody writes to
	all    []*shard

	mu     sync.Mutex
	files  []DataFile
	number int
	bytes  int64
	broken error
}

// mostFiles bounds what a dump holds in memory: each open file packs, and a bucket's holds parts.
const mostFiles = 8

// BeginDump begins a dump in the depot, with so many data files open at once; 0 is one a processor, from 2 to 8.
func BeginDump(depot Depot, kind Compression, files int, now time.Time) (*Dump, error) {
	var random [4]byte
	rand.Read(random[:]) //nolint:errcheck // it never fails
	d := &Dump{ID: fmt.Sprintf("%014d-%s", now.UnixMilli(), hex.EncodeToString(random[:])), depot: depot, kind: kind, full: fullData}
	if err := depot.Begin(d.ID); err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	if files <= 0 {
		files = min(mostFiles, max(2, runtime.GOMAXPROCS(0)))
	}
	d.all = make([]*shard, files)
	d.shards = make(chan *shard, len(d.all))
	for i := range d.all {
		d.all[i] = &shard{dump: d}
		d.shards <- d.all[i]
	}
	return d, nil
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

// Finish completes the dump and gives it its name. about is kept as table.json. It returns the place
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
	m.Files = d.depot.Key(filesName)
	m.FilesSHA256, m.AboutSHA256 = sha256Of([]byte(list.String())), sha256Of(about)
	summary, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	summary = append(summary, '\n')
	for _, f := range []struct {
		name    string
		content []byte
	}{ // the summary last: with it there is a dump
		{filesName, []byte(list.String())}, {checksumOf(filesName), []byte(md5Of([]byte(list.String())))}, {aboutName, about},
		{checksumOf(summaryName), []byte(md5Of(summary))}, {summaryName, summary},
	} {
		if err := d.small(f.name, f.content); err != nil {
			return "", err
		}
	}
	return d.depot.Finish()
}

func checksumOf(manifest string) string { return strings.TrimSuffix(manifest, ".json") + checksumTail }

func sha256Of(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

func md5Of(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// small writes a file at once.
func (d *Dump) small(name string, content []byte) error {
	f, err := d.depot.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Discard()
		return err
	}
	return f.Close()
}

// Abort takes away what there is. It does nothing where there is nothing, as after Finish with a directory; after that
// do not call it. No Write may be under way.
func (d *Dump) Abort() error {
	for _, s := range d.all {
		if s.file != nil {
			s.file.Discard()
			s.file = nil
		}
	}
	return d.depot.Abort()
}
