package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

var (
	errNoBackup     = errors.New("which backup is not said")
	errNothingThere = errors.New("there is nothing of AWS's to restore it from")
)

// chooseBackup lists what the table could be restored from, and lets a person pick.
func chooseBackup(ctx context.Context, o restoreOptions, target *table.Table, s streams) (string, error) {
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
	if o.display.json {
		return "", s.object(there, nil, refusal)
	}
	if there.Exists || len(there.Backups) > 0 {
		if err := printRestorable(s.out, there); err != nil {
			return "", err
		}
	}
	if errors.Is(refusal, errNoBackup) && isTerminal(s.in) && isTerminal(s.err) {
		return askBackup(ctx, there, s)
	}
	return "", refusal
}

func printRestorable(w io.Writer, there table.Restorable) error {
	if len(there.Backups) > 0 {
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		say(tab, "\tMADE\tTYPE\tSTATUS\tSIZE\tNAME\tARN\n")
		for i, b := range there.Backups {
			say(tab, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", i+1, b.Made.UTC().Format(time.RFC3339), b.Type, b.Status, size(b.Bytes), b.Name, b.ARN)
		}
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	switch {
	case there.Recovery != nil:
		say(w, "any time from %s to %s: pitr:TIME, or pitr:latest\n", there.Recovery.Earliest.UTC().Format(time.RFC3339), there.Recovery.Latest.UTC().Format(time.RFC3339))
	case there.Unknown != "":
		say(w, "point-in-time recovery is not known: %s\n", there.Unknown)
	case there.Exists:
		say(w, "point-in-time recovery is off\n")
	default:
		say(w, "the table is gone: restore it to a new one, with --as\n")
	}
	return nil
}

// askBackup lets a person pick one of those that are listed. No answer is none.
func askBackup(ctx context.Context, there table.Restorable, s streams) (string, error) {
	kinds := []string{"pitr:latest", "pitr:TIME"}
	if there.Recovery == nil {
		kinds = nil
	}
	if n := len(there.Backups); n > 0 {
		kinds = append([]string{"1-" + strconv.Itoa(n), "a name", "an ARN"}, kinds...)
	}
	say(s.err, "Which one? [%s; nothing for none] ", strings.Join(kinds, ", "))
	answer, err := readLine(ctx, s)
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
		return "", badUsage("", "%q is none of them", answer)
	case 1:
		return found[0].ARN, nil
	}
	return "", badUsage("give its number", "%d backups have the name %q", len(found), answer)
}

// describeRestore shows what a restore is about to do.
func describeRestore(tab io.Writer, p table.Plan) {
	if !p.Creates {
		describeCopy(tab, p)
		if p.Temporary != "" {
			say(tab, "beside\tAWS restores to the temporary table %s first, which is deleted in the end\n", p.Temporary)
		}
		return
	}
	say(tab, "source\t%s\n", p.Source.String())
	say(tab, "\tabout %s items, %s\n", count(p.SourceItems), size(p.SourceBytes))
	account := ""
	if p.Target.Account != "" {
		account = " in account " + p.Target.Account
	}
	profile := ""
	if p.Target.Profile != "" {
		profile = ", profile " + p.Target.Profile
	}
	say(tab, "new table\t%s%s, %s%s\n", p.Target.Table, account, p.Target.Region, profile)
	if p.Resumes != "" {
		say(tab, "run\t%s is gone on with\n", p.Resumes)
		return
	}
	settings := "none that AWS drops"
	if len(p.PutsBack) > 0 {
		settings = strings.Join(p.PutsBack, ", ")
	}
	say(tab, "settings\t%s\n", settings)
}

// settingRows are the summary's lines about what a new table has not got.
func settingRows(m *table.Summary) (list [][2]string) {
	for _, what := range m.NotPutBack {
		list = append(list, [2]string{"not put back", what})
	}
	return list
}
