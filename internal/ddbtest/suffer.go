package ddbtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// suffer has a fault strike a request. It returns false, with the plain
// answer, where the fault found nothing to strike.
func (p *Proxy) suffer(r *request, f *armed) (*answer, bool) {
	if instead := exception(r, f); instead != nil {
		if f.After {
			p.apply(r)
		}
		return instead, true
	}
	switch f.Kind {
	case Reset, Close, Hang:
		if f.After {
			p.apply(r)
		}
		return &answer{deliver: p.silence(f)}, true
	case Delay:
		return p.delay(r, f), true
	case Late:
		return p.late(r, f), true
	case Unprocessed:
		return p.unprocessed(r, f)
	case UnprocessedKeys:
		return p.unprocessedKeys(r, f)
	case EmptyPages:
		return p.emptyPage(r)
	case Stale:
		r.body = withMember(r.body, "TableName", quote(f.Text))
		return p.apply(r), true
	}
	a := p.apply(r)
	switch f.Kind {
	case Observe:
		return a, true
	case ResetInside, CloseInside:
		a.deliver = p.half(f.Kind == ResetInside)
		return a, len(a.body) > 1
	case Trickle:
		a.deliver = p.trickle(f)
		return a, len(a.body) > 1
	}
	if a.status != http.StatusOK {
		return a, false
	}
	return a, p.mangle(r, f, a)
}

// exception is the answer of the kinds that need nothing of the engine's.
func exception(r *request, f *armed) *answer {
	text := f.Text
	switch f.Kind {
	case Throttle:
		return throttle(r, f)
	case Error:
		return r.fail(f.Code, text)
	case Deny:
		return r.fail("AccessDeniedException", "User: arn:aws:iam::"+r.key.account.ID+":user/tester is not authorized to perform: "+r.service()+":"+
			r.op+" on resource: "+r.key.account.TableARN(r.table))
	case Validation:
		if text == "" {
			text = "One or more parameter values were invalid"
		}
		return r.fail("ValidationException", text)
	case ExpiredToken:
		return r.fail("ExpiredTokenException", "The security token included in the request is expired")
	case InternalError:
		return r.failStatus(http.StatusInternalServerError, "InternalServerError", "Internal server error")
	case Unavailable:
		return &answer{status: http.StatusServiceUnavailable, noCRC: true}
	case TooLarge:
		return &answer{status: http.StatusRequestEntityTooLarge, contentType: "text/plain", body: []byte("length limit exceeded"), noCRC: true}
	case EmptyOK:
		return jsonAnswer(http.StatusOK, nil)
	case EmptyObject:
		return jsonAnswer(http.StatusOK, []byte("{}"))
	case HTML:
		return &answer{status: http.StatusOK, contentType: "text/html", body: []byte("<html><body>Welcome to the hotel's network</body></html>"), noCRC: true}
	}
	return nil
}

func throttle(r *request, f *armed) *answer {
	code, member := f.Code, "ThrottlingReasons"
	switch code {
	case "":
		code = "ProvisionedThroughputExceededException"
	case "ThrottlingException":
		member = "throttlingReasons" // spelt so in this one
	}
	text := f.Text
	if text == "" {
		text = "Throughput exceeds the current capacity of your table or index."
	}
	body := object{{"__type", quote(namespace(code) + code)}, {"message", quote(text)}}
	if len(f.Reasons) > 0 {
		reasons, err := json.Marshal(f.Reasons)
		if err != nil {
			panic(err) // two strings always marshal
		}
		body = append(body, pair{member, reasons})
	}
	if r.sts {
		return r.fail(code, text)
	}
	return jsonAnswer(http.StatusBadRequest, body.json())
}

// delay applies a request late, or answers it late.
func (p *Proxy) delay(r *request, f *armed) *answer {
	cleared := p.faults.untilCleared()
	if !f.After {
		p.wait(f.Delay, cleared)
		return p.apply(r)
	}
	a := p.apply(r)
	p.wait(f.Delay, cleared)
	return a
}

// late answers at once, and has the engine apply the request later,
// whatever has become of its sender.
func (p *Proxy) late(r *request, f *armed) *answer {
	later, cleared := *r, p.faults.untilCleared()
	p.log.begin(r.table)
	p.handlers.Go(func() {
		defer p.log.end(r.table)
		p.wait(f.Delay, cleared)
		p.apply(&later)
	})
	switch f.N {
	case 0, http.StatusOK:
		return jsonAnswer(http.StatusOK, nil)
	case http.StatusInternalServerError:
		return r.failStatus(f.N, "InternalServerError", "Internal server error")
	}
	return &answer{status: f.N, noCRC: true}
}

// silence ends a connection, or holds it, without a byte of an answer.
func (p *Proxy) silence(f *armed) func(http.ResponseWriter, *http.Request, *answer) {
	switch f.Kind {
	case Reset:
		return reset
	case Close:
		return func(http.ResponseWriter, *http.Request, *answer) { panic(http.ErrAbortHandler) }
	}
	cleared := p.faults.untilCleared()
	return func(_ http.ResponseWriter, r *http.Request, _ *answer) {
		select {
		case <-r.Context().Done():
		case <-cleared.Done():
		}
		panic(http.ErrAbortHandler)
	}
}

// reset ends the connection with RST.
func reset(w http.ResponseWriter, _ *http.Request, _ *answer) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	endWithReset(conn)
}

func endWithReset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst it ends with FIN
	}
	conn.Close()
}

