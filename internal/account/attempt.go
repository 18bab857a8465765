package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// objectLimit is for an attempt of S3's that sends something, beside the time that this may
	// take.
	objectLimit = time.Minute
	// slowest is the bytes per second that may be sent.
	slowest = 8 << 10
)

// A finalError is one that must not be met with the same call again, other than its class says.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// attempt gives each attempt a deadline, and checks what came of it.
func (p *Patience) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	if service == metadata { // its client has deadlines of its own
		return next.HandleFinalize(ctx, in)
	}
	limit, host := p.deadline(ctx, attemptLimit), ""
	request, _ := in.Request.(*smithyhttp.Request)
	if request != nil {
		host = request.URL.Host
	}
	// How what is sent moves is not to be seen from here: it gets the time. So does putting the
	// parts together.
	if service == "S3" && request != nil && request.ContentLength > 0 {
		limit = p.deadline(ctx, objectLimit) + time.Duration(request.ContentLength)*time.Second/slowest
	}
	t, ok := ctx.Value(trialKey{}).(*Trial)
	if ok && t.began.IsZero() {
		t.began = time.Now()
	}
	late := &LateError{Limit: limit}
	p.move()
	defer p.move()
	timed, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(late) })
	defer timer.Stop()
	caller := callerOf(ctx)
	defer context.AfterFunc(caller, func() { cancel(context.Cause(caller)) })()
	out, metadata, err := called(timed, in, next)
	var answered interface{ HTTPStatusCode() int }
	var dns *net.DNSError
	if err == nil || errors.As(err, &answered) && answered.HTTPStatusCode() != 0 {
		p.known.Store(host, true)
	}
	if err == nil && operation == "GetObject" { // whose body is read later, with deadlines of its own
		return out, metadata, nil
	}
	switch known := answered != nil && answered.HTTPStatusCode() != http.StatusOK; {
	case err == nil:
		err = complete(out.Result)
	case errors.Is(context.Cause(timed), error(late)) && ctx.Err() == nil:
		err = late // the SDK takes what was cut off for what was called off
	case errors.As(err, new(*smithy.DeserializationError)) && !known && timed.Err() == nil && service != "S3":
		err = Garbled("the answer cannot be read") // and is not repeated: it may be keys
	}
	cancel(nil)
	_, known := p.known.Load(host)
	if ok {
		t.stranger = !known
	}
	if !known && errors.As(err, &dns) && dns.IsNotFound {
		err = &finalError{err} // a host that was never there is a mistake
	}
	// A name that is taken stays so, and so does a limit on how many tables there are, or on how
	// often capacity goes down.
	if class := Classify(err); class == Busy && operation == "CreateTable" || class == Limited && (operation == "CreateTable" || operation == "UpdateTable") {
		err = &finalError{err}
	}
	return out, metadata, err
}

// called makes the attempt. An answer that the SDK panics at, as that of a container may be, is one
// that makes no sense.
func called(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Garbled("the answer cannot be read: %v", v)
		}
	}()
	return next.HandleFinalize(ctx, in)
}

// strictServices answer in JSON.
var strictServices = map[string]bool{"DynamoDB": true, "Application Auto Scaling": true, "SSO": true, "SSO OIDC": true, "Signin": true}

// mostAnswer bounds an answer's body: AWS's are below 1 MB.
const mostAnswer = 32 << 20

// strict reads an answer to its end before the SDK sees it, and checks what the SDK does not.
func strict(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	answer, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || !strictServices[awsmiddleware.GetServiceID(ctx)] {
		return out, metadata, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer+1))
	answer.Body.Close() //nolint:errcheck // nothing was written to it
	switch {
	case err != nil:
		return out, metadata, Garbled("the answer broke off after %d bytes", len(body))
	case len(body) > mostAnswer:
		return out, metadata, Garbled("the answer is larger than %d bytes", mostAnswer)
	}
	if err := checkBody(answer.Header, answer.StatusCode, body); err != nil {
		return out, metadata, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return out, metadata, nil
}

// checkBody holds an answer to its checksum, where there is one, and a 200 to the form of all of
// them. That there is no body at all is for complete to judge: some calls have nothing to say.
func checkBody(header http.Header, status int, body []byte) error {
	if text := header.Get("X-Amz-Crc32"); text != "" {
		if want, err := strconv.ParseUint(text, 10, 32); err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
			return Garbled("the answer does not match its checksum")
		}
	}
	if status != http.StatusOK || len(body) == 0 || header.Get("Content-Encoding") == "gzip" {
		return nil
	}
	if trimmed := bytes.TrimSpace(body); !json.Valid(body) || trimmed[0] != '{' {
		return Garbled("the answer is no JSON object")
	}
	return nil
}
