package house

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// homePath finds a path that is one person's or one machine's, at the
// beginning of a path only: "source/root/x" is none.
var homePath = regexp.MustCompile(`(?:^|[^\w./~$})-])(/(?:home|Users)/[\w.-]+|/roo[t]/[\w.-]+|[A-Z]:\\Users\\[\w.-]+)`)

func TestFilesNameNoHome(t *testing.T) {
	for _, name := range tracked(t) {
		src, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, not committed yet
		} else if err != nil {
			t.Fatal(err)
		}
		for _, line := range homes(name, src) {
			t.Error(line)
		}
	}
}

func homes(name string, src []byte) []string {
	if bytes.IndexByte(src, 0) >= 0 {
		return nil // not text
	}
	var lines []string
	for i, line := range bytes.Split(src, []byte("\n")) {
		if found := homePath.FindSubmatch(line); found != nil {
			lines = append(lines, fmt.Sprintf("%s:%d: %s is a path of one machine", name, i+1, found[1]))
		}
	}
	return lines
}

func TestHomesRefuses(t *testing.T) {
	// Put together here, so that this file passes its own test.
	for _, bad := range []string{"/ho" + "me/ann/x", "see /Us" + "ers/ann", `"/ro` + `ot/go"`, `C:\Us` + `ers\ann`} {
		if len(homes("x", []byte("a\n"+bad+"\n"))) != 1 {
			t.Errorf("%q passes", bad)
		}
	}
	for _, good := range []string{"source/home/x", "$TMP/home/x", "/homes", "the / root / of", "\x00 /ho" + "me/ann/x"} {
		if got := homes("x", []byte(good)); got != nil {
			t.Errorf("%q is refused: %q", good, got)
		}
	}
}

// Lock files pin by checksum; where to fetch from is each machine's own setting.
func TestLockFilesHoldNoAddress(t *testing.T) {
	for _, name := range tracked(t) {
		base := filepath.Base(name)
		if base != "package-lock.json" && !strings.HasPrefix(base, "requirements") {
			continue
		}
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(src, []byte("://")) {
			t.Errorf("%s holds an address", name)
		}
	}
}

// The policies are the least that works: named actions on named things.
func TestPolicies(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "docs/iam/*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range widePolicy(src) {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// resourceless are actions that AWS can allow for every resource only.
var resourceless = map[string]bool{
	"application-autoscaling:DescribeScalableTargets": true, "application-autoscaling:DescribeScalingPolicies": true,
	"application-autoscaling:DescribeScheduledActions": true, "dynamodb:ListBackups": true,
}

func widePolicy(src []byte) []string {
	var policy struct {
		Version   string
		Statement []struct {
			Sid, Effect      string
			Action, Resource []string
		}
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&policy); err != nil {
		return []string{err.Error()}
	}
	var lines []string
	if policy.Version != "2012-10-17" || len(policy.Statement) == 0 {
		lines = append(lines, "not a policy of version 2012-10-17 with statements")
	}
	for _, s := range policy.Statement {
		if s.Effect != "Allow" || s.Sid == "" || len(s.Action) == 0 || len(s.Resource) == 0 {
			lines = append(lines, fmt.Sprintf("statement %q is not complete", s.Sid))
		}
		for _, action := range s.Action {
			if strings.Contains(action, "*") {
				lines = append(lines, fmt.Sprintf("action %q is wider than needed", action))
			}
		}
		if slices.Contains(s.Resource, "*") && !slices.ContainsFunc(s.Action, func(a string) bool { return !resourceless[a] }) {
			continue
		}
		if slices.Contains(s.Resource, "*") {
			lines = append(lines, fmt.Sprintf("statement %q is for every resource", s.Sid))
		}
	}
	return lines
}

func TestWidePolicyRefuses(t *testing.T) {
	statement := `{"Version":"2012-10-17","Statement":[{"Sid":"S","Effect":%q,"Action":[%q],"Resource":[%q]}]}`
	for _, test := range []struct {
		effect, action, resource string
		want                     int
	}{
		{"Allow", "dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:111111111111:table/orders", 0},
		{"Allow", "dynamodb:*", "arn:aws:dynamodb:eu-west-1:111111111111:table/orders", 1},
		{"Allow", "dynamodb:Scan", "*", 1},
		{"", "dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:111111111111:table/orders", 1},
		{"Allow", "application-autoscaling:DescribeScalableTargets", "*", 0},
		{"Allow", "application-autoscaling:RegisterScalableTarget", "*", 1},
	} {
		src := fmt.Sprintf(statement, test.effect, test.action, test.resource)
		if got := widePolicy([]byte(src)); len(got) != test.want {
			t.Errorf("%s: %d breaches, want %d: %q", src, len(got), test.want, got)
		}
	}
	if widePolicy([]byte(`{"Statements":[]}`)) == nil {
		t.Error("a policy with a misspelt member passes")
	}
}

// tracked returns the files that git knows, and those that it would take in.
func tracked(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Fatal("not a git checkout, so nothing says which files are ours")
	}
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(names) < 10 {
		t.Fatalf("git knows %d files, so this test would hold nothing", len(names))
	}
	return names
}
