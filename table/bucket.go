package table

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/bucket"
)

// This file is the one place where S3 and the archive meet.

const scheme = "s3://"

// inBucket reports whether the place is s3://BUCKET/PREFIX, and not a path.
func inBucket(place string) bool { return strings.HasPrefix(place, scheme) }

// DumpPlace is the place of a dump in full: an absolute path, or s3://BUCKET/PREFIX. What text may
// be, beside these, is a relative path or file:DIR. The error is an [*Error] of kind [Usage] for
// what only looks like a place of a dump: another URL, an ARN, or s3: with too few slashes. A
// directory that is called so is ./NAME.
func DumpPlace(text string) (string, error) {
	if inBucket(text) {
		return scheme + strings.TrimRight(text[len(scheme):], "/"), nil
	}
	path, isFile := strings.CutPrefix(text, "file:")
	if rest, ok := strings.CutPrefix(path, "//"); isFile && ok && !strings.HasPrefix(rest, "/") {
		return "", usage("like file:dumps, or file:///var/dumps", "%s names a host, and a dump is in a directory of this machine, or in S3", text)
	}
	name, isARN := strings.CutPrefix(text, "arn:")
	bucket, isS3 := strings.CutPrefix(text, "s3:")
	switch {
	case isFile && path == "":
		return "", usage("like file:dumps", "%s names no directory", text)
	case isFile:
	case isARN:
		_, bucket, isS3 = strings.Cut(name, ":s3:::")
		fallthrough
	case isS3:
		hint := "like s3://backups/orders"
		if bucket = strings.Trim(bucket, "/"); isS3 && bucket != "" {
			hint = "for the bucket: " + scheme + bucket
		}
		return "", usage(hint, "%s is neither a directory nor s3://BUCKET/PREFIX", text)
	case strings.Contains(text, "://"):
		return "", usage("", "%s is neither a directory nor s3://BUCKET/PREFIX", text)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", usage("", "%w", err)
	}
	return path, nil
}

// storedPlace is the place of a dump that is there: its manifest, which is what Dump returns,
// stands for its folder.
func storedPlace(text string) (string, error) {
	place, err := DumpPlace(text)
	return strings.TrimSuffix(place, "/"+archive.Manifest), err
}

// shelf is where a dump is read from.
func (a *Account) shelf(ctx context.Context, place string) (archive.Shelf, error) {
	if !inBucket(place) {
		return archive.Directory(place), nil
	}
	return a.folder(ctx, place)
}

// depot is where a dump is written to.
func (a *Account) depot(ctx context.Context, place string) (archive.Depot, *bucket.Folder, error) {
	if !inBucket(place) {
		return archive.InDirectory(place), nil, nil
	}
	f, err := a.folder(ctx, place)
	if err != nil {
		return nil, nil, err
	}
	return upload{f.Upload(ctx)}, f, nil
}

// upload is a bucket as the archive sees it.
type upload struct{ *bucket.Upload }

func (u upload) Create(name string) (archive.File, error) { return u.Upload.Create(name), nil }

// folder opens s3://BUCKET/PREFIX with the account's profile. An endpoint that was given for the
// account is DynamoDB's: S3's own comes from the profile, or from AWS_ENDPOINT_URL_S3.
func (a *Account) folder(ctx context.Context, place string) (*bucket.Folder, error) {
	name, prefix, err := bucket.Split(place)
	if err != nil {
		return nil, usage("like s3://backups/orders", "%w", err)
	}
	f, err := bucket.Open(ctx, bucket.Client(a.at.Config), name, prefix, a.patience)
	return f, a.placeError(ctx, err)
}

// placeError explains an error of where dumps are.
func (a *Account) placeError(ctx context.Context, err error) error {
	e := (*bucket.Error)(nil)
	switch {
	case errors.As(err, &e) && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, bucket.ErrNoBucket):
		return usage("see: aws s3 ls, with the same profile", "%w", err)
	case errors.As(err, &e):
		return a.explain(ctx, e.Doing, e.Err)
	}
	return dumpError(err)
}
