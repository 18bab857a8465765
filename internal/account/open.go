package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// Options say how to reach an account beyond what its profile says. The zero value changes nothing.
type Options struct {
	Region    string   // over the profile's own
	Endpoint  string   // of DynamoDB and of Application Auto Scaling, over the profile's own
	AllowHTTP []string // hosts to which plain http is allowed, beside loopback
	Log       *slog.Logger
	Stall     time.Duration // see [Patience]

	// MFA returns the code of the device with that serial number; nil where there is nobody to ask.
	MFA func(profile, serial string) (string, error)

	// Earlier is the profile that was in force when what goes on now began, which named none.
	Earlier string
}

// An Account is an AWS account and region as a profile reaches them. It may be used from many
// goroutines.
type Account struct {
	Profile  string // the one in force, also where keys in the environment win over it; "" for none
	Named    bool   // it was asked for, and is not the environment's
	Region   string
	Options  Options    // as they were asked for
	Config   aws.Config // for clients of all services; one that was given Options.Endpoint does not have it yet
	Patience *Patience
	Log      *slog.Logger // never nil

	notice string // a surprise in the configuration that the user should hear of
}

// ErrNoMFA is what [Options].MFA returns where there is nobody to ask.
var ErrNoMFA = errors.New("the profile's role needs an MFA code, and there is nobody to ask")

// A ConfigError is a configuration with which nothing may be sent, or nothing could be. Hint says
// what to do about it.
type ConfigError struct {
	Hint string
	Err  error
}

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

func misconfigured(hint, format string, args ...any) error {
	return &ConfigError{hint, fmt.Errorf(format, args...)}
}

// Open reads the configuration of a profile; "" is the default credential chain, with the profile
// in force ([InForce]). It sends nothing. The region is the one that was asked for, else the
// profile's own, else the environment's: AWS_REGION does not move a profile that is named and names
// a region. The errors are a [*ConfigError].
func Open(ctx context.Context, profile string, o Options) (*Account, error) {
	if err := o.checkAllowed(); err != nil {
		return nil, err
	}
	a := &Account{Profile: InForce(cmp.Or(profile, o.Earlier)), Named: profile != "", Options: o, Log: o.Log}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if a.Profile != "" {
		a.Log = a.Log.With("profile", a.Profile)
	}
	a.Patience = &Patience{Stall: o.Stall, Log: a.Log}
	files, err := openFiles()
	if err != nil {
		return nil, misconfigured("the AWS CLI does not take it either: see: aws configure list", "%w", err)
	}
	err = a.load(ctx, files)
	if failed := files.Close(); failed != nil {
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, err
	}
	return a, a.checkEndpoints()
}

// String names the account in messages.
func (a *Account) String() string {
	if a.Profile == "" {
		return "default credentials"
	}
	return fmt.Sprintf("profile %q", a.Profile)
}

// LoginHint says how to get valid credentials.
func (a *Account) LoginHint() string {
	if a.Profile == "" {
		return "see: aws sts get-caller-identity"
	}
	return "log in again: aws sso login --profile " + a.Profile
}

// Tables makes a client of DynamoDB.
func (a *Account) Tables() *dynamodb.Client {
	return dynamodb.NewFromConfig(a.Config, func(o *dynamodb.Options) {
		// Given here, because one given while loading the configuration loses to the profile's
		// services section.
		if a.Options.Endpoint != "" {
			o.BaseEndpoint = aws.String(a.Options.Endpoint)
		}
	})
}

// Scaling makes a client of Application Auto Scaling.
func (a *Account) Scaling() *applicationautoscaling.Client {
	return applicationautoscaling.NewFromConfig(a.Config, func(o *applicationautoscaling.Options) {
		if a.Options.Endpoint != "" {
			o.BaseEndpoint = aws.String(a.Options.Endpoint)
		}
	})
}

const connectLimit = 3 * time.Second

// load reads the shared configuration for the profile.
func (a *Account) load(ctx context.Context, files *files) error {
	// The defaults of net/http's transport cost a fifth of the CPU here: 4 KiB
	// buffers, and connections thrown away that the next request needs again.
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.ReadBufferSize, tr.WriteBufferSize = 64<<10, 64<<10
		tr.MaxIdleConns, tr.MaxIdleConnsPerHost, tr.MaxConnsPerHost = 0, 1024, 0
		a.Options.onlySafe(tr)
	}).WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectLimit })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = unredirected(client) }), // else it is another
		a.Patience.Equip,
		config.WithAPIOptions([]func(*middleware.Stack) error{clean, hideSigned}), // outermost
		config.WithSharedConfigFiles(files.config), config.WithSharedCredentialsFiles(files.credentials),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = func() (string, error) {
				if a.Options.MFA == nil {
					return "", ErrNoMFA
				}
				return a.Patience.Ask(func() (string, error) { return a.Options.MFA(a.Profile, aws.ToString(o.SerialNumber)) })
			}
		}),
	}
	chosen, err := a.choose(ctx, files)
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx, append(options, chosen...)...)
	if err != nil {
		return misconfigured("see: aws configure list --profile "+cmp.Or(a.Profile, "default"), "%s: %w", a, foreign.Error(err))
	}
	a.Patience.Adopt(&cfg)
	if cfg.Region == "" {
		return misconfigured("give --region, or set region in the profile", "%s: no region in %s", a, files.looked())
	}
	cfg.HTTPClient = unredirected(cfg.HTTPClient)
	if cfg.Credentials != nil {
		cfg.Credentials = hiding{cfg.Credentials, new(atomic.Pointer[aws.Credentials])}
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), a.logged)
	a.Config, a.Region = cfg, cfg.Region
	return nil
}

// choose says which profile and region to load.
func (a *Account) choose(ctx context.Context, files *files) (options []func(*config.LoadOptions) error, err error) {
	env, err := config.NewEnvConfig()
	if err != nil {
		return nil, misconfigured("", "read the environment: %v", err)
	}
	region := a.Options.Region
	if a.Profile != "" {
		// Keys in the environment win over a profile that is the environment's, too.
		if a.Named || !env.Credentials.HasKeys() && env.WebIdentityTokenFilePath == "" {
			options = append(options, config.WithSharedConfigProfile(a.Profile))
		}
		own, err := files.region(ctx, a.Profile)
		if err != nil {
			return nil, err
		}
		if region == "" && own != "" && env.Region != "" && env.Region != own {
			a.notice = fmt.Sprintf("profile %q is in %s; AWS_REGION=%s in the environment moves it there", a.Profile, own, env.Region)
			if a.Named {
				a.notice = fmt.Sprintf("profile %q is in %s; AWS_REGION=%s in the environment does not move it", a.Profile, own, env.Region)
			}
		}
		if a.Named {
			region = cmp.Or(region, own)
		}
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	return options, nil
}

// region is the one that the profile itself names, if any.
func (f *files) region(ctx context.Context, profile string) (string, error) {
	shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = f.config, f.credentials
	})
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return "", misconfigured("see: aws configure list-profiles", "profile %q does not exist in %s", profile, f.looked())
	}
	if err != nil {
		return "", misconfigured("", "read profile %q: %w", profile, foreign.Error(err))
	}
	return shared.Region, nil
}
