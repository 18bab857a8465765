package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/table"
)

// backupOptions are the flags of backup and of its verbs.
type backupOptions struct {
	env     end
	table   string
	name    string
	arn     string
	yes     bool
	to      string // where to dump to; "" for an AWS backup
	dump    table.DumpOptions
	display display
}

func backupCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "backup", Usage: "back a table up; list and delete backups",
		UsageText: `dynamo backup --table orders --env prod
dynamo backup --table orders --env prod --to dumps # files instead
dynamo backup --table orders --env prod --to s3://backups/orders
dynamo backup list --env prod                      # of all tables; --table for one
dynamo backup delete --env prod --backup ARN`,
		Description: `Makes an AWS on-demand backup, waits until it is available, and prints its ARN. AWS guarantees its content to
a minute: what is written within a minute of the request may or may not be in it.

With --to it dumps the items to files instead, in the layout of AWS's export to S3: a directory
AWSDynamoDB/ID with manifests, data and the table's description in table.json. The dump is there whole or
not at all, a second one has a second ID, and the place of its manifest is printed. With s3://BUCKET/PREFIX the same
goes to S3, with the same profile and in the bucket's own region; S3's endpoint is the profile's, or AWS's.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 5 refused or not confirmed, 6 credentials or
permission, 7 no such table or backup, 130 interrupted, 143 terminated.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "back up `NAME`"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the backup", DefaultText: "TABLE-YYYYMMDDTHHMMSSZ"},
			&cli.StringFlag{Name: "to", Usage: "dump the items to files below `DIR` instead, or s3://BUCKET/PREFIX"},
			&cli.StringFlag{Name: "compress", Usage: "pack the dump's files with `KIND`: gzip or zstd", DefaultText: "gzip"},
			&cli.IntFlag{Name: "segments", Usage: "`N` segments to scan the table in, for a dump", DefaultText: "from its size"},
			&cli.StringFlag{Name: "read-units", Usage: "most read capacity units per second for a dump, `N` or P% of the table's own"},
			&cli.BoolFlag{Name: "eventual", Usage: "dump by eventually consistent reads: half the read cost", DisableDefaultText: true},
		}, envFlags()),
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Subcommands:     []*cli.Command{backupListCommand(s), backupDeleteCommand(s)},
		Action: func(c *cli.Context) error {
			o, err := backupFlags(c)
			if err == nil && o.table == "" {
				err = badUsage("see: dynamo backup --help", "--table NAME is missing")
			}
			if err == nil {
				err = o.dumpFlags(c)
			}
			if err != nil {
				return err
			}
			if o.to != "" {
				return runDump(c.Context, o, s)
			}
			return runBackup(c.Context, o, s)
		},
	}
}

func backupListCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list AWS's backups, of all types",
		UsageText: `dynamo backup list --env prod
dynamo backup list --env prod --table orders --json`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "only those of `NAME`"},
		}, envFlags()),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := backupFlags(c)
			if err != nil {
				return err
			}
			return runBackupList(c.Context, o, s)
		},
	}
}

func backupDeleteCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete an AWS backup, for good",
		UsageText: `dynamo backup delete --env prod --backup ARN
