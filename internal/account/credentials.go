package account

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Adopt completes a configuration that was loaded with Equip: its credentials are dropped when a
// service says that they have expired, they are waited for no longer than for anything else, and
// their errors can be told from others.
func (p *Patience) Adopt(cfg *aws.Config) {
	cfg.RetryMaxAttempts = 0
	cache, ok := cfg.Credentials.(*aws.CredentialsCache)
	if !ok {
		return
	}
	p.Refresh = cache.Invalidate
	sources := cache.ProviderSources()
	process := slices.Contains(sources, aws.CredentialSourceProfileProcess) || slices.Contains(sources, aws.CredentialSourceProcess)
	cfg.Credentials = credentials{cache, p, process}
}

// credentials are those of a configuration.
type credentials struct {
	*aws.CredentialsCache
	patience *Patience
	process  bool // a program prints them, or those that they are got with
}

type callerKey struct{}

// Retrieve tells the errors of getting credentials from all others. The cache fetches them for all
// who ask at once, so it hides from the fetching that one of them is over; it is told here, so as
// not to go on for nobody.
func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if clock, ok := ctx.Value(clockKey{}).(clock); ok && clock.Stop() {
		defer clock.Reset(clock.limit)
	}
	found, err := c.retrieve(context.WithValue(ctx, callerKey{}, ctx))
	if err != nil && ctx.Err() == nil {
		err = &CredentialsError{err}
	}
	return found, err
}

// retrieve waits for a program no longer than it may take. The calls of services have limits of
// their own, and whoever is asked for a code may take any time.
func (c credentials) retrieve(ctx context.Context) (aws.Credentials, error) {
	if !c.process {
		return c.CredentialsCache.Retrieve(ctx)
	}
	limit := c.patience.processTime(ctx)
	for {
		began := time.Now()
		timed, cancel := context.WithTimeout(ctx, limit+processGrace)
		found, err := c.CredentialsCache.Retrieve(timed)
		over := timed.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err != nil && (over || wasKilled(err)) && c.patience.idle(began):
			return found, &LateError{limit, "credential_process"}
		case err == nil || !over:
			return found, err
		}
	}
}

const (
	// processLimit is what a program for credentials may take; it may ask somebody for something.
	processLimit = time.Minute
	// processGrace is how much later one is given up that cannot be ended, as what it has begun
	// goes on.
	processGrace = time.Second
)

// processTime is what a program for credentials may take of the stall time.
func (p *Patience) processTime(ctx context.Context) time.Duration {
	return min(processLimit, max(p.Limit(ctx), leastLimit))
}

// idle reports whether nobody has been asked for anything since then, neither a service nor a
// person.
func (p *Patience) idle(since time.Time) bool {
	return p.asking.Load() == 0 && p.moved.Load() < since.UnixNano()
}

// Ask puts a question to a person, which may take any time.
func (p *Patience) Ask(question func() (string, error)) (string, error) {
	p.asking.Add(1)
	defer p.asking.Add(-1)
	defer p.move()
	return question()
}

func (p *Patience) move() { p.moved.Store(time.Now().UnixNano()) }

// wasKilled reports whether a program was ended from outside: by its time limit.
func wasKilled(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() < 0
}

// callerOf is the context of whoever waits for the credentials that ctx is to fetch; else ctx.
func callerOf(ctx context.Context) context.Context {
	if caller, ok := ctx.Value(callerKey{}).(context.Context); ok {
		return caller
	}
	return ctx
}
