package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// newBucket makes a bucket of the test's own.
func newBucket(t *testing.T, region string) string {
	t.Helper()
	name := fmt.Sprintf("dumps-%d", tables.Add(1))
	if err := world.S3().CreateBucket(t.Context(), name, region); err != nil {
		t.Fatal(err)
	}
	return name
}

func keysOf(t *testing.T, bucket string) []string {
	t.Helper()
	keys, err := world.S3().Keys(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// requireNothing fails where a dump that was not finished has left anything.
func requireNothing(t *testing.T, bucket string) {
	t.Helper()
	parts, err := world.S3().Uploads(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := world.S3().Versions(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys)+len(parts) != 0 {
		t.Errorf("left in the bucket: %q, and parts of %q", keys, parts)
	}
}

// A dump of prod in S3, in whatever region, makes dev equal, twice in a row, whatever goes wrong on the way; and it
// compares as equal with both.
func TestDumpToBucket(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, region, prefix string }{{"gzip", "eu-west-1", "a/b c"}, {"zstd", "us-west-2", ""}} {
		t.Run(test.kind, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
			p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 300, 1))
			p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 350, 2))
			prod, dev := p.open(t)
			bucket := newBucket(t, test.region)
			place := "s3://" + path.Join(bucket, test.prefix)
			for _, f := range []ddbtest.S3Fault{
				{Kind: ddbtest.S3SlowDown, Op: "PutObject", Bucket: bucket, Count: 2}, {Kind: ddbtest.S3Error, Op: "PutObject", Key: bucket, Skip: 3, Count: 1},
				{Kind: ddbtest.S3Reset, Op: "GetObject", Bucket: bucket, Skip: 3, Count: 1}, {Kind: ddbtest.S3Cut, Op: "GetObject", Bucket: bucket, Skip: 6, Count: 3},
				{Kind: ddbtest.S3SlowDown, Op: "GetObject", Bucket: bucket, Count: 2}, {Kind: ddbtest.S3SlowDown, Op: "ListObjectsV2", Key: bucket, Count: 1},
			} {
				defer world.S3().Inject(f)()
			}
			made, err := prod.Dump(t.Context(), place+"/", DumpOptions{Compress: test.kind, Segments: 2})
			if err != nil {
				t.Fatal(err)
			}
			if made.Written != 300 || !strings.HasPrefix(made.Manifest, place+"/AWSDynamoDB/0") || !strings.HasSuffix(made.Manifest, "/manifest-summary.json") {
				t.Fatalf("%+v", made)
			}
			o := restoring(t, Sync)
			o.NoBackup = false
			for i := range 2 {
				s, err := dev.Restore(t.Context(), place, o)
				if err != nil {
					t.Fatal(err)
				}
				if s.Read != 300 || s.Source.Path != strings.TrimSuffix(made.Manifest, "/manifest-summary.json") || i == 1 && s.Unchanged != 300 {
					t.Fatalf("%+v", s)
				}
				p.requireEqual(t)
			}
			for _, by := range []*Table{prod, dev} {
				if list, s := compared(t, by, NewDump(strings.TrimSuffix(made.Manifest, "/manifest-summary.json"), by.account), CompareOptions{}); len(list) != 0 || s.Equal != 300 {
					t.Errorf("%q, %+v", list, s)
				}
			}
			last := ""
			for _, r := range world.S3().Requests(bucket) {
				switch {
				case r.Region != test.region && r.Op != "HeadBucket":
					t.Errorf("%+v", r)
				case r.Op == "PutObject":
					last = r.Path
				case strings.HasPrefix(r.Op, "Delete"):
					t.Errorf("deleted: %+v", r)
				}
			}
			if !strings.HasSuffix(last, "/manifest-summary.json") {
				t.Errorf("the last object is %s", last)
			}
		})
	}
}

