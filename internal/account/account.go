// Package account is what we know of AWS beyond one service. It says how an account is reached:
// which profile is in force, what AWS's two shared files say, read as strictly as the AWS CLI reads
// them, and that nothing goes elsewhere than asked, or in the clear ([Open]). And it says what an
// error means ([Classify], [Explain]), how long to try a call again ([Patience.Retry]), how to wait
// for what takes its time ([Patience.Wait]), and how to ask for a list ([Pages]).
//
// [Patience.Equip] makes the SDK's clients do so by themselves, those that fetch credentials
// included: each attempt has a deadline, what came back is checked before it is believed, and what
// may pass is tried again until nothing has moved for the stall time. Nobody else retries: the
// SDK's own policy is off.
package account

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// DefaultStall is the stall time where nobody says another.
const DefaultStall = 15 * time.Minute

// A Patience says how long to try and to wait. It may be used from many goroutines.
type Patience struct {
	Stall   time.Duration // give up after so long without any progress; 0 means [DefaultStall]
	Refresh func()        // drops credentials that have expired; nil where there is nothing to drop
	Log     *slog.Logger  // told of what is tried again; nil discards

	known  sync.Map     // hosts that have answered
	asking atomic.Int32 // people, for something
	moved  atomic.Int64 // when an attempt last began or ended, in nanoseconds
}

type stallKey struct{}

// WithStall gives the calls and waits below the context another stall time; 0 changes nothing.
func WithStall(ctx context.Context, stall time.Duration) context.Context {
	if stall == 0 {
		return ctx
	}
	return context.WithValue(ctx, stallKey{}, stall)
}

type retriesKey struct{}

// WithRetries has n count how often the calls below the context were made again: then an answer may
// have been lost. The calls must not be at once.
func WithRetries(ctx context.Context, n *int) context.Context {
	return context.WithValue(ctx, retriesKey{}, n)
}

// Limit is the stall time of what is below the context.
func (p *Patience) Limit(ctx context.Context) time.Duration {
	if stall, ok := ctx.Value(stallKey{}).(time.Duration); ok {
		return stall
	}
	if p.Stall == 0 {
		return DefaultStall
	}
	return p.Stall
}

// Equip is the option of [config.LoadDefaultConfig] that makes all clients of the configuration
// patient. What it returns goes through [Patience.Adopt].
func (p *Patience) Equip(o *config.LoadOptions) error {
	o.Retryer = func() aws.Retryer { return retryer{p} }
	o.Logger = logging.Nop{}           // else it warns on stderr
	o.RetryMaxAttempts = math.MaxInt32 // else AWS_MAX_ATTEMPTS is another bound
	o.ProcessCredentialOptions = func(o *processcreds.Options) { o.Timeout = p.processTime(context.Background()) }
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("dynamo.trial", p.begin), middleware.Before); err != nil {
			return err
		}
		// Behind the retries, the credentials and the signature: the deadline is for the service
		// alone. Somebody may have to type a code before.
		if err := stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.attempt", p.attempt), middleware.After); err != nil {
			return err
		}
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("dynamo.strict", strict), middleware.After)
	})
	return nil
}
