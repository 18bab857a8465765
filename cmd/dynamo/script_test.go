package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// TestScripts runs the command line's promises, one script each.
//
// In a script, $TABLE is a table name of its own, $PROD and $DEV are the
// accounts' endpoints, $RUNS is where its runs are kept, and these commands stand beside testscript's own:
//
//	exits CODE dynamo ARGS...        like exec, and the exit code is CODE
//	table create NAME [ACCOUNT [KEYS [INDEX...]]]  makes a table; in both accounts where none is named; see createTable
//	table items NAME ACCOUNT FILE    puts those of the file, DynamoDB JSON, one a line
//	table fill NAME ACCOUNT N SEED   puts N items
//	table put NAME ACCOUNT KEY TEXT  puts one
//	table count NAME ACCOUNT N       it has N items
//	table equal NAME [TARGET]        prod's and dev's have the same items
//	table protect NAME ACCOUNT       switches deletion protection on
//	table provisioned NAME ACCOUNT READ WRITE [INDEXES] makes one with fixed capacity, and so many indexes
//	recovery NAME ACCOUNT            switches point-in-time recovery on
//	scaling ACCOUNT NAME             writes what the plain SDK says of billing and auto scaling to the file scaling
//	fault ACCOUNT KIND OP NAME [CODE|N|DURATION] [skip=N] [count=N] [key=KEY] [text=TEXT] [for=DURATION]  strikes every such request
//	heal                             takes this script's faults away
//	mutations ACCOUNT NAME N         so many calls could have changed the table
//	requests ACCOUNT NAME N          so many calls were about the table
//	profiles FILE                    adds profiles to the AWS config, $VARIABLES expanded
//	bucket create|empty|damage|fault NAME [SUFFIX | KIND OP [KEY]]  makes one in S3; it has nothing in it; spoils an object in it; strikes
//	silence                          $SILENT takes connections and never answers
//	json PATH VALUE                  stdout is an object with that; "*" is anything
//	jsonlines FILE                   each line is a JSON object
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(env *testscript.Env) error {
			for _, v := range append(world.Env(), quickRace) {
				name, value, _ := strings.Cut(v, "=")
				env.Setenv(name, value)
			}
			env.Values[faultsKey{}] = new(injected)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("RUNS", filepath.Join(env.WorkDir, "state", "dynamo"))
			name := filepath.Base(env.WorkDir)
			env.Setenv("TABLE", strings.ReplaceAll(strings.TrimPrefix(name, "script-"), "_", "-"))
			for _, account := range []string{"prod", "dev"} {
				a := world.Account(account)
				last := 0
				for _, r := range a.Proxy.Requests() {
					last = max(last, r.Number)
				}
				env.Values[began(account)] = last // with -count there was a run before
				prefix := strings.ToUpper(account)
				env.Setenv(prefix, a.Endpoint())
				env.Setenv(prefix+"_KEY", a.Credentials().AccessKeyID)
				env.Setenv(prefix+"_SECRET", a.Credentials().SecretAccessKey)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "table": tableCommand, "fault": faultCommand, "heal": healCommand, "mutations": mutationsCommand,
			"requests": requestsCommand, "profiles": profilesCommand, "json": jsonCommand, "jsonlines": jsonLines,
			"scaling": scalingCommand, "recovery": recoveryCommand, "bucket": bucketCommand, "silence": silenceCommand,
		},
		RequireUniqueNames: true,
	})
}

func silenceCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: silence")
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
		<-r.Context().Done()
	}))
	ts.Defer(func() { server.CloseClientConnections(); server.Close() })
	ts.Setenv("SILENT", server.URL)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	code, wanted := 0, number(ts, args[0])
	err := ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != wanted {
		ts.Fatalf("exit code %d, want %d", code, wanted)
	}
}

func tableCommand(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	if neg || len(args) < 2 {
		ts.Fatalf("usage: table create|fill|items|put|count|equal|protect NAME ...")
	}
	verb, name, rest := args[0], args[1], args[2:]
	switch {
	case verb == "create":
		accounts, keys := []string{"prod", "dev"}, "pk:S"
		if len(rest) > 0 {
			accounts = rest[:1]
		}
		var indexes []string
		if len(rest) > 1 {
			keys, indexes = rest[1], rest[2:]
		}
		for _, account := range accounts {
			remove, err := createTable(account, name, keys, indexes...)
			ts.Check(err)
			ts.Defer(remove)
		}
	case verb == "fill" && len(rest) == 3:
		ts.Check(fillTable(rest[0], name, number(ts, rest[1]), uint64(number(ts, rest[2]))))
	case verb == "items" && len(rest) == 2:
		ts.Check(putItems(rest[0], name, ts.ReadFile(rest[1])))
	case verb == "put" && len(rest) == 3:
		item := ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: rest[1]}, "text": &types.AttributeValueMemberS{Value: rest[2]}}
		ts.Check(world.Account(rest[0]).Fill(ctx, name, func(yield func(ddbtest.Item) bool) { yield(item) }))
	case verb == "count" && len(rest) == 2:
		n, err := world.Account(rest[0]).Count(ctx, name)
		ts.Check(err)
		if n != number(ts, rest[1]) {
			ts.Fatalf("%s has %d items, want %s", name, n, rest[1])
		}
	case verb == "equal" && len(rest) <= 1:
		target := append(rest, name)[0]
		r, err := ddbtest.Diff(ctx, world.Account("prod").Client(), world.Account("dev").Client(), name, target)
		ts.Check(err)
		if !r.Same() || r.Equal == 0 {
			ts.Fatalf("%s and %s: %s", name, target, r)
		}
	case verb == "provisioned" && (len(rest) == 3 || len(rest) == 4):
		indexes := append(rest, "0")[3]
		remove, err := createProvisioned(rest[0], name, number(ts, rest[1]), number(ts, rest[2]), number(ts, indexes))
		ts.Check(err)
		ts.Defer(remove)
	case verb == "protect" && len(rest) == 1:
		set := func(on bool) error {
			_, err := world.Account(rest[0]).Client().UpdateTable(ctx,
				&dynamodb.UpdateTableInput{TableName: aws.String(name), DeletionProtectionEnabled: aws.Bool(on)})
			return err
		}
		ts.Check(set(true))
		ts.Defer(func() { _ = set(false) }) // its engine ends soon anyway
	default:
		ts.Fatalf("table: cannot %q", args)
	}
}

