package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/crash"
)

const (
	// partSize is S3's least for a part. A data file of 256 MB has some 50 of 10,000 parts.
	partSize = 5 << 20
	// partsAtOnce of one file are on their way while the next is filled: a file
	// holds at most four parts, 20 MB.
	partsAtOnce = 2
	// cleanLimit is for each call that takes away what is not whole,
	// when all else may be over already.
	cleanLimit = 2 * time.Minute
	// grace is how long what is under way may take when the dump is stopped: a call that is cut off
	// may be applied after all, and then nobody would know what there is to take away.
	grace = 5 * time.Second
	// mostDeleted is S3's limit of keys in one DeleteObjects.
	mostDeleted = 1000
)

// An Upload is a dump that is being written to a folder.
type Upload struct {
	ctx     context.Context // of all that is written; what takes it away again has one of its own
	folder  *Folder
	id      string
	running sync.WaitGroup

	mu   sync.Mutex
	made []string // keys, in their order

	versioned atomic.Bool // the bucket keeps what is deleted
}

// Upload is a depot in the folder. Each file that is open there holds at most 20 MB: four parts.
func (f *Folder) Upload(ctx context.Context) *Upload {
	return &Upload{ctx: ctx, folder: f}
}

// exportDir is where AWS's export puts a dump.
const exportDir = "AWSDynamoDB"

// Begin gives the dump its ID. Nothing is sent.
func (u *Upload) Begin(id string) error {
	u.id = id
	return nil
}

// Key is a file's whole key: as AWS's export has it, with the prefix.
func (u *Upload) Key(name string) string { return u.folder.key(path.Join(exportDir, u.id, name)) }

// Create begins an object. It is there when Close returns nil.
func (u *Upload) Create(name string) *Object {
	r, w := io.Pipe()
	o := &Object{w, make(chan error, 1)}
	key := u.Key(name)
	u.mu.Lock()
	u.made = append(u.made, key)
	u.mu.Unlock()
	u.running.Go(func() {
		defer crash.Guard(u.ctx)
		err := u.send(key, r)
		r.CloseWithError(cause(err)) //nolint:errcheck // it never fails
		o.done <- err
	})
	return o
}

// send stores what the reader gives, or nothing.
func (u *Upload) send(key string, from io.Reader) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(u.ctx))
	defer cancel()
	defer context.AfterFunc(u.ctx, func() { time.AfterFunc(grace, cancel) })()
	client := &completing{Client: u.folder.client}
	manager := transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partSize, partSize, partsAtOnce
		o.FailTimeout = cleanLimit // gives up what it began also when ctx is over
	})
	out, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &u.folder.bucket, Key: &key, Body: from})
	if err == nil && client.failed != nil {
		err = client.failed
		giveUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
		defer cancel()
		// Where it was completed after all there is no upload to give up, but an object to delete.
		var none *types.NoSuchUpload
		if _, e := client.AbortMultipartUpload(giveUp, &s3.AbortMultipartUploadInput{Bucket: &u.folder.bucket, Key: &key, UploadId: out.UploadID}); e != nil && !errors.As(e, &none) {
			err = errors.Join(err, fmt.Errorf("give the parts of %s up: %w", key, e))
		}
	}
	return failed(u.ctx, "write s3://"+u.folder.bucket+"/"+key, err)
}

// completing keeps the error of a CompleteMultipartUpload to itself: the manager would print it.
type completing struct {
	*s3.Client
	failed error
}

func (c *completing) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, o ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	out, err := c.Client.CompleteMultipartUpload(ctx, in, o...)
	if err != nil {
		c.failed = err
		return &s3.CompleteMultipartUploadOutput{}, nil
	}
	return out, nil
}

// cause is what a writer is told: an upload that has ended takes no more.
func cause(err error) error {
	if err == nil {
		return io.ErrClosedPipe
	}
	return err
}

// An Object is being written.
type Object struct {
	pipe *io.PipeWriter
	done chan error
}

func (o *Object) Write(b []byte) (int, error) { return o.pipe.Write(b) }

// Close returns when the object is there as a whole, or why it is not.
func (o *Object) Close() error {
	o.pipe.Close() //nolint:errcheck // it never fails
	return <-o.done
}

var errDiscarded = errors.New("given up")

// Discard gives the object up, and waits until its parts are.
func (o *Object) Discard() {
	o.pipe.CloseWithError(errDiscarded) //nolint:errcheck // it never fails
	<-o.done                            //nolint:errcheck // it is why it was given up
}

// Finish returns the place of the manifest, with which the dump is there.
func (u *Upload) Finish() (string, error) {
	return u.folder.Place(path.Join(exportDir, u.id, "manifest-summary.json")), nil
}

// Abort deletes all objects, the last one first: that is the manifest. Of a bucket that
// keeps versions it deletes those, all of this dump's, whose ID no other has. What it
// cannot delete its error names.
func (u *Upload) Abort() error {
	u.running.Wait()
	slices.Reverse(u.made)
	// the manifest alone: without it there is no dump
	for n := 1; len(u.made) > 0; n = min(mostDeleted, len(u.made)) {
		var all []types.ObjectIdentifier
		for _, key := range u.made[:n] {
			all = append(all, types.ObjectIdentifier{Key: &key})
		}
		if err := u.remove(all); err != nil {
			return u.left(err)
		}
		u.made = u.made[n:]
	}
	if !u.versioned.Load() {
		return nil
	}
	if err := u.removeVersions(); err != nil {
		return u.left(fmt.Errorf("old versions: %w", err))
	}
	return nil
}

// left says that something is.
func (u *Upload) left(err error) error {
	return fmt.Errorf("what is left of the dump in s3://%s/%s: %w", u.folder.bucket, u.Key(""), err)
}

// remove deletes objects, or versions of them, as many as one call takes. Where a deletion only
// hides what was there, that is noted.
func (u *Upload) remove(all []types.ObjectIdentifier) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), cleanLimit)
	defer cancel()
	out, err := u.folder.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &u.folder.bucket, Delete: &types.Delete{Objects: all}})
	if err != nil {
		return failed(ctx, "delete", err)
	}
	for _, d := range out.Deleted {
		if aws.ToBool(d.DeleteMarker) {
			u.versioned.Store(true)
		}
	}
	return undeleted(all, out)
}

// removeVersions deletes all versions of what is in the dump's folder, and what hides them.
func (u *Upload) removeVersions() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), cleanLimit)
	defer cancel()
	in := &s3.ListObjectVersionsInput{Bucket: &u.folder.bucket, Prefix: aws.String(u.Key("") + "/")}
	return account.Pages(func(string) (next string, err error) {
		page, err := u.folder.client.ListObjectVersions(ctx, in)
		if err != nil {
			return "", failed(ctx, "list the versions", err)
		}
		var all []types.ObjectIdentifier
		for _, v := range page.Versions {
			all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			all = append(all, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		for chunk := range slices.Chunk(all, mostDeleted) {
			if err := u.remove(chunk); err != nil {
				return "", err
			}
		}
		if aws.ToBool(page.IsTruncated) {
			next = aws.ToString(page.NextKeyMarker) + "\n" + aws.ToString(page.NextVersionIdMarker)
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
		return next, nil
	})
}