// A dump in a bucket can be imported by AWS, or by what stands for it: the keys in its manifests are whole ones.
func TestDumpImports(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) { // without escapes, which moto's import cannot read
		s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
		n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
		for i := range 200 {
			it := ddbtest.Item{
				"pk": s(fmt.Sprint("order ", i)), "n": n(fmt.Sprintf("%d.25", i)), "b": &types.AttributeValueMemberB{Value: []byte{0, byte(i), 255}},
				"ss": &types.AttributeValueMemberSS{Value: []string{"x", "é"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"1", "-2"}},
				"bool": &types.AttributeValueMemberBOOL{Value: i%2 == 0}, "null": &types.AttributeValueMemberNULL{Value: true},
				"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{s("in it"), n("7")}}, "m": &types.AttributeValueMemberM{Value: ddbtest.Item{"k": s("v")}},
			}
			if !yield(it) {
				return
			}
		}
	})
	prod, _ := p.open(t)
	bucket := newBucket(t, "eu-west-1")
	made, err := prod.Dump(t.Context(), "s3://"+bucket+"/exports", DumpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := strings.TrimSuffix(strings.TrimPrefix(made.Manifest, "s3://"+bucket+"/"), "/manifest-summary.json")
	files, err := world.S3().Object(t.Context(), bucket, own+"/manifest-files.json")
	if err != nil || !strings.Contains(string(files), `"dataFileS3Key":"`+own+`/data/`) {
		t.Fatalf("%s, %v", files, err)
	}
	summary, err := world.S3().Object(t.Context(), bucket, own+"/manifest-summary.json")
	if err != nil || !strings.Contains(string(summary), `"s3Bucket":"`+bucket+`","s3Prefix":"exports","manifestFilesS3Key":"`+own+`/manifest-files.json"`) {
		t.Fatalf("%s, %v", summary, err)
	}
	importer := world.S3().Importer()
	name := aws.String(p.Name + "-imported")
	started, err := importer.ImportTable(t.Context(), &dynamodb.ImportTableInput{
		InputFormat: types.InputFormatDynamodbJson, InputCompressionType: types.InputCompressionTypeGzip,
		S3BucketSource: &types.S3BucketSource{S3Bucket: &bucket, S3KeyPrefix: aws.String(own + "/data/")},
		TableCreationParameters: &types.TableCreationParameters{
			TableName: name, BillingMode: types.BillingModePayPerRequest,
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		out, err := importer.DescribeImport(ctx, &dynamodb.DescribeImportInput{ImportArn: started.ImportTableDescription.ImportArn})
		if err != nil {
			t.Fatal(err)
		}
		if d := out.ImportTableDescription; d.ImportStatus == types.ImportStatusCompleted {
			if d.ImportedItemCount != 200 {
				t.Errorf("%d items processed, %d imported: %s", d.ProcessedItemCount, d.ImportedItemCount, aws.ToString(d.FailureMessage))
			}
			break
		} else if d.ImportStatus == types.ImportStatusFailed {
			t.Fatalf("%s: %s", aws.ToString(d.FailureCode), aws.ToString(d.FailureMessage))
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
	ddbtest.RequireEqual(t, p.prod.Client(), importer, p.Name, *name)
}

// An export as AWS makes it, below a prefix, restores from where it is.
func TestRestoreOfAWSExportInBucket(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	dir := t.TempDir()
	e := awsExport{t: t, dir: dir}
	e.file("asdl123dasas", `{"Item":{"pk":{"S":"one"},"n":{"N":"1.50"}}}`)
	e.raw("zxcv789zero.json.gz", nil, 0)
	e.file("yuio012last", `{"Item":{"b":{"B":"AP8="},"pk":{"S":"three"}}}`)
	e.finish(2)
	bucket := newBucket(t, "eu-west-1")
	put(t, bucket, "2020-Nov/AWSDynamoDB/01693685827463-2d8752fd", dir)
	for i := range 3 { // what is no dump does not count, nor what is not whole
		if err := world.S3().Put(t.Context(), bucket, fmt.Sprintf("2020-Nov/AWSDynamoDB/x%d/data/a", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		_ = yield(ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: "one"}, "n": &types.AttributeValueMemberN{Value: "1.5"}}) &&
			yield(ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: "three"}, "b": &types.AttributeValueMemberB{Value: []byte{0, 255}}})
	})
	_, dev := p.open(t)
	for _, from := range []string{"/2020-Nov", "/2020-Nov/AWSDynamoDB/", "/2020-Nov/AWSDynamoDB/01693685827463-2d8752fd"} {
		s, err := dev.Restore(t.Context(), "s3://"+bucket+from, restoring(t, Sync))
		if err != nil {
			t.Fatal(err)
		}
		if s.Source.Table != "ProductCatalog" || s.Read != 2 {
			t.Fatalf("%+v", s)
		}
		p.requireEqual(t)
	}
	put(t, bucket, "2020-Nov/AWSDynamoDB/01693685827464-2d8752fe", dir)
	_, err := dev.Restore(t.Context(), "s3://"+bucket+"/2020-Nov", restoring(t, Sync))
	if kindOf(err) != Usage || !strings.Contains(err.Error(), "01693685827463-2d8752fd, 01693685827464-2d8752fe") || !strings.HasSuffix(hintOf(err), bucket+"/2020-Nov/AWSDynamoDB/01693685827463-2d8752fd") {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
}

// put stores a directory's files below a prefix.
func put(t *testing.T, bucket, prefix, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return world.S3().Put(t.Context(), bucket, prefix+filepath.ToSlash(strings.TrimPrefix(name, dir)), content)
	}); err != nil {
		t.Fatal(err)
	}
}

