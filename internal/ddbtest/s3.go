package ddbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An S3 stands before moto's S3, which all accounts of a world share. It lets in the accounts' keys
// only, has buckets in regions, lists in small pages, strikes with faults and keeps a log.
type S3 struct {
	world    *World
	url      string
	server   *http.Server
	handlers sync.WaitGroup
	quit     chan struct{}

	mu       sync.Mutex
	regions  map[string]string // of buckets
	faults   []*S3Fault
	requests []S3Request
}

// An S3Fault is something that goes wrong with S3. It strikes requests of its Op to its
// Bucket whose path contains Key.
type S3Fault struct {
	Kind   S3Kind
	Op     string // "GetObject", "UploadPart"; "" is any
	Bucket string // "" is any
	Key    string // a part of the path, bucket included; "" is any
	Skip   int    // lets so many requests pass first
	Count  int    // strikes so often at most; 0 means no limit
	Do     func() // called as it strikes

	passed, struck int
}

// An S3Kind is what goes wrong.
type S3Kind string

// What goes wrong with S3. Halves are of an answer's body; of one without a body there is nothing.
// What breaks off has been done.
const (
	S3SlowDown S3Kind = "slow down" // 503 SlowDown
	S3Deny     S3Kind = "deny"      // 403 AccessDenied
	S3Reset    S3Kind = "reset"     // half an answer, then the connection is reset
	S3Cut      S3Kind = "cut"       // half an answer, then the connection is closed
	S3Hang     S3Kind = "hang"      // half an answer, and then nothing
	S3Error    S3Kind = "error"     // 500 InternalError
	// nothing is done, and the answer is 200, a web page with an ETag
	S3HTML S3Kind = "html"
	S3Bare S3Kind = "bare" // nothing is done, and the answer is 200 with nothing in it
)

// An S3Request is what was asked of S3.
type S3Request struct {
	Account string // whose key signed it
	Region  string // that it was signed for
	Op      string // "PutObject"
	Path    string // bucket/key
	Status  int    // of the answer; 0 where there was none, or a half
}

func openS3(w *World) (*S3, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open S3: %w", err)
	}
	s := &S3{world: w, url: "http://" + l.Addr().String(), quit: make(chan struct{}), regions: map[string]string{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.handlers.Go(func() { _ = s.server.Serve(l) }) // it ends with ErrServerClosed
	return s, nil
}

func (s *S3) close() error {
	if s == nil {
		return nil
	}
	close(s.quit)
	err := s.server.Close()
	s.handlers.Wait()
	return err
}

// S3 is the world's. It needs WithMoto.
func (w *World) S3() *S3 { return w.s3 }

// Client talks straight to moto, past the faults.
func (s *S3) Client() *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.world.moto.url), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
}

// CreateBucket makes a bucket in a region.
func (s *S3) CreateBucket(ctx context.Context, name, region string) error {
	own := func(o *s3.Options) { o.Region = region }
	_, err := s.Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}}, own)
	s.mu.Lock()
	s.regions[name] = region
	s.mu.Unlock()
	return err
}

// Inject has a fault strike from now on; the function takes it away.
func (s *S3) Inject(f S3Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(g *S3Fault) bool { return g == &f })
	}
}

// Requests are those about a bucket, in the order of their ends.
func (s *S3) Requests(bucket string) (list []S3Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if name, _, _ := strings.Cut(r.Path, "/"); name == bucket {
			list = append(list, r)
		}
	}
	return list
}

