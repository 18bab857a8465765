package main

import (
	"context"
	"path"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// tablesOptions are the flags of tables.
type tablesOptions struct {
	end   end
	globs []string // empty for all
}

func tablesCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "tables", Usage: "the tables of an account and region",
		UsageText: `dynamo tables --env prod
dynamo tables --env prod --table 'orders-*' --json`,
		Description: `Items and sizes are as AWS last counted them, up to six hours ago. A table that may be listed and not
described is shown as unknown.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 6 credentials or permission.`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t"}, Usage: "only `NAME`; repeatable, and a glob like 'orders-*'"},
		}, envFlags(s)...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			return runTables(c.Context, tablesOptions{endFlags(c, "env"), c.StringSlice("table")}, s)
		},
	}
}

func runTables(ctx context.Context, o tablesOptions, s *show.Streams) error {
	account, err := o.end.open(ctx, s)
	if err != nil {
		return err
	}
	names, err := account.Tables(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	if names, err = matching(names, o.globs); err != nil {
		return err
	}
	rows, err := describeAll(ctx, account, names, s)
	if err != nil {
		return interrupted(ctx, err)
	}
	return s.Show(show.Tables{Profile: account.Profile(), List: rows})
}

// matching are the names that match one of the globs.
func matching(names, globs []string) ([]string, error) {
	if len(globs) == 0 {
		return names, nil
	}
	var found []string
	used := make([]bool, len(globs))
	for _, name := range names {
		any := false
		for i, glob := range globs {
			ok, err := path.Match(glob, name)
			if err != nil {
				return nil, badUsage("", "%q is not a glob", glob)
			}
			any, used[i] = any || ok, used[i] || ok
		}
		if any {
			found = append(found, name)
		}
	}
	for i, glob := range globs {
		if !used[i] {
			return nil, badUsage("see: dynamo tables, without --table", "no table matches %q", glob)
		}
	}
	return found, nil
}

// describeAll describes the tables, some at a time: AWS allows bursts of a few
// calls, and an account may have thousands of tables.
func describeAll(ctx context.Context, account *table.Account, names []string, s *show.Streams) ([]show.Listed, error) {
	rows := make([]show.Listed, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, name := range names {
		t, err := account.Table(name)
		if err != nil {
			return nil, err
		}
		g.Go(func() error {
			defer s.Guard()
			d, err := t.Describe(ctx)
			if table.GaveUp(err) {
				return err // which took its time, and would for each of the others
			}
			rows[i] = show.Listed{Name: name, Description: d, Err: err}
			return ctx.Err()
		})
	}
	return rows, g.Wait()
}
