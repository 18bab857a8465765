package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// A Kind says what a failed call means.
type Kind int

// The kinds of failure.
const (
	Fatal       Kind = iota // anything else: sending it again would not help
	Throttled               // too fast; the same call later is fine
	Transient               // broken connection, 5xx, garbled answer: again, soon
	Credentials             // no valid credentials, and a refresh did not help
	Stale                   // the credentials have expired; the next call fetches new ones
	Denied                  // permission is missing
	State                   // the table is missing or not in a state for this
	Invalid                 // the service refuses the content of the request
	TooLarge                // the request body is too large
)

// A Reason is one of DynamoDB's words on why it throttled.
type Reason struct {
	Reason   string `json:"reason"`   // as TableWriteProvisionedThroughputExceeded
	Resource string `json:"resource"` // the table's or index's ARN
}

// An Error is a call that failed.
type Error struct {
	Op, Table string
	Kind      Kind
	Code      string // DynamoDB's exception, as ValidationException; may be empty
	Message   string
	Status    int // HTTP status, 0 where there was no answer
	RequestID string
	Reasons   []Reason
	Garbled   bool // a 200 that is no success
	Ambiguous bool // the request may have been applied, or may yet be
	Slow      bool // given up because nothing moved, or too slowly
	Err       error
}

func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text = e.Code
		if e.Message != "" {
			text += ": " + e.Message
		}
	}
	if e.Op != "" {
		text = fmt.Sprintf("%s %q: %s", e.Op, e.Table, text)
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// refusal is the error that an answer other than 200 carries.
func (t *Table) refusal(resp *http.Response, body []byte, creds aws.Credentials) error {
	e := &Error{Status: resp.StatusCode, RequestID: foreign.Text(resp.Header.Get("X-Amzn-Requestid"))}
	var said struct {
		Type    string   `json:"__type"`
		Message string   `json:"message"` // encoding/json also takes Message
		Reasons []Reason `json:"throttlingReasons"`
	}
	if json.Unmarshal(body, &said) == nil {
		e.Code, e.Message, e.Reasons = said.Type[strings.LastIndexByte(said.Type, '#')+1:], said.Message, said.Reasons
	}
	if e.Code == "" {
		e.Code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	}
	if e.Code == "" && e.Message == "" {
		e.Message = fmt.Sprintf("HTTP status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	for i, r := range e.Reasons {
		e.Reasons[i] = Reason{foreign.Text(r.Reason), foreign.Text(r.Resource)}
	}
	e.Kind = kindOf(e.Code, e.Status)
	e.Ambiguous = e.Kind == Transient
	if account.MayBeClock(e.Code) && t.noteSkew(resp.Header) {
		e.Kind = Transient
	}
	if e.Kind == Stale {
		refused := fingerprint(creds)
		t.refused.Store(&refused)
	}
	return e
}

// kinds are what the classes of error mean for a call of the data plane.
var kinds = map[account.Class]Kind{
	account.Throttled: Throttled, account.Limited: Throttled, account.Transient: Transient,
	account.Busy: State, account.State: State, account.Missing: State,
	account.Stale: Stale, account.Credentials: Denied, account.Denied: Denied, account.Invalid: Invalid, account.TooLarge: TooLarge,
}

func kindOf(code string, status int) Kind { return kinds[account.ClassOf(code, status)] }
