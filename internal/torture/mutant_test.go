package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every mutant still applies to the code as it is, and compiles. That the
// suite finds each is for make torture to show: it takes minutes.
func TestMutantsApply(t *testing.T) {
	t.Parallel()
	root, err := root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	module := os.DirFS(root)
	list, err := readMutants(module)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 90 {
		t.Errorf("%d mutants; at least 90 are wanted", len(list))
	}
	known := listPackages(t)
	broken := map[string]string{} // promises, and by whom
	for _, m := range list {
		if other := broken[m.promise]; other != "" {
			t.Errorf("%s breaks the promise of %s: one patch is enough", m.path(), other)
		}
		broken[m.promise] = m.name
		if !slices.Contains(shortParts, m.part) {
			t.Errorf("%s: there is no part %q", m.path(), m.part)
		}
		if m.part == "schedules" && !slices.ContainsFunc(append(survivable(), lethal()...), func(c card) bool { return strings.Contains(c.String(), m.where) }) {
			t.Errorf("%s: no card is called %q", m.path(), m.where)
		}
		if m.part == "tests" && !hasTest(t, root, m.where) {
			t.Errorf("%s: there is no test %q", m.path(), m.where)
		}
		texts, err := m.source(module)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := known.compile(root, texts); err != nil {
			t.Error(m.hint(fmt.Errorf("the program with it does not compile: %w", err)))
		}
	}
}

// hasTest reports whether a package has a test, as "./table TestCopy".
func hasTest(t *testing.T, root, test string) bool {
	t.Helper()
	dir, name, _ := strings.Cut(test, " ")
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {")
	})
}

// The hunt finds one that is easy, and nothing in the program as it is.
func TestHuntFinds(t *testing.T) {
	t.Parallel()
	root, err := root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := short(t)
	list, err := readMutants(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(m mutant) bool { return m.name == "scan-believes-an-empty-object" })
	found, err := s.hunt(t.Context(), root, list[i])
	if err != nil || found == "" {
		t.Errorf("found %q, %v", found, err)
	}
}

// packages are the compiled packages that the program consists of.
type packages struct {
	exports map[string]string   // export data by import path
	files   map[string][]string // source files by directory
	paths   map[string]string   // import paths by directory
}

func listPackages(t *testing.T) packages {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard", "github.com/dynamo-cmdline/dynamo/cmd/dynamo")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	known := packages{map[string]string{}, map[string][]string{}, map[string]string{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return known
		} else if err != nil {
			t.Fatal(err)
		}
		known.exports[p.ImportPath], known.paths[p.Dir] = p.Export, p.ImportPath
		for _, name := range p.GoFiles {
			known.files[p.Dir] = append(known.files[p.Dir], filepath.Join(p.Dir, name))
		}
	}
}

// compile checks the types of the packages in which some files are others.
func (p packages) compile(root string, texts map[string]string) error {
	dirs := map[string]bool{}
	for name := range texts {
		dirs[filepath.Join(root, filepath.Dir(filepath.FromSlash(name)))] = true
	}
	for dir := range dirs {
		if len(p.files[dir]) == 0 {
			return fmt.Errorf("%s is not part of it", dir)
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.files[dir] {
			var src any
			if below, err := filepath.Rel(root, name); err != nil {
				return err
			} else if text, ok := texts[filepath.ToSlash(below)]; ok {
				src = text
			}
			file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		lookup := func(path string) (io.ReadCloser, error) { return os.Open(p.exports[path]) }
		config := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
		if _, err := config.Check(p.paths[dir], fset, files, nil); err != nil {
			return err
		}
	}
	return nil
}
