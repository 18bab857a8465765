package table

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// A Kind says what sort of thing went wrong. Its number is the exit code of
// the dynamo command.
type Kind int

// The kinds of error.
const (
	Failed   Kind = 1 // anything else
	Usage    Kind = 2 // arguments or configuration
	Rejected Kind = 3 // finished, but the target refused some items; they are in the dead-letter file
	Unequal  Kind = 4 // the tables differ
	Refused  Kind = 5 // a guard said no, and nothing was changed
	Denied   Kind = 6 // credentials or permission
	Mismatch Kind = 7 // the table is missing, in no state for this, or of another schema; or a run's directory does not fit
	Held     Kind = 8 // another run is at work on the target
)

// An Error is what the functions of this package return. Hint says what to do
// about it, and may be empty.
type Error struct {
	Kind Kind
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func usage(hint, format string, args ...any) error {
	return &Error{Usage, hint, fmt.Errorf(format, args...)}
}

func refused(hint, format string, args ...any) error {
	return &Error{Refused, hint, fmt.Errorf(format, args...)}
}

func mismatch(hint, format string, args ...any) error {
	return &Error{Mismatch, hint, fmt.Errorf(format, args...)}
}

// controlError explains an error of the typed client, while doing what to the table.
func (t *Table) controlError(ctx context.Context, doing string, err error) error {
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) && ctx.Err() == nil {
		hint := "see: aws dynamodb list-tables --region " + t.account.Region()
		if t.account.Profile() != "" {
			hint += " --profile " + t.account.Profile()
		}
		return mismatch(hint, "table %q %w in %s with %s", t.name, errNoTable, t.account.Region(), t.account)
	}
	return t.account.explain(ctx, fmt.Sprintf("%s %q", doing, t.name), err)
}

// errNoTable is AWS's word that there is no such table. The kind of an error does not tell:
// [Mismatch] is also a table in no state for this, or of another schema.
var errNoTable = errors.New("does not exist")

// explain explains an error of the typed client, while doing what.
func (a *Account) explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Kind: Failed, Err: fmt.Errorf("%s with %s: %w", doing, a, brief(err))}
	var unsafe *account.UnsafeError
	var network *net.OpError
	switch class := account.Classify(err); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrNoMFA):
		e.Kind, e.Err = Denied, fmt.Errorf("%s: %w", a, ErrNoMFA)
		e.Hint = "run it on a terminal, or use a profile without mfa_serial"
	case errors.As(err, &unsafe):
		e.Kind, e.Err, e.Hint = Usage, fmt.Errorf("%s with %s: %w", doing, a, unsafe), "check the endpoints of the profile and of the environment"
	case errors.As(err, &network):
		e.Hint = "is the network up, and the endpoint right?"
	default:
		e.Kind, e.Hint = a.meaning(class)
	}
	return e
}

// meaning is what a class of error is to people, and what they can do about it.
func (a *Account) meaning(class account.Class) (Kind, string) {
	switch class {
	case account.Denied:
		return Denied, ""
	case account.Stale, account.Credentials:
		return Denied, a.at.LoginHint()
	case account.Missing, account.State: // what is Busy was waited for, and more than that is not known
		return Mismatch, ""
	}
	return Failed, ""
}

// brief drops the layers that the typed client wraps around the news.
func brief(err error) error { return account.Explain(err) }

// GaveUp reports whether an error says that something was tried, or waited for, in vain for as long
// as it may be.
func GaveUp(err error) bool {
	return errors.As(err, new(*account.GaveUpError)) || errors.As(err, new(*copier.StallError))
}

// runError explains an error of the engine.
func runError(err error, source, target *Table) error {
	fault := (*copier.Fault)(nil)
	if !errors.As(err, &fault) {
		return err
	}
	side := source
	if fault.Side == targetSide {
		side = target
	}
	return side.account.faultError(fault, err)
}

// meant are the engine's classes in the account's words, of which it needs fewer.
var meant = map[copier.Class]account.Class{
	copier.Credentials: account.Credentials, copier.Stale: account.Stale, copier.Denied: account.Denied, copier.State: account.State,
}

// faultError explains what a request of the engine's met.
func (a *Account) faultError(fault *copier.Fault, err error) *Error {
	e := &Error{Err: fmt.Errorf("%s: %w", a, err)}
	e.Kind, e.Hint = a.meaning(meant[fault.Class])
	return e
}

// kindOf is the kind of an error of ours; a stranger is Failed.
func kindOf(err error) Kind {
	e := (*Error)(nil)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Kind
	}
	return Failed
}

func hintOf(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
