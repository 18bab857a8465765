package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/bucket"
	"github.com/dynamo-cmdline/dynamo/item"
)

// DumpOptions choose how to dump. The zero value works.
type DumpOptions struct {
	Compress  string        // "gzip" or "zstd"; "" means gzip
	Files     int           // data files open at once, which bounds memory; 0 means one a processor, from 2 to 8
	Segments  int           // of the scan; 0 chooses from the table's size
	ReadUnits Budget        // most read capacity units per second
	Eventual  bool          // eventually consistent reads, at half the cost
	Stall     time.Duration // give up after so long without any progress; 0 means 15 minutes
	Watch     func(Phase)   // told when reading begins; nil for none
}

// A DumpSummary says what a dump did. The JSON is the command's contract.
type DumpSummary struct {
	Command string      `json:"command"`
	Source  Description `json:"source"`

	Read    int64 `json:"read"`
	Written int64 `json:"written"`

	Throttled int64            `json:"throttled"`
	Retried   int64            `json:"retried"`
	Reasons   map[string]int64 `json:"throttle_reasons,omitempty"`
	ReadUnits float64          `json:"read_units"`
	Bytes     int64            `json:"bytes"` // of item JSON written, before it is compressed
	Seconds   float64          `json:"seconds"`
	Manifest  string           `json:"manifest,omitempty"` // the place of manifest-summary.json; empty where there is no whole dump
	Unknown   []string         `json:"unknown,omitempty"`  // what of the table's settings could not be asked for, and is not in table.json
}

const phaseDump = "dump"

// Dump writes all items to files below a directory, or s3://BUCKET/PREFIX, in the layout of AWS's export to S3:
// AWSDynamoDB/ID/ with the manifests, the data, and the table's description in table.json. It appears whole or
// not at all. Each dump has an ID of its own.
//
// In a directory nobody else can read the files, and no link is followed. A bucket is written to with the table's profile,
// in whatever region it is: objects as they fill up, in parts, and manifest-summary.json last, without which there is no
// dump. After an error what was written is deleted again, and its parts are given up; where that fails the error says so.
//
// Each of the Files that are open holds some 2 MB, and 20 MB more where it goes to a bucket: 180 MB at the most, by
// default. The scan's pages come to about 2 MB for each of at least four readers.
//
// A scan is no snapshot: items that are written while Dump runs may come in either version. The errors
// are an [*Error], or the context's cause; then there is nothing of the dump.
func (t *Table) Dump(ctx context.Context, to string, o DumpOptions) (DumpSummary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	began := time.Now()
	var stats copier.Stats
	s := DumpSummary{Command: "backup"}
	err := t.dump(ctx, to, o, began, &stats, &s)
	var n tally
	c := stats.Count()
	n.add(c)
	s.Read, s.Written, s.Bytes = c.Read, c.Written, c.Bytes
	s.Throttled, s.Retried, s.Reasons, s.ReadUnits = n.Throttled, n.Retried, n.Reasons, n.ReadUnits
	s.Seconds = time.Since(began).Seconds()
	return s, err
}

func (t *Table) dump(ctx context.Context, to string, o DumpOptions, began time.Time, stats *copier.Stats, s *DumpSummary) (err error) {
	kind := archive.Compression(or(o.Compress, string(archive.Gzip)))
	switch {
	case kind != archive.Gzip && kind != archive.Zstd:
		return usage("gzip or zstd", "unknown compression %q", o.Compress)
	case o.Files < 0 || o.Files > 1024:
		return usage("from 1 to 1024", "%d files at once", o.Files)
	case o.Segments < 0 || o.Segments > 1_000_000:
		return usage("DynamoDB takes 1 to 1,000,000", "%d segments", o.Segments)
	}
	d, err := t.ready(ctx)
	if err != nil {
		return err
	}
	s.Source = d
	units, err := o.ReadUnits.of(d, d.ReadCapacity, "read")
	if err != nil {
		return err
	}
	about, err := t.about(ctx, s)
	if err != nil {
		return err
	}
	if to, err = DumpPlace(to); err != nil {
		return err
	}
	depot, folder, err := t.account.depot(ctx, to)
	if err != nil {
		return err
	}
	if folder == nil {
		t.tidy(ctx, to, began)
	}
	dump, err := archive.BeginDump(depot, kind, o.Files, began)
	if err != nil {
		return archiveError(err)
	}
	defer func() {
		if err != nil {
			err = both(t.writeError(ctx, err), dump.Abort())
		}
	}()
	readers := max(4, runtime.GOMAXPROCS(0))
	src := t.reader(d, scanOptions{segments: or0(o.Segments, segments(d, readers)), eventual: o.Eventual})
	if o.Watch != nil {
		o.Watch(Phase{Name: phaseDump, Items: d.Items, Bytes: d.Bytes, Stats: stats})
	}
	// A batch more than writers waits, so that each has the next at once.
	if err := copier.Run(ctx, src, dumping{dump}, copier.Options{
		Readers: readers, Workers: 2 * dump.Writers(), Stall: o.Stall, ReadUnits: units, Stats: stats,
	}); err != nil {
		return runError(err, t, t)
	}
	if err := t.same(ctx, d); err != nil {
		return err
	}
	if d.Items > 0 && stats.Count().Read == 0 { // a restore believes the dump
		t.account.log.WarnContext(ctx, fmt.Sprintf("the dump has no items, but AWS counts %d in the table", d.Items))
	}
	summary := archive.Summary{
		StartTime: began.UTC(), EndTime: time.Now().UTC(), ExportTime: began.UTC(), TableARN: d.ARN, TableID: d.ID, Program: t.account.agent,
	}
	if folder != nil {
		prefix := folder.Prefix()
		summary.Bucket, summary.Prefix = folder.Bucket(), &prefix
	}
	s.Manifest, err = dump.Finish(summary, about)
	return err
}

