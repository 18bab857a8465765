package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

func restoreCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "put the items of a backup or a dump back into a table",
		UsageText: `dynamo restore --table orders --env dev             # lists what it could be restored from
dynamo restore --table orders --env dev --from orders-20261120T101112Z
dynamo restore --table orders --env dev --from pitr:2026-11-20T10:00:00Z --dry-run
dynamo restore --table orders --env dev --from pitr:latest --as orders-before
dynamo restore --table orders --env dev --from dumps/AWSDynamoDB/01795253007897-cad10714
dynamo restore --table orders --env dev --from s3://backups/orders
dynamo restore --table orders --env dev --from ~/.local/state/dynamo/RUN/rejected.jsonl`,
		Description: `Puts what a backup has into an existing table, which keeps its ARN and settings. --from is the ARN or the name of
an AWS backup; pitr:latest or pitr:TIME, with point-in-time recovery; what dynamo backup --to has dumped, or AWS has
exported to S3 as DynamoDB JSON, in a directory or s3://BUCKET/PREFIX; or a run's dead-letter file. Without it, the
AWS backups and the recovery's window are listed: a terminal asks which, elsewhere that is exit 2.

AWS restores into new tables only. So a backup is first restored to a temporary table, which can take hours, and which
is deleted in the end. Of a dump all is checked first: checksums, counts, and every line against the table's key.
--mode sync, the default, then reads the table, writes only what differs and deletes what the backup
lacks, last of all; replace backs the table up, empties it and puts everything; merge, the only one for a dead-letter
file, puts everything over what is there. Shows what it is about to do, and asks. A restore is a run as
copy is: it goes on with dynamo resume.

--as restores to a new table instead, and then puts the settings onto it that AWS drops, as --table has them now, or
else the backup knows them: auto scaling, tags, stream, class, TTL, point-in-time recovery, deletion protection. One
that cannot be put back is a warning.

Exit codes: 0 done, 1 failed, 2 usage or configuration, or nothing to restore by that name, or several; 3 done but for
rejected items, 5 refused by a guard and nothing changed (--max-delete: nothing deleted), 6 credentials or permission,
7 table missing (--as: there already), or a backup or a dump that is damaged, not there or does not fit; 8 another run
has the table, 130 interrupted, 143 terminated.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "restore into `NAME`"},
			&cli.StringFlag{Name: "from", Usage: "ARN or name of an AWS `BACKUP`, pitr:latest, pitr:TIME, a dump's directory or s3://BUCKET/PREFIX, or a dead-letter file", DefaultText: "lists what there is"},
			&cli.StringFlag{Name: "as", Usage: "restore to a new table `NEW`, with the settings that --table has"},
			&cli.StringFlag{Name: "mode", Usage: "`MODE`: sync, replace or merge", DefaultText: "sync; merge for a dead-letter file"},
			&cli.DurationFlag{Name: "backup-settle", Value: time.Minute, Usage: "`AGE` that the backup must have before the first change"},
			&cli.BoolFlag{Name: "resume", Usage: "go on with the latest unfinished run of this very restore; begin one where there is none", DisableDefaultText: true},
		}, slices.DeleteFunc(slices.Concat(compareFlags(), repairFlags(), commonFlags()), notForRestore),
			[]cli.Flag{&cli.StringFlag{Name: "run-dir", Usage: "`DIR` where runs are kept", DefaultText: "$XDG_STATE_HOME/dynamo"}}, envFlags(s)),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := restoreFlags(c)
			if err != nil {
				return err
			}
			return runRestore(c.Context, o, s)
		},
	}
}

// notForRestore are flags of copy about two profiles, about a source that is a table, or that envFlags has.
func notForRestore(f cli.Flag) bool {
	name := f.Names()[0]
	return strings.HasPrefix(name, "source-") || strings.HasPrefix(name, "target-") ||
		slices.Contains([]string{"skip-expired", "pk", "sk", "index", "filter", "name", "value", "region", "endpoint-url", "allow-http"}, name)
}

// restoreOptions are the flags of restore.
type restoreOptions struct {
	copyOptions
	table, from, as string
}

// notForNew are flags that mean nothing for a table that is new.
var notForNew = []string{"mode", "backup", "no-backup", "backup-settle", "max-delete", "allow-empty-source", "resume"}

func restoreFlags(c *cli.Context) (o restoreOptions, err error) {
	for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
		if err := check(c); err != nil {
			return o, err
		}
	}
	if err := o.runFlags(c); err != nil {
		return o, err
	}
	o.target, o.table, o.from, o.as = endFlags(c, "env"), c.String("table"), c.String("from"), c.String("as")
	if o.table == "" {
		return o, badUsage("see: dynamo restore --help", "--table is missing")
	}
	for _, name := range notForNew {
		if o.as != "" && c.IsSet(name) {
			return o, badUsage("leave it out", "--%s means nothing for a new table", name)
		}
	}
	if aws := strings.HasPrefix(o.from, "arn:aws") && !strings.Contains(o.from, ":s3:") || strings.HasPrefix(o.from, "pitr:"); o.from != "" && !aws {
		if _, err := table.DumpPlace(o.from); err != nil { // which a backup's name is, too, before it is looked for
			return o, flagError("from", err)
		}
	}
	return o, nil
}

func runRestore(ctx context.Context, o restoreOptions, s *show.Streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.copy.Protected = table.Guard(conf.Protected)
	target, err := o.target.table(ctx, o.table, s)
	if err != nil {
		return err
	}
	if o.from == "" {
		if o.from, err = chooseBackup(ctx, o, target, s); err != nil {
			return interrupted(ctx, err)
		}
	}
	return s.Results("restore", []show.Outcome{restoreOne(ctx, o, target, s)})
}

func restoreOne(ctx context.Context, o restoreOptions, target *table.Table, s *show.Streams) show.Outcome {
	name, plan, do := o.table, target.PlanRestore, target.Restore
	if o.as != "" {
		name = o.as
		plan = func(ctx context.Context, from string, c table.CopyOptions) (table.Plan, error) {
			return target.PlanRestoreAs(ctx, from, o.as, c)
		}
		do = func(ctx context.Context, from string, c table.CopyOptions) (table.Summary, error) {
			return target.RestoreAs(ctx, from, o.as, c)
		}
	}
	if o.dryRun {
		progress := s.Progress()
		o.copy.Watch = progress.Phase
		plan, err := plan(ctx, o.from, o.copy)
		progress.Stop()
		return show.Planned(name, plan, interrupted(ctx, err))
	}
	return attend(ctx, name, o.yes, o.copy.RunDir, s, func(a attendance) (table.Summary, error) {
		o.copy.Confirm, o.copy.Watch = a.confirm, a.watch
		return do(ctx, o.from, o.copy)
	})
}

var (
	errNoBackup     = errors.New("which backup is not said")
	errNothingThere = errors.New("there is nothing of AWS's to restore it from")
)

// chooseBackup lists what the table could be restored from, and lets a person pick.
func chooseBackup(ctx context.Context, o restoreOptions, target *table.Table, s *show.Streams) (string, error) {
	there, err := target.Restorable(ctx)
	if err != nil {
		return "", err
	}
	hint := "name one: --from ARN"
	if there.Recovery != nil {
		hint += ", --from pitr:latest"
	}
	refusal := &table.Error{Kind: table.Usage, Hint: hint + ", or a dump: --from DIR", Err: errNoBackup}
	if len(there.Backups) == 0 && there.Recovery == nil {
		refusal.Hint, refusal.Err = "a dump is restored by its place: --from DIR", errNothingThere
		if !there.Exists {
			refusal.Kind, refusal.Err = table.Mismatch, errors.New("neither the table "+o.table+" nor a backup of it is there")
		}
	}
	if s.JSON {
		return "", s.Object(there, nil, refusal)
	}
	if err := s.Show(show.Restorable{Restorable: there}); err != nil {
		return "", err
	}
	if errors.Is(refusal, errNoBackup) && s.Interactive() {
		return s.AskBackup(ctx, there)
	}
	return "", refusal
}
