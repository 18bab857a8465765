package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// There is one list of AWS's error codes, and one place that says what they mean.
func TestOneListOfCodes(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, "internal/account/class.go"))
	if err != nil {
		t.Fatal(err)
	}
	codes := keysOf(t, src, "classes")
	if len(codes) < 50 {
		t.Fatalf("the list has %d codes, so this test would hold nothing", len(codes))
	}
	for _, p := range goList(t) {
		if within(p.ImportPath, programs) || within(p.ImportPath, []string{"./internal/account"}) {
			continue
		}
		for _, name := range sources(t, p.Dir) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range codesIn(name, src, codes) {
				t.Error(line)
			}
		}
	}
}

// keysOf are the keys of a map that a file declares.
func keysOf(t *testing.T, src []byte, variable string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != variable {
			return true
		}
		for _, pair := range spec.Values[0].(*ast.CompositeLit).Elts {
			key, err := strconv.Unquote(pair.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			keys[key] = true
		}
		return false
	})
	return keys
}

// codesIn lists where a source file decides by a code of AWS's itself.
func codesIn(name string, src []byte, codes map[string]bool) (lines []string) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, _ := strconv.Unquote(literal.Value) // the parser has checked it
		if codes[text] || strings.HasSuffix(text, "Exception") && !strings.Contains(text, " ") {
			lines = append(lines, fmt.Sprintf("%s: what %s means is for internal/account to say", fset.Position(n.Pos()), literal.Value))
		}
		return true
	})
	return lines
}

func TestCodesInRefuses(t *testing.T) {
	codes := map[string]bool{"AccessDenied": true}
	for _, test := range []struct {
		name, src string
		want      int
	}{
		{"a case", `func f(c string) bool { switch c { case "AccessDenied": return true }; return false }`, 1},
		{"one that the list lacks", `var c = "NewException"`, 1},
		{"two in a map", "var m = map[string]int{`AccessDenied`: 1, \"XException\": 2}", 2},
		{"a file that does not parse", `func`, 1},

		{"a type of the SDK's", `import "x/types"; var e *types.ResourceNotFoundException`, 0},
		{"a sentence", `var s = "it was an XException"`, 0},
		{"a comment", `// AccessDenied, XException`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := codesIn("x.go", []byte("package x; "+test.src), codes); len(got) != test.want {
				t.Errorf("%d breaches, want %d: %q", len(got), test.want, got)
			}
		})
	}
}
