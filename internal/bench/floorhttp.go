package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	operationPrefix  = "DynamoDB_20120810."
	contentType      = "application/x-amz-json-1.0"
	credentialPrefix = "AWS4-HMAC-SHA256 Credential="
)

// An ownConn is HTTP/1.1 by hand: one write for a request, one read for a
// small answer, no parsing beyond status and length.
type ownConn struct {
	net.Conn
	head  []byte // of every request, up to the length's value
	out   []byte
	reply []byte
}

func (f *floor) dialOwn(ctx context.Context, endpoint, operation, keyID string) (caller, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	c := &ownConn{reply: make([]byte, 64<<10)}
	if c.Conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", u.Host); err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		config := f.trusted.Clone()
		config.ServerName = u.Hostname()
		c.Conn = tls.Client(c.Conn, config)
	}
	c.head = fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nX-Amz-Target: %s%s\r\nAuthorization: %s%s/\r\nContent-Length: ",
		u.Host, contentType, operationPrefix, operation, credentialPrefix, keyID)
	return c, nil
}

func (c *ownConn) close() error { return c.Close() }

func (c *ownConn) call(_ context.Context, body, into []byte) ([]byte, error) {
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.Write(c.out); err != nil {
		return into, err
	}
	have, end := 0, -1
	for end < 0 {
		n, err := c.Read(c.reply[have:])
		if err != nil {
			return into, err
		}
		have += n
		end = bytes.Index(c.reply[:have], []byte("\r\n\r\n"))
	}
	head := c.reply[:end+2]
	_, after, ok := bytes.Cut(head, []byte("Content-Length: "))
	if !ok {
		return into, errors.New("an answer without its length")
	}
	text, _, _ := bytes.Cut(after, []byte("\r\n"))
	length, err := strconv.Atoi(string(text))
	if err != nil {
		return into, err
	}
	into = grow(into, length)
	n := copy(into, c.reply[end+4:have])
	if _, err := io.ReadFull(c, into[n:]); err != nil {
		return into, err
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return into, fmt.Errorf("answer %.12s: %s", head, into)
	}
	return into, nil
}

func grow(b []byte, length int) []byte {
	if cap(b) < length {
		b = make([]byte, length+length/8)
	}
	return b[:length]
}

// A netHTTP is the same over the standard library's client.
type netHTTP struct {
	client  *http.Client
	request http.Request
}

func (f *floor) dialNetHTTP() func(ctx context.Context, endpoint, operation, keyID string) (caller, error) {
	client := &http.Client{Transport: &http.Transport{
		ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10, DisableCompression: true,
		MaxIdleConnsPerHost: f.workers, IdleConnTimeout: time.Minute, TLSClientConfig: f.trusted,
	}}
	return func(_ context.Context, endpoint, operation, keyID string) (caller, error) {
		u, err := url.Parse(strings.TrimSuffix(endpoint, "/") + "/")
		if err != nil {
			return nil, err
		}
		return &netHTTP{client, http.Request{Method: http.MethodPost, URL: u, Host: u.Host, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Content-Type": {contentType}, "X-Amz-Target": {operationPrefix + operation},
			"Authorization": {credentialPrefix + keyID + "/"},
		}}}, nil
	}
}

func (c *netHTTP) close() error { return nil }

func (c *netHTTP) call(ctx context.Context, body, into []byte) ([]byte, error) {
	c.request.ContentLength = int64(len(body))
	c.request.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := c.client.Do(c.request.WithContext(ctx))
	if err != nil {
		return into, err
	}
	into = grow(into, int(resp.ContentLength))
	_, err = io.ReadFull(resp.Body, into)
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, into)
	}
	return into, err
}
