package main

import (
	"context"
	"fmt"
	"path"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/table"
)

// tablesOptions are the flags of tables.
type tablesOptions struct {
	end     end
	globs   []string // empty for all
	display display
}

func tablesCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "tables", Usage: "the tables of an account and region",
		UsageText: `dynamo tables --env prod
dynamo tables --env prod --table 'orders-*' --json`,
		Description: `Items and sizes are as AWS last counted them, up to six hours ago. A table that may be listed and not
described is shown as unknown.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 6 credentials or permission.`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t"}, Usage: "only `NAME`; repeatable, and a glob like 'orders-*'"},
		}, envFlags()...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			return runTables(c.Context, tablesOptions{endFlags(c, "env"), c.StringSlice("table"), displayFlags(c)}, s)
		},
	}
}

// A listed table is a line of tables. Where it could not be described only its
// name is known, and the error.
type listed struct {
	Table   string        `json:"table"`
	Status  string        `json:"status,omitempty"`
	Keys    *keysShown    `json:"keys"`
	Indexes []string      `json:"indexes"`
	Items   *int64        `json:"items"`
	Bytes   *int64        `json:"bytes"`
	Billing *billingShown `json:"billing"`
	Stream  string        `json:"stream,omitempty"`
	Error   string        `json:"error,omitempty"`
	details table.Description
}

func runTables(ctx context.Context, o tablesOptions, s streams) error {
	account, err := o.end.open(ctx, o.display.logger(s), s)
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
	if o.display.json {
		return s.object(struct {
			Command string   `json:"command"`
			Profile string   `json:"profile,omitempty"`
			Tables  []listed `json:"tables"`
		}{"tables", account.Profile(), rows}, nil, nil)
	}
	if len(rows) > 0 {
		tab := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		say(tab, "TABLE\tKEYS\tINDEXES\tITEMS\tSIZE\tBILLING\tSTATUS\n")
		for _, r := range rows {
			say(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.cells()...)
		}
		err = tab.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
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
func describeAll(ctx context.Context, account *table.Account, names []string, s streams) ([]listed, error) {
	rows := make([]listed, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, name := range names {
		t, err := account.Table(name)
		if err != nil {
			return nil, err
		}
		g.Go(func() error {
			defer s.guard()
			rows[i] = listed{Table: name}
			d, err := t.Describe(ctx)
			if err != nil {
				rows[i].Error = err.Error()
				return ctx.Err()
			}
			keys, bill := keysOf(d.Schema), billing(d.OnDemand, d.ReadCapacity, d.WriteCapacity)
			r := listed{Table: name, Status: d.Status, Keys: &keys, Indexes: []string{}, Items: &d.Items, Bytes: &d.Bytes, Billing: &bill, Stream: d.Stream, details: d}
			for _, x := range d.Indexes {
				r.Indexes = append(r.Indexes, x.Name)
			}
			rows[i] = r
			return nil
		})
	}
	return rows, g.Wait()
}

func (l listed) cells() []any {
	if l.Error != "" {
		return []any{l.Table, "unknown", "", "", "", "", l.Error}
	}
	mode := "on demand"
	if l.Billing.Mode == "provisioned" {
		mode = fmt.Sprintf("%s/%s", count(int64(l.Billing.Read)), count(int64(l.Billing.Write)))
	}
	return []any{l.Table, l.details.Schema.String(), list(l.Indexes, 3), count(*l.Items), size(*l.Bytes), mode, l.Status}
}
