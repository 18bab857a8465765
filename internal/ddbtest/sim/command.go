package sim

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Ready is the line that the program prints when it listens.
type Ready struct {
	Source    string   `json:"source"`    // URL
	Target    string   `json:"target"`    // URL
	SourceKey string   `json:"sourceKey"` // access key's id
	TargetKey string   `json:"targetKey"` // access key's id
	CA        string   `json:"ca,omitempty"`
	Table     string   `json:"table"`
	Profiles  []string `json:"profiles"` // source, target
	Env       []string `json:"env"`      // for a client: where the profiles are
}

// Command is the simulator as a program: it serves until ctx ends or, with
// -until-eof, until in does.
func Command(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var c Config
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.Int64Var(&c.Items, "items", 1000, "items in the source")
	flags.IntVar(&c.ItemBytes, "bytes", 1000, "JSON bytes of an average item")
	flags.BoolVar(&c.SortKey, "sort-key", false, "the key has a sort key too")
	flags.BoolVar(&c.Escapes, "escapes", false, "texts hold escapes and letters that are not ASCII")
	flags.Uint64Var(&c.Seed, "seed", 1, "what the items and the faults follow from")
	flags.BoolVar(&c.TLS, "tls", false, "serve https")
	flags.BoolVar(&c.Drift.Fill, "fill", false, "the target has the items already")
	flags.Int64Var(&c.Drift.Missing, "missing", 0, "with -fill: items that the target lacks")
	flags.Int64Var(&c.Drift.Differ, "differ", 0, "with -fill: items of which the target has another version")
	flags.Int64Var(&c.Drift.Extra, "extra", 0, "items that only the target has; needs -fill")
	untilEOF := flags.Bool("until-eof", false, "end when standard input does")
	dir := flags.String("profiles", "", "directory for AWS profiles; a temporary one if empty")
	var kinds [2]string
	for i, side := range []struct {
		name string
		c    *SideConfig
	}{{"source", &c.Source}, {"target", &c.Target}} {
		flags.StringVar(&side.c.Address, side.name+"-address", "", "host and port to listen on; a free port of the loopback interface if empty")
		flags.StringVar(&side.c.Table, side.name+"-table", "orders", "the table's name")
		flags.Float64Var(&side.c.Units, side.name+"-units", 0, "capacity units per second; 0 is no limit")
		flags.DurationVar(&side.c.Burst, side.name+"-burst", 0, "unused capacity that is kept; 0 is 1s")
		flags.IntVar(&side.c.Ranges, side.name+"-ranges", 0, "key ranges with a limit each")
		flags.Float64Var(&side.c.RangeUnits, side.name+"-range-units", 0, "units per second of a key range; 0 is 1000")
		flags.DurationVar(&side.c.Latency, side.name+"-latency", 0, "added to each request")
		flags.DurationVar(&side.c.Jitter, side.name+"-jitter", 0, "at most so much more")
		flags.BoolVar(&side.c.Shuffled, side.name+"-shuffled", false, "its scans return the items in another order than the other side's")
		flags.Float64Var(&side.c.Faults.Probability, side.name+"-faults", 0, "probability of a fault in a request")
		flags.StringVar(&kinds[i], side.name+"-fault-kinds", "", "comma separated, of "+strings.Join(FaultKinds, ","))
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for i, side := range []*SideConfig{&c.Source, &c.Target} {
		side.Faults.Seed = c.Seed + uint64(i)
		if kinds[i] != "" {
			side.Faults.Kinds = strings.Split(kinds[i], ",")
		}
	}
	return run(ctx, c, *dir, *untilEOF, in, out)
}

func run(ctx context.Context, c Config, dir string, untilEOF bool, in io.Reader, out io.Writer) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "sim-profiles-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	s, err := Start(c)
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	env, err := s.WriteProfiles(dir)
	if err != nil {
		return err
	}
	ready := Ready{
		Source: s.Source.URL(), Target: s.Target.URL(), CA: s.CAFile(), Table: s.Source.config.Table, Env: env,
		SourceKey: s.Source.config.KeyID, TargetKey: s.Target.config.KeyID,
		Profiles: []string{s.Source.config.Profile, s.Target.config.Profile},
	}
	if err := json.NewEncoder(out).Encode(ready); err != nil {
		return err
	}
	if untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		// A read cannot be interrupted; it ends with the process at the latest.
		go func() {
			_, _ = io.Copy(io.Discard, in)
			cancel()
		}()
	}
	<-ctx.Done()
	return nil
}
