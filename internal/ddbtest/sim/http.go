package sim

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strconv"
	"time"
)

// The server speaks HTTP/1.1 with its own small loop. The one in the standard
// library costs more than everything else that the simulator does, and a
// simulator that is slower than its clients measures itself.

const (
	// headroom is kept free before a page for its header, so that both leave
	// in one write.
	headroom = 512
	// maxBody is DynamoDB's limit for a request.
	maxBody = 16 << 20
)

var errHeader = errors.New("malformed request header")

// A request is one parsed HTTP request. Its bytes are valid until the next one
// is read from the connection.
type request struct {
	method, path []byte
	operation    []byte // what follows the dot in X-Amz-Target
	credential   []byte // the Authorization header
	gzip         bool
	last         bool // the client closes the connection afterwards
	body         []byte
}

// A conn is one connection and the buffers that it reuses.
type conn struct {
	net.Conn
	in   []byte // what has been read; a request is at its front
	have int
	used int // bytes of the request answered last

	head  []byte
	text  []byte // small answers are built here
	batch batch
}

func newConn(c net.Conn) *conn {
	return &conn{Conn: c, in: make([]byte, 64<<10), head: make([]byte, 0, headroom)}
}

// next reads one request. io.EOF means that the client is done.
func (c *conn) next(r *request) error {
	copy(c.in, c.in[c.used:c.have])
	c.have -= c.used
	c.used = 0
	end := -1
	for seen := 0; ; {
		if end = bytes.Index(c.in[seen:c.have], []byte("\r\n\r\n")); end >= 0 {
			end += seen + 4
			break
		}
		seen = max(0, c.have-3)
		if c.have == len(c.in) {
			return errHeader
		}
		n, err := c.Read(c.in[c.have:])
		c.have += n
		if err != nil {
			return err
		}
	}
	length, err := r.parse(c.in[:end])
	if err != nil {
		return err
	}
	if length > maxBody {
		r.body = nil
		return errTooLarge
	}
	total := end + length
	if total > len(c.in) {
		// The header's strings move along: parse again.
		larger := make([]byte, total+total/4)
		copy(larger, c.in[:c.have])
		c.in = larger
		if _, err := r.parse(c.in[:end]); err != nil {
			return err
		}
	}
	if c.have < total {
		n, err := io.ReadFull(c, c.in[c.have:total])
		c.have += n
		if err != nil {
			return err
		}
	}
	c.used = total
	r.body = c.in[end:total]
	if r.gzip {
		return r.unzip()
	}
	return nil
}

// parse reads the header and returns the body's length.
func (r *request) parse(head []byte) (length int, err error) {
	*r = request{}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	var proto []byte
	r.method, line, _ = bytes.Cut(line, []byte(" "))
	r.path, proto, _ = bytes.Cut(line, []byte(" "))
	if string(proto) != "HTTP/1.1" {
		return 0, errHeader
	}
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return 0, errHeader
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, errHeader
			}
		case is(name, "x-amz-target"):
			_, r.operation, _ = bytes.Cut(value, []byte("."))
		case is(name, "authorization"):
			r.credential = value
		case is(name, "content-encoding"):
			r.gzip = is(value, "gzip")
		case is(name, "connection"):
			r.last = is(value, "close")
		case is(name, "transfer-encoding"):
			return 0, fmt.Errorf("%w: chunked bodies are not simulated", errHeader)
		}
	}
	return length, nil
}

// is compares a header's name without regard to case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func (r *request) unzip() error {
	z, err := gzip.NewReader(bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	r.body, err = io.ReadAll(io.LimitReader(z, maxBody+1))
	if err == nil && len(r.body) > maxBody {
		err = errTooLarge
	}
	return err
}

// An answer is a response. Where page is set, the body is what follows its
// first headroom bytes.
type answer struct {
	status int
	body   []byte
	page   []byte
	plain  bool // no DynamoDB headers: the control path's answers
	fault  faultKind
}

// send writes an answer, whole or spoilt as its fault says. An error ends the
// connection.
func (c *conn) send(a answer, id uint64) error {
	body := a.body
	if a.page != nil {
		body = a.page[headroom:]
	}
	length := len(body)
	switch a.fault {
	case faultEmpty:
		a.page, body, length = nil, nil, 0
	case faultBraces:
		a.page, body, length = nil, []byte("{}"), 2
	case faultShort:
		// A body that is cut, with a length that agrees with the cut.
		a.page, body = nil, body[:length/2]
		length = len(body)
	case faultCut:
		a.page, body = nil, body[:length/2]
	}
	c.head = appendHead(c.head[:0], a, body, length, id)
	var err error
	if a.page != nil && len(c.head) <= headroom {
		start := headroom - len(c.head)
		copy(a.page[start:], c.head)
		_, err = c.Write(a.page[start:])
	} else {
		c.head = append(c.head, body...)
		_, err = c.Write(c.head)
	}
	if err == nil && a.fault == faultCut {
		err = errHangUp
	}
	return err
}

func appendHead(b []byte, a answer, body []byte, length int, id uint64) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(b, " \r\nServer: Server\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(length), 10)
	if a.plain {
		return append(b, "\r\nContent-Type: application/json\r\n\r\n"...)
	}
	b = append(b, "\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: "...)
	b = strconv.AppendUint(b, id, 36)
	b = append(b, "\r\nx-amz-crc32: "...)
	b = strconv.AppendUint(b, uint64(crc32.ChecksumIEEE(body)), 10)
	return append(b, "\r\n\r\n"...)
}
