package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// An end is what the flags say of how to reach the account of one side.
type end struct {
	profile string // "" for the default credential chain
	options table.AccountOptions
}

func (e end) open(ctx context.Context, s *show.Streams) (*table.Account, error) {
	return table.OpenAccount(ctx, e.profile, reach(ctx, e.options, s))
}

// table opens one table of the account.
func (e end) table(ctx context.Context, name string, s *show.Streams) (*table.Table, error) {
	account, err := e.open(ctx, s)
	if err != nil {
		return nil, err
	}
	return account.Table(name)
}

// reach completes how accounts are reached: what they say things to, and whom they ask for codes.
func reach(ctx context.Context, o table.AccountOptions, s *show.Streams) table.AccountOptions {
	o.Log, o.Version = s.Log(), version
	o.MFA = func(profile, serial string) (string, error) { return s.AskCode(ctx, profile, serial) }
	return o
}

// endFlags reads --SIDE, --SIDE-region and --SIDE-endpoint-url; what is given
// for both sides holds where the side's own is not.
func endFlags(c *cli.Context, side string) end {
	first := func(names ...string) string {
		for _, name := range names {
			if c.String(name) != "" {
				return c.String(name)
			}
		}
		return ""
	}
	return end{c.String(side), table.AccountOptions{
		Region: first(side+"-region", "region"), Endpoint: first(side+"-endpoint-url", "endpoint-url"),
		AllowHTTP: c.StringSlice("allow-http"), Stall: c.Duration("max-retry-time"),
	}}
}

// envFlags are those that every verb with one side has; endFlags reads them as
// the side "env".
func envFlags(s *show.Streams) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "env", Aliases: []string{"e", "profile"}, Usage: "`PROFILE` of the account; without it the default credential chain"},
		&cli.StringFlag{Name: "region", Usage: "`REGION` over the profile's own"},
		&cli.StringFlag{Name: "endpoint-url", Usage: "`URL` of another endpoint; plain http on this machine only"},
		&cli.StringSliceFlag{Name: "allow-http", Usage: "plain http to `HOST`, too, for every service's endpoint; repeatable"},
	}, outputFlags(s)...)
}

// outputFlags are those that every verb has. JSON is known before flags are read.
func outputFlags(s *show.Streams) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "JSON on stdout, JSON log lines on stderr", DisableDefaultText: true},
		&cli.BoolFlag{Name: "quiet", Destination: &s.Quiet, Aliases: []string{"q"}, Usage: "errors only on stderr", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Destination: &s.Verbose, Aliases: []string{"v"}, Usage: "one line a request on stderr, never its content", DisableDefaultText: true},
		&cli.BoolFlag{Name: "no-progress", Destination: &s.NoProgress, Usage: "no progress bar, no progress lines", DisableDefaultText: true},
		&cli.BoolFlag{Name: "no-color", Usage: "no colours (also: NO_COLOR)", DisableDefaultText: true},
		retryFlag(),
	}
}

func retryFlag() cli.Flag {
	return &cli.DurationFlag{Name: "max-retry-time", Value: 15 * time.Minute, Usage: "give up after `D` without any progress"}
}

// checkRetryTime refuses a time in which nothing can be done.
func checkRetryTime(c *cli.Context) error {
	if d := c.Duration("max-retry-time"); c.IsSet("max-retry-time") && d <= 0 {
		return badUsage("", "--max-retry-time %s: want more than nothing", d)
	}
	return nil
}