// ServeHTTP takes one call.
func (s *S3) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := S3Request{Op: s3Op(hr), Path: strings.Trim(hr.URL.Path, "/")}
	defer func() {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
	}()
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender has gone
	}
	refuse := func(status int, code string) {
		r.Status = status
		w.WriteHeader(status)
		if hr.Method != http.MethodHead {
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s, by this test</Message></Error>`, code, code)
		}
	}
	by := scopeOf(hr)
	sender, expired, known := s.world.keys.find(by.keyID)
	if !known || expired || by.service != "s3" {
		refuse(http.StatusForbidden, "InvalidAccessKeyId")
		return
	}
	r.Account, r.Region = sender.account.Name, by.region
	bucket, _, _ := strings.Cut(r.Path, "/")
	s.mu.Lock()
	home := s.regions[bucket]
	s.mu.Unlock()
	if home != "" {
		w.Header().Set("X-Amz-Bucket-Region", home)
		if home != by.region {
			refuse(http.StatusMovedPermanently, "PermanentRedirect")
			return
		}
	}
	f := s.choose(r)
	switch {
	case f == nil:
	case f.Kind == S3SlowDown:
		refuse(http.StatusServiceUnavailable, "SlowDown")
		return
	case f.Kind == S3Deny:
		refuse(http.StatusForbidden, "AccessDenied")
		return
	case f.Kind == S3Error:
		refuse(http.StatusInternalServerError, "InternalError")
		return
	case f.Kind == S3HTML:
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("ETag", `"5d41402abc4b2a76b9719d911017c592"`)
		_, _ = io.WriteString(w, "<html><body><p>Please log in to the network.</p></body></html>")
		return
	case f.Kind == S3Bare:
		return
	}
	status, header, content, err := s.forward(hr, body)
	if err != nil {
		refuse(http.StatusBadGateway, "InternalError")
		return
	}
	if f != nil && (len(content) == 0 || f.Kind == S3Hang && hr.Method != http.MethodGet) {
		s.breakOff(w, hr, f.Kind)
		return
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	if hr.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	}
	w.WriteHeader(status)
	if f == nil {
		r.Status = status
		_, _ = w.Write(content) // the sender may have gone
		return
	}
	_, _ = w.Write(content[:len(content)/2])
	_ = http.NewResponseController(w).Flush()
	s.breakOff(w, hr, f.Kind)
}

// breakOff ends an answer in its middle.
func (s *S3) breakOff(w http.ResponseWriter, hr *http.Request, kind S3Kind) {
	control := http.NewResponseController(w)
	if kind == S3Hang {
		select {
		case <-hr.Context().Done():
		case <-s.quit:
		}
		panic(http.ErrAbortHandler)
	}
	conn, _, err := control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && kind == S3Reset {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// pageKeys is what a page of a listing has at most. S3's have up to 1,000.
const pageKeys = 10

// forward has moto answer.
func (s *S3) forward(hr *http.Request, body []byte) (status int, header http.Header, content []byte, err error) {
	out, err := http.NewRequestWithContext(s.world.ctx, hr.Method, s.world.moto.url+hr.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if s3Op(hr) == "ListObjectsV2" {
		q := out.URL.Query()
		q.Set("max-keys", strconv.Itoa(pageKeys))
		out.URL.RawQuery = q.Encode()
	}
	out.Header = hr.Header.Clone()
	in, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return 0, nil, nil, err
	}
	defer in.Body.Close()
	content, err = io.ReadAll(in.Body)
	return in.StatusCode, in.Header, content, err
}

// choose is the fault that strikes, or nil.
func (s *S3) choose(r S3Request) *S3Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Op != "" && f.Op != r.Op || f.Bucket != "" && !strings.HasPrefix(r.Path+"/", f.Bucket+"/") || !strings.Contains(r.Path, f.Key) || f.Count > 0 && f.struck >= f.Count {
			continue
		}
		if f.passed < f.Skip {
			f.passed++
			continue
		}
		f.struck++
		if f.Do != nil {
			f.Do()
		}
		return f
	}
	return nil
}

// s3Op names a call.
func s3Op(hr *http.Request) string {
	q := hr.URL.Query()
	_, key, _ := strings.Cut(strings.Trim(hr.URL.Path, "/"), "/")
	for _, sub := range []struct{ name, method, op string }{
		{"partNumber", http.MethodPut, "UploadPart"}, {"uploads", http.MethodPost, "CreateMultipartUpload"},
		{"uploadId", http.MethodPost, "CompleteMultipartUpload"}, {"uploadId", http.MethodDelete, "AbortMultipartUpload"},
		{"delete", http.MethodPost, "DeleteObjects"}, {"list-type", http.MethodGet, "ListObjectsV2"},
		{"versions", http.MethodGet, "ListObjectVersions"},
	} {
		if q.Has(sub.name) && hr.Method == sub.method {
			return sub.op
		}
	}
	names := map[string]string{http.MethodPut: "Put", http.MethodGet: "Get", http.MethodHead: "Head", http.MethodDelete: "Delete"}
	if key == "" {
		return names[hr.Method] + "Bucket"
	}
	return names[hr.Method] + "Object"
}

// Keys are all keys in a bucket.
func (s *S3) Keys(ctx context.Context, bucket string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(s.Client(), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys, nil
}

// Version has the bucket keep all versions of its objects.
func (s *S3) Version(ctx context.Context, bucket string) error {
	_, err := s.Client().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	return err
}

// Versions are the keys of all versions and delete markers in a bucket.
func (s *S3) Versions(ctx context.Context, bucket string) (keys []string, err error) {
	out, err := s.Client().ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		return nil, err
	}
	for _, v := range out.Versions {
		keys = append(keys, aws.ToString(v.Key))
	}
	for _, m := range out.DeleteMarkers {
		keys = append(keys, "deleted "+aws.ToString(m.Key))
	}
	return keys, nil
}

// Uploads are the keys of the uploads in a bucket that are neither finished nor given up.
func (s *S3) Uploads(ctx context.Context, bucket string) (keys []string, err error) {
	out, err := s.Client().ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		return nil, err
	}
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys, nil
}

// Object is an object's content.
func (s *S3) Object(ctx context.Context, bucket, key string) ([]byte, error) {
	out, err := s.Client().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(out.Body)
	return content, errors.Join(err, out.Body.Close())
}

// Put stores an object.
func (s *S3) Put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := s.Client().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)})
	return err
}

// Delete takes an object away.
func (s *S3) Delete(ctx context.Context, bucket, key string) error {
	_, err := s.Client().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return err
}

// Importer is a client of moto's DynamoDB in the account that has the
// buckets, which can import from them.
func (s *S3) Importer() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.world.moto.url),
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")})
}
