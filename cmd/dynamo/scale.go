package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/scaling"
	"github.com/dynamo-cmdline/dynamo/table"
)

// scaleOptions are the flags of scale.
type scaleOptions struct {
	env        end
	tables     []string // names and globs; may be empty with from
	save, from string   // files
	scale      table.ScaleOptions
	dryRun     bool
}

func scaleCommand(s *show.Streams) *cli.Command {
	also := func(name, other, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Aliases: []string{other}, Usage: usage}
	}
	return &cli.Command{
		Name: "scale", Usage: "set billing mode, capacity and auto scaling of tables",
		UsageText: `dynamo scale --table orders --env prod --read-mode ondemand
dynamo scale --table orders --env prod --read-mode provisioned
dynamo scale --table orders --env prod --read-mode provisioned --min-read 5 --max-read 100 --min-write 5 --max-write 50
dynamo scale --table orders --env prod --write-capacity 4000 --save before.json
dynamo scale --env prod --from before.json
dynamo scale --tableName orders --region eu-west-1 --readMode provisioned --writeMode provisioned --minRead 5 --maxRead 100 --targetRead 70 --minWrite 5 --maxWrite 50 --targetWrite 70`,
		Description: `Makes tables and their global secondary indexes what the flags say, and leaves alone what they
do not speak of. The second time nothing is done. It changes no item, asks nothing, and before the
first change keeps what was in a file that --from puts back. Coming from on-demand, a side
without numbers takes what was kept when the table went there. Empty values are as if not given.

Exit codes: 0 done or nothing to do, 1 failed, 2 usage or configuration, 6 credentials or permission,
7 table missing or in no state for this, 130 interrupted, 143 terminated: run it again to complete it.`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "table", Aliases: []string{"t", "tableName"}, Usage: "scale `NAME`; repeatable, and a glob like 'orders-*'"},
			&cli.StringFlag{Name: "env", Aliases: []string{"e", "profile"}, Usage: "`PROFILE` of the tables' account", DefaultText: "the default credential chain"},
			also("read-mode", "readMode", "`MODE` of the table's billing, ondemand or provisioned"),
			also("write-mode", "writeMode", "the same; where both are given they must agree"),
			also("min-read", "minRead", "auto scaling of reads from `N` units a second"),
			also("max-read", "maxRead", "to `N`"),
			also("target-read", "targetRead", "utilization to keep, `PERCENT` from 20 to 90 (default: as it is, else 70)"),
			also("min-write", "minWrite", "auto scaling of writes from `N` units a second"),
			also("max-write", "maxWrite", "to `N`"),
			also("target-write", "targetWrite", "utilization to keep, `PERCENT` from 20 to 90 (default: as it is, else 70)"),
			also("read-capacity", "readCapacity", "fixed `N` units a second, and no auto scaling of reads"),
			also("write-capacity", "writeCapacity", "fixed `N` units a second, and no auto scaling of writes"),
			&cli.StringFlag{Name: "index", Usage: "secondary indexes too: `NAME`, all or none (default: all)"},
			&cli.BoolFlag{Name: "keep-targets", Aliases: []string{"keepTargets"}, Usage: "going on-demand, suspend the scalable targets, do not remove them", DisableDefaultText: true},
			&cli.BoolFlag{Name: "disable-scale-in", Aliases: []string{"disableScaleIn"}, Usage: "policies never lower the capacity; =false ends that", DisableDefaultText: true},
			also("scale-in-cooldown", "scaleInCooldown", "`D` (or seconds) from one lowering to the next"),
			also("scale-out-cooldown", "scaleOutCooldown", "`D` (or seconds) from one raise to the next"),
			&cli.StringFlag{Name: "save", Usage: "write what the tables are to `FILE`, or - for stdout, before anything is changed"},
			&cli.StringFlag{Name: "from", Usage: "put back exactly what is in `FILE`, of --save or of the run directory"},
			&cli.StringFlag{Name: "region", Usage: "`REGION`, over the profile's own"},
			&cli.StringFlag{Name: "endpoint-url", Usage: "`URL` of the endpoint; plain http on this machine only"},
			&cli.StringSliceFlag{Name: "allow-http", Usage: "plain http to `HOST`, too, for every service's endpoint; repeatable"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, change nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "yes", Usage: "accepted as everywhere: scale asks nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "json", Usage: "one JSON object on stdout, JSON log lines on stderr", DisableDefaultText: true},
			&cli.BoolFlag{Name: "quiet", Destination: &s.Quiet, Aliases: []string{"q"}, Usage: "errors only on stderr", DisableDefaultText: true},
			&cli.BoolFlag{Name: "verbose", Destination: &s.Verbose, Aliases: []string{"v"}, Usage: "one line a request on stderr", DisableDefaultText: true},
			&cli.BoolFlag{Name: "no-progress", Destination: &s.NoProgress, Usage: "no lines about what is being done", DisableDefaultText: true},
			&cli.BoolFlag{Name: "no-color", Usage: "no colours (also: NO_COLOR)", DisableDefaultText: true},
			retryFlag(),
			&cli.StringFlag{Name: "run-dir", Usage: "keep what was in `DIR`/scale", DefaultText: "$XDG_STATE_HOME/dynamo, else ~/.local/state/dynamo"},
		},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := scaleFlags(c)
			if err != nil {
				return err
			}
			return runScale(c.Context, o, s)
		},
	}
}

