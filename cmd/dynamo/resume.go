package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/table"
)

// resumeOptions are the flags of resume.
type resumeOptions struct {
	run, runDir string // run is "" for the latest
	config      string
	allow       string
	yes         bool
	display     display
	stall       time.Duration
}

func resumeCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "go on with an interrupted run", ArgsUsage: "[RUN]",
		UsageText: `dynamo resume                                      # the latest unfinished run
dynamo resume 20261120T101112Z-orders
dynamo runs                                        # lists them`,
		Description: `Goes on with a run from its directory: profiles, tables, options and how far it came are in there.
The tables must be the same ones. What dynamo.yaml protects by now is protected. A run that was started with --yes asks nothing; another asks on
a terminal, and elsewhere needs --yes.

The exit codes are those of the run's own command; 7 where the directory is damaged or does not fit.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "answer yes to the question", DisableDefaultText: true},
			&cli.StringFlag{Name: "allow-protected", Usage: "`PROFILE/TABLE` of a protected target that may be written to"},
			&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory"},
		}, everyFlags()...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return badUsage("see: dynamo resume --help", "unexpected argument %q", c.Args().Get(1))
			}
			if err := noEmptyValues(c); err != nil {
				return err
			}
			stall := time.Duration(0) // the run's own
			if c.IsSet("max-retry-time") {
				stall = c.Duration("max-retry-time")
			}
			return runResume(c.Context, resumeOptions{
				run: c.Args().First(), runDir: c.String("run-dir"), config: c.String("config"), allow: c.String("allow-protected"), yes: c.Bool("yes"), display: displayFlags(c), stall: stall,
			}, s)
		},
	}
}

func runResume(ctx context.Context, o resumeOptions, s streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	log := o.display.logger(s)
	show := newProgress(s, o.display, log)
	defer show.stop()
	var r result
	summary, err := table.Resume(ctx, o.run, table.ResumeOptions{
		RunDir: o.runDir, Stall: o.stall, Protected: table.Guard(conf.Protected), AllowProtected: o.allow,
		Account: s.reach(ctx, table.AccountOptions{Stall: o.stall}, log),
		Confirm: func(plan table.Plan) error { return r.confirm(ctx, plan, o.yes, o.display, s) },
		Watch:   show.phase,
	})
	show.stop()
	r.name, r.summary = summary.Source.Table, &summary
	command := "resume"
	if summary.Command != "" {
		command = summary.Command
	}
	return o.display.results(s, command, []result{r.with(left(summary, o.runDir, interrupted(ctx, err)))})
}

func runsCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "runs", Usage: "list runs: when, what, how far, how they ended",
		UsageText: `dynamo runs
dynamo runs --json`,
		Description: `Lists the runs in the directory of runs, the latest first. Exit codes: 0 done, 1 failed, 2 usage.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run-dir", Usage: "`DIR` where runs are kept", DefaultText: "$XDG_STATE_HOME/dynamo"},
			&cli.BoolFlag{Name: "json", Usage: "one JSON object on stdout", DisableDefaultText: true},
		},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			list, err := table.Runs(c.String("run-dir"))
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return s.object(struct {
					Command string      `json:"command"`
					Runs    []table.Run `json:"runs"`
				}{"runs", list}, nil, nil)
			}
			return printRuns(s, list)
		},
	}
}

func printRuns(s streams, list []table.Run) error {
	if len(list) == 0 {
		say(s.err, "There are no runs.\n")
		return nil
	}
	tab := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	say(tab, "RUN\tWHAT\tFROM\tTO\tSTATE\tHOW FAR\n")
	for _, r := range list {
		if r.Command == "" {
			say(tab, "%s\t\t\t\t%s\t%s\n", r.Name, r.State, r.Message)
			continue
		}
		side := func(d table.Description) string {
			name := strings.TrimPrefix(d.Profile+"/"+d.Table, "/")
			if d.Backup != "" {
				return "backup of " + name
			}
			return name
		}
		say(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, strings.TrimSpace(r.Command+" "+string(r.Mode)), side(r.Source), side(r.Target), r.State, howFar(r))
	}
	return tab.Flush()
}

// howFar is what a run has done and, where it has ended, how.
func howFar(r table.Run) string {
	var parts []string
	if r.State != "done" {
		parts = append(parts, r.Phase)
	}
	for _, n := range []struct {
		count int64
		what  string
	}{{r.Deleted, "deleted"}, {r.Written, "written"}, {r.Rejected, "rejected"}} {
		if n.count > 0 {
			parts = append(parts, count(n.count)+" "+n.what)
		}
	}
	parts = append(parts, fmt.Sprintf("%.1f s", r.Seconds))
	if r.Message != "" {
		parts = append(parts, r.Message)
	}
	return strings.Join(parts, ", ")
}
