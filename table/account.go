package table

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// An Account is an AWS account and region, as a profile of the AWS shared config reaches them. Its
// tables share its connections and its credentials: a code that was asked for is not asked for
// again. It may be used from many goroutines.
type Account struct {
	at       *account.Account
	client   *dynamodb.Client
	log      *slog.Logger
	patience *account.Patience
	agent    string
	address  string // where the endpoint is, in one spelling; "" for AWS's own
}

// AccountOptions say how to reach an account beyond what its profile says. The zero value changes
// nothing.
type AccountOptions struct {
	Region   string       // over the profile's own region
	Endpoint string       // URL over the profile's own endpoint of DynamoDB; plain http on loopback and to AllowHTTP only
	Log      *slog.Logger // gets one debug line a request, never its content; nil discards
	Version  string       // of the calling program, for the user agent

	// Stall is for how long AWS may give no answer of use, or show no progress in what it was asked
	// for, before that is an error; 0 means 15 minutes. Where a verb's options have a Stall, that
	// one counts.
	Stall time.Duration

	// AllowHTTP are hosts to which plain http is allowed for every service, beside loopback: that
	// of an engine in a container, say.
	AllowHTTP []string

	// MFA returns the code of the device with that serial number, for a profile whose role needs
	// one. Nil, or an error, means that there is nobody to ask: then every call fails with an
	// [*Error] of kind [Denied]. It may be called from many goroutines.
	MFA func(profile, serial string) (string, error)
}

// ErrNoMFA is what [AccountOptions].MFA returns where there is nobody to ask.
var ErrNoMFA = account.ErrNoMFA

// OpenAccount returns the account and region as the profile reaches them. An empty profile is the
// default credential chain, with the profile that AWS_PROFILE or AWS_DEFAULT_PROFILE names, if any.
// It reads the AWS configuration and sends nothing; only the name of an endpoint that is not AWS's
// own is looked up. That there are credentials, and that they are valid, is known with the first
// call.
//
// The region is o.Region, else the profile's own, else the environment's: AWS_REGION does not move
// a profile that is named here and names a region. The errors are an [*Error] of kind [Usage].
func OpenAccount(ctx context.Context, profile string, o AccountOptions) (*Account, error) {
	return openAccount(ctx, profile, "", o)
}

// openAccount opens an account for what began earlier, when that profile was in force and was not
// named.
func openAccount(ctx context.Context, profile, earlier string, o AccountOptions) (*Account, error) {
	at, err := account.Open(ctx, profile, account.Options{
		Region: o.Region, Endpoint: o.Endpoint, AllowHTTP: o.AllowHTTP, Log: o.Log, Stall: o.Stall, MFA: o.MFA, Earlier: earlier,
	})
	if wrong := (*account.ConfigError)(nil); errors.As(err, &wrong) {
		return nil, usage(wrong.Hint, "%w", err)
	} else if err != nil {
		return nil, &Error{Kind: Failed, Err: err}
	}
	a := &Account{at: at, client: at.Tables(), log: at.Log, patience: at.Patience, agent: "dynamo/" + or(o.Version, "dev")}
	a.address = account.Address(ctx, a.Endpoint())
	return a, nil
}

// Profile is the profile in force, also where keys in the environment win over it; empty for none.
func (a *Account) Profile() string { return a.at.Profile }

// Region is the one that requests go to.
func (a *Account) Region() string { return a.at.Region }

// Endpoint is the URL of DynamoDB, where that is not AWS's own; else "".
func (a *Account) Endpoint() string { return aws.ToString(a.client.Options().BaseEndpoint) }

// Config is for clients of your own, of any service of AWS's: with the account's region,
// credentials and endpoints, and with what all requests of this package have. Nothing is sent to
// another host than asked, or in the clear; each attempt has a deadline; what may pass is tried
// again until nothing has moved for the stall time; and errors hold no secrets. An
// [AccountOptions].Endpoint that was given is that of all such clients, whatever their service.
//
//	tables := dynamodb.NewFromConfig(prod.Config())
func (a *Account) Config() aws.Config {
	cfg := a.at.Config.Copy()
	cfg.APIOptions = slices.Clone(cfg.APIOptions)
	if a.at.Options.Endpoint != "" {
		// What the profile or the environment says of a service would win over it.
		cfg.BaseEndpoint, cfg.ConfigSources = aws.String(a.at.Options.Endpoint), nil
	}
	return cfg
}

// Table is a table of the account by its name, or by its ARN, which may be in another account.
// Nothing is sent: whether it is there is known with the first call. The errors are an [*Error] of
// kind [Usage].
func (a *Account) Table(name string) (*Table, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return &Table{account: a, name: name}, nil
}

// String names the account in messages.
func (a *Account) String() string { return a.at.String() }

// Tables returns the names of all tables in the account and region, sorted as AWS has them. The
// errors are an [*Error], or the context's cause.
func (a *Account) Tables(ctx context.Context) ([]string, error) {
	var names []string
	in := &dynamodb.ListTablesInput{}
	err := account.Pages(func(token string) (string, error) {
		if token != "" {
			in.ExclusiveStartTableName = aws.String(token)
		}
		page, err := a.client.ListTables(ctx, in)
		if err != nil {
			return "", err
		}
		names = append(names, page.TableNames...)
		return aws.ToString(page.LastEvaluatedTableName), nil
	})
	if err != nil {
		return nil, a.explain(ctx, "list the tables", err)
	}
	return names, nil
}
