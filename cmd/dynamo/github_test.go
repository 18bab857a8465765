package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/table"
)

// steering has all that steers: an escape sequence, DEL, C1, bidi, an end of the line.
const steering = "a\x1b]52;c;eA==\x07\x7f\u009b\u202eb\nc"

// steers finds what a terminal would obey.
var steers = regexp.MustCompile("[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

func TestInertJSON(t *testing.T) {
	var b bytes.Buffer
	j := &inertJSON{w: &b}
	for _, piece := range []string{`["#`, `#`, `[a]","`, `###[b", "#`, `"]`} {
		if n, err := j.Write([]byte(piece)); err != nil || n != len(piece) {
			t.Fatal(n, err)
		}
	}
	if want := `["##\u005ba]","###\u005bb", "#"]`; b.String() != want {
		t.Errorf("wrote %s, want %s", &b, want)
	}
}

// What is foreign reaches people escaped, of whatever type it is.
func TestSayEscapes(t *testing.T) {
	type word string // as those of AWS's enumerations
	var b bytes.Buffer
	say(&b, "%s %s %v %s", steering, word(steering), badUsage("", "%s", steering), table.Description{Path: steering})
	if steers.MatchString(b.String()) || strings.Contains(b.String(), "\n") || strings.Count(b.String(), `\x7f`) != 4 {
		t.Errorf("said %q", b.String())
	}
	b.Reset()
	there := table.Restorable{Exists: true, Unknown: steering, Backups: []table.Backup{{Table: steering, Name: steering, ARN: steering, Type: steering, Status: steering, Made: time.Unix(0, 0)}}}
	if err := printRestorable(&b, there); err != nil {
		t.Fatal(err)
	}
	if steers.MatchString(b.String()) || strings.Count(b.String(), `\x7f`) != 5 {
		t.Errorf("printed %q", b.String())
	}
	raw, err := members(there, extra{Warnings: []string{steering}})
	if err != nil || steers.Match(raw) {
		t.Errorf("the object is %q, %v", raw, err)
	}
	for _, json := range []bool{false, true} {
		b.Reset()
		var h slog.Handler = slog.NewTextHandler(lines{&b, json}, nil)
		if json {
			h = slog.NewJSONHandler(lines{&b, json}, nil)
		}
		slog.New(h).Warn(steering, "what", steering)
		if steers.MatchString(b.String()) {
			t.Errorf("logged %q", b.String())
		}
	}
}

// On a job's page foreign text is no Markdown.
func TestCell(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"orders in account 111111111111, eu-west-1", "orders in account 111111111111, eu-west-1"},
		{"arn:aws:dynamodb:eu-west-1:1:table/a-b", "arn:aws:dynamodb:eu-west-1:1:table/a-b"},
		{"[x](http://evil)", `\[x\]\(http&#58;//evil\)`},
		{"![x](y)", `\!\[x\]\(y\)`},
		{"<img src=x>&amp;", `&lt;img src=x&gt;&amp;amp;`},
		{"a|b `c` **d** ~e~ $f$", "a\\|b \\`c\\` \\*\\*d\\*\\* \\~e\\~ \\$f\\$"},
		{"www.evil.com @me #1", `www&#46;evil.com \@me \#1`},
		{`a\`, `a\\`},
		{"a\nb", `a\\nb`},
	} {
		want := strings.NewReplacer("&lt;", "&#60;", "&gt;", "&#62;", "&amp;", "&#38;").Replace(c.want)
		if got := cell(c.text); got != want {
			t.Errorf("%s is %s, want %s", c.text, got, want)
		}
	}
}

// taken is what a runner takes a line for, whatever it means.
var taken = regexp.MustCompile(`^\s*::|##\[`)

// A runner takes no item's text for a command: around data it is told to take none.
func TestRunnerTakesNoDataForCommands(t *testing.T) {
	inWorldOf(t)
	const name = "runner"
	for _, account := range []string{"prod", "dev"} {
		remove, err := createTable(account, name, "pk:S")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(remove)
	}
	items := `{"pk":{"S":"::set-output name=x::y"},"text":{"S":"##[add-mask]secret"}}` + "\n" + `{"pk":{"S":"##[set-env name=A]b"},"text":{"S":"::stop-commands::x"}}`
	if err := putItems("prod", name, items); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(t.TempDir(), "page.md"))
	tokens := map[string]bool{}
	for _, c := range []struct {
		args  string
		data  bool // stdout has what a runner would take for a command
		fault ddbtest.Fault
	}{
		{args: "query --table runner --env prod --unique pk", data: true},
		{args: "query --table runner --env prod --unique text", data: true},
		{args: "query --table runner --env prod", data: true},
		{args: "query --table runner --env prod --output csv", data: true},
		{args: "query --table runner --env prod --output table", data: true},
		{args: "query --table runner --env prod --output yaml", data: true},
		{args: "query --table runner --env prod --unique pk --json"},
		{args: "query --table runner --env prod --json"},
		{args: "query --table runner --env prod --output ddb --json"},
		{args: "query --table runner --env prod", fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan"}},
		{args: "compare --table runner --source prod --target dev"}, // its lines begin with a sign
		{args: "compare --table runner --source prod --target dev --json"},
		{args: "copy --table runner --source prod --target dev --pk ##[error]x --yes"},
		{args: "copy --table runner --source prod --target dev --filter ::error::x --yes"},
		{args: "describe --table ::error::x --env prod"},
		{args: "##[error]x"},
	} {
		t.Run(c.args, func(t *testing.T) {
			if c.fault.Kind != "" {
				proxy := world.Account("prod").Proxy
				c.fault.Table = name
				defer proxy.Remove(proxy.Inject(c.fault))
			}
			out, errs, _ := runHere(t, t.Context(), newApp, strings.Fields(c.args))
			before, token := errs, ""
			if at := strings.Index(errs, "::stop-commands::"); at >= 0 {
				rest := errs[at+len("::stop-commands::"):]
				token, rest, _ = strings.Cut(rest, "\n")
				inside, after, ended := strings.Cut(rest, "::"+token+"::\n")
				if len(token) < 20 || tokens[token] || !ended || strings.Contains(inside+after, token) {
					t.Errorf("commands stop with %q, and begin again: %v", token, ended)
				}
				tokens[token] = true
				before = errs[:at] + after
			}
			for line := range strings.Lines(before) {
				if taken.MatchString(line) && !strings.HasPrefix(line, "::error::") {
					t.Errorf("a runner takes for a command: %q", line)
				}
			}
			found := false
			for line := range strings.Lines(out) {
				found = found || taken.MatchString(line)
			}
			if found != c.data || found && token == "" {
				t.Errorf("commands on stdout: %v, token %q\n%s", found, token, out)
			}
		})
	}
	page, err := os.ReadFile(os.Getenv("GITHUB_STEP_SUMMARY"))
	if err == nil && strings.Contains(string(page), "##[") {
		t.Errorf("the page is %s", page)
	}
}