// Of many folders in a bucket all pages are looked through.
func TestRestoreAmongManyFolders(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 5, 1))
	bucket := newBucket(t, "eu-west-1")
	put(t, bucket, "AWSDynamoDB/zzz", filepath.Join(p.dumpOf(t, DumpOptions{}), "AWSDynamoDB"))
	_, dev := p.open(t)
	shelf, err := dev.account.shelf(t.Context(), "s3://"+bucket)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"zzz"}
	for i := range 25 { // a page has ten
		name := fmt.Sprintf("%04d", i)
		names = append(names, name)
		if err := world.S3().Put(t.Context(), bucket, "AWSDynamoDB/"+name+"/x", nil); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	if list, err := shelf.Folders(t.Context(), "AWSDynamoDB"); err != nil || !slices.Equal(list, names) {
		t.Fatalf("%d folders, %v", len(list), err)
	}
}

// What is damaged, missing or denied in a bucket is refused before anything is written.
func TestRestoreRefusesDamageInBucket(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 40, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 3, 2))
	_, dev := p.open(t)
	whole := filepath.Join(p.dumpOf(t, DumpOptions{Segments: 1}), "AWSDynamoDB")
	edit := func(name string, change func(string) string) func(string) {
		return func(bucket string) {
			for _, key := range keysOf(t, bucket) {
				if !strings.HasSuffix(key, name) {
					continue
				}
				content, err := world.S3().Object(t.Context(), bucket, key)
				if err == nil {
					err = world.S3().Put(t.Context(), bucket, key, []byte(change(string(content))))
				}
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Fatalf("no %s", name)
		}
	}
	remove := func(name string) func(string) {
		return func(bucket string) {
			for _, key := range keysOf(t, bucket) {
				if strings.HasSuffix(key, name) {
					if err := world.S3().Delete(t.Context(), bucket, key); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	forge := func(old, new string) func(string) { // with checksums that fit
		return func(bucket string) {
			remove(".checksum")(bucket)
			edit("manifest-summary.json", func(string) string { return `{"outputFormat":"DYNAMODB_JSON","itemCount":40}` })(bucket)
			edit("manifest-files.json", func(s string) string { return strings.Replace(s, old, new, 1) })(bucket)
		}
	}
	fault := func(f ddbtest.S3Fault) func(string) {
		return func(bucket string) {
			f.Key = bucket + f.Key
			t.Cleanup(world.S3().Inject(f))
		}
	}
	for _, test := range []struct {
		name   string
		damage func(bucket string)
		kind   Kind
		text   string
	}{
		{"flipped byte", edit("000001.json.gz", func(s string) string { return s[:len(s)/3] + string(s[len(s)/3]^1) + s[len(s)/3+1:] }), Mismatch, "000001.json.gz"},
		{"cut", edit("000001.json.gz", func(s string) string { return s[:len(s)/2] }), Mismatch, "000001.json.gz"},
		{"missing", remove("000001.json.gz"), Mismatch, "it is missing"},
		{"missing list", remove("manifest-files.json"), Mismatch, "manifest-files.json: it is missing"},
		{"no dump", remove("manifest-summary.json"), Usage, "there is no dump in s3://"},
		{"wrong count", forge(`"itemCount":`, `"itemCount":1`), Mismatch, "manifest-files.json"},
		{"way out", forge("AWSDynamoDB/", "../x/"), Refused, "leads out of the dump"},
		{"denied", fault(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Key: "/"}), Denied, "AccessDenied"},
		{"breaks off for ever", fault(ddbtest.S3Fault{Kind: ddbtest.S3Cut, Op: "GetObject", Key: "/d/0"}), Failed, "broke off"},
		{"no such bucket", nil, Usage, "there is no such bucket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bucket := newBucket(t, "eu-west-1")
			put(t, bucket, "d", whole)
			from := "s3://" + bucket + "/d"
			if test.damage != nil {
				test.damage(bucket)
			} else {
				from = "s3://" + bucket + "-other/d"
			}
			o := restoring(t, Sync)
			o.Stall = 5 * time.Second
			_, err := dev.Restore(t.Context(), from, o)
			if kindOf(err) != test.kind || !strings.Contains(fmt.Sprint(err), test.text) {
				t.Errorf("kind %d, want %d: %v", kindOf(err), test.kind, err)
			}
			requireEmpty(t, o.RunDir)
		})
	}
	if list := p.mutations(p.dev); len(list) != 0 {
		t.Errorf("written: %q", list)
	}
}

// A dump to a bucket that fails, or is stopped, anywhere leaves nothing there: no object and no part of one.
func TestDumpToBucketFails(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, largeItems(18, 300<<10))
	prod, _ := p.open(t)
	why := errors.New("enough")
	for _, test := range []struct {
		name  string
		fault ddbtest.S3Fault
		stop  bool
		kind  Kind
	}{
		{"first part denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "UploadPart"}, false, Denied},
		{"a later part denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "UploadPart", Skip: 1}, false, Denied},
		{"beginning denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "CreateMultipartUpload"}, false, Denied},
		{"completing denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "CompleteMultipartUpload"}, false, Denied},
		{"a manifest denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "PutObject", Key: "manifest-files"}, false, Denied},
		{"the last object denied", ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "PutObject", Key: "manifest-summary.json"}, false, Denied},
		{"a web page for the last object", ddbtest.S3Fault{Kind: ddbtest.S3HTML, Op: "PutObject", Key: "manifest-summary.json"}, false, Failed},
		{"nothing for the last object", ddbtest.S3Fault{Kind: ddbtest.S3Bare, Op: "PutObject", Key: "manifest-summary.json"}, false, Failed},
		{"a web page for a part", ddbtest.S3Fault{Kind: ddbtest.S3HTML, Op: "UploadPart"}, false, Failed},
		{"a web page for the completion", ddbtest.S3Fault{Kind: ddbtest.S3HTML, Op: "CompleteMultipartUpload"}, false, Failed},
		{"nothing for the beginning", ddbtest.S3Fault{Kind: ddbtest.S3Bare, Op: "CreateMultipartUpload"}, false, Failed},
		{"stopped when it was whole", ddbtest.S3Fault{Kind: ddbtest.S3Cut, Op: "PutObject", Key: "manifest-summary.json", Count: 1}, true, 0},
		{"stopped at the first part", ddbtest.S3Fault{Kind: ddbtest.S3Hang, Op: "UploadPart"}, true, Failed},
		{"stopped while it completes", ddbtest.S3Fault{Kind: ddbtest.S3Hang, Op: "CompleteMultipartUpload"}, true, Failed},
		{"stopped at the last object", ddbtest.S3Fault{Kind: ddbtest.S3Hang, Op: "PutObject", Key: "manifest-summary.json"}, true, Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bucket := newBucket(t, "eu-west-1")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if test.fault.Bucket = bucket; test.stop {
				test.fault.Do = func() { cancel(why) }
			}
			remove := world.S3().Inject(test.fault)
			defer remove()
			s, err := prod.Dump(ctx, "s3://"+bucket+"/x", DumpOptions{Segments: 1, Files: 1, Stall: 5 * time.Second})
			if test.kind == 0 { // the call was under way, and made again: what is whole stays
				if err != nil || !strings.Contains(strings.Join(keysOf(t, bucket), " "), "manifest-summary.json") || s.Manifest == "" {
					t.Errorf("%v; %+v", err, s)
				}
				return
			}
			if kindOf(err) != test.kind || test.stop && !errors.Is(err, why) || s.Manifest != "" {
				t.Errorf("kind %d, want %d: %v; %+v", kindOf(err), test.kind, err, s)
			}
			requireNothing(t, bucket)
		})
	}
	t.Run("a web page for the deletion", func(t *testing.T) {
		t.Parallel()
		bucket := newBucket(t, "eu-west-1")
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "PutObject", Bucket: bucket, Key: "manifest-summary.json"})()
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3HTML, Op: "DeleteObjects", Bucket: bucket})()
		_, err := prod.Dump(t.Context(), "s3://"+bucket, DumpOptions{Files: 1})
		if kindOf(err) != Denied || !strings.Contains(fmt.Sprint(err), "what is left of the dump in s3://"+bucket+"/AWSDynamoDB/0") {
			t.Errorf("%v", err)
		}
	})
	t.Run("what cannot be deleted is named", func(t *testing.T) {
		bucket := newBucket(t, "eu-west-1")
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "PutObject", Bucket: bucket, Key: "manifest-summary.json"})()
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "DeleteObjects", Bucket: bucket})()
		_, err := prod.Dump(t.Context(), "s3://"+bucket, DumpOptions{Files: 1})
		if kindOf(err) != Denied || !strings.Contains(fmt.Sprint(err), "what is left of the dump in s3://"+bucket+"/AWSDynamoDB/0") {
			t.Errorf("%v", err)
		}
	})
}

