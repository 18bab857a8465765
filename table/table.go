// Package table is the front door: a DynamoDB table in an account, and what can
// be done with it.
//
// [Open] a table for a profile of the AWS shared config, then call
// [Table.Copy]: the receiver is the source, its argument the target.
//
//	prod, err := table.Open(ctx, "prod", "orders", table.Access{})
//	dev, err := table.Open(ctx, "dev", "orders", table.Access{})
//	summary, err := prod.Copy(ctx, dev, table.CopyOptions{Mode: table.Merge})
//
// Everything that the dynamo command does is here, guards included. The command adds the question
// ([CopyOptions.Confirm]), the progress bar ([CopyOptions.Watch]) and the exit code ([Error.Kind]).
//
// The API may change until version 1.
package table

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// A Table is a table in an account and region, seen through a profile. It may
// be used from many goroutines.
type Table struct {
	profile string // the one in force
	named   bool   // it was asked for, and is not the environment's
	name    string
	agent   string
	region  string
	asked   Access // what was asked for beyond the profile
	notice  string // a surprise in the configuration that the user should hear of
	log     *slog.Logger
	client  *dynamodb.Client

	config   aws.Config // for the clients of other services
	patience *account.Patience
	override string // endpoint given over the profile's own, for every service; "" for none
	address  string // where the endpoint is, in one spelling; "" for AWS's own
}

// Access says how to reach a table beyond what its profile says. The zero
// value changes nothing.
type Access struct {
	Region   string       // over the profile's own region
	Endpoint string       // URL over the profile's own endpoint; plain http on loopback and to AllowHTTP only
	Log      *slog.Logger // gets one debug line a request, never its content; nil discards
	Version  string       // of the calling program, for the user agent

	// Stall is for how long AWS may give no answer of use, or show no progress in what it was asked for, before
	// that is an error; 0 means 15 minutes. Where a verb's options have a Stall, that one counts.
	Stall time.Duration

	// AllowHTTP are hosts to which plain http is allowed for every service, beside loopback: that of
	// an engine in a container, say.
	AllowHTTP []string

	// MFA returns the code of the device with that serial number, for a profile
	// whose role needs one. Nil, or an error, means that there is nobody to ask: then
	// every call fails with an [*Error] of kind [Denied].
	MFA func(serial string) (string, error)

	began string // the profile that was in force when the run began that goes on, and was not named then
}

// ProfileInForce is the profile that counts where that one is asked for: itself, else AWS_PROFILE's,
// else AWS_DEFAULT_PROFILE's, else none.
func ProfileInForce(profile string) string { return account.InForce(profile) }

// Open returns the named table as the profile sees it; an empty profile is the
// default credential chain, with the profile in force ([ProfileInForce]). It reads the AWS configuration and sends nothing;
// only the name of an endpoint that is not AWS's own is looked up.
//
// The region is a.Region, else the profile's own, else the environment's: AWS_REGION does
// not move a profile that is named here and names a region. The errors are an [*Error] of kind [Usage].
func Open(ctx context.Context, profile, name string, a Access) (*Table, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := a.checkAllowed(); err != nil {
		return nil, err
	}
	t := &Table{profile: account.InForce(or(profile, a.began)), named: profile != "", name: name, asked: a, log: a.Log, agent: "dynamo/" + or(a.Version, "dev")}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.profile != "" {
		t.log = t.log.With("profile", t.profile)
	}
	cfg, err := t.load(ctx, a)
	if err != nil {
		return nil, err
	}
	t.region, t.config, t.override = cfg.Region, cfg, a.Endpoint
	t.client = dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, t.logged)
		if a.Endpoint != "" {
			// Given here, because one given while loading the configuration
			// loses to the profile's services section.
			o.BaseEndpoint = aws.String(a.Endpoint)
		}
	})
	if err := t.checkEndpoints(); err != nil {
		return nil, err
	}
	t.address = account.Address(ctx, t.endpoint())
	return t, nil
}

