package main

import (
	"bufio"
	"context"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dynamo-cmdline/dynamo/table"
)

// chooseTables says which tables to copy: --table, else dynamo.yaml, else
// DYNAMO_TABLE, else whatever a person answers. Globs match tables of the source.
func chooseTables(ctx context.Context, account *table.Account, wanted []string, conf config, s streams) ([]string, error) {
	if len(wanted) == 0 {
		wanted = conf.Tables
	}
	if len(wanted) == 0 {
		wanted = strings.FieldsFunc(os.Getenv("DYNAMO_TABLE"), func(c rune) bool { return c == ',' || c == ' ' })
	}
	if len(wanted) == 0 {
		if !isTerminal(s.in) || !isTerminal(s.err) {
			return nil, badUsage("give --table NAME, or list tables in dynamo.yaml, or set DYNAMO_TABLE", "%w", errNoTables)
		}
		return askTables(ctx, account, s)
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

// askTables lets a person pick from the account's tables.
func askTables(ctx context.Context, account *table.Account, s streams) ([]string, error) {
	all, err := account.Tables(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, badUsage("", "profile %q has no tables here", account.Profile())
	}
	say(s.err, "Tables of %s:\n", account.Profile())
	for i, name := range all {
		say(s.err, "%4d  %s\n", i+1, name)
	}
	say(s.err, "Which one? [1-%d, or a name] ", len(all))
	answer, err := readLine(ctx, s)
	if err != nil {
		return nil, err
	}
	if i, err := strconv.Atoi(answer); err == nil && i >= 1 && i <= len(all) {
		return []string{all[i-1]}, nil
	}
	if slices.Contains(all, answer) {
		return []string{answer}, nil
	}
	return nil, badUsage("", "%q is none of them", answer)
}

// codes are those that a person has given for a device. AWS takes each once, and a device shows another every half minute.
type codes struct {
	mu    sync.Mutex // one question at a time
	given map[string][]string
}

// askCode asks a person for the code of an MFA device, which may be one for both sides: then for the next one.
func (s streams) askCode(ctx context.Context, profile, serial string) (string, error) {
	if !isTerminal(s.in) || !isTerminal(s.err) {
		return "", table.ErrNoMFA
	}
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	which := "MFA code"
	for {
		given := s.asked.given[serial]
		if len(given) > 0 {
			which = "AWS takes a code once. The next MFA code"
		}
		say(s.err, "%s of %s for profile %s: ", which, visible(serial), visible(profile))
		code, err := readLine(ctx, s)
		switch {
		case err != nil:
			return "", err
		case slices.Contains(given, code):
			say(s.err, "That one was given before: wait until the device shows another.\n")
			continue
		case code == "":
			return "", table.ErrNoMFA
		}
		if s.asked.given == nil {
			s.asked.given = map[string][]string{}
		}
		s.asked.given[serial] = append(given, code)
		return code, nil
	}
}

// readLine waits for a line, or for the context's end.
func readLine(ctx context.Context, s streams) (string, error) {
	lines := make(chan string, 1) // the reader may outlive the question
	go func() {
		defer s.guard()
		line, _ := bufio.NewReader(s.in).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		say(s.err, "\n")
		return "", context.Cause(ctx)
	}
}

// confirm is for the plan of the result's run.
func (r *result) confirm(ctx context.Context, plan table.Plan, yes bool, d display, s streams) error {
	r.warnings = warned(plan)
	return confirm(ctx, plan, yes, d, s)
}

// confirm shows what is about to happen and asks whether to go on. A run that
// was told yes once is not asked again when it is resumed.
func confirm(ctx context.Context, plan table.Plan, yes bool, d display, s streams) error {
	yes = yes || plan.Unattended
	if !d.json && (!d.quiet || !yes) {
		describePlan(s.err, plan)
	}
	if yes {
		return nil
	}
	if !isTerminal(s.in) || !isTerminal(s.err) {
		hint := "look at it with --dry-run, then add --yes"
		if plan.Resumes != "" {
			hint = "add --yes"
		}
		return &table.Error{Kind: table.Refused, Hint: hint, Err: errUnconfirmed}
	}
	if d.json {
		describePlan(s.err, plan)
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