// notEmpty are the flags of scale whose empty value is a mistake. All others
// may be empty, as a pipeline passes what nobody filled in.
var notEmpty = []string{"table", "env", "save", "from", "run-dir", "endpoint-url", "allow-http"}

func scaleFlags(c *cli.Context) (scaleOptions, error) {
	o := scaleOptions{dryRun: c.Bool("dry-run"), tables: c.StringSlice("table"), save: c.String("save"), from: c.String("from")}
	if err := noArguments(c); err != nil {
		return o, err
	}
	if err := noEmpty(c, notEmpty); err != nil {
		return o, err
	}
	o.env = endFlags(c, "env")
	o.env.options.Region = strings.TrimSpace(o.env.options.Region)
	o.scale = table.ScaleOptions{RunDir: c.String("run-dir"), Stall: c.Duration("max-retry-time")}
	err := checkRetryTime(c)
	if err != nil {
		return o, err
	}
	if o.scale.Want, err = wantFlags(c); err != nil {
		return o, err
	}
	asked := o.scale.Want != scaling.Want{Index: o.scale.Index}
	switch {
	case o.from != "" && asked:
		return o, badUsage("put it back first, then scale", "--from puts back exactly what was saved: nothing else can be asked for")
	case o.from == "" && len(o.tables) == 0:
		return o, badUsage("see: dynamo scale --help", "--table NAME is missing")
	case o.save == "-" && c.Bool("json"):
		return o, badUsage("name a file", "--save - and --json both want the standard output")
	case o.from == "" && o.save == "" && !asked:
		return o, badUsage("see: dynamo scale --help", "nothing is asked for: no mode, no capacity, no range")
	}
	return o, o.scale.Check()
}