// injected are the faults of a script, to be taken away.
type injected []func()

func faultCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: fault ACCOUNT KIND OP NAME [CODE|N|DURATION] [skip=N] [count=N] [key=KEY] [text=TEXT] [for=DURATION]")
	}
	f := ddbtest.Fault{Kind: ddbtest.Kind(args[1]), Op: args[2], Table: args[3]}
	for _, arg := range args[4:] {
		n, notNumber := strconv.Atoi(arg)
		d, notDuration := time.ParseDuration(arg)
		name, value, named := strings.Cut(arg, "=")
		switch {
		case named && name == "skip":
			f.Skip = number(ts, value)
		case named && name == "count":
			f.Count = number(ts, value)
		case named && name == "key":
			f.Key = value
		case named && name == "text":
			f.Text = value
		case named && name == "for":
			var err error
			f.For, err = time.ParseDuration(value)
			ts.Check(err)
		case notNumber == nil:
			f.N = n
		case notDuration == nil:
			f.Delay = d
		default:
			f.Code = arg
		}
	}
	proxy := world.Account(args[0]).Proxy
	id := proxy.Inject(f)
	remove := func() { proxy.Remove(id) }
	all := ts.Value(faultsKey{}).(*injected)
	*all = append(*all, remove)
	ts.Defer(remove)
}

type faultsKey struct{}

func healCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: heal")
	}
	for _, remove := range *ts.Value(faultsKey{}).(*injected) {
		remove()
	}
}

func scalingCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scaling ACCOUNT NAME")
	}
	text, err := scalingOf(args[0], args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("scaling"), []byte(text), 0o600))
}

func recoveryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: recovery NAME ACCOUNT")
	}
	_, err := world.Account(args[1]).ProxyClient().UpdateContinuousBackups(context.Background(), &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String(args[0]),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	ts.Check(err)
}

func mutationsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: mutations ACCOUNT NAME N")
	}
	requireCalls(ts, func() []ddbtest.Request { return mutationsOf(args[0], args[1]) }, args)
}

func requestsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: requests ACCOUNT NAME N")
	}
	requireCalls(ts, world.Account(args[0]).Proxy.Requests, args)
}

// began is the key of the script's value for the last call before it began.
type began string

// requireCalls counts the script's own calls about a table. A call is in the
// log soon after its answer, so it waits for those that are still missing.
func requireCalls(ts *testscript.TestScript, calls func() []ddbtest.Request, args []string) {
	before, _ := ts.Value(began(args[0])).(int)
	want := number(ts, args[2])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		list := slices.DeleteFunc(calls(), func(r ddbtest.Request) bool { return r.Table != args[1] || r.Number <= before })
		if len(list) == want {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
		}
		if len(list) > want || ctx.Err() != nil {
			ts.Fatalf("%d calls about %s, want %d: %v", len(list), args[1], want, list)
		}
	}
}

func profilesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: profiles FILE")
	}
	before, err := os.ReadFile(ts.Getenv("AWS_CONFIG_FILE"))
	ts.Check(err)
	file := ts.MkAbs("aws-config")
	added := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(file, []byte(string(before)+"\n"+added), 0o600))
	ts.Setenv("AWS_CONFIG_FILE", file)
}

func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var value any
	ts.Check(dec.Decode(&value))
	if dec.More() {
		ts.Fatalf("stdout is more than one JSON value")
	}
	if _, ok := value.(map[string]any); !ok {
		ts.Fatalf("stdout is no JSON object")
	}
	got, found := at(value, strings.Split(args[0], "."))
	matches := found && (args[1] == "*" || fmt.Sprint(got) == args[1])
	if pattern, ok := strings.CutPrefix(args[1], "~"); found && ok {
		matches = regexp.MustCompile(pattern).MatchString(fmt.Sprint(got))
	}
	if matches == neg {
		ts.Fatalf("%s is %v (present: %v), want %s (not: %v)", args[0], got, found, args[1], neg)
	}
}

// at walks down objects by name and lists by number.
func at(value any, path []string) (any, bool) {
	if len(path) == 0 {
		return value, true
	}
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v[path[0]]; ok {
			return at(inner, path[1:])
		}
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(v) {
			return at(v[i], path[1:])
		}
	}
	return nil, false
}

func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonlines FILE")
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%q is no JSON object: %v", line, err)
		}
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}
