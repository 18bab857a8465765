package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// The floor copies with as little as can be done in Go over net/http: read a
// page, find the items by what they are known to begin with, hash the body as
// SigV4 needs it, send the same bytes. It checks nothing, signs nothing,
// counts nothing and cannot be throttled.

const (
	// separator stands between the simulator's items and nowhere else.
	separator = `,{"entity":{"S":"`
	operation = "DynamoDB_20120810."
)

// A floor is one run of it.
type floor struct {
	source, target       string // URLs
	sourceKey, targetKey string // access key ids
	table                string
	segments, workers    int

	client *http.Client
	next   atomic.Int64 // segment
}

func floorCommand(ctx context.Context, args []string) error {
	var f floor
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	flags.StringVar(&f.table, "table", "orders", "table")
	flags.StringVar(&f.source, "source", "", "URL to read from")
	flags.StringVar(&f.target, "target", "", "URL to write to")
	flags.StringVar(&f.sourceKey, "source-key", "", "access key id of the source")
	flags.StringVar(&f.targetKey, "target-key", "", "access key id of the target")
	flags.IntVar(&f.segments, "segments", 64, "segments")
	flags.IntVar(&f.workers, "workers", 8, "workers; each reads a page, writes it and goes on")
	ca := flags.String("ca", "", "PEM file of the authority to trust")
	if err := flags.Parse(args); err != nil {
		return err
	}
	transport := &http.Transport{
		ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10, DisableCompression: true,
		MaxIdleConnsPerHost: f.workers, IdleConnTimeout: time.Minute,
	}
	trusted, err := trust(*ca)
	if err != nil {
		return err
	}
	transport.TLSClientConfig = trusted
	f.client = &http.Client{Transport: transport}
	return f.run(ctx)
}

// trust is for servers whose authority is in a PEM file; nil where there is none.
func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func (f *floor) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range f.workers {
		g.Go(func() error {
			w, err := newFloorWorker(f)
			if err != nil {
				return err
			}
			for {
				segment := int(f.next.Add(1)) - 1
				if segment >= f.segments {
					return nil
				}
				if err := w.copy(ctx, segment); err != nil {
					return fmt.Errorf("copy segment %d: %w", segment, err)
				}
			}
		})
	}
	return g.Wait()
}

// A floorWorker is one goroutine's buffers.
type floorWorker struct {
	*floor
	scan, write    http.Request
	page, out      []byte
	answer, cursor []byte
}

func newFloorWorker(f *floor) (*floorWorker, error) {
	w := floorWorker{floor: f}
	for _, call := range []struct {
		r                   *http.Request
		endpoint, op, keyID string
	}{{&w.scan, f.source, "Scan", f.sourceKey}, {&w.write, f.target, "BatchWriteItem", f.targetKey}} {
		u, err := url.Parse(call.endpoint)
		if err != nil {
			return nil, err
		}
		u.Path = "/"
		*call.r = http.Request{Method: "POST", URL: u, Host: u.Host, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {operation + call.op},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=" + call.keyID + "/20260101/eu-west-1/dynamodb/aws4_request"},
		}}
	}
	return &w, nil
}

func (w *floorWorker) copy(ctx context.Context, segment int) (err error) {
	w.cursor = w.cursor[:0]
	for {
		w.out = append(w.out[:0], `{"ConsistentRead":true,"TableName":"`+w.table+`","Segment":`...)
		w.out = strconv.AppendInt(w.out, int64(segment), 10)
		w.out = append(w.out, `,"TotalSegments":`...)
		w.out = strconv.AppendInt(w.out, int64(w.segments), 10)
		if len(w.cursor) > 0 {
			w.out = append(append(w.out, `,"ExclusiveStartKey":`...), w.cursor...)
		}
		w.out = append(w.out, '}')
		if w.page, err = w.do(ctx, &w.scan, w.page); err != nil {
			return err
		}
		if err := w.send(ctx); err != nil {
			return err
		}
		_, after, ok := bytes.Cut(w.page[max(0, len(w.page)-256):], []byte(`"LastEvaluatedKey":`))
		if !ok {
			return nil
		}
		w.cursor = append(w.cursor[:0], after[:bytes.Index(after, []byte("}}"))+2]...)
	}
}

// send writes the page's items.
func (w *floorWorker) send(ctx context.Context) (err error) {
	end := bytes.LastIndex(w.page, []byte(`],"Count":`))
	items := w.page[len(`{"Items":[`):end]
	for len(items) > 0 {
		w.out = append(w.out[:0], `{"RequestItems":{"`+w.table+`":[`...)
		for n := 0; n < 25 && len(items) > 0; n++ {
			// An item ends where the next begins, for want of a closer look.
			size := bytes.Index(items, []byte(separator))
			if size < 0 {
				size = len(items)
			}
			if n > 0 {
				w.out = append(w.out, ',')
			}
			w.out = append(w.out, `{"PutRequest":{"Item":`...)
			w.out = append(w.out, items[:size]...)
			w.out = append(w.out, `}}`...)
			items = items[min(size+1, len(items)):]
		}
		w.out = append(w.out, `]}}`...)
		if w.answer, err = w.do(ctx, &w.write, w.answer); err != nil {
			return err
		}
		if string(w.answer) != `{"UnprocessedItems":{}}` {
			return errors.New("the target is limited, and the floor cannot wait")
		}
	}
	return nil
}

// do sends w.out and reads the answer into the buffer.
func (w *floorWorker) do(ctx context.Context, r *http.Request, into []byte) ([]byte, error) {
	hashed.Add(uint64(sha256.Sum256(w.out)[0]))
	r.ContentLength = int64(len(w.out))
	r.Body = io.NopCloser(bytes.NewReader(w.out))
	resp, err := w.client.Do(r.WithContext(ctx))
	if err != nil {
		return into, err
	}
	n := int(resp.ContentLength)
	if cap(into) < n {
		into = make([]byte, n+n/8)
	}
	into = into[:n]
	_, err = io.ReadFull(resp.Body, into)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, into)
	}
	return into, err
}

// hashed keeps the hashes from being optimised away.
var hashed atomic.Uint64