// wantFlags reads what is asked for.
func wantFlags(c *cli.Context) (scaling.Want, error) {
	w := scaling.Want{Index: strings.TrimSpace(c.String("index")), KeepTargets: c.Bool("keep-targets")}
	if c.IsSet("disable-scale-in") {
		disable := c.Bool("disable-scale-in")
		w.DisableScaleIn = &disable
	}
	read, write := modeOf(c.String("read-mode")), modeOf(c.String("write-mode"))
	if read != "" && write != "" && read != write {
		return w, badUsage("give the same twice, or one of them", "the billing mode is the table's: --read-mode %s and --write-mode %s do not agree", string(read), string(write))
	}
	w.Billing = read
	if read == "" {
		w.Billing = write
	}
	var errs []error
	number := func(name string) int64 { return positive(c, name, &errs) }
	percent := func(name string) float64 {
		text := strings.TrimSpace(c.String(name))
		n, err := strconv.ParseFloat(text, 64)
		if text != "" && (err != nil || n == 0) {
			errs = append(errs, badUsage("DynamoDB scales by 20 to 90 percent", "--%s %q: want a percentage", name, text))
		}
		return n
	}
	cooldown := func(name string) *time.Duration {
		text := strings.TrimSpace(c.String(name))
		if text == "" {
			return nil
		}
		d, err := time.ParseDuration(text)
		if seconds, notNumber := strconv.Atoi(text); notNumber == nil && seconds < 1e9 {
			d, err = time.Duration(seconds)*time.Second, nil
		}
		if err != nil {
			errs = append(errs, badUsage("like 60, or 1m30s", "--%s %q: want a time", name, text))
		}
		return &d
	}
	w.Read = scaling.Side{Units: number("read-capacity"), Min: number("min-read"), Max: number("max-read"), Utilization: percent("target-read")}
	w.Write = scaling.Side{Units: number("write-capacity"), Min: number("min-write"), Max: number("max-write"), Utilization: percent("target-write")}
	w.ScaleIn, w.ScaleOut = cooldown("scale-in-cooldown"), cooldown("scale-out-cooldown")
	if len(errs) > 0 {
		return w, errs[0]
	}
	return w, nil
}

// modeOf is the billing mode of that name; what is unknown is refused later.
func modeOf(text string) scaling.Billing {
	switch mode := strings.ToLower(strings.TrimSpace(text)); mode {
	case "on-demand", "on_demand":
		return scaling.OnDemand
	default:
		return scaling.Billing(mode)
	}
}

func positive(c *cli.Context, name string, errs *[]error) int64 {
	text := strings.TrimSpace(c.String(name))
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		*errs = append(*errs, badUsage("", "--%s %q: want a whole number of units, 1 or more", name, text))
	}
	return n
}

// runScale scales all tables at once, and says what came of each.
func runScale(ctx context.Context, o scaleOptions, s *show.Streams) error {
	account, err := o.env.open(ctx, s)
	if err != nil {
		return err
	}
	saved := map[string]*table.SavedScaling{}
	if o.from != "" {
		list, err := table.LoadScaling(o.from)
		if err != nil {
			return err
		}
		for _, t := range list {
			saved[t.Table] = &t
		}
		if o.tables, err = namesIn(o, list); err != nil {
			return err
		}
	}
	names, err := expand(ctx, account, o.tables, "of the account")
	if err != nil {
		return interrupted(ctx, err)
	}
	results := make([]show.Scaled, len(names))
	tables := make([]*table.Table, len(names))
	for i, name := range names {
		results[i].Name = name
		tables[i], results[i].Err = account.Table(name)
		if len(names) == 1 && results[i].Err != nil {
			return results[i].Err
		}
	}
	steps := s.Steps()
	if o.save != "" {
		ok := saveAll(ctx, o, tables, results, steps, s)
		if !ok || o.only() {
			return scaled(o, results, steps, s)
		}
	}
	each(tables, results, s, func(t *table.Table, r *show.Scaled) {
		options := o.scale
		options.From, options.Watch = saved[r.Name], steps.Watch(r.Name)
		if o.dryRun {
			plan, err := t.PlanScale(ctx, options)
			r.Plan, r.Err = &plan, interrupted(ctx, err)
			return
		}
		summary, err := t.Scale(ctx, options)
		r.Summary, r.Err = &summary, unfinished(summary, interrupted(ctx, err))
		steps.End(r.Name)
	})
	return scaled(o, results, steps, s)
}

// scaled prints what came of all tables and returns the worst error.
func scaled(o scaleOptions, results []show.Scaled, steps *show.Steps, s *show.Streams) error {
	steps.Stop()
	list := make([]show.Outcome, len(results))
	for i, r := range results {
		list[i] = r.Outcome()
	}
	if o.save == "-" { // what was saved has stdout to itself
		return s.ResultsTo(s.Err, "scale", list)
	}
	return s.Results("scale", list)
}