// What a bucket answers by a web page, or by nothing, is asked for again, and a dump is what it should be.
func TestDumpToBucketBelievesNoPage(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, largeItems(18, 300<<10))
	prod, dev := p.open(t)
	bucket := newBucket(t, "eu-west-1")
	for _, op := range []string{"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2"} {
		for _, kind := range []ddbtest.S3Kind{ddbtest.S3HTML, ddbtest.S3Bare} {
			defer world.S3().Inject(ddbtest.S3Fault{Kind: kind, Op: op, Bucket: bucket, Count: 1})()
		}
	}
	if _, err := prod.Dump(t.Context(), "s3://"+bucket, DumpOptions{Segments: 1, Files: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Restore(t.Context(), "s3://"+bucket, restoring(t, Sync)); err != nil {
		t.Fatal(err)
	}
	p.requireEqual(t)
}

// A bucket that keeps versions has none of a dump that failed, also where the answer to a call was lost.
func TestDumpToVersionedBucketFails(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, largeItems(18, 300<<10))
	prod, _ := p.open(t)
	for _, test := range []struct {
		name   string
		faults []ddbtest.S3Fault
	}{
		{"the last object denied", []ddbtest.S3Fault{{Kind: ddbtest.S3Deny, Op: "PutObject", Key: "manifest-summary.json"}}},
		{"and the answers before are lost", []ddbtest.S3Fault{{Kind: ddbtest.S3Deny, Op: "PutObject", Key: "manifest-summary.json"},
			{Kind: ddbtest.S3Cut, Op: "PutObject", Key: "manifest-files", Count: 2}, {Kind: ddbtest.S3Cut, Op: "CompleteMultipartUpload", Count: 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bucket := newBucket(t, "eu-west-1")
			if err := world.S3().Version(t.Context(), bucket); err != nil {
				t.Fatal(err)
			}
			for _, f := range test.faults {
				f.Bucket = bucket
				defer world.S3().Inject(f)()
			}
			if _, err := prod.Dump(t.Context(), "s3://"+bucket+"/x", DumpOptions{Segments: 1, Files: 1}); err == nil {
				t.Error("it succeeded")
			}
			requireNothing(t, bucket)
		})
	}
	t.Run("versions that may not be listed are named", func(t *testing.T) {
		bucket := newBucket(t, "eu-west-1")
		if err := world.S3().Version(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "PutObject", Bucket: bucket, Key: "manifest-summary.json"})()
		defer world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Op: "ListObjectVersions", Bucket: bucket})()
		_, err := prod.Dump(t.Context(), "s3://"+bucket, DumpOptions{Files: 1})
		if err == nil || !strings.Contains(err.Error(), "what is left of the dump in s3://"+bucket+"/AWSDynamoDB/0") {
			t.Errorf("%v", err)
		}
		if keys := keysOf(t, bucket); len(keys) > 0 {
			t.Errorf("left: %q", keys)
		}
	})
}

// largeItems do not shrink when they are packed.
func largeItems(n, size int) func(yield func(ddbtest.Item) bool) {
	return func(yield func(ddbtest.Item) bool) {
		random := rand.NewChaCha8([32]byte{1})
		for i := range n {
			noise := make([]byte, size)
			random.Read(noise) //nolint:errcheck // it never fails
			if !yield(ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}, "b": &types.AttributeValueMemberB{Value: noise}}) {
				return
			}
		}
	}
}
