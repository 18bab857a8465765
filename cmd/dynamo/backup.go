package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// backupOptions are the flags of backup and of its verbs.
type backupOptions struct {
	env   end
	table string
	name  string
	arn   string
	yes   bool
	to    string // where to dump to; "" for an AWS backup
	dump  table.DumpOptions
}

func backupCommand(s *show.Streams) *cli.Command {
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
		}, envFlags(s)),
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

func backupListCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list AWS's backups, of all types",
		UsageText: `dynamo backup list --env prod
dynamo backup list --env prod --table orders --json`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "only those of `NAME`"},
		}, envFlags(s)),
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

func backupDeleteCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete an AWS backup, for good",
		UsageText: `dynamo backup delete --env prod --backup ARN
dynamo backup delete --env prod --backup ARN --yes`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "backup", Usage: "`ARN` of the backup, as dynamo backup list prints it"},
			&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question; required without a terminal", DisableDefaultText: true},
		}, envFlags(s)),
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
		env: endFlags(c, "env"), table: c.String("table"), name: c.String("name"), arn: c.String("backup"), yes: c.Bool("yes"),
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

func runDump(ctx context.Context, o backupOptions, s *show.Streams) error {
	t, err := o.env.table(ctx, o.table, s)
	if err != nil {
		return err
	}
	progress := s.Progress()
	defer progress.Stop()
	o.dump.Watch = progress.Phase
	made, err := t.Dump(ctx, o.to, o.dump)
	progress.Stop()
	err = interrupted(ctx, err)
	if s.JSON && made.Source.Account != "" {
		return s.Object(made, nil, err)
	}
	if err != nil {
		return err
	}
	if !s.Quiet {
		s.Say("dumped %s: %s items, %s, %s read units, %.1f s\n", made.Source.String(), show.Count(made.Written), show.Size(made.Bytes), show.Count(int64(made.ReadUnits)), made.Seconds)
	}
	_, err = fmt.Fprintln(s.Out, made.Manifest)
	return err
}

// madeBackup is a backup as the commands' JSON has it.
type madeBackup struct {
	Command string `json:"command"`
	table.Backup
}

func runBackup(ctx context.Context, o backupOptions, s *show.Streams) error {
	t, err := o.env.table(ctx, o.table, s)
	if err != nil {
		return err
	}
	progress := s.Progress()
	defer progress.Stop()
	made, err := t.Backup(ctx, table.BackupOptions{Name: o.name, Watch: progress.Phase})
	progress.Stop()
	if err = interrupted(ctx, err); err != nil && made.ARN != "" {
		err = &table.Error{Kind: table.Kind(show.ExitCode(err)), Hint: "the backup was asked for, and may be there: " + made.ARN, Err: err}
	}
	if s.JSON && (err == nil || made.ARN != "") {
		return s.Object(madeBackup{"backup", made}, nil, err)
	}
	if err != nil {
		return err
	}
	if !s.Quiet {
		s.Say("backup %s of %s, %s\n", made.Name, made.Table, show.Size(made.Bytes))
	}
	_, err = fmt.Fprintln(s.Out, show.Visible(made.ARN))
	return err
}

func runBackupList(ctx context.Context, o backupOptions, s *show.Streams) error {
	account, err := o.env.open(ctx, s)
	if err != nil {
		return err
	}
	list, err := account.Backups(ctx, o.table)
	if err != nil {
		return interrupted(ctx, err)
	}
	if len(list) == 0 && !s.JSON {
		if !s.Quiet {
			s.Say("There are no backups.\n")
		}
		return nil
	}
	return s.Show(show.Backups(list))
}

func runBackupDelete(ctx context.Context, o backupOptions, s *show.Streams) error {
	account, err := o.env.open(ctx, s)
	if err != nil {
		return err
	}
	gone, err := account.DeleteBackup(ctx, o.arn, func(b table.Backup) error { return s.ConfirmDelete(ctx, b, o.yes) })
	if err = interrupted(ctx, err); err != nil {
		return err
	}
	if s.JSON {
		return s.Object(madeBackup{"backup delete", gone}, nil, nil)
	}
	if !s.Quiet {
		s.Say("deleted\n")
	}
	return nil
}