// unfinished adds to the hint what a run that broke off has left behind.
func unfinished(m table.ScaleSummary, err error) error {
	if err == nil || m.Record == "" {
		return err
	}
	hint := "to complete it, run the same command again; to go back: dynamo scale --from " + m.Record
	if m.Target.Profile != "" {
		hint += " --env " + m.Target.Profile
	}
	e := &table.Error{Kind: table.Failed, Hint: hint, Err: err}
	if known := (*table.Error)(nil); errors.As(err, &known) {
		e.Kind = known.Kind
		if known.Hint != "" {
			e.Hint = known.Hint + "; " + hint
		}
	}
	return e
}

// only reports whether nothing but saving is asked for.
func (o scaleOptions) only() bool {
	return o.from == "" && o.scale.Want == scaling.Want{Index: o.scale.Index}
}

// atOnce is how many tables are scaled side by side: each waits for minutes and
// asks seldom, and AWS's control plane takes some ten calls a second.
const atOnce = 8

// each calls f for every table that was opened, several at a time.
func each(tables []*table.Table, results []show.Scaled, s *show.Streams, f func(*table.Table, *show.Scaled)) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, t := range tables {
		if results[i].Err != nil {
			continue
		}
		g.Go(func() error {
			defer s.Guard()
			f(t, &results[i])
			return nil
		})
	}
	_ = g.Wait() // each error is in its result
}

// namesIn are the tables to put back: those named, which must be in the file, else all of it.
func namesIn(o scaleOptions, list []table.SavedScaling) ([]string, error) {
	var all []string
	for _, t := range list {
		all = append(all, t.Table)
	}
	if len(o.tables) == 0 {
		return all, nil
	}
	none := func(wanted string) error {
		return badUsage("it has "+strings.Join(all, ", "), "%s has no table %q", o.from, wanted)
	}
	names, err := match(o.tables, func() ([]string, error) { return all, nil }, none)
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, none(name)
		}
	}
	return names, err
}

// saveAll reads all tables and writes the file. If one cannot be read there is
// none, and it returns false.
func saveAll(ctx context.Context, o scaleOptions, tables []*table.Table, results []show.Scaled, steps *show.Steps, s *show.Streams) bool {
	each(tables, results, s, func(t *table.Table, r *show.Scaled) {
		options := o.scale
		options.Watch = steps.Watch(r.Name)
		saved, err := t.Scaling(ctx, options)
		r.Saved, r.Profile, r.Err = &saved, t.Account().Profile(), interrupted(ctx, err)
		steps.End(r.Name)
	})
	var list []table.SavedScaling
	var err, worst error
	for _, r := range results {
		worst = show.Worse(worst, r.Err)
		if r.Err == nil {
			list = append(list, *r.Saved)
		}
	}
	if worst != nil { // what became of the others follows from that, and is no worse
		err = &table.Error{Kind: table.Kind(show.ExitCode(worst)), Err: errNotSaved}
	}
	switch {
	case err != nil || o.dryRun:
	case o.save == "-":
		if err = table.WriteScaling(s.Out, list); err != nil {
			err = fmt.Errorf("write what was saved: %w", err)
		}
	default:
		err = table.SaveScaling(o.save, list)
	}
	for i := range results {
		r := &results[i]
		if r.Err == nil {
			r.Err = err
		}
		if err == nil && !o.dryRun {
			if r.File = o.save; r.File == "-" {
				r.File = "stdout"
			}
		}
	}
	return err == nil
}

var errNotSaved = errors.New("another table could not be read: nothing was saved, and nothing changed")

// noEmpty refuses those of the flags that were given an empty value.
func noEmpty(c *cli.Context, names []string) error {
	for _, flag := range c.Command.Flags {
		if slices.Contains(names, flag.Names()[0]) {
			if err := emptyValue(c, flag.Names()[0]); err != nil {
				return err
			}
		}
	}
	return nil
}
