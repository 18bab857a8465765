package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/table"
)

// An end is how to reach one side.
type end struct {
	profile string // "" for the default credential chain
	access  table.Access
	first   *table.Table // the first that was opened, whose credentials the others share
}

func (e *end) open(ctx context.Context, name string) (*table.Table, error) {
	if e.first != nil {
		return e.first.Other(name)
	}
	t, err := table.Open(ctx, e.profile, name, e.access)
	e.first = t
	return t, err
}

// attach gives the end what it says things to, and whom it asks for codes.
func (e *end) attach(ctx context.Context, log *slog.Logger, s streams) {
	e.access.Log = log
	e.access.MFA = func(serial string) (string, error) { return s.askCode(ctx, e.inForce(), serial) }
}

// inForce is the profile that counts.
func (e *end) inForce() string { return table.ProfileInForce(e.profile) }

// endFlags reads --SIDE, --SIDE-region and --SIDE-endpoint-url; what is given
// for both sides holds where the side's own is not.
func endFlags(c *cli.Context, side string) *end {
	first := func(names ...string) string {
		for _, name := range names {
			if c.String(name) != "" {
				return c.String(name)
			}
		}
		return ""
	}
	return &end{profile: c.String(side), access: table.Access{
		Region: first(side+"-region", "region"), Endpoint: first(side+"-endpoint-url", "endpoint-url"), AllowHTTP: c.StringSlice("allow-http"), Version: version,
		Stall: c.Duration("max-retry-time"),
	}}
}

// envFlags are those that every verb with one side has; endFlags reads them as
// the side "env".
func envFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "env", Aliases: []string{"e", "profile"}, Usage: "`PROFILE` of the account; without it the default credential chain"},
		&cli.StringFlag{Name: "region", Usage: "`REGION` over the profile's own"},
		&cli.StringFlag{Name: "endpoint-url", Usage: "`URL` of another endpoint; plain http on this machine only"},
		&cli.StringSliceFlag{Name: "allow-http", Usage: "plain http to `HOST`, too, for every service's endpoint; repeatable"},
	}, outputFlags()...)
}

// outputFlags are those that every verb has; displayFlags reads them.
func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "JSON on stdout, JSON log lines on stderr", DisableDefaultText: true},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "errors only on stderr", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "one line a request on stderr, never its content", DisableDefaultText: true},
		&cli.BoolFlag{Name: "no-progress", Usage: "no progress bar, no progress lines", DisableDefaultText: true},
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

func displayFlags(c *cli.Context) display {
	return display{json: c.Bool("json"), quiet: c.Bool("quiet"), verbose: c.Bool("verbose"), progress: !c.Bool("no-progress")}
}
