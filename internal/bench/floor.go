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
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// The floor copies with as little as can be done in Go: read a page, find the items by what they
// are known to begin with, hash the body as SigV4 needs it, send the same bytes. It checks nothing,
// signs nothing, counts nothing and cannot be throttled.

// separator stands between the simulator's items and nowhere else.
const separator = `,{"entity":{"S":"`

// A caller sends a body and reads the answer's into a buffer, which may grow.
type caller interface {
	call(ctx context.Context, body, into []byte) ([]byte, error)
	close() error
}

// A floor is one run of it.
type floor struct {
	source, target       string // URLs
	sourceKey, targetKey string // access key ids
	table                string
	segments, workers    int

	trusted *tls.Config
	dial    func(ctx context.Context, endpoint, operation, keyID string) (caller, error)
	next    atomic.Int64 // segment
}

func floorCommand(ctx context.Context, args []string) (err error) {
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
	netHTTP := flags.Bool("net-http", false, "over the standard library's client")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if f.trusted, err = trust(*ca); err != nil {
		return err
	}
	f.dial = f.dialOwn
	if *netHTTP {
		f.dial = f.dialNetHTTP()
	}
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
		g.Go(func() error { return f.work(ctx) })
	}
	return g.Wait()
}

// A floorWorker is one goroutine's connections and buffers.
type floorWorker struct {
	*floor
	scan, write    caller
	page, out      []byte
	answer, cursor []byte
}

func (f *floor) work(ctx context.Context) (err error) {
	w := floorWorker{floor: f}
	if w.scan, err = f.dial(ctx, f.source, "Scan", f.sourceKey); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.scan.close()) }()
	if w.write, err = f.dial(ctx, f.target, "BatchWriteItem", f.targetKey); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.write.close()) }()
	for {
		segment := int(f.next.Add(1)) - 1
		if segment >= f.segments {
			return nil
		}
		if err := w.copy(ctx, segment); err != nil {
			return fmt.Errorf("copy segment %d: %w", segment, err)
		}
	}
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
		if w.page, err = w.do(ctx, w.scan, w.page); err != nil {
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
		if w.answer, err = w.do(ctx, w.write, w.answer); err != nil {
			return err
		}
		if string(w.answer) != `{"UnprocessedItems":{}}` {
			return errors.New("the target is limited, and the floor cannot wait")
		}
	}
	return nil
}

// do hashes w.out, sends it and reads the answer into the buffer.
func (w *floorWorker) do(ctx context.Context, c caller, into []byte) ([]byte, error) {
	hashed.Add(uint64(sha256.Sum256(w.out)[0]))
	return c.call(ctx, w.out, into)
}

// hashed keeps the hashes from being optimised away.
var hashed atomic.Uint64
