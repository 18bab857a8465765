package account

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// Explain says an error in words of ours, without the layers that the SDK wraps around the news,
// and for how long it was tried. Where the call that failed is another than the one that was made,
// as one for credentials, it is named. No secret is left in it.
func Explain(err error) error {
	var outer, op *smithy.OperationError
	var gaveUp *GaveUpError
	rest := err
	for errors.As(rest, &op) {
		if outer == nil {
			outer = op
		}
		rest = op.Err
	}
	news := said(rest)
	if news == nil {
		news = rest // it says for how long
	} else if errors.As(err, &gaveUp) {
		news = fmt.Errorf("%w: %w", gaveUp, news)
	}
	if op != outer {
		news = fmt.Errorf("%s %s: %w", op.ServiceID, op.OperationName, news)
	}
	return foreign.Error(news)
}

// said is what came back, or did not; nil where that is not known.
func said(err error) error {
	var api smithy.APIError
	var answered interface{ HTTPStatusCode() int }
	var garbled *GarbledError
	var late *LateError
	var unread *smithy.DeserializationError
	var send *smithyhttp.RequestSendError
	status := 0
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &api) && (api.ErrorCode() != "UnknownError" && api.ErrorCode() != "" || status == 0): // else a redirect, or a page of a proxy's
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	case errors.As(err, &garbled):
		return garbled
	case errors.As(err, &late):
		return late
	case status >= http.StatusMultipleChoices:
		return fmt.Errorf("HTTP status %d %s", status, http.StatusText(status))
	case errors.As(err, &unread):
		return errors.New("the answer cannot be read")
	case errors.As(err, &send):
		return broken(send)
	}
	return nil
}

// broken says what is wrong with a connection.
func broken(send *smithyhttp.RequestSendError) error {
	var request *url.Error
	var network *net.OpError
	var number syscall.Errno
	var dns *net.DNSError
	host, why := "the service", send.Err
	if errors.As(send, &request) {
		why = request.Err
		if u, err := url.Parse(request.URL); err == nil {
			host = u.Host
		}
	}
	reached := !errors.As(send, &network) || network.Op != "dial"
	switch {
	case errors.As(why, &number):
		why = number
	case errors.As(why, &dns):
		why = errors.New(dns.Err)
	case network != nil:
		why = network.Err
	}
	if !reached {
		return fmt.Errorf("cannot reach %s: %w", host, why)
	}
	return fmt.Errorf("the connection to %s broke: %w", host, why)
}
