package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// describeOptions are the flags of describe.
type describeOptions struct {
	end    end
	table  string
	config string
}

func describeCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "describe", Usage: "what a table is: keys, indexes, size, billing, settings",
		UsageText: `dynamo describe --table orders --env prod
dynamo describe --table orders --env prod --json`,
		Description: `What the endpoint lacks or does not allow is shown as unknown. Items and sizes are as AWS last counted
them, up to six hours ago.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 6 credentials or permission, 7 table missing.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "describe `NAME`"},
			&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory: what it protects"},
		}, envFlags(s)...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			if c.String("table") == "" {
				return badUsage("see: dynamo describe --help", "--table NAME is missing")
			}
			return runDescribe(c.Context, describeOptions{endFlags(c, "env"), c.String("table"), c.String("config")}, s)
		},
	}
}

func runDescribe(ctx context.Context, o describeOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	t, err := o.end.table(ctx, o.table, s)
	if err != nil {
		return err
	}
	d, err := t.Details(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	return s.Show(show.Details(d, table.Guard(conf.Protected)))
}
