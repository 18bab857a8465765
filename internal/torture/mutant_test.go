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
	list := allMutants()
	if len(list) < 30 {
		t.Errorf("%d mutants; at least 30 are wanted", len(list))
	}
	known := listPackages(t)
	names := map[string]bool{}
	for _, m := range list {
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		if !slices.Contains(shortParts, m.part) {
			t.Errorf("mutant %q: there is no part %q", m.name, m.part)
		}
		if m.part == "schedules" && !slices.ContainsFunc(append(survivable(), lethal()...), func(c card) bool { return strings.Contains(c.String(), m.where) }) {
			t.Errorf("mutant %q: no card is called %q", m.name, m.where)
		}
		path, text, err := m.source(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := known.compile(path, text); err != nil {
			t.Errorf("mutant %q does not compile: %v", m.name, err)
		}
	}
}

// A mutant whose code has moved says so.
func TestMutantsThatDoNotApply(t *testing.T) {
	root, err := root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []mutant{
		{name: "gone", file: "copier/write.go", old: "there is no such code"},
		{name: "twice", file: "copier/write.go", old: "func "},
	} {
		if _, _, err := m.source(root); err == nil || !strings.Contains(err.Error(), "no longer applies") {
			t.Errorf("%s: got %v", m.name, err)
		}
	}
}

// The hunt finds one that is easy, and nothing in the program as it is.
func TestHuntFinds(t *testing.T) {
	t.Parallel()
	root, err := root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := short(t)
	i := slices.IndexFunc(wireMutants, func(m mutant) bool { return m.name == "a scan believes {}" })
	found, err := s.hunt(t.Context(), root, wireMutants[i])
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

// compile checks the types of a package in which one file is another.
func (p packages) compile(path string, text []byte) error {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.files[filepath.Dir(path)] {
		var src any
		if name == path {
			src = text
		}
		file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return fmt.Errorf("%s is not part of the program", path)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(p.exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
	_, err := config.Check(p.paths[filepath.Dir(path)], fset, files, nil)
	return err
}
