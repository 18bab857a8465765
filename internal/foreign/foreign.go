// Package foreign is for text that comes from outside: what services answer, what programs
// and files for credentials hold. All of it that goes to people or to disk passes [Text],
// or [Error] where it is an error.
package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
)

// most is how many characters of a text are kept: a
// ValidationException may repeat the whole request.
const most = 300

// hidden takes the place of what is struck out.
const hidden = "***"

var (
	// canonical is where a service begins to repeat what was signed, session token and
	// all. Nothing behind it is news.
	canonical = regexp.MustCompile(`(?i)(the )?(canonical[ -]?(string|request)|string[ -]?to[ -]?sign\b|aws4-|x-amz-|authorization\s*[:=])`)
	// named is a secret beside its name, as in JSON, in XML, in a form or in a line of a
	// credentials file.
	named = regexp.MustCompile(`(?i)((?:secret|password|token|signature|credential)[a-z_]*(?:\\?["']\s*:|\s*=|>)\s*\\?["']?)[^\s"'\\,;&}<]+`)
	// user is the user and the password in a URL.
	user = regexp.MustCompile(`://[^/\s"']*@`)
)

// secrets are the values of all credentials that this process has used. They belong to the process,
// as they are secret wherever they turn up: a key of the one side in a message about the other.
var secrets struct {
	sync.RWMutex
	list []string
}

// shortest is how long a value must be to be struck out: local engines take keys like
// "x" or "test", which are words.
const shortest = 8

// Hide has [Text] strike out these values from now on.
func Hide(values ...string) {
	secrets.Lock()
	defer secrets.Unlock()
	for _, v := range values {
		if len(v) < shortest || slices.Contains(secrets.list, v) {
			continue
		}
		secrets.list = append(secrets.list, v)
		if escaped := url.QueryEscape(v); escaped != v {
			secrets.list = append(secrets.list, escaped)
		}
	}
}

// Text is the text without secrets, on one line, and cut where it is long or begins to repeat what
// was signed. What is Text's already stays as it is.
func Text(text string) string {
	text = struck(strings.ToValidUTF8(text, "\uFFFD"))
	text = user.ReplaceAllString(text, "://"+hidden+"@")
	if at := canonical.FindStringIndex(text); at != nil {
		text = strings.TrimRight(text[:at[0]], " \t\r\n'\"({:;,") + "…"
	}
	text = named.ReplaceAllString(text, "${1}"+hidden)
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }), " ")
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return text
}

// struck is the text without the values of credentials in use.
func struck(text string) string {
	secrets.RLock()
	defer secrets.RUnlock()
	for _, s := range secrets.list {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
}

// Error is the error with a text of [Text]'s. It still is, and unwraps to, what it was; so is
// the code of an answer of AWS's.
func Error(err error) error {
	if err == nil {
		return nil
	}
	said := said{text: Text(wording(err)), err: err}
	var api smithy.APIError
	if !errors.As(err, &api) {
		if said.text == err.Error() {
			return err
		}
		return &said
	}
	return &answer{said: said, code: Text(api.ErrorCode()), message: Text(api.ErrorMessage()), fault: api.ErrorFault()}
}

// said is an error in words that may be shown.
type said struct {
	text string
	err  error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.err }

// An answer is what AWS said to a request.
type answer struct {
	said
	code, message string
	fault         smithy.ErrorFault
}

func (a *answer) ErrorCode() string             { return a.code }
func (a *answer) ErrorMessage() string          { return a.message }
func (a *answer) ErrorFault() smithy.ErrorFault { return a.fault }

// wording is the error's text; of a program that was to print credentials it is where they
// cannot be read, and nothing of them.
func wording(err error) string {
	process := (*processcreds.ProviderError)(nil)
	if !errors.As(err, &process) {
		return err.Error()
	}
	const doing = "credential_process: "
	syntax, kind := (*json.SyntaxError)(nil), (*json.UnmarshalTypeError)(nil)
	switch {
	case errors.As(process.Err, &syntax):
		return fmt.Sprintf("%sits output is not JSON, at byte %d", doing, syntax.Offset)
	case errors.As(process.Err, &kind):
		return fmt.Sprintf("%sits output has a %s that is not of type %s, at byte %d", doing, kind.Field, kind.Type, kind.Offset)
	case strings.HasPrefix(process.Err.Error(), "parse failed"):
		return doing + "its output cannot be read: Expiration is not a time"
	}
	return doing + strings.TrimPrefix(process.Err.Error(), "error in credential_process: ")
}
