package house

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is the module's directory as tests of this package see it.
const root = "../.."

func TestWorkflows(t *testing.T) {
	found := 0
	for _, dir := range []string{".github", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if ext := filepath.Ext(path); entry.IsDir() || ext != ".yml" && ext != ".yaml" {
				return nil
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found++
			for _, line := range append(unsafeWorkflow(path, src), uncheckedTable(path, src)...) {
				t.Error(line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 2 {
		t.Errorf("%d workflows found, so this test would hold nothing", found)
	}
}

// The steps that the documentation shows are held to the same.
func TestDocumentedSteps(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(src), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			found++
			for _, line := range append(unsafeWorkflow(file, []byte(block)), uncheckedTable(file, []byte(block))...) {
				t.Error(line)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d examples found, so this test would hold nothing", found)
	}
}

// uncheckedTable refuses to hand a name that somebody chose to a command
// as it is: a glob is many tables.
func uncheckedTable(path string, src []byte) []string {
	if strings.Contains(string(src), `"$TABLE"`) && !strings.Contains(string(src), "A-Za-z0-9_.-]") {
		return []string{path + `: check "$TABLE" before it is used: * is every table`}
	}
	return nil
}

var (
	pinned  = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}$`)
	version = regexp.MustCompile(`^# v\d+(\.\d+)*$`)
)

// unsafeWorkflow lists what a workflow, or a fragment of one, must not do: paste
// an expression into a script, where whoever chose its value chooses commands; run an
// action that can change under its name; hold more permissions than it names; run without end.
func unsafeWorkflow(path string, src []byte) []string {
	var lines []string
	refuse := func(n *yaml.Node, why string) {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", path, n.Line, why))
	}
	dec := yaml.NewDecoder(strings.NewReader(string(src)))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return lines
		} else if err != nil {
			return append(lines, fmt.Sprintf("%s: %v", path, err))
		}
		top := doc.Content[0]
		if jobs := member(top, "jobs"); jobs != nil {
			if member(top, "permissions") == nil {
				refuse(top, "name the permissions, least first")
			}
			for i := 1; i < len(jobs.Content); i += 2 {
				if job := jobs.Content[i]; member(job, "uses") == nil && member(job, "timeout-minutes") == nil {
					refuse(job, "a job needs timeout-minutes")
				}
			}
		}
		visit(&doc, func(key string, value *yaml.Node) {
			switch key {
			case "run", "script", "inlineScript":
				for _, line := range append(value.Content, value) { // a list of lines, or one text
					if line.Kind == yaml.ScalarNode && strings.Contains(line.Value, "${{") {
						refuse(line, "an expression in a script: hand it over through env")
					}
				}
			case "uses":
				switch {
				case strings.HasPrefix(value.Value, "./"):
				case !pinned.MatchString(value.Value):
					refuse(value, value.Value+": pin an action by its commit")
				case !version.MatchString(value.LineComment):
					refuse(value, value.Value+": say in a comment which version this is")
				}
			}
		})
	}
}

// visit calls f for each member of each mapping.
func visit(n *yaml.Node, f func(key string, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		return // seen where its anchor is
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			f(n.Content[i-1].Value, child)
		}
		visit(child, f)
	}
}

func member(n *yaml.Node, key string) *yaml.Node {
	for i := 1; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i-1].Value == key {
			return n.Content[i]
		}
	}
	return nil
}

func TestUnsafeWorkflowRefuses(t *testing.T) {
	const checkout = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"
	for _, test := range []struct {
		name, src string
		want      int
	}{
		{"an input in a script", "steps:\n- run: dynamo copy --table ${{ inputs.table }}\n", 1},
		{"an input in a script of many lines", "steps:\n- run: |\n    cd x\n    dynamo copy --table ${{inputs.table}}\n", 1},
		{"the event in a folded script", "steps:\n- run: >-\n    echo\n    ${{ github.event.issue.title }}\n", 1},
		{"a branch's name in a script", "steps:\n- run: 'echo ${{ github.head_ref }}'\n", 1},
		{"an input in a JavaScript", "steps:\n- uses: " + checkout + " # v6.0.2\n  with:\n    script: f('${{ inputs.x }}')\n", 1},
		{"an action by tag", "steps:\n- uses: actions/checkout@v6\n", 1},
		{"an action by branch", "steps:\n- uses: x/y/z@main\n", 1},
		{"an action by short commit", "steps:\n- uses: actions/checkout@de0fac2\n", 1},
		{"an image by tag", "steps:\n- uses: docker://alpine:3\n", 1},
		{"a pin without its version", "steps:\n- uses: " + checkout + "\n", 1},
		{"no permissions and no end", "on: push\njobs:\n  a:\n    runs-on: x\n", 2},
		{"the second document", "a: b\n---\nrun: ${{ inputs.x }}\n", 1},
		{"an input in a line of a list", "scale:\n  script:\n  - dynamo scale\n  - dynamo scale --table ${{ inputs.table }}\n", 1},
		{"a parameter in an inline script", "steps:\n- task: AWSShellScript@1\n  inputs:\n    inlineScript: dynamo scale --table ${{ parameters.table }}\n", 1},
		{"not YAML", "a: [", 1},

		{"an input through env", "steps:\n- env:\n    TABLE: ${{ inputs.table }}\n  run: dynamo copy --table \"$TABLE\"\n", 0},
		{"a pinned action", "steps:\n- uses: " + checkout + " # v6.0.2\n", 0},
		{"an action of this repository", "steps:\n- uses: ./action\n", 0},
		{"permissions and an end", "permissions: {}\njobs:\n  a:\n    timeout-minutes: 5\n", 0},
		{"defaults of scripts", "defaults:\n  run:\n    shell: bash\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := unsafeWorkflow("x.yml", []byte(test.src)); len(got) != test.want {
				t.Errorf("%d breaches, want %d: %q", len(got), test.want, got)
			}
		})
	}
}