// half sends the header and half of the body, then ends the connection.
func (p *Proxy) half(byReset bool) func(http.ResponseWriter, *http.Request, *answer) {
	return func(w http.ResponseWriter, _ *http.Request, a *answer) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		var b bytes.Buffer
		h := http.Header{}
		a.header(h)
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
		_ = h.Write(&b) // a buffer takes all
		b.WriteString("\r\n")
		b.Write(a.body[:len(a.body)/2])
		_, _ = conn.Write(b.Bytes()) // a client that has gone needs no answer
		if byReset {
			endWithReset(conn)
			return
		}
		conn.Close()
	}
}

// trickle sends the body a byte at a time.
func (p *Proxy) trickle(f *armed) func(http.ResponseWriter, *http.Request, *answer) {
	pause := f.Delay
	if pause == 0 {
		pause = 50 * time.Millisecond
	}
	cleared := p.faults.untilCleared()
	return func(w http.ResponseWriter, r *http.Request, a *answer) {
		a.header(w.Header())
		w.WriteHeader(a.status)
		for i := range a.body {
			if cleared.Err() != nil {
				_, _ = w.Write(a.body[i:])
				return
			}
			if _, err := w.Write(a.body[i : i+1]); err != nil || r.Context().Err() != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			p.wait(pause, cleared)
		}
	}
}

// mangle spoils the engine's answer. It returns false where there was nothing to spoil.
func (p *Proxy) mangle(r *request, f *armed, a *answer) bool {
	switch f.Kind {
	case Truncate:
		if len(a.body) < 3 {
			return false
		}
		a.body = a.body[:1+p.faults.number(len(a.body)-2)]
	case FlipByte:
		return p.flip(a)
	case WrongCRC:
		a.crc, a.noCRC = a.crc+1, false
	case TrailingBytes:
		a.replaceBody(append(bytes.Clone(a.body), `{"Items":[]}`...))
	case MissingItems:
		for _, name := range []string{"Items", "UnprocessedItems", "Responses"} {
			if member(a.body, name) != nil {
				a.replaceBody(withMember(a.body, name, nil))
				return true
			}
		}
		return false
	case UnknownTag:
		return spoil(a, `"Q":"`)
	case LoneSurrogate:
		return spoil(a, `"S":"\ud800`)
	case UnevenPages:
		return p.endEarly(r, f, a)
	case CountMismatch:
		n, err := strconv.Atoi(string(member(a.body, "Count")))
		if err != nil {
			return false
		}
		a.replaceBody(withMember(a.body, "Count", []byte(strconv.Itoa(n+1))))
	case RepeatLEK:
		from := member(r.body, "ExclusiveStartKey")
		if from == nil {
			return false
		}
		a.replaceBody(withMember(a.body, "LastEvaluatedKey", from))
	case ForgeUnprocessed:
		a.replaceBody(withMember(a.body, "UnprocessedItems", p.forged(r)))
	case TableStatus:
		return rewrite(a, "Table", "TableStatus", quote(f.Text))
	case TableID:
		if f.N != 0 {
			rewrite(a, "Table", "CreationDateTime", []byte(strconv.Itoa(f.N)))
		}
		if f.Text == "" {
			return rewrite(a, "Table", "TableId", nil)
		}
		return rewrite(a, "Table", "TableId", quote(f.Text))
	case TableARN:
		return rewrite(a, "Table", "TableArn", quote(f.Text))
	case Replicas:
		return rewrite(a, "Table", "Replicas", []byte(f.Text))
	case ItemCount:
		return rewrite(a, "Table", "ItemCount", []byte(strconv.Itoa(f.N)))
	case TableSize:
		return rewrite(a, "Table", "TableSizeBytes", []byte(strconv.Itoa(f.N)))
	case BackupStatus:
		if r.op == "CreateBackup" {
			return rewrite(a, "BackupDetails", "BackupStatus", quote(f.Text))
		}
		description := &answer{body: member(a.body, "BackupDescription")}
		ok := rewrite(description, "BackupDetails", "BackupStatus", quote(f.Text))
		a.replaceBody(withMember(a.body, "BackupDescription", description.body))
		return ok
	default:
		panic("ddbtest: unknown kind of fault " + string(f.Kind))
	}
	return true
}

// rewrite sets one member of one member.
func rewrite(a *answer, outer, inner string, value []byte) bool {
	o := member(a.body, outer)
	if o == nil {
		return false
	}
	a.replaceBody(withMember(a.body, outer, withMember(o, inner, value)))
	return true
}

// spoil replaces the tag of the first string in an item. The bytes searched
// for cannot be inside a string: there the quotes are escaped.
func spoil(a *answer, with string) bool {
	i := bytes.Index(a.body, []byte(`{"S":"`))
	if i < 0 {
		return false
	}
	b := append(bytes.Clone(a.body[:i+1]), with...)
	a.replaceBody(append(b, a.body[i+len(`{"S":"`):]...))
	return true
}

// flip changes one letter or digit of a value, or of a name where there is no
// value, and leaves the checksum as it was.
func (p *Proxy) flip(a *answer) bool {
	b := bytes.Clone(a.body)
	from := p.faults.number(len(b) + 1)
	at := -1
	for _, start := range []int{from, 0} {
		for _, tag := range []string{`{"S":"`, `{"N":"`} {
			i := bytes.Index(b[start:], []byte(tag))
			if at < 0 && i >= 0 && alphanumeric(b[start+i+len(tag)]) {
				at = start + i + len(tag)
			}
		}
	}
	if at < 0 {
		at = bytes.IndexFunc(b, func(c rune) bool { return c < 0x80 && alphanumeric(byte(c)) })
	}
	if at < 0 {
		return false
	}
	switch b[at] {
	case '9':
		b[at] = '1'
	case 'z', 'Z':
		b[at] = 'x'
	default:
		b[at]++
	}
	a.body = b
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
