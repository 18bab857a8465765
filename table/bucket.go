package table

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/bucket"
)

// This file is the one place where S3 and the archive meet.

const scheme = "s3://"

// inBucket reports whether the place is s3://BUCKET/PREFIX, and not a path.
func inBucket(place string) bool { return strings.HasPrefix(place, scheme) }

// absolute is the place in full: a run remembers it.
func absolute(place string) (string, error) {
	if inBucket(place) {
		return scheme + strings.TrimRight(place[len(scheme):], "/"), nil
	}
	path, err := filepath.Abs(place)
	if err != nil {
		return "", usage("", "%w", err)
	}
	return path, nil
}

// shelf is where a dump is read from.
func (t *Table) shelf(ctx context.Context, place string) (archive.Shelf, error) {
	if !inBucket(place) {
		return archive.Directory(place), nil
	}
	return t.folder(ctx, place)
}

// depot is where a dump is written to.
func (t *Table) depot(ctx context.Context, place string) (archive.Depot, *bucket.Folder, error) {
	if !inBucket(place) {
		return archive.InDirectory(place), nil, nil
	}
	f, err := t.folder(ctx, place)
	if err != nil {
		return nil, nil, err
	}
	return upload{f.Upload(ctx)}, f, nil
}

// upload is a bucket as the archive sees it.
type upload struct{ *bucket.Upload }

func (u upload) Create(name string) (archive.File, error) { return u.Upload.Create(name), nil }

// folder opens s3://BUCKET/PREFIX with the table's profile. An endpoint that was given for the table is DynamoDB's: S3's
// own comes from the profile, or from AWS_ENDPOINT_URL_S3.
func (t *Table) folder(ctx context.Context, place string) (*bucket.Folder, error) {
	name, prefix, err := bucket.Split(place)
	if err != nil {
		return nil, usage("like s3://backups/orders", "%w", err)
	}
	client := bucket.Client(t.config, func(o *s3.Options) { o.APIOptions = append(slices.Clone(o.APIOptions), t.logged) })
	if err := t.checkEndpointOf("S3", client.Options().BaseEndpoint); err != nil {
		return nil, err
	}
	f, err := bucket.Open(ctx, client, name, prefix)
	return f, t.placeError(ctx, err)
}

// placeError explains an error of where dumps are.
func (t *Table) placeError(ctx context.Context, err error) error {
	e := (*bucket.Error)(nil)
	switch {
	case errors.As(err, &e) && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, bucket.ErrNoBucket):
		return usage("see: aws s3 ls, with the same profile", "%w", err)
	case errors.As(err, &e):
		return t.explain(ctx, e.Doing, e.Err)
	}
	return dumpError(err)
}
