package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Programs may exit and print, and so may what runs only beside the tests.
var programs = append([]string{"./cmd", "./examples"}, support...)

func TestSources(t *testing.T) {
	for _, p := range goList(t) {
		files := sources(t, p.Dir)
		if len(files) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if within(p.ImportPath, programs) {
				continue
			}
			for _, line := range unguarded(name, src) {
				t.Error(line)
			}
			for _, line := range processOwned(name, src) {
				t.Error(line)
			}
		}
	}
}

// sources returns a directory's Go files that are not tests, those for other
// systems included, which `go list` does not look into.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// owned names what belongs to the program and not to the library: an empty list
// is the whole package.
var owned = map[string][]string{
	"flag": nil,
	"log":  nil, // it writes to stderr; take a *slog.Logger
	"os":   {"Exit", "Args", "Stdin", "Stdout", "Stderr"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// processOwned lists where a source file takes what is the program's alone.
func processOwned(name string, src []byte) []string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	refuse := func(pos token.Pos, what string) {
		lines = append(lines, fmt.Sprintf("%s: %s belongs to the command", fset.Position(pos), what))
	}

	paths := map[string]string{} // by the name that the file uses
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		members, ours := owned[path]
		switch {
		case !ours:
		case members == nil:
			refuse(spec.Pos(), path)
		case spec.Name == nil:
			paths[path] = path
		case spec.Name.Name == ".":
			refuse(spec.Pos(), `import . "`+path+`"`)
		default:
			paths[spec.Name.Name] = path
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(owned[paths[x.Name]], sel.Sel.Name) {
				refuse(sel.Pos(), paths[x.Name]+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return lines
}

// unguarded lists the goroutines that would end the program in the runtime's way where they panic:
// crash.Guard is what each defers last.
func unguarded(name string, src []byte) []string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	look := func(begun ast.Expr) {
		f, ok := begun.(*ast.FuncLit)
		last := ""
		for i := 0; ok && i < len(f.Body.List); i++ {
			d, isDefer := f.Body.List[i].(*ast.DeferStmt)
			if !isDefer {
				break
			}
			last = ""
			if sel, ok := d.Call.Fun.(*ast.SelectorExpr); ok {
				last = fmt.Sprint(sel.X) + "." + sel.Sel.Name
			}
		}
		if last != "crash.Guard" {
			lines = append(lines, fmt.Sprintf("%s: a goroutine that does not defer crash.Guard last", fset.Position(begun.Pos())))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			look(n.Call.Fun)
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Go" || sel.Sel.Name == "TryGo") && len(n.Args) == 1 {
				look(n.Args[0])
			}
		}
		return true
	})
	return lines
}

func TestProcessOwnedRefuses(t *testing.T) {
	for _, test := range []struct {
		name, src string
		want      int
	}{
		{"an exit", `import "os"; func f() { os.Exit(1) }`, 1},
		{"standard output as a value", `import "os"; var w = os.Stdout`, 1},
		{"all three streams", `import "os"; var a, b, c = os.Stdin, os.Stdout, os.Stderr`, 3},
		{"a package under another name", `import system "os"; func f() { system.Exit(1) }`, 1},
		{"a package without a name", `import . "os"`, 1},
		{"flags", `import "flag"`, 1},
		{"the standard logger", `import "log"`, 1},
		{"a print", `import "fmt"; func f() { fmt.Println("x") }`, 1},
		{"a file that does not parse", `func`, 1},

		{"a file opened", `import "os"; func f() { os.Open("x") }`, 0},
		{"a print to a writer", `import ("fmt"; "io"); func f(w io.Writer) { fmt.Fprintln(w, "x") }`, 0},
		{"a structured log", `import "log/slog"; var l *slog.Logger`, 0},
		{"a field that is called Exit", `type t struct{ Exit func(int) }; func f(os t) { os.Exit(1) }`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := processOwned("x.go", []byte("package x; "+test.src)); len(got) != test.want {
				t.Errorf("%d breaches, want %d: %q", len(got), test.want, got)
			}
		})
	}
}

func TestUnguardedRefuses(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"none", `g.Go(func() error { return f() })`, 1},
		{"a bare go", `go f()`, 1},
		{"guarded", `g.Go(func() error { defer crash.Guard(ctx); return f() })`, 0},
		{"guarded behind another", `go func() { defer close(c); defer crash.Guard(ctx); f() }()`, 0},
		{"guarded too early", `go func() { defer crash.Guard(ctx); defer close(c); f() }()`, 1},
	} {
		src := "package x\nfunc y() { " + c.body + " }\n"
		if got := unguarded("x.go", []byte(src)); len(got) != c.want {
			t.Errorf("%s: %q, want %d", c.name, got, c.want)
		}
	}
}