dynamo backup delete --env prod --backup ARN --yes`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "backup", Usage: "`ARN` of the backup, as dynamo backup list prints it"},
			&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question; required without a terminal", DisableDefaultText: true},
		}, envFlags()),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := backupFlags(c)
			if err == nil && o.arn == "" {
				err = badUsage("see: dynamo backup list", "--backup ARN is missing")
			}
			if err != nil {
				return err
			}
			return runBackupDelete(c.Context, o, s)
		},
	}
}

func backupFlags(c *cli.Context) (backupOptions, error) {
	for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
		if err := check(c); err != nil {
			return backupOptions{}, err
		}
	}
	return backupOptions{
		env: endFlags(c, "env"), table: c.String("table"), name: c.String("name"), arn: c.String("backup"), yes: c.Bool("yes"), display: displayFlags(c),
	}, nil
}

// dumpFlags reads what says how to dump.
func (o *backupOptions) dumpFlags(c *cli.Context) (err error) {
	o.to = c.String("to")
	if o.to == "" {
		for _, name := range []string{"compress", "segments", "read-units", "eventual"} {
			if c.IsSet(name) {
				return badUsage("AWS makes its backups by itself; for a dump: --to DIR", "--%s means nothing without --to", name)
			}
		}
		return nil
	}
	switch {
	case c.IsSet("name"):
		return badUsage("a dump's name is its ID", "--name does not go with --to")
	case c.IsSet("segments") && c.Int("segments") < 1:
		return badUsage("", "--segments %d: want 1 or more", c.Int("segments"))
	}
	if _, err := table.DumpPlace(o.to); err != nil {
		return flagError("to", err)
	}
	o.dump = table.DumpOptions{
		Compress: c.String("compress"), Segments: c.Int("segments"), Eventual: c.Bool("eventual"), Stall: c.Duration("max-retry-time"),
	}
	o.dump.ReadUnits, err = budgetFlag(c, "read-units")
	return err
}

// flagError says which flag an error of usage is about.
func flagError(flag string, err error) error {
	known := (*table.Error)(nil)
	if errors.As(err, &known) {
		return &table.Error{Kind: known.Kind, Hint: known.Hint, Err: fmt.Errorf("--%s: %w", flag, known.Err)}
	}
	return err
}

func runDump(ctx context.Context, o backupOptions, s streams) error {
	log := o.display.logger(s)
	t, err := o.env.table(ctx, o.table, log, s)
	if err != nil {
		return err
	}
	show := newProgress(s, o.display, log)
	defer show.stop()
	o.dump.Watch = show.phase
	made, err := t.Dump(ctx, o.to, o.dump)
	show.stop()
	err = interrupted(ctx, err)
	if o.display.json && made.Source.Account != "" {
		return s.object(made, nil, err)
	}
	if err != nil {
		return err
	}
	if !o.display.quiet {
		say(s.err, "dumped %s: %s items, %s, %s read units, %.1f s\n", made.Source.String(), count(made.Written), size(made.Bytes), count(int64(made.ReadUnits)), made.Seconds)
	}
	_, err = fmt.Fprintln(s.out, made.Manifest)
	return err
}

// madeBackup is a backup as the commands' JSON has it.
type madeBackup struct {
	Command string `json:"command"`
	table.Backup
}

func runBackup(ctx context.Context, o backupOptions, s streams) error {
	log := o.display.logger(s)
	t, err := o.env.table(ctx, o.table, log, s)
	if err != nil {
		return err
	}
	show := newProgress(s, o.display, log)
	defer show.stop()
	made, err := t.Backup(ctx, table.BackupOptions{Name: o.name, Watch: show.phase})
	show.stop()
	if err = interrupted(ctx, err); err != nil && made.ARN != "" {
		err = &table.Error{Kind: table.Kind(exitCode(err)), Hint: "the backup was asked for, and may be there: " + made.ARN, Err: err}
	}
	if o.display.json && (err == nil || made.ARN != "") {
		return s.object(madeBackup{"backup", made}, nil, err)
	}
	if err != nil {
		return err
	}
	if !o.display.quiet {
		say(s.err, "backup %s of %s, %s\n", made.Name, made.Table, size(made.Bytes))
	}
	_, err = fmt.Fprintln(s.out, visible(made.ARN))
	return err
}

func runBackupList(ctx context.Context, o backupOptions, s streams) error {
	account, err := o.env.open(ctx, o.display.logger(s), s)
	if err != nil {
		return err
	}
	list, err := account.Backups(ctx, o.table)
	if err != nil {
		return interrupted(ctx, err)
	}
	if o.display.json {
		return s.object(struct {
			Command string         `json:"command"`
			Backups []table.Backup `json:"backups"`
		}{"backup list", list}, nil, nil)
	}
	if len(list) == 0 {
		if !o.display.quiet {
			say(s.err, "There are no backups.\n")
		}
		return nil
	}
	tab := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	say(tab, "TABLE\tMADE\tTYPE\tSTATUS\tSIZE\tNAME\tARN\n")
	for _, b := range list {
		say(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Table, b.Made.UTC().Format(time.RFC3339), b.Type, b.Status, size(b.Bytes), b.Name, b.ARN)
	}
	return tab.Flush()
}

func runBackupDelete(ctx context.Context, o backupOptions, s streams) error {
	account, err := o.env.open(ctx, o.display.logger(s), s)
	if err != nil {
		return err
	}
	gone, err := account.DeleteBackup(ctx, o.arn, func(b table.Backup) error { return confirmDelete(ctx, b, o, s) })
	if err = interrupted(ctx, err); err != nil {
		return err
	}
	if o.display.json {
		return s.object(madeBackup{"backup delete", gone}, nil, nil)
	}
	if !o.display.quiet {
		say(s.err, "deleted\n")
	}
	return nil
}

// confirmDelete shows which backup is to go and asks whether to go on.
func confirmDelete(ctx context.Context, b table.Backup, o backupOptions, s streams) error {
	asks := isTerminal(s.in) && isTerminal(s.err)
	silent := o.display.json || o.display.quiet && o.yes
	if !silent || asks && !o.yes {
		say(s.err, "The backup %s of table %s, made %s, %s, is deleted for good:\n%s\n",
			b.Name, b.Table, b.Made.UTC().Format(time.RFC3339), size(b.Bytes), b.ARN)
	}
	if o.yes {
		return nil
	}
	if !asks {
		return &table.Error{Kind: table.Refused, Hint: "add --yes", Err: errUnconfirmed}
	}
	say(s.err, "Go on? [y/N] ")
	answer, err := readLine(ctx, s)
	if err != nil {
		return err
	}
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return &table.Error{Kind: table.Refused, Err: errDeclined}
	}
	return nil
}