// Other is another table of the same account and region, with the same
// credentials: a code that was asked for is not asked for again.
func (t *Table) Other(name string) (*Table, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	other := *t
	other.name = name
	return &other, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// nameCharacters are those of a table's name.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// checkName holds the name to DynamoDB's rule for tables.
func checkName(name string) error {
	base := name
	if strings.HasPrefix(name, "arn:") {
		_, base, _ = strings.Cut(name, ":table/")
	}
	ok := len(base) >= 3 && len(base) <= 255 && strings.Trim(base, nameCharacters) == ""
	if !ok {
		return usage("a table name has 3 to 255 of the characters a-z A-Z 0-9 _ . -", "%q is not a table name", name)
	}
	return nil
}

// ErrNoMFA is what [Access].MFA returns where there is nobody to ask.
var ErrNoMFA = errors.New("the profile's role needs an MFA code, and there is nobody to ask")

const connectLimit = 3 * time.Second

// load reads the shared configuration for the profile.
func (t *Table) load(ctx context.Context, a Access) (aws.Config, error) {
	t.patience = &account.Patience{Stall: a.Stall, Log: t.log}
	// The defaults of net/http's transport cost a fifth of the CPU here: 4 KiB
	// buffers, and connections thrown away that the next request needs again.
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.ReadBufferSize, tr.WriteBufferSize = 64<<10, 64<<10
		tr.MaxIdleConns, tr.MaxIdleConnsPerHost, tr.MaxConnsPerHost = 0, 1024, 0
		a.onlySafe(tr)
	}).WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectLimit })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		t.patience.Equip,
		config.WithAPIOptions([]func(*middleware.Stack) error{clean, hideSigned}), // outermost
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = func() (string, error) {
				if a.MFA == nil {
					return "", ErrNoMFA
				}
				return a.MFA(aws.ToString(o.SerialNumber))
			}
		}),
	}
	files, err := account.Open()
	if err != nil {
		return aws.Config{}, usage("the AWS CLI does not take it either: see: aws configure list", "%w", err)
	}
	cfg, err := t.loadFrom(ctx, files, a.Region, options)
	return cfg, both(err, files.Close())
}

// loadFrom has the SDK read these files.
func (t *Table) loadFrom(ctx context.Context, files *account.Files, region string, options []func(*config.LoadOptions) error) (aws.Config, error) {
	env, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, usage("", "read the environment: %v", err)
	}
	options = append(options, config.WithSharedConfigFiles(files.Config), config.WithSharedCredentialsFiles(files.Credentials))
	if t.profile != "" {
		// Keys in the environment win over a profile that is the environment's, too.
		if t.named || !env.Credentials.HasKeys() && env.WebIdentityTokenFilePath == "" {
			options = append(options, config.WithSharedConfigProfile(t.profile))
		}
		own, err := profileRegion(ctx, t.profile, files)
		if err != nil {
			return aws.Config{}, err
		}
		if region == "" && own != "" && env.Region != "" && env.Region != own {
			t.notice = fmt.Sprintf("profile %q is in %s; AWS_REGION=%s in the environment moves it there", t.profile, own, env.Region)
			if t.named {
				t.notice = fmt.Sprintf("profile %q is in %s; AWS_REGION=%s in the environment does not move it", t.profile, own, env.Region)
			}
		}
		if t.named {
			region = or(region, own)
		}
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, t.configError(err)
	}
	t.patience.Adopt(&cfg)
	if cfg.Region == "" {
		return cfg, usage("give --region, or set region in the profile", "%s: no region in %s", t.side(), files.Looked())
	}
	cfg.HTTPClient = unredirected(cfg.HTTPClient)
	if cfg.Credentials != nil {
		cfg.Credentials = hiding{cfg.Credentials, new(atomic.Pointer[aws.Credentials])}
	}
	return cfg, nil
}

// profileRegion returns the region that the profile itself names, if any.
func profileRegion(ctx context.Context, profile string, files *account.Files) (string, error) {
	shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files.Config, files.Credentials
	})
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return "", usage("see: aws configure list-profiles", "profile %q does not exist in %s", profile, files.Looked())
	}
	if err != nil {
		return "", usage("", "read profile %q: %w", profile, foreign.Error(err))
	}
	return shared.Region, nil
}

func (t *Table) configError(err error) error {
	return usage("see: aws configure list --profile "+or(t.profile, "default"), "%s: %w", t.side(), foreign.Error(err))
}

// side names the table's account in messages.
func (t *Table) side() string {
	if t.profile == "" {
		return "default credentials"
	}
	return fmt.Sprintf("profile %q", t.profile)
}

// Name is the table's name as it was opened, which may be an ARN.
func (t *Table) Name() string { return t.name }

// Profile is the profile in force, also where keys in the environment win over it; empty for none.
func (t *Table) Profile() string { return t.profile }
