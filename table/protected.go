package table

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// A Guard lists what must not be written to without being named. See [CopyOptions].
//
// An account is its 12 digits; dashes and blanks are read over. A table is a name, a glob, an ARN, or PROFILE/TABLE, and the
// last part of each may be a glob. Any other entry could match nothing, and is refused by [Guard.Check].
type Guard struct {
	Accounts []string // account ids
	Profiles []string // "default" is also the one that AWS reads where none is in force
	Tables   []string
}

// GuardOf is the Guard of an entry that does not say what it is: an account, a profile or a table.
func GuardOf(entry string) (Guard, error) {
	var g Guard
	if strings.Trim(entry, "0123456789- ") == "" {
		g.Accounts = []string{entry}
		if err := g.Check(); err != nil { // and is hardly a table of that name
			return g, err
		}
	}
	if checkTableEntry(entry) == nil {
		g.Tables = []string{entry}
	}
	if checkProfileEntry(entry) == nil {
		g.Profiles = []string{entry}
	}
	if g.Accounts == nil && g.Tables == nil && g.Profiles == nil {
		return g, usage("", "%q can be no account, no profile and no table", entry)
	}
	return g, nil
}

// Check refuses entries that can match nothing. The error is an [*Error] of kind [Usage].
func (g Guard) Check() error {
	for _, entry := range g.Accounts {
		if !isAccount(entry) {
			return usage("one has 12 digits, and stands in quotes where it begins with 0", "%q is no account id", entry)
		}
	}
	for _, entry := range g.Profiles {
		if err := checkProfileEntry(entry); err != nil {
			return err
		}
	}
	for _, entry := range g.Tables {
		if err := checkTableEntry(entry); err != nil {
			return err
		}
	}
	return nil
}

// with is what either protects.
func (g Guard) with(other Guard) Guard {
	return Guard{
		Accounts: slices.Concat(g.Accounts, other.Accounts), Profiles: slices.Concat(g.Profiles, other.Profiles), Tables: slices.Concat(g.Tables, other.Tables),
	}
}

// isAccount reports whether the text is an account's id.
func isAccount(text string) bool {
	digits := accountDigits(text)
	return len(digits) == 12 && strings.Trim(digits, "0123456789") == ""
}

// accountDigits is an account's id as AWS writes it, by how people do.
func accountDigits(text string) string { return strings.NewReplacer("-", "", " ", "").Replace(text) }

func checkProfileEntry(entry string) error {
	switch {
	case strings.TrimSpace(entry) != entry || entry == "":
		return usage("", "%q is no profile: there is nothing, or a blank about it", entry)
	case strings.ContainsAny(entry, "*?["):
		return usage("name each", "a profile is no glob, and %q is one", entry)
	case strings.HasPrefix(entry, "arn:"), strings.Contains(entry, "/") && !slices.Contains(account.Profiles(), entry):
		return usage("a table's ARN, and PROFILE/TABLE, stand under tables", "%q is no profile", entry)
	}
	return nil
}

const regionCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-"

func checkTableEntry(entry string) error {
	wrong := usage("a table is a name, a glob, an ARN or PROFILE/TABLE", "%q is no table", entry)
	name := entry
	if strings.HasPrefix(entry, "arn:") {
		where, err := arn.Parse(entry)
		rest, isTable := strings.CutPrefix(where.Resource, "table/")
		if err != nil || !isTable || where.Service != "dynamodb" || strings.Trim(where.Region, regionCharacters) != "" ||
			where.Region == "" || len(where.AccountID) != 12 || !isAccount(where.AccountID) {
			return wrong
		}
		name = rest
	} else if profile, rest, both := cutLast(entry); both {
		if checkProfileEntry(profile) != nil {
			return wrong
		}
		name = rest
	}
	if !possibleName(name) {
		return wrong
	}
	return nil
}

// cutLast splits PROFILE/TABLE: a table's name holds no slash.
func cutLast(entry string) (profile, name string, both bool) {
	i := strings.LastIndexByte(entry, '/')
	if i < 0 {
		return "", entry, false
	}
	return entry[:i], entry[i+1:], true
}

