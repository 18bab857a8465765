//go:build !windows

package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// hostile has what would steer a terminal, in names and in values.
var hostile = []string{
	"\x1b[2J", "\x1b]52;c;YQ==\x07", "\u009b31m", "\u202egnp.exe", "\u2066x\u2069", "a\nb\rc", "\u2028", "\u200b\ufeff", "\x00\x07\x08", "=cmd|' /C calc'!A0",
}

// hostileTable is a table in prod whose items are nothing but trouble.
func hostileTable(t *testing.T) string {
	t.Helper()
	name := newTables(t, 0, 0)
	err := world.Account("prod").Fill(t.Context(), name, func(yield func(ddbtest.Item) bool) {
		for _, text := range hostile {
			value := &types.AttributeValueMemberS{Value: text}
			nested := &types.AttributeValueMemberM{Value: ddbtest.Item{text: &types.AttributeValueMemberL{Value: []types.AttributeValue{value}}}}
			set := &types.AttributeValueMemberSS{Value: []string{text, "x"}}
			if !yield(ddbtest.Item{"pk": value, "text": value, text: value, "nested": nested, "set": set}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// raw is the first thing in the text that is not to be shown as it is.
func raw(text string) string {
	for i, c := range text {
		if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029') {
			return text[i:min(len(text), i+20)]
		}
	}
	return ""
}

// Whatever is in the items, nothing of it steers the terminal.
func TestItemsDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	name := hostileTable(t)
	for _, args := range [][]string{
		{}, {"--output", "table"}, {"--output", "json"}, {"--output", "jsonl"}, {"--output", "ddb"}, {"--output", "csv"}, {"--output", "yaml"},
		{"--unique", "text"}, {"--unique", "nested"}, {"--unique", hostile[0]}, {"--head"}, {"--json"}, {"--attributes", "text,nested,set"},
		{"--attributes", "\"" + hostile[1] + "\""}, {"--output", "csv", "--attributes", "text"},
	} {
		c := onTerminal(t, append([]string{"query", "--table", name, "--env", "prod"}, args...)...)
		if code := c.wait(); code != 0 {
			t.Errorf("%q: exit code %d:\n%q", args, code, c.text())
		}
		text := strings.NewReplacer("\r\r\n", "\n", "\r\n", "\n").Replace(c.text()) // the terminal adds the \r, CSV has one of its own
		if bad := raw(text); bad != "" {
			t.Errorf("%q: %q gets through in\n%q", args, bad, text)
		}
		if !strings.Contains(text, "gnp") && !slices.Contains(args, "--head") && !strings.Contains(strings.Join(args, ""), "\x1b") {
			t.Errorf("%q: the items are not shown:\n%s", args, text)
		}
	}
	for _, args := range [][]string{
		{"--index", hostile[0] + hostile[3]}, {"k", "--sk", hostile[1]}, {"k", "--filter", hostile[2] + " = :v"}, {"k", "--filter", "#" + hostile[3]},
		{hostile[0], hostile[1]}, {"--output", hostile[3]}, {"k", "--value", ":v" + hostile[0]},
	} {
		c := onTerminal(t, append([]string{"query", "--table", name, "--env", "prod", "--no-color"}, args...)...)
		if code := c.wait(); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
		if bad := raw(strings.ReplaceAll(c.text(), "\r\n", "\n")); bad != "" {
			t.Errorf("%q: %q gets through in\n%q", args, bad, c.text())
		}
	}
}

// A file or a pipe gets what is in the table; a spreadsheet nothing that it would run.
func TestItemsInCSV(t *testing.T) {
	t.Parallel()
	name := hostileTable(t)
	column := func(args ...string) (found []string) {
		t.Helper()
		c := newCommand(t, append([]string{"query", "--table", name, "--env", "prod", "--output", "csv", "--attributes", "text"}, args...)...)
		out, err := c.cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			found = append(found, row[0])
		}
		slices.Sort(found)
		return found
	}
	want := slices.Sorted(slices.Values(hostile))
	if found := column(); !slices.Equal(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
	for _, text := range column("--spreadsheet") {
		if strings.HasPrefix(text, "=") {
			t.Errorf("a formula: %q", text)
		}
	}
	out, err := newCommand(t, "query", "--table", name, "--env", "prod", "--output", "jsonl").cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range bytes.Lines(out) {
		var it struct{ Text string }
		if err := json.Unmarshal(line, &it); err != nil {
			t.Fatal(err)
		}
		found = append(found, it.Text)
	}
	slices.Sort(found)
	if !slices.Equal(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
}

// crowd is a table in prod with some pages under one key.
func crowd(t *testing.T) string {
	t.Helper()
	name := "crowd-" + strings.ToLower(t.Name())
	remove, err := createTable("prod", name, "pk:S,sk:N")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	err = world.Account("prod").Fill(t.Context(), name, func(yield func(ddbtest.Item) bool) {
		for i := range 120 {
			if !yield(ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: "a"}, "sk": &types.AttributeValueMemberN{Value: strings.Repeat("1", 1+i%30) + string(rune('0'+i/30))},
				"text": &types.AttributeValueMemberS{Value: strings.Repeat("x", 30_000)}}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// firstLine starts the command, reads a line of it and closes its output.
func (c *command) firstLine() *bytes.Buffer {
	c.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	said := new(bytes.Buffer)
	c.cmd.Stdout, c.cmd.Stderr = write, said
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	write.Close()
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"pk":"a"`) {
		c.t.Errorf("the first line is %.80q, %v", line, err)
	}
	read.Close()
	return said
}

// `query | head -1` ends at once, whether there is more to write or not, and
// says nothing about it.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	name := crowd(t)
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		args  []string
	}{
		{"while it writes", ddbtest.Fault{Kind: ddbtest.Observe}, []string{"a"}},
		{"while it waits", ddbtest.Fault{Kind: ddbtest.Hang, Op: "Query", Skip: 1}, []string{"a", "--attributes", "pk,sk"}},
		{"while it scans", ddbtest.Fault{Kind: ddbtest.Hang, Op: "Scan", Skip: 1}, []string{"-q", "--attributes", "pk,sk"}},
	} {
		test.fault.Table = name
		proxy := world.Account("prod").Proxy
		id := proxy.Inject(test.fault)
		c := newCommand(t, append([]string{"query", "--table", name, "--env", "prod", "--output", "jsonl"}, test.args...)...)
		began := time.Now()
		said := c.firstLine()
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		proxy.Remove(id)
		if took := time.Since(began); took > 8*time.Second { // a request that hangs is given up after 10
			t.Errorf("%s: took %s", test.name, took)
		}
		if said.Len() > 0 {
			t.Errorf("%s: it says %q", test.name, said)
		}
	}
}

// A disk that is full is an error, and so is a signal; what came before stays.
func TestQueryBreaksOff(t *testing.T) {
	t.Parallel()
	name := crowd(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err == nil { // not every system has one
		defer full.Close()
		c := newCommand(t, "query", "--table", name, "a", "--env", "prod")
		var said bytes.Buffer
		c.cmd.Stdout, c.cmd.Stderr = full, &said
		_ = c.cmd.Run() // the exit code says it
		if code := c.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), "write the result") {
			t.Errorf("exit code %d: %s", code, &said)
		}
	}

	proxy := world.Account("prod").Proxy
	id := proxy.Inject(ddbtest.Fault{Kind: ddbtest.Hang, Op: "Query", Table: name, Skip: 1})
	defer proxy.Remove(id)
	c := newCommand(t, "query", "--table", name, "a", "--env", "prod", "--json")
	c.pipe()
	c.expect(`{"pk":"a"`)
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	c.expect(`"msg":"interrupted"`)
	if text := c.text(); strings.Contains(text, `"error":{`) || strings.Contains(text, "\n]") {
		t.Errorf("what broke off looks whole: %.200q", text)
	}
}

// The policies in docs/iam allow what the commands ask for, and nothing else.
func TestPoliciesAreWhatIsAsked(t *testing.T) {
	t.Parallel()
	const name = "policies"
	remove, err := createTable("prod", name, "pk:S,sk:N", "by-mail=mail:S")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	// Only where there is a scalable target are its policies asked for.
	if _, err := world.Account("prod").AutoScaling().RegisterScalableTarget(t.Context(), &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: aas.ServiceNamespaceDynamodb, ScalableDimension: aas.ScalableDimensionDynamoDBTableReadCapacityUnits,
		ResourceId: aws.String("table/" + name), MinCapacity: aws.Int32(5), MaxCapacity: aws.Int32(50),
	}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		policy string
		runs   [][]string
	}{
		{"query", [][]string{{"query", "a"}, {"query"}, {"query", "a", "--index", "by-mail"}, {"query", "--index", "by-mail", "--count"}}},
		{"describe", [][]string{{"describe"}}},
	} {
		world.Account("prod").Proxy.Take(name)
		for _, args := range test.runs {
			c := newCommand(t, append(args, "--table", name, "--env", "prod")...)
			if out, err := c.cmd.CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", args, err, out)
			}
		}
		src, err := os.ReadFile("../../docs/iam/" + test.policy + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var policy struct{ Statement []struct{ Action []string } }
		if err := json.Unmarshal(src, &policy); err != nil {
			t.Fatal(err)
		}
		asked := map[string]bool{}
		for _, r := range world.Account("prod").Proxy.Take(name).Requests {
			service := "dynamodb:"
			if strings.Contains(r.Op, "Scal") || strings.Contains(r.Op, "Scheduled") {
				service = "application-autoscaling:"
			}
			asked[service+r.Op] = true
		}
		var allowed []string
		for _, s := range policy.Statement {
			allowed = append(allowed, s.Action...)
		}
		slices.Sort(allowed)
		if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, allowed) {
			t.Errorf("%s: asked for %q, the policy allows %q", test.policy, got, allowed)
		}
	}
}
