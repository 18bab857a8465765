package account

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A Class says what an error asks for.
type Class int

// The classes of error.
const (
	Fatal       Class = iota // anything else: the same call would fail again
	Throttled                // too fast; the same call later is fine
	Transient                // broken connection, 5xx, garbled or no answer: again, soon
	Busy                     // what it is about is being changed; again, when that is over
	Limited                  // a limit that may last for hours
	Stale                    // the credentials have expired: again, with new ones
	Credentials              // there are no valid credentials
	Denied                   // permission is missing
	Missing                  // what it is about is not there
	State                    // what it is about is in no state for this
	Invalid                  // the service refuses the content of the request
	TooLarge                 // the request body is too large
	Unsupported              // the service, or what stands in its place, knows no such call
)

// classes are the codes of all services that we call, data plane and control plane alike. They are
// written here, and nowhere else.
var classes = map[string]Class{
	"ProvisionedThroughputExceededException": Throttled, "ThrottlingException": Throttled, "Throttling": Throttled,
	"ThrottledException": Throttled, "RequestThrottled": Throttled, "RequestThrottledException": Throttled,
	"RequestLimitExceeded": Throttled, "TooManyRequestsException": Throttled, "SlowDown": Throttled,

	"InternalServerError": Transient, "InternalServerErrorException": Transient, "InternalServerException": Transient,
	"InternalServiceException": Transient, "InternalFailure": Transient, "InternalError": Transient,
	"ServiceUnavailable": Transient, "ServiceUnavailableException": Transient, "RequestTimeout": Transient,
	"RequestTimeoutException": Transient, "TransactionInProgressException": Transient, "OperationAborted": Transient,
	"ReplicatedWriteConflictException": Transient, "ConcurrentUpdateException": Transient, "IDPCommunicationError": Transient,

	"ResourceInUseException": Busy, "TableInUseException": Busy, "BackupInUseException": Busy,
	"ContinuousBackupsUnavailableException": Busy, // backups are being enabled for a new table

	"LimitExceededException": Limited,

	"ExpiredTokenException": Stale, "ExpiredToken": Stale, "RequestExpired": Stale, "UnrecognizedClientException": Stale,
	"InvalidClientTokenId": Stale, "InvalidAccessKeyId": Stale, "InvalidToken": Stale,

	"UnauthorizedException": Credentials, "InvalidGrantException": Credentials, "InvalidIdentityToken": Credentials,
	"InvalidSignatureException": Credentials, "SignatureDoesNotMatch": Credentials,
	"IncompleteSignatureException": Credentials, "IncompleteSignature": Credentials,

	"AccessDeniedException": Denied, "AccessDenied": Denied, "FailedResourceAccessException": Denied, "OptInRequired": Denied, "NotAuthorized": Denied,
	"ForbiddenException": Denied, "KMSAccessDeniedException": Denied, "MissingAuthenticationTokenException": Denied,
	"MissingAuthenticationToken": Denied, "RequestTimeTooSkewed": Denied,

	"ResourceNotFoundException": Missing, "TableNotFoundException": Missing, "BackupNotFoundException": Missing,
	"NoSuchBucket": Missing, "NoSuchKey": Missing, "NoSuchUpload": Missing, "NotFound": Missing,

	"TableAlreadyExistsException": State, "PointInTimeRecoveryUnavailableException": State,
	"InaccessibleEncryptionCredentialsException": State,

	"ValidationException": Invalid, "ItemCollectionSizeLimitExceededException": Invalid, "ObjectNotFoundException": Invalid,
	"InvalidRestoreTimeException": Invalid,

	"UnknownOperationException": Unsupported, "UnknownOperation": Unsupported, "InvalidAction": Unsupported,
	"NotImplemented": Unsupported,
}

// clocks are the codes of a clock that is wrong, among other things.
var clocks = map[string]bool{"InvalidSignatureException": true, "RequestTimeTooSkewed": true, "RequestExpired": true}

