package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// This file says what the two sides of a comparison are: tables, or dumps.

// ofDump reports whether a side is a dump.
func (o *compareOptions) ofDump() bool { return o.sourceDump != "" || o.targetDump != "" }

// dumps reads which sides are dumps, and refuses what means nothing for one.
func (o *compareOptions) dumps(c *cli.Context) error {
	for i, dump := range []*string{&o.sourceDump, &o.targetDump} {
		side := []string{"source", "target"}[i]
		place := c.String(side)
		// What dynamo backup --to prints is one, too.
		if !strings.HasPrefix(place, "file:") && !strings.HasPrefix(place, "s3:") && !strings.HasPrefix(place, "arn:") && !strings.HasSuffix(place, "/manifest-summary.json") {
			continue
		}
		if _, err := table.DumpPlace(place); err != nil {
			return flagError(side, err)
		}
		*dump = place
		for _, name := range []string{side + "-region", side + "-endpoint-url", side + "-table"} {
			if c.IsSet(name) {
				return badUsage("leave it out", "--%s means nothing where the %s is a dump", name, side)
			}
		}
	}
	switch {
	case o.targetDump != "" && o.repair:
		return badUsage("make a new one: dynamo backup --to DIR", "--repair writes to the target, and a dump is not written to")
	case o.sourceDump != "" && o.targetDump != "" && c.IsSet("table"):
		return badUsage("leave it out", "--table means nothing between two dumps")
	}
	return nil
}

// open opens the accounts of the sides that are tables.
func (o *compareOptions) open(ctx context.Context, s *show.Streams) (err error) {
	if o.sourceDump == "" {
		if o.from, err = o.source.open(ctx, s); err != nil {
			return err
		}
	}
	if o.targetDump == "" {
		o.to, err = o.target.open(ctx, s)
	}
	return err
}

// names are the tables to compare. What a dump is of it says itself.
func (o *compareOptions) names(ctx context.Context, conf config, s *show.Streams) ([]string, error) {
	if o.sourceDump != "" && o.targetDump != "" {
		return []string{"the dumps"}, nil
	}
	account := o.from
	if account == nil {
		account = o.to // whose tables a glob or a person chooses from
	}
	names, err := chooseTables(ctx, account, o.tables, conf, s)
	if err == nil && len(names) > 1 && o.ofDump() {
		err = badUsage("name it: --table NAME", "a dump is of one table, and %d are to be compared with it", len(names))
	}
	return names, interrupted(ctx, err)
}

// sides are what is compared. A side that is a table is returned as one, too; a dump is read through the account of the other.
func (o *compareOptions) sides(name string) (source, target table.Side, from, to *table.Table, err error) {
	if o.sourceDump == "" {
		if from, err = o.from.Table(name); err != nil {
			return nil, nil, nil, nil, err
		}
		source = from
	}
	if o.targetTable != "" {
		name = o.targetTable
	}
	if o.targetDump == "" {
		if to, err = o.to.Table(name); err != nil {
			return nil, nil, nil, nil, err
		}
		target = to
	}
	if o.sourceDump != "" {
		source = table.NewDump(o.sourceDump, o.to)
	}
	if o.targetDump != "" {
		target = table.NewDump(o.targetDump, o.from)
	}
	return source, target, from, to, nil
}
