package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// silence is how long a body may be without a byte before it is asked for again.
const silence = 30 * time.Second

// Open opens an object. A body that breaks off, or falls silent, is asked for again from there, as
// long as it is the same object. The errors, also those of reading, are fs.ErrNotExist, an
// [*Error] or the context's cause.
func (f *Folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	b := &body{ctx: ctx, folder: f, name: name, silence: silence}
	if err := b.ask(); err != nil {
		return nil, err
	}
	return b, nil
}

// body is an object that is being read.
type body struct {
	ctx     context.Context // of Open
	folder  *Folder
	name    string
	silence time.Duration

	from   io.ReadCloser // nil where it has to be asked for
	stop   context.CancelCauseFunc
	at     int64 // bytes that were read
	size   int64
	tag    *string        // of the object that was opened
	broken *account.Trial // since the last byte; nil for none
}

var errSilent = errors.New("the answer fell silent")

// ask asks for what was not read yet.
func (b *body) ask() error {
	in := &s3.GetObjectInput{Bucket: &b.folder.bucket, Key: aws.String(b.folder.key(b.name)), IfMatch: b.tag}
	if b.at > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", b.at))
	}
	ctx, stop := context.WithCancelCause(b.ctx)
	out, err := b.folder.client.GetObject(ctx, in)
	if err != nil {
		stop(nil)
		return failed(b.ctx, "read "+b.folder.Place(b.name), err)
	}
	b.from, b.stop = out.Body, stop
	if b.tag == nil {
		b.size, b.tag = aws.ToInt64(out.ContentLength), out.ETag
	}
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	for {
		if b.from == nil {
			if err := b.ask(); err != nil {
				return 0, err
			}
		}
		late := time.AfterFunc(b.silence, func() { b.stop(errSilent) })
		n, err := b.from.Read(p[:min(int64(len(p)), b.size-b.at+1)])
		late.Stop()
		b.at += int64(n)
		switch {
		case b.at > b.size:
			return 0, &Error{"read " + b.folder.Place(b.name), errors.New("the answer is longer than the object")}
		case n > 0:
			b.broken = nil
			if err != nil && b.at < b.size {
				b.close()
			}
			return n, nil
		case b.at == b.size && err != nil:
			return 0, io.EOF
		case err == nil:
			continue
		}
		b.close()
		if err := b.pause(err); err != nil {
			return 0, err
		}
	}
}

// pause waits before the body is asked for again, or gives up.
func (b *body) pause(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	if b.broken == nil {
		b.broken = b.folder.patience.Trial()
	}
	if end := b.broken.Wait(b.ctx, &account.LateError{Limit: b.silence}); end != nil {
		if b.ctx.Err() != nil {
			return end
		}
		return &Error{"read " + b.folder.Place(b.name), fmt.Errorf("it broke off at byte %d: %w: %w", b.at, end, err)}
	}
	return nil
}

func (b *body) close() {
	b.stop(nil)
	b.from.Close() //nolint:errcheck // nobody wants what is left of it
	b.from = nil
}

// Close gives the connection back.
func (b *body) Close() error {
	if b.from != nil {
		b.close()
	}
	return nil
}
