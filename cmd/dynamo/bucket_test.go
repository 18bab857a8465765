package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// bucketCommand is about S3; see TestScripts.
func bucketCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bucket create|empty|damage|fault NAME [SUFFIX | KIND OP [KEY]]")
	}
	ctx, s3 := context.Background(), world.S3()
	verb, name, rest := args[0], args[1], args[2:]
	switch {
	case verb == "create" && len(rest) == 0:
		ts.Check(s3.CreateBucket(ctx, name, "eu-west-1"))
	case verb == "empty" && len(rest) == 0:
		keys, err := s3.Keys(ctx, name)
		ts.Check(err)
		parts, err := s3.Uploads(ctx, name)
		ts.Check(err)
		if len(keys)+len(parts) > 0 {
			ts.Fatalf("%s has %q and parts of %q", name, keys, parts)
		}
	case verb == "damage" && len(rest) == 1:
		keys, err := s3.Keys(ctx, name)
		ts.Check(err)
		for _, key := range keys {
			if strings.HasSuffix(key, rest[0]) {
				content, err := s3.Object(ctx, name, key)
				ts.Check(err)
				content[len(content)/2] ^= 1
				ts.Check(s3.Put(ctx, name, key, content))
				return
			}
		}
		ts.Fatalf("%s has no %s", name, rest[0])
	case verb == "fault" && len(rest) >= 2:
		f := ddbtest.S3Fault{Bucket: name, Kind: ddbtest.S3Kind(rest[0]), Op: rest[1], Key: append(rest, "")[2]}
		ts.Defer(s3.Inject(f))
	default:
		ts.Fatalf("bucket: cannot %q", args)
	}
}

// A dump to S3 that is interrupted ends as a signal says, and leaves nothing.
func TestDumpToBucketInterrupted(t *testing.T) {
	t.Parallel()
	name := newTables(t, 300, 0)
	for _, test := range []struct {
		signal os.Signal
		op     string
		code   int
	}{{os.Interrupt, "HeadBucket", 130}, {syscall.SIGTERM, "PutObject", 143}} {
		bucket := fmt.Sprintf("%s-%d", name, test.code)
		if err := world.S3().CreateBucket(t.Context(), bucket, "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		c := newCommand(t, "backup", "--table", name, "--env", "prod", "--to", "s3://"+bucket+"/x")
		reached := make(chan struct{})
		var once sync.Once
		remove := world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Hang, Bucket: bucket, Op: test.op, Do: func() { once.Do(func() { close(reached) }) }})
		c.pipe()
		<-reached
		if err := c.cmd.Process.Signal(test.signal); err != nil {
			t.Fatal(err)
		}
		if code := c.wait(); code != test.code {
			t.Errorf("exit code %d, want %d:\n%s", code, test.code, c.text())
		}
		remove()
		keys, err := world.S3().Keys(t.Context(), bucket)
		if err != nil || len(keys) != 0 {
			t.Errorf("left %q, %v", keys, err)
		}
	}
}

// The policies for buckets allow what is asked of S3, and nothing else.
func TestBucketPolicies(t *testing.T) {
	t.Parallel()
	name := newTables(t, 20, 0)
	bucket := name + "-policies"
	if err := world.S3().CreateBucket(t.Context(), bucket, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	actions := map[string]string{
		"HeadBucket": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket", "GetObject": "s3:GetObject", "PutObject": "s3:PutObject", "DeleteObjects": "s3:DeleteObject",
		"ListObjectVersions": "s3:ListBucketVersions",
	}
	seen := 0
	asked := func() []string {
		all := map[string]bool{}
		list := world.S3().Requests(bucket)
		for _, r := range list[seen:] {
			all[actions[r.Op]] = true
		}
		seen = len(list)
		return slices.Sorted(maps.Keys(all))
	}
	allowed := func(policy string) (list []string) {
		src, err := os.ReadFile("../../docs/iam/" + policy + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var p struct{ Statement []struct{ Action []string } }
		if err := json.Unmarshal(src, &p); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Statement {
			list = append(list, s.Action...)
		}
		slices.Sort(list)
		return list
	}
	run := func(code int, args ...string) {
		t.Helper()
		c := newCommand(t, append(args, "--table", name)...)
		c.pipe()
		if got := c.wait(); got != code {
			t.Fatalf("%q: exit code %d:\n%s", args, got, c.text())
		}
	}
	if err := world.S3().Version(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	remove := world.S3().Inject(ddbtest.S3Fault{Kind: ddbtest.S3Deny, Bucket: bucket, Op: "PutObject", Key: "manifest"})
	run(6, "backup", "--env", "prod", "--to", "s3://"+bucket)
	remove()
	run(0, "backup", "--env", "prod", "--to", "s3://"+bucket)
	// Parts are given up only of large objects, which other tests make; and a version is deleted by the same call as a key.
	if got, want := append(asked(), "s3:AbortMultipartUpload", "s3:DeleteObjectVersion"), allowed("dump-to-s3"); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("asked for %q, the policy allows %q", got, want)
	}
	run(0, "restore", "--env", "dev", "--from", "s3://"+bucket, "--yes")
	run(0, "compare", "--source", "prod", "--target", "s3://"+bucket)
	if got, want := asked(), allowed("dump-from-s3"); !slices.Equal(got, want) {
		t.Errorf("asked for %q, the policy allows %q", got, want)
	}
}