// tidy takes away what dumps left in the directory that were killed, and says so.
func (t *Table) tidy(ctx context.Context, dir string, now time.Time) {
	gone, left := archive.Leftovers(dir, now)
	for _, path := range gone {
		t.account.log.WarnContext(ctx, "removed what a dump left that was killed", "path", path)
	}
	for _, path := range left {
		t.account.log.WarnContext(ctx, "there is a dump that is not whole: unless somebody still writes to it, remove it", "path", path)
	}
}

// writeError explains why there is no dump.
func (t *Table) writeError(ctx context.Context, err error) error {
	if errors.As(err, new(*bucket.Error)) {
		return t.account.placeError(ctx, err)
	}
	return archiveError(err)
}

// dumping is a dump as the engine's sink. It takes everything or breaks.
type dumping struct{ *archive.Dump }

func (d dumping) Write(_ context.Context, batch []item.Write, _ int) (copier.Result, error) {
	items := make([][]byte, len(batch))
	for i, w := range batch {
		items[i] = w.Raw
	}
	return copier.Result{}, d.Dump.Write(items)
}

// archiveError explains an error about files.
func archiveError(err error) error {
	if bad := (*archive.PathError)(nil); errors.As(err, &bad) {
		return refused("name another directory, or look at what is there", "%w", err)
	}
	return err
}

// about is what AWS knows of the table beside its items, as JSON: all that is needed to make it anew.
// What the profile may not ask, or the endpoint does not know, is left out and named.
func (t *Table) about(ctx context.Context, s *DumpSummary) ([]byte, error) {
	name := aws.String(t.name)
	d, err := t.ask(ctx)
	if err != nil {
		return nil, err
	}
	about := struct {
		Table             *types.TableDescription
		TimeToLive        *types.TimeToLiveDescription
		ContinuousBackups *types.ContinuousBackupsDescription
		Tags              []types.Tag
		Unknown           []string
	}{Table: d}
	ask := func(what string, err error) {
		if err != nil {
			t.account.log.WarnContext(ctx, "the dump goes without: "+what, "error", brief(err))
			about.Unknown = append(about.Unknown, what)
		}
	}
	ttl, err := t.account.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: name})
	if ask("TTL", err); err == nil {
		about.TimeToLive = ttl.TimeToLiveDescription
	}
	pitr, err := t.account.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if ask("point-in-time recovery", err); err == nil {
		about.ContinuousBackups = pitr.ContinuousBackupsDescription
	}
	tags, err := t.tags(ctx, aws.ToString(d.TableArn))
	if ask("tags", err); err == nil {
		about.Tags = tags
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.Unknown = about.Unknown
	return withoutNulls(about)
}

// withoutNulls is JSON that says nothing of what is not there: the SDK's types
// have a member for everything.
func withoutNulls(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("describe the table: %w", err)
	}
	var tree map[string]any
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber()
	if err := numbers.Decode(&tree); err != nil {
		return nil, fmt.Errorf("describe the table: %w", err)
	}
	prune(tree)
	raw, err = json.MarshalIndent(tree, "", "  ")
	return append(raw, '\n'), err
}

func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == nil || inner == "" {
				delete(v, name)
				continue
			}
			prune(inner)
		}
	case []any:
		for _, inner := range v {
			prune(inner)
		}
	}
}
