// Package wire is DynamoDB's data plane in raw items: [Table.Scan], [Table.Query]
// and [Table.BatchGet] fill a page with the bytes that came, [Table.BatchWrite] sends
// bytes as they are.
//
// It makes its calls on the parts that [dynamodb.Client.Options] hands out:
// endpoint resolver, credentials, signer and HTTP client. It makes one attempt
// a call; retries belong to the caller, who finds what to do in [Error.Kind].
//
// A 200 is not yet a success here. The whole body is read, its length and
// CRC-32 are checked, and an empty body, a missing member, trailing bytes, an
// unknown type tag or a count that does not match are errors of kind [Transient].
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A Table makes data-plane calls for one table. It may be used from many
// goroutines.
type Table struct {
	options   dynamodb.Options
	name      string
	quoted    []byte // the name as JSON
	schema    item.Schema
	log       *slog.Logger
	userAgent []string // the header's value

	endpoint atomic.Pointer[endpoint]
	skew     atomic.Int64 // nanoseconds to add to this machine's clock when signing
	retrieve sync.Mutex   // one credentials refresh at a time
	refused  atomic.Pointer[string]
	circles  circles
}

// Settings are what a caller may choose; the zero value works.
type Settings struct {
	Log       *slog.Logger // gets one debug line a request; nil discards
	UserAgent string       // what to call ourselves
}

// New returns the data plane of the named table (or table ARN), whose primary
// key is schema, on the client's own parts.
func New(client *dynamodb.Client, name string, schema item.Schema, set Settings) *Table {
	log := set.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &Table{options: client.Options(), name: name, quoted: quote(name), schema: schema, log: log}
	if set.UserAgent != "" {
		t.userAgent = []string{set.UserAgent}
	}
	return t
}

// endpoint is where calls go, for one account's credentials.
type endpoint struct {
	account string
	url     *url.URL
	headers http.Header
	service string
	region  string
}

// resolve returns the endpoint for the credentials' account, as the typed
// client would find it for this table.
func (t *Table) resolve(ctx context.Context, creds aws.Credentials) (*endpoint, error) {
	if e := t.endpoint.Load(); e != nil && e.account == creds.AccountID {
		return e, nil
	}
	o := t.options
	region, fips := trueRegion(o)
	params := dynamodb.EndpointParameters{
		Region:                aws.String(region),
		UseDualStack:          aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		UseFIPS:               aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled || fips),
		Endpoint:              o.BaseEndpoint,
		AccountIdEndpointMode: aws.String(string(o.AccountIDEndpointMode)),
		ResourceArn:           aws.String(t.name),
		ResourceArnList:       []string{t.name},
	}
	if o.AccountIDEndpointMode != aws.AccountIDEndpointModeDisabled && creds.AccountID != "" {
		params.AccountId = aws.String(creds.AccountID)
	}
	if o.AccountIDEndpointMode == aws.AccountIDEndpointModeRequired && creds.AccountID == "" {
		return nil, fmt.Errorf("resolve endpoint: the account id is required by the profile but the credentials do not say it")
	}
	found, err := o.EndpointResolverV2.ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("resolve endpoint: %w", err)
	}
	target := found.URI
	target.Path, target.RawPath = smithyhttp.JoinPath(target.Path, "/"), ""
	e := &endpoint{
		account: creds.AccountID, url: &target, headers: found.Headers,
		service: "dynamodb", region: o.Region,
	}
	if list, ok := smithyauth.GetAuthOptions(&found.Properties); ok && len(list) > 0 {
		if v, ok := smithyhttp.GetSigV4SigningName(&list[0].SignerProperties); ok {
			e.service = v
		}
		if v, ok := smithyhttp.GetSigV4SigningRegion(&list[0].SignerProperties); ok {
			e.region = v
		}
	}
	t.endpoint.Store(e)
	return e, nil
}

// trueRegion is the region behind an old pseudo-region like fips-us-gov-west-1,
// and whether it was one.
func trueRegion(o dynamodb.Options) (region string, fips bool) {
	if o.EndpointOptions.ResolvedRegion != "" {
		return o.EndpointOptions.ResolvedRegion, false
	}
	region = strings.ReplaceAll(o.Region, "-fips-", "-")
	region = strings.TrimSuffix(strings.TrimPrefix(region, "fips-"), "-fips")
	return region, region != o.Region
}

// credentials returns the profile's credentials. Those that the service said
// have expired are thrown away first, once, however many calls met the news.
func (t *Table) credentials(ctx context.Context) (aws.Credentials, error) {
	creds, err := t.options.Credentials.Retrieve(ctx)
	if err != nil {
		return creds, unavailable(ctx, err)
	}
	bad := t.refused.Load()
	if bad == nil || *bad != fingerprint(creds) {
		return creds, nil
	}
	t.retrieve.Lock()
	defer t.retrieve.Unlock()
	if creds, err = t.options.Credentials.Retrieve(ctx); err == nil && fingerprint(creds) == *bad {
		if cache, ok := t.options.Credentials.(interface{ Invalidate() }); ok {
			cache.Invalidate()
		}
		creds, err = t.options.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return creds, unavailable(ctx, err)
	}
	if fingerprint(creds) == *bad {
		return creds, &Error{Kind: Credentials, Code: "CredentialsExpired", Message: "the credentials have expired and a refresh brought the same ones"}
	}
	return creds, nil
}

// unavailable is the error of getting credentials. That STS or SSO did not answer in time is no
// word on what there is: that was waited for already, where the client's own calls are patient.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &Error{Kind: Credentials, Code: "CredentialsUnavailable", Message: err.Error(), Err: err}
	switch account.Classify(err) {
	case account.Throttled, account.Transient:
		if e.Kind = Transient; errors.As(err, new(*account.GaveUpError)) {
			e.Kind = Fatal
		}
	}
	return e
}

func fingerprint(c aws.Credentials) string { return c.AccessKeyID + "\x00" + c.SessionToken }

// now is the time that requests are signed with.
func (t *Table) now() time.Time { return time.Now().Add(time.Duration(t.skew.Load())) }
