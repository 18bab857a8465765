package main

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// chooseTables says which tables to copy: --table, else dynamo.yaml, else
// DYNAMO_TABLE, else whatever a person answers. Globs match tables of the source.
func chooseTables(ctx context.Context, account *table.Account, wanted []string, conf config, s *show.Streams) ([]string, error) {
	if len(wanted) == 0 {
		wanted = conf.Tables
	}
	if len(wanted) == 0 {
		wanted = strings.FieldsFunc(os.Getenv("DYNAMO_TABLE"), func(c rune) bool { return c == ',' || c == ' ' })
	}
	if len(wanted) == 0 {
		if !s.Interactive() {
			return nil, badUsage("give --table NAME, or list tables in dynamo.yaml, or set DYNAMO_TABLE", "%w", errNoTables)
		}
		all, err := account.Tables(ctx)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, badUsage("", "profile %q has no tables here", account.Profile())
		}
		name, err := s.AskTable(ctx, account.Profile(), all)
		return []string{name}, err
	}
	return match(wanted, func() ([]string, error) { return account.Tables(ctx) }, func(w string) error {
		return badUsage("see: aws dynamodb list-tables --profile "+account.Profile(), "no table of the source matches %q", w)
	})
}

// expand turns globs into names of tables that the account has.
func expand(ctx context.Context, account *table.Account, wanted []string, where string) ([]string, error) {
	return match(wanted, func() ([]string, error) { return account.Tables(ctx) }, func(w string) error {
		return badUsage("see: aws dynamodb list-tables", "no table %s matches %q", where, w)
	})
}

// match returns the names that are wanted, and those of list that a wanted glob
// matches: in the order they were asked for, each once.
func match(wanted []string, list func() ([]string, error), none func(glob string) error) ([]string, error) {
	var names, all []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, w := range wanted {
		if !strings.ContainsAny(w, "*?[") {
			add(w)
			continue
		}
		if all == nil {
			var err error
			if all, err = list(); err != nil {
				return nil, err
			}
		}
		found := false
		for _, name := range all {
			ok, err := path.Match(w, name)
			if err != nil {
				return nil, badUsage("", "%q is not a glob", w)
			}
			if ok {
				add(name)
				found = true
			}
		}
		if !found {
			return nil, none(w)
		}
	}
	return names, nil
}

var errNoTables = errors.New("no table is named")
