// Package bucket keeps dumps in S3: it is where internal/archive reads from, and writes
// to, when that is no directory.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// A Folder is a prefix of a bucket.
type Folder struct {
	client *s3.Client
	bucket string
	prefix string // without a slash at its end; "" is the whole bucket

	patience *account.Patience
}

// An Error is what a call of S3 met.
type Error struct {
	Doing string // "read s3://bucket/key"
	Err   error
}

func (e *Error) Error() string { return e.Doing + ": " + account.Explain(e.Err).Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrNoBucket means that there is no bucket of that name.
var ErrNoBucket = errors.New("there is no such bucket")

// Split takes s3://BUCKET/PREFIX apart. A slash at the end does not matter.
func Split(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !ok || bucket == "" {
		return "", "", fmt.Errorf("%q is not s3://BUCKET/PREFIX", url)
	}
	if prefix != "" && slices.ContainsFunc(strings.Split(prefix, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return "", "", fmt.Errorf("the prefix in %q has an empty step, or one of dots", url)
	}
	return bucket, prefix, nil
}

// Client makes a client. It is as patient as the configuration's clients are.
func Client(cfg aws.Config, options ...func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(cfg, append([]func(*s3.Options){func(o *s3.Options) {
		// A dump has checksums of its own, and those for a range say nothing.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.UsePathStyle = o.BaseEndpoint != nil // other servers know no bucket by a name of DNS
		o.APIOptions = append(slices.Clone(o.APIOptions), sure)
	}}, options...)...)
}

// Open finds the bucket, which may be in another region than the client's. The errors are an
// [*Error], [ErrNoBucket] in it.
func Open(ctx context.Context, client *s3.Client, bucket, prefix string, patience *account.Patience) (*Folder, error) {
	f := &Folder{client, bucket, prefix, patience}
	out, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket)})
	region := ""
	if err == nil {
		region = aws.ToString(out.BucketRegion)
	}
	var answer *awshttp.ResponseError
	switch {
	case err == nil:
	case !errors.As(err, &answer) || answer.HTTPStatusCode() == 0 || errors.As(err, new(*account.GaveUpError)):
		return nil, failed(ctx, "look at "+f.Place(""), err)
	case answer.HTTPStatusCode() == http.StatusNotFound:
		return nil, &Error{"look at " + f.Place(""), ErrNoBucket}
	default: // what may not be asked may be known all the same, and the next call says why not
		region = answer.Response.Header.Get("X-Amz-Bucket-Region")
	}
	if region != "" && region != client.Options().Region {
		f.client = s3.New(client.Options(), func(o *s3.Options) { o.Region = region })
	}
	return f, nil
}

// Bucket is the bucket's name.
func (f *Folder) Bucket() string { return f.bucket }

// Prefix is the folder's, without a slash at its end.
func (f *Folder) Prefix() string { return f.prefix }

// Place is the URL of what has that name.
func (f *Folder) Place(name string) string { return "s3://" + f.bucket + "/" + f.key(name) }

// key is the whole key of what has that name.
func (f *Folder) key(name string) string {
	return strings.Trim(f.prefix+"/"+name, "/")
}

// Folders are the names below a folder that have something below them, all pages of them.
func (f *Folder) Folders(ctx context.Context, name string) (names []string, err error) {
	prefix := f.key(name)
	if prefix != "" {
		prefix += "/"
	}
	in := &s3.ListObjectsV2Input{Bucket: &f.bucket, Prefix: &prefix, Delimiter: aws.String("/")}
	err = account.Pages(func(token string) (string, error) {
		if token != "" {
			in.ContinuationToken = aws.String(token)
		}
		page, err := f.client.ListObjectsV2(ctx, in)
		if err != nil {
			return "", failed(ctx, "list "+f.Place(name), err)
		}
		for _, p := range page.CommonPrefixes {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), prefix), "/"))
		}
		return aws.ToString(page.NextContinuationToken), nil
	})
	if errors.Is(err, account.ErrRepeats) {
		err = &Error{"list " + f.Place(name), err}
	}
	return names, err
}

// failed says what a call met: that an object is missing as fs.ErrNotExist, that it was told
// to stop as the context's cause.
func failed(ctx context.Context, doing string, err error) error {
	var object *types.NoSuchKey
	var head *types.NotFound
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &object), errors.As(err, &head):
		return fmt.Errorf("%s: %w", doing, fs.ErrNotExist)
	case account.Classify(err) == account.Missing:
		return &Error{doing, ErrNoBucket}
	}
	return &Error{doing, err}
}
