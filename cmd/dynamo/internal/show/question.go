package show

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

var (
	errUnconfirmed = errors.New("not confirmed: there is no terminal to ask on, and no --yes; nothing was changed")
	errDeclined    = errors.New("not confirmed; nothing was changed")
)

// Confirm shows what is about to happen and asks whether to go on. A run that
// was told yes once is not asked again when it is resumed.
func (s *Streams) Confirm(ctx context.Context, plan table.Plan, yes bool) error {
	hint := "look at it with --dry-run, then add --yes"
	if plan.Resumes != "" {
		hint = "add --yes"
	}
	return s.confirm(ctx, func() { s.Plan(plan) }, yes || plan.Unattended, hint)
}

// ConfirmDelete shows which backup is to go and asks whether to go on.
func (s *Streams) ConfirmDelete(ctx context.Context, b table.Backup, yes bool) error {
	return s.confirm(ctx, func() {
		s.Say("The backup %s of table %s, made %s, %s, is deleted for good:\n%s\n",
			b.Name, b.Table, b.Made.UTC().Format(time.RFC3339), Size(b.Bytes), b.ARN)
	}, yes, "add --yes")
}

// confirm describes, and asks unless the answer is known. With JSON only a person who is asked reads anything.
func (s *Streams) confirm(ctx context.Context, describe func(), known bool, hint string) error {
	if !s.JSON && (!s.Quiet || !known) {
		describe()
	}
	if known {
		return nil
	}
	if !s.Interactive() {
		return &table.Error{Kind: table.Refused, Hint: hint, Err: errUnconfirmed}
	}
	if s.JSON {
		describe()
	}
	s.Say("Go on? [y/N] ")
	answer, err := s.line(ctx)
	if err != nil {
		return err
	}
	if !yes(answer) {
		return &table.Error{Kind: table.Refused, Err: errDeclined}
	}
	return nil
}

func yes(answer string) bool {
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes"
}

// AskTable lets a person pick one of a profile's tables.
func (s *Streams) AskTable(ctx context.Context, profile string, all []string) (string, error) {
	s.Say("Tables of %s:\n", profile)
	for i, name := range all {
		s.Say("%4d  %s\n", i+1, name)
	}
	s.Say("Which one? [1-%d, or a name] ", len(all))
	answer, err := s.line(ctx)
	if err != nil {
		return "", err
	}
	if i, err := strconv.Atoi(answer); err == nil && i >= 1 && i <= len(all) {
		return all[i-1], nil
	}
	if slices.Contains(all, answer) {
		return answer, nil
	}
	return "", usage("", "%q is none of them", answer)
}

// AskBackup lets a person pick one of those that are listed. No answer is none.
func (s *Streams) AskBackup(ctx context.Context, there table.Restorable) (string, error) {
	kinds := []string{"pitr:latest", "pitr:TIME"}
	if there.Recovery == nil {
		kinds = nil
	}
	if n := len(there.Backups); n > 0 {
		kinds = append([]string{"1-" + strconv.Itoa(n), "a name", "an ARN"}, kinds...)
	}
	s.Say("Which one? [%s; nothing for none] ", strings.Join(kinds, ", "))
	answer, err := s.line(ctx)
	if err != nil {
		return "", err
	}
	i, notNumber := strconv.Atoi(answer)
	switch {
	case answer == "":
		return "", &table.Error{Kind: table.Refused, Err: errDeclined}
	case notNumber == nil && i >= 1 && i <= len(there.Backups):
		return there.Backups[i-1].ARN, nil
	case strings.HasPrefix(answer, "pitr:") && there.Recovery != nil:
		return answer, nil
	}
	found := slices.DeleteFunc(slices.Clone(there.Backups), func(b table.Backup) bool { return b.Name != answer && b.ARN != answer })
	switch len(found) {
	case 0:
		return "", usage("", "%q is none of them", answer)
	case 1:
		return found[0].ARN, nil
	}
	return "", usage("give its number", "%d backups have the name %q", len(found), answer)
}

// codes are those that a person has given for a device. AWS takes each once, and a device shows another every half minute.
type codes struct {
	mu    sync.Mutex // one question at a time
	given map[string][]string
}

// AskCode asks a person for the code of an MFA device, which may be one for both sides: then for the next one.
func (s *Streams) AskCode(ctx context.Context, profile, serial string) (string, error) {
	if !s.Interactive() {
		return "", table.ErrNoMFA
	}
	s.codes.mu.Lock()
	defer s.codes.mu.Unlock()
	which := "MFA code"
	for {
		given := s.codes.given[serial]
		if len(given) > 0 {
			which = "AWS takes a code once. The next MFA code"
		}
		s.Say("%s of %s for profile %s: ", which, Visible(serial), Visible(profile))
		code, err := s.line(ctx)
		switch {
		case err != nil:
			return "", err
		case slices.Contains(given, code):
			s.Say("That one was given before: wait until the device shows another.\n")
			continue
		case code == "":
			return "", table.ErrNoMFA
		}
		if s.codes.given == nil {
			s.codes.given = map[string][]string{}
		}
		s.codes.given[serial] = append(given, code)
		return code, nil
	}
}

// line waits for a line, or for the context's end.
func (s *Streams) line(ctx context.Context) (string, error) {
	lines := make(chan string, 1) // the reader may outlive the question
	go func() {
		defer s.Guard()
		line, _ := bufio.NewReader(s.In).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		s.Say("\n")
		return "", context.Cause(ctx)
	}
}
