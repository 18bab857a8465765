package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

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
