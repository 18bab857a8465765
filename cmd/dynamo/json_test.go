package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A wayOut is a command with --json, and the exit code that it ends with.
type wayOut struct {
	name string
	args string // $A, $B: tables of both accounts; $NONE: none
	code int

	fault ddbtest.Fault // in dev
	sent  os.Signal     // before it begins
	data  bool          // stdout is JSON, but no object
}

// Ways out of every verb. Those that begin with ok are the verb's own, in order: what one makes, the next may use.
var waysOut = []wayOut{
	{name: "ok", args: "copy --table $A --source prod --target dev --yes"},
	{name: "ok, nothing to do", args: "copy --table $A --source prod --target dev --yes --verify"},
	{name: "ok, a dry run", args: "copy --table $A --source prod --target dev --dry-run"},
	{name: "ok, two tables", args: "copy --table $A --table $B --source prod --target dev --yes"},
	{name: "ok, two dry runs", args: "copy --table $A --table $B --source prod --target dev --dry-run"},
	{name: "one of two is missing", args: "copy --table $A --table $NONE --source prod --target dev --yes", code: 7},
	{name: "two that nobody confirms", args: "copy --table $A --table $B --source prod --target dev --mode merge", code: 5},
	{name: "missing", args: "copy --table $NONE --source prod --target dev --yes", code: 7},
	{name: "denied", args: "copy --table $A --source prod --target dev --yes --mode merge --no-backup", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchWriteItem"}},
	{name: "ok", args: "resume --yes"}, // the copy that was denied
	{name: "rejected", args: "copy --table $A --source prod --target dev --yes --mode merge --no-backup", code: 3, fault: ddbtest.Fault{Kind: ddbtest.Validation, Op: "BatchWriteItem"}},
	{name: "interrupted", args: "copy --table $A --table $B --source prod --target dev --yes", code: 130, sent: os.Interrupt},
	{name: "no profile", args: "copy --table $A --source nobody --target dev --yes", code: 2},
	{name: "no configuration", args: "copy --table $A --source prod --target dev --config none.yaml", code: 2},

	{name: "ok", args: "compare --table $A --source prod --target dev"},
	{name: "ok, two", args: "compare --table $A --table $B --source prod --target dev"},
	{name: "different", args: "compare --table $A-odd --source prod --target dev --detail", code: 4},
	{name: "two, one different", args: "compare --table $A --table $A-odd --source prod --target dev", code: 4},
	{name: "two, one missing", args: "compare --table $A --table $NONE --source prod --target dev", code: 7},
	{name: "two to repair", args: "compare --table $A --table $A-odd --source prod --target dev --repair --dry-run"},
	{name: "two to repair that nobody confirms", args: "compare --table $A --table $A-odd --source prod --target dev --repair", code: 5},
	{name: "two to repair, one missing", args: "compare --table $NONE --table $A --source prod --target dev --repair --yes", code: 7},
	{name: "interrupted", args: "compare --table $A --table $B --source prod --target dev", code: 143, sent: syscall.SIGTERM},
	{name: "broken off", args: "compare --table $A-odd --source prod --target dev", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan"}},
	{name: "ok, repaired", args: "compare --table $A-odd --source prod --target dev --repair --yes"},
	{name: "no dump", args: "compare --table $A --source prod --target file:none", code: 2},

	{name: "ok, a dry run", args: "undo --dry-run"},
	{name: "ok", args: "undo --yes"},
	{name: "nobody confirms", args: "undo", code: 5},
	{name: "no such run", args: "undo nothing", code: 2},
	{name: "denied", args: "undo --yes", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeTable"}},
	{name: "interrupted", args: "undo --yes", code: 130, sent: os.Interrupt},
	{name: "no such run", args: "resume nothing", code: 2},
	{name: "ok", args: "runs"},
	{name: "ok, none", args: "runs --run-dir empty"},

	{name: "ok", args: "backup --table $A --env dev"},
	{name: "ok, a dump", args: "backup --table $A --env dev --to dumps"},
	{name: "missing", args: "backup --table $NONE --env dev", code: 7},
	{name: "missing, a dump", args: "backup --table $NONE --env dev --to dumps", code: 7},
	{name: "denied", args: "backup --table $A --env dev", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "CreateBackup"}},
	{name: "broken off", args: "backup --table $A --env dev --to dumps", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan"}},
	{name: "ok", args: "backup list --env dev --table $A"},
	{name: "no profile", args: "backup list --env nobody", code: 2},
	{name: "no such backup", args: "backup delete --env dev --backup arn:aws:dynamodb:eu-west-1:222222222222:table/$A/backup/01 --yes", code: 7},
	{name: "none named", args: "backup delete --env dev", code: 2},

	{name: "none named", args: "restore --table $A --env dev", code: 2},
	{name: "ok, a dry run", args: "restore --table $A --env dev --from dumps --dry-run"},
	{name: "ok", args: "restore --table $A --env dev --from dumps --yes"},
	{name: "nobody confirms", args: "restore --table $A --env dev --from dumps", code: 5},
	{name: "no such dump", args: "restore --table $A --env dev --from none", code: 2},
	{name: "there already", args: "restore --table $A --env dev --from dumps --as $B --yes", code: 7},
	{name: "ok, a new one", args: "restore --table $A --env dev --from dumps --as $A-new --yes"},

	{name: "ok", args: "query --table $A --env prod --limit 2", data: true},
	{name: "ok, a number", args: "query --table $A --env prod --count", data: true},
	{name: "ok, values", args: "query --table $A --env prod --unique pk", data: true},
	{name: "missing", args: "query --table $NONE --env prod key", code: 7},
	{name: "denied", args: "query --table $A --env dev", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan"}},
	{name: "a bad filter", args: "query --table $A --env prod --filter x", code: 2},

	{name: "ok", args: "tables --env prod --table $A"},
	{name: "none", args: "tables --env prod --table nothing-*", code: 2},
	{name: "denied", args: "tables --env dev", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "ListTables"}},
	{name: "ok", args: "describe --table $A --env prod"},
	{name: "missing", args: "describe --table $NONE --env prod", code: 7},

	{name: "ok, a dry run", args: "scale --table $A --env dev --read-mode ondemand --dry-run"},
	{name: "ok", args: "scale --table $A --env dev --read-mode ondemand"},
	{name: "ok, saved", args: "scale --table $A --table $B --env dev --save saved.json"},
	{name: "ok, two", args: "scale --table $A --table $B --env dev --read-mode ondemand"},
	{name: "one of two is missing", args: "scale --table $A --table $NONE --env dev --read-mode ondemand", code: 7},
	{name: "missing", args: "scale --table $NONE --env dev --read-mode ondemand", code: 7},
	{name: "nothing asked for", args: "scale --table $A --env dev", code: 2},

	{name: "ok, a dry run", args: "truncate --table $A --env dev --dry-run"},
	{name: "denied", args: "truncate --table $A --env dev --no-backup --yes", code: 6, fault: ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchWriteItem"}},
	{name: "ok, two", args: "truncate --table $A --table $B --env dev --no-backup --yes"},
	{name: "nobody confirms", args: "truncate --table $A --env dev", code: 5},
	{name: "two, one missing", args: "truncate --table $A --table $NONE --env dev --no-backup --yes", code: 7},

	{name: "no such verb", args: "copi --table $A", code: 2},
}

// TestJSONOnEveryWayOut holds that with --json stdout is exactly one JSON object, and stderr JSON log lines.
func TestJSONOnEveryWayOut(t *testing.T) {
	inWorldOf(t)
	a, b := "ways-a", "ways-b"
	for i, name := range []string{a, b, a + "-odd"} {
		for _, account := range []string{"prod", "dev"} {
			remove, err := createTable(account, name, "pk:S")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(remove)
		}
		if err := fillTable("prod", name, 20, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = world.Account("dev").DeleteTable(context.Background(), a+"-new") }) // its engine ends soon anyway
	expand := func(name string) string {
		return map[string]string{"A": a, "B": b, "NONE": "ways-none"}[name]
	}
	seen := map[string]bool{}
	for _, w := range waysOut {
		args := append(strings.Fields(os.Expand(w.args, expand)), "--json")
		seen[strings.Join(verbOf(newApp(new(show.Streams)), args), " ")] = true
		t.Run(args[0]+"/"+w.name, func(t *testing.T) {
			if w.fault.Kind != "" {
				proxy := world.Account("dev").Proxy
				if w.fault.Op != "ListTables" {
					w.fault.Table = a + "*"
				}
				defer proxy.Remove(proxy.Inject(w.fault))
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if w.sent != nil {
				cancel(show.Stopped{Signal: w.sent})
			}
			requireJSON(t, w, ctx, args)
		})
	}
	for _, c := range newApp(new(show.Streams)).Commands {
		for _, verb := range append([]*cli.Command{c}, c.Subcommands...) {
			name := strings.TrimSpace(c.Name + " " + strings.TrimPrefix(verb.Name, c.Name))
			if !seen[name] && slices.ContainsFunc(verb.Flags, func(f cli.Flag) bool { return f.Names()[0] == "json" }) {
				t.Errorf("no way out of %q is tried", name)
			}
		}
	}
}

// Whatever is asked for wrongly, and however JSON is.
func TestJSONOfEveryUsageError(t *testing.T) {
	inWorldOf(t)
	for _, c := range newApp(new(show.Streams)).Commands {
		for _, verb := range append([]*cli.Command{c}, c.Subcommands...) {
			words := []string{c.Name}
			if verb != c {
				words = append(words, verb.Name)
			}
			for _, spelled := range []string{"--json", "-json", "--json=true", "--json=1", "-json=T"} {
				for _, wrong := range []string{"--nonsense", "--max-retry-time=never"} {
					args := append(slices.Clone(words), wrong, spelled)
					t.Run(strings.Join(args, " "), func(t *testing.T) { requireJSON(t, wayOut{code: 2}, t.Context(), args) })
				}
			}
		}
	}
	for _, args := range [][]string{
		{"query", "--json=false", "--nonsense"}, {"query", "--pk", "--json", "--nonsense"}, {"query", "--nonsense", "--", "--json"},
	} {
		if out, _, _ := runHere(t, t.Context(), newApp, args); out != "" {
			t.Errorf("%q has no --json, and stdout is %q", args, out)
		}
	}
}

// A panic is an error like others: exit 1, one object.
func TestPanic(t *testing.T) {
	inWorldOf(t)
	broken := func(s *show.Streams) *cli.App {
		app := newApp(s)
		app.Command("runs").Action = func(*cli.Context) error { panic("a bug") }
		return app
	}
	out, errs, code := runHere(t, t.Context(), broken, []string{"runs", "--json"})
	requireOneObject(t, wayOut{code: 1}, out, errs, code)
	if !strings.Contains(out, `a bug (json_test.go:`) {
		t.Errorf("stdout is %s", out)
	}
	out, errs, code = runHere(t, t.Context(), broken, []string{"runs"})
	if code != 1 || out != "" || !strings.HasPrefix(errs, "error: a bug in dynamo: a bug") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

// So is one in a goroutine, of the engine's too, and an object that was begun is completed.
func TestPanicElsewhere(t *testing.T) {
	inWorldOf(t)
	for _, many := range []bool{false, true} {
		broken := func(s *show.Streams) *cli.App {
			app := newApp(s)
			app.Command("runs").Action = func(c *cli.Context) error {
				end, last := "\n", ""
				if many {
					show.Say(s.Out, "%s", `{"command":"compare","tables":[`)
					end, last = "", `],"failed":1}`+"\n"
				}
				s.Differences(end, last)
				return copier.Run(c.Context, panicking{}, nil, copier.Options{})
			}
			return app
		}
		out, errs, code := runHere(t, t.Context(), broken, []string{"runs", "--json"})
		requireOneObject(t, wayOut{code: 1}, out, errs, code)
		if !strings.Contains(out, "a bug in the engine (json_test.go:") {
			t.Errorf("stdout is %s", out)
		}
	}
}

// panicking is a source with a bug.
type panicking struct{ copier.Source }

func (panicking) Segments() int { return 1 }

func (panicking) Read(context.Context, int, item.Cursor, int, *item.Page) error {
	panic("a bug in the engine")
}

// inWorldOf has the test see what the scripts see: the accounts, and an empty directory to work in.
func inWorldOf(t *testing.T) {
	dir := t.TempDir()
	for _, v := range world.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	t.Chdir(dir)
}

func verbOf(app *cli.App, args []string) []string {
	c := app.Command(args[0])
	if c != nil && len(args) > 1 && slices.ContainsFunc(c.Subcommands, func(s *cli.Command) bool { return s.Name == args[1] }) {
		return args[:2]
	}
	return args[:1]
}

// runHere runs the command in this process, with files for its streams.
func runHere(t *testing.T, ctx context.Context, app func(*show.Streams) *cli.App, args []string) (out, errs string, code int) { //nolint:revive // t is first in tests
	t.Helper()
	var files [3]*os.File
	for i := range files {
		f, err := os.CreateTemp(t.TempDir(), "stream")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	args = append([]string{"dynamo"}, args...)
	s := newStreams(files[0], files[1], files[2], args)
	ended := make(chan int, 1)
	s.Exit = func(code int) {
		ended <- code
		runtime.Goexit()
	}
	go func() { ended <- runApp(ctx, app(s), args, s) }()
	code = <-ended
	text := func(f *os.File) string {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return text(files[1]), text(files[2]), code
}

func requireJSON(t *testing.T, w wayOut, ctx context.Context, args []string) { //nolint:revive // t is first in tests
	t.Helper()
	out, errs, code := runHere(t, ctx, newApp, args)
	requireOneObject(t, w, out, errs, code)
}

func requireOneObject(t *testing.T, w wayOut, out, errs string, code int) {
	t.Helper()
	if code != w.code {
		t.Errorf("exit code %d, want %d: %s", code, w.code, errs)
	}
	for line := range strings.Lines(errs) {
		if object := map[string]any{}; json.Unmarshal([]byte(line), &object) != nil {
			t.Errorf("on stderr: %q", line)
		}
	}
	dec := json.NewDecoder(strings.NewReader(out))
	var value any
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("stdout is %q: %v", out, err)
	}
	if w.data {
		return
	}
	if _, err := dec.Token(); err != io.EOF { //nolint:errorlint // Token's own contract
		t.Fatalf("stdout is more than one object: %s", out)
	}
	object, ok := value.(map[string]any)
	if !ok || object["command"] == nil {
		t.Fatalf("stdout is no object with a command: %s", out)
	}
	if got := codesIn(object); w.code != 0 && !slices.Contains(got, w.code) || w.code == 0 && len(got) > 0 {
		t.Errorf("the object has the errors %v, and the exit code is %d: %s", got, w.code, out)
	}
}

// codesIn are the codes of the errors in an object, or of its tables.
func codesIn(object map[string]any) (codes []int) {
	if e, ok := object["error"].(map[string]any); ok {
		var code int
		if _, err := fmt.Sscan(fmt.Sprint(e["code"]), &code); err == nil {
			codes = append(codes, code)
		}
	}
	list, _ := object["tables"].([]any)
	for _, t := range list {
		if inner, ok := t.(map[string]any); ok {
			codes = append(codes, codesIn(inner)...)
		}
	}
	return codes
}
