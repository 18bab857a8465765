package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct{ url, bucket, prefix string }{
		{"s3://b", "b", ""}, {"s3://b/", "b", ""}, {"s3://b/x", "b", "x"}, {"s3://b/x/y z/", "b", "x/y z"},
		{"s3://", "", ""}, {"s3:///x", "", ""}, {"s3://b//x", "", ""}, {"s3://b/x//", "", ""}, {"s3://b/../x", "", ""}, {"s3://b/.", "", ""}, {"file:b", "", ""},
	} {
		bucket, prefix, err := Split(test.url)
		if bucket != test.bucket || prefix != test.prefix || (err == nil) != (test.bucket != "") {
			t.Errorf("%s: %q, %q, %v", test.url, bucket, prefix, err)
		}
	}
}

// serve answers as S3 does for one object, but for what answer does first:
// it says whether it has answered.
func serve(t *testing.T, object []byte, answer func(n int, w http.ResponseWriter, r *http.Request, rest []byte) bool) *Folder {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		from := 0
		if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			var err error
			if from, err = strconv.Atoi(strings.TrimSuffix(text, "-")); err != nil || r.Header.Get("If-Match") != `"tag"` {
				t.Errorf("asked with %v", r.Header)
			}
		}
		w.Header().Set("ETag", `"tag"`)
		if answer(n, w, r, object[from:]) {
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(object)-from))
		_, _ = w.Write(object[from:])
	}))
	// handlers may still wait for the client
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	return &Folder{client: Client(cfg), bucket: "b", prefix: "p", patience: &account.Patience{Stall: 3 * time.Second}}
}

// What breaks off, or falls silent, anywhere is read on from there, and is what was stored.
func TestReadOn(t *testing.T) {
	object := make([]byte, 100_000)
	for i := range object {
		object[i] = byte(i * i >> 3)
	}
	for _, pieces := range []int{1, 7, 5000, 99_999, 100_000} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint(pieces, silent), func(t *testing.T) {
				asked := 0
				f := serve(t, object, func(n int, w http.ResponseWriter, r *http.Request, rest []byte) bool {
					asked = n
					if n > 6 {
						return false
					}
					w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
					_, _ = w.Write(rest[:min(pieces, len(rest))])
					_ = http.NewResponseController(w).Flush()
					if silent {
						<-r.Context().Done()
					}
					panic(http.ErrAbortHandler)
				})
				b := &body{ctx: t.Context(), folder: f, name: "x", silence: 200 * time.Millisecond}
				got, err := io.ReadAll(b)
				if err != nil || !bytes.Equal(got, object) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if err := b.Close(); err != nil || pieces < 10_000 && asked < 7 {
					t.Errorf("asked %d times; %v", asked, err)
				}
			})
		}
	}
}

// What never comes, is another object by now, or is more than it should be is an
// error; and so is what is called off.
func TestReadGivesUp(t *testing.T) {
	object := []byte(strings.Repeat("x", 1000))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	half := func(w http.ResponseWriter, rest []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		_, _ = w.Write(rest[:len(rest)/2])
		_ = http.NewResponseController(w).Flush()
	}
	for _, test := range []struct {
		name   string
		text   string
		answer func(n int, w http.ResponseWriter, r *http.Request, rest []byte) bool
	}{
		{"nothing more", "broke off at byte 500: gave up after", func(n int, w http.ResponseWriter, _ *http.Request, rest []byte) bool {
			if n == 1 {
				half(w, rest)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"another object", "PreconditionFailed", func(n int, w http.ResponseWriter, _ *http.Request, rest []byte) bool {
			if n == 1 {
				half(w, rest)
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, "<Error><Code>PreconditionFailed</Code></Error>")
			return true
		}},
		{"all of it again", "longer than the object", func(n int, w http.ResponseWriter, _ *http.Request, rest []byte) bool {
			if n == 1 {
				half(w, rest)
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(object)
			return true
		}},
		{"missing", fs.ErrNotExist.Error(), func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
			return true
		}},
		{"called off", why.Error(), func(_ int, w http.ResponseWriter, r *http.Request, rest []byte) bool {
			half(w, rest)
			cancel(why)
			<-r.Context().Done()
			return true
		}},
	} {
		f := serve(t, object, test.answer)
		b, err := f.Open(ctx, "x")
		if err == nil {
			_, err = io.ReadAll(b)
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.name == "missing" && !errors.Is(err, fs.ErrNotExist) || test.name == "called off" && !errors.Is(err, why) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// slow takes requests as a line does that moves 10 KB a second.
type slow struct{}

func (slow) Do(r *http.Request) (*http.Response, error) {
	sent, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(sent) * time.Second / 10_000):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"tag"`}}, Body: http.NoBody, Request: r}, nil
}

// A part gets the time that a slow line needs for it.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var patient config.LoadOptions
		if err := new(account.Patience).Equip(&patient); err != nil {
			t.Fatal(err)
		}
		client := Client(aws.Config{
			Region: "eu-west-1", HTTPClient: slow{}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			Retryer: patient.Retryer, APIOptions: patient.APIOptions,
		})
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 5<<20))})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A list that repeats a token is an error, and not read for ever.
func TestFoldersEnd(t *testing.T) {
	n := 0
	f := serve(t, nil, func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		n++
		fmt.Fprintf(w, "<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>token-%d</NextContinuationToken></ListBucketResult>", n%2)
		return true
	})
	if _, err := f.Folders(t.Context(), "x"); !errors.Is(err, account.ErrRepeats) {
		t.Errorf("after %d pages: %v", n, err)
	}
}