// MayBeClock reports whether an answer of that code may mean no more than that this machine's clock
// is wrong.
func MayBeClock(code string) bool { return clocks[code] }

// ClassOf is the class of an answer by its code, which may be empty, and its HTTP status, which may
// be 0.
func ClassOf(code string, status int) Class {
	if class, known := classes[code]; known {
		return class
	}
	switch {
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge
	case status == http.StatusRequestTimeout, status >= 500:
		return Transient
	}
	return Fatal
}

// simultaneous is the limit that passes by itself: how many tables may change at once.
var simultaneous = regexp.MustCompile(`(?i)simultaneous|concurrent`)

// Classify says what an error of one of the SDK's clients asks for.
func Classify(err error) Class {
	var api smithy.APIError
	var skewed interface{ RetryableError() bool }
	var answered interface{ HTTPStatusCode() int }
	var certificate *tls.CertificateVerificationError
	var send *smithyhttp.RequestSendError
	var network net.Error
	status := 0
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	switch {
	case err == nil, asksMetadata(err), errors.As(err, &certificate), errors.As(err, new(*UnsafeError)):
	case errors.As(err, new(*GarbledError)), errors.As(err, new(*LateError)):
		return Transient
	case errors.Is(err, context.Canceled):
		return Fatal
	case errors.As(err, &skewed) && skewed.RetryableError(): // by then the client has learnt the time
		return Transient
	case errors.As(err, &api):
		class := ClassOf(api.ErrorCode(), status)
		switch {
		case class == Limited && simultaneous.MatchString(api.ErrorMessage()):
			return Throttled
		case class == Fatal && api.ErrorFault() == smithy.FaultServer:
			return Transient
		}
		return class
	case status == http.StatusOK: // an answer that was cut off, or is none
		return Transient
	case status != 0:
		return ClassOf("", status)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &send), errors.As(err, &network):
		return Transient
	}
	if errors.As(err, new(*CredentialsError)) {
		return Credentials
	}
	return Fatal
}

// Answered reports whether AWS has refused the call itself, so that nothing has come of it. Where
// attempts before it had no answer, that is not known.
func Answered(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && !errors.As(err, new(*GaveUpError))
}

// metadata is the service that machines in EC2 ask for credentials. Elsewhere nobody answers, and
// there are none.
const metadata = "ec2imds"

func asksMetadata(err error) bool {
	for op := (*smithy.OperationError)(nil); errors.As(err, &op); err = op.Err {
		if op.ServiceID == metadata {
			return true
		}
	}
	return false
}

// A CredentialsError says that there are no credentials to sign a request with.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }
func (e *CredentialsError) Unwrap() error { return e.Err }

// An UnsafeError is a request that was not sent: it would have gone elsewhere than asked, or in the
// clear.
type UnsafeError struct{ Why string }

func (e *UnsafeError) Error() string { return e.Why }

// A GarbledError is an answer that looks like success, and is none.
type GarbledError struct{ text string }

func (e *GarbledError) Error() string { return e.text }

// ErrEmpty is an answer that leaves out what AWS always says.
var ErrEmpty error = &GarbledError{"the answer leaves out what was asked for"}

// Garbled is an answer that was checked elsewhere.
func Garbled(format string, args ...any) error {
	return &GarbledError{fmt.Sprintf(format, args...)}
}

// A LateError is an attempt that nobody answered in time.
type LateError struct {
	Limit time.Duration
	Of    string // who did not; "" for the service that was asked
}

func (e *LateError) Error() string {
	text := fmt.Sprintf("no answer within %s", e.Limit)
	if e.Of != "" {
		text = e.Of + ": " + text
	}
	return text
}

// A GaveUpError says for how long something was tried, or waited for, without any progress.
type GaveUpError struct{ After time.Duration }

func (e *GaveUpError) Error() string { return "gave up after " + e.After.Round(time.Second).String() }