// possibleName reports whether a table may have that name, or one that the glob matches.
func possibleName(glob string) bool {
	if _, err := path.Match(glob, ""); err != nil {
		return false
	}
	fewest, most := 0, 0
	for rest := glob; rest != ""; {
		switch c := rest[0]; {
		case c == '*':
			most = 255
		case c == '[':
			rest = rest[strings.IndexByte(rest, ']'):]
			fewest++
		case c == '?' || strings.IndexByte(nameCharacters, c) >= 0:
			fewest++
		default:
			return false
		}
		rest = rest[1:]
	}
	return fewest <= 255 && max(fewest, most) >= 3
}

// Protects says why the table is protected from being written to, or "".
func (g Guard) Protects(d Description) string {
	profile := cmp.Or(d.Profile, defaultProfile)
	switch {
	case slices.ContainsFunc(g.Accounts, func(entry string) bool { return accountDigits(entry) == d.Account }):
		return "account " + d.Account + " is listed as protected"
	case slices.Contains(g.Profiles, profile):
		return fmt.Sprintf("profile %q is listed as protected", profile)
	case slices.Contains(g.Tables, d.Table):
		return fmt.Sprintf("table %q is listed as protected", d.Table)
	case d.DeletionProtected:
		return fmt.Sprintf("table %q has deletion protection on", d.Table)
	}
	for _, entry := range g.Tables {
		if d.isListed(entry) {
			return fmt.Sprintf("table %q is listed as protected, by %q", d.Table, entry)
		}
	}
	for _, name := range []string{d.Profile, d.Table} {
		if word := alarm(name); word != "" {
			return fmt.Sprintf("%q has the word %q in its name", name, word)
		}
	}
	return ""
}

// isListed reports whether the entry is one for the table.
func (d Description) isListed(entry string) bool {
	where, glob, some := cutLast(entry)
	switch {
	case strings.HasPrefix(entry, "arn:"):
		own := fmt.Sprintf("%s:%s:table", d.Region, d.Account)
		_, rest, _ := strings.Cut(where, ":dynamodb:")
		if rest != own {
			return false
		}
	case some && where != cmp.Or(d.Profile, defaultProfile):
		return false
	}
	match, err := path.Match(glob, d.Table)
	return match && err == nil
}

// strangers warns of protected profiles that this machine does not have; they may be those of others who share the file.
func (g Guard) strangers() (list []string) {
	known := account.Profiles()
	check := func(profile string) {
		if !slices.Contains(known, profile) && profile != defaultProfile {
			list = append(list, fmt.Sprintf("profile %q is protected, and is not one of this machine", profile))
		}
	}
	for _, entry := range g.Profiles {
		if !slices.Contains(g.Tables, entry) && !isAccount(entry) { // which it may be instead
			check(entry)
		}
	}
	for _, entry := range g.Tables {
		if profile, _, both := cutLast(entry); both && !strings.HasPrefix(entry, "arn:") {
			check(profile)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// defaultProfile is the one that AWS reads where none is in force.
const defaultProfile = "default"

// Words that protect a profile or table that has one in its name, and those before them that take it back.
var (
	alarming = []string{"prod", "prd", "production", "live"}
	negating = []string{"non", "not", "no", "pre"}
)

// alarm is the word in the name that protects it, or "".
func alarm(name string) string {
	for _, list := range [][]string{words(name, false), words(name, true)} {
		for i, word := range list {
			if slices.Contains(alarming, strings.ToLower(word)) && (i == 0 || !slices.Contains(negating, strings.ToLower(list[i-1]))) {
				return word
			}
		}
	}
	return ""
}

// words splits a name at everything that is no letter, and where a capital begins a word. Of several capitals before a small
// letter the last may begin the next word (PRODOrders), or not (PRODorders), as camel says.
func words(name string, camel bool) (list []string) {
	lower := func(i int) bool { return i < len(name) && name[i] >= 'a' && name[i] <= 'z' }
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := 0; i < len(name); {
		begin := i
		for ; upper(i); i++ {
			if camel && i > begin && lower(i+1) {
				break
			}
		}
		if i <= begin+1 { // of one capital, or none
			for ; lower(i); i++ {
			}
		}
		if i > begin {
			list = append(list, name[begin:i])
			continue
		}
		i++
	}
	return list
}

// allowed refuses a target that is protected and not named.
func (o CopyOptions) allowed(target Description) error {
	name := target.Profile + "/" + target.Table
	if why := o.Protected.Protects(target); why != "" && o.AllowProtected != name {
		return refused("if you mean it: --allow-protected "+name, "%s is protected: %s", target, why)
	}
	return nil
}
