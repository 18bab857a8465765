package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dynamo-cmdline/dynamo"

// A goPackage is what `go list -json` says of a package without its tests.
type goPackage struct {
	ImportPath string
	Dir        string
	Doc        string   // the first sentence of the package comment
	Imports    []string // direct
	Deps       []string // direct and not
	GoFiles    []string
	CgoFiles   []string
}

// A rule says what a package must not import. Every path stands for itself and
// all below it; one that begins with "./" is in this module, and "./" is all of it.
type rule struct {
	why    string
	on     []string
	except []string
	banned []string
	but    []string // what is not banned of it
	direct bool     // only imports of its own; else what these import, too
}

// adapters fulfil the engine's contract: each is a source or a sink. For that they may know the
// engine and the nouns.
var adapters = []string{
	"./internal/wire", "./internal/archive", "./internal/bucket", "./internal/dump", "./internal/journal", "./internal/stream", "./internal/couch",
}

// strangers say what to do, do it, and keep how far it is.
var strangers = []string{"./query", "./copier", "./internal/runs"}

// doors are the front door, and what stands before it.
var doors = []string{"./table", "./document", "./cmd"}

// support is what tests, the demo and the benchmarks are made of.
var support = []string{"./internal/test", "./internal/ddbtest", "./internal/bench", "./internal/torture"}

func rules() []rule {
	rs := []rule{
		{
			why: "it is pure, or all AWS services are one to it", on: []string{"./item", "./copier", "./mask", "./internal/job", "./internal/price"},
			banned: []string{"github.com/aws"},
		},
		{why: "the nouns import none of ours", on: []string{"./item"}, banned: []string{"./"}, but: []string{"./internal/ddbjson"}},
		{
			why: "the command is a caller of the library, nothing more", on: []string{"./cmd"}, direct: true,
			banned: []string{"./internal", "github.com/aws"},
		},
		{
			why: "nothing below the front door knows it", on: []string{"./"}, except: slices.Concat(doors, support, []string{"./examples"}),
			banned: doors,
		},
		{why: "the front door does not know who stands before it", on: []string{"./table"}, banned: []string{"./document", "./cmd"}},
		{
			why: "what an AWS error means does not hang on who asks", on: []string{"./internal/account"},
			banned: slices.Concat(adapters, strangers, []string{"./item", "./scaling", "./schema"}),
		},
		{
			why: "test support stays in tests, the demo and the benchmarks", on: []string{"./"}, except: support,
			banned: support,
		},
		{
			why: "only commands read flags", on: []string{"./"}, except: append([]string{"./cmd"}, support...),
			banned: []string{"github.com/urfave/cli"},
		},
		{
			why: "a judge shares nothing with whom it judges", on: []string{"./internal/torture", "./internal/test/torture"},
			banned: slices.Concat(doors, adapters, strangers, []string{"./item", "./scaling", "./schema", "./internal/account"}),
		},
		{why: "an example shows what any user can write", on: []string{"./examples"}, direct: true, banned: []string{"./internal"}},
	}
	for i, s := range strangers {
		rs = append(rs, rule{
			why: "these packages meet in table only", on: []string{s},
			banned: slices.Concat(adapters, slices.Delete(slices.Clone(strangers), i, i+1)),
		})
	}
	for i, a := range adapters {
		rs = append(rs, rule{
			why: "of ours, one that fulfils the engine's contract knows the engine alone", on: []string{a},
			banned: slices.Concat(slices.Delete(slices.Clone(adapters), i, i+1), []string{"./query", "./scaling", "./schema", "./internal/runs", "./internal/job"}),
		})
	}
	return rs
}

// broken lists where the packages break the rules, one line each.
func broken(rs []rule, packages []goPackage) []string {
	var lines []string
	for _, p := range packages {
		for _, r := range rs {
			if !within(p.ImportPath, r.on) || within(p.ImportPath, r.except) {
				continue
			}
			imports := p.Deps
			if r.direct {
				imports = p.Imports
			}
			for _, path := range imports {
				if within(path, r.banned) && !within(path, r.but) {
					lines = append(lines, fmt.Sprintf("%s must not import %s: %s", p.ImportPath, path, r.why))
				}
			}
		}
	}
	return lines
}

// within reports whether a path is one of the trees' or below it.
func within(path string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		if below, ok := strings.CutPrefix(tree, "./"); ok {
			tree = strings.TrimSuffix(module+"/"+below, "/")
		}
		return path == tree || strings.HasPrefix(path, tree+"/")
	})
}

func TestImports(t *testing.T) {
	for _, line := range broken(rules(), goList(t)) {
		t.Error(line)
	}
}

func TestImportRulesRefuse(t *testing.T) {
	const dynamodb = "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	for _, test := range []struct {
		name    string
		path    string
		imports []string // of its own
		deps    []string // of those
		want    int
	}{
		{"the engine with an AWS client", "copier", []string{dynamodb}, nil, 1},
		{"the engine with an AWS client behind another package", "copier", []string{"example.com/x"}, []string{dynamodb}, 1},
		{"the engine with an error type of the SDK", "copier", []string{"github.com/aws/smithy-go"}, nil, 1},
		{"the engine with the wire", "copier", []string{module + "/internal/wire"}, nil, 1},
		{"the engine with the wire behind another package", "copier", []string{module + "/internal/x"}, []string{module + "/internal/wire"}, 1},
		{"the engine with the front door", "copier", []string{module + "/table"}, nil, 1},
		{"a part of the engine with the query", "copier/join", []string{module + "/query"}, nil, 1},
		{"the engine with the runs", "copier", []string{module + "/internal/runs"}, nil, 1},
		{"the query with the engine", "query", []string{module + "/copier"}, nil, 1},
		{"the wire with the front door", "internal/wire", []string{module + "/table"}, nil, 1},
		{"the wire with the query", "internal/wire", []string{module + "/query"}, nil, 1},
		{"the wire with the archive and the runs", "internal/wire", []string{module + "/internal/archive", module + "/internal/runs"}, nil, 2},
		{"the archive with the stream", "internal/archive", []string{module + "/internal/stream"}, nil, 1},
		{"the archive with the bucket", "internal/archive", []string{module + "/internal/bucket"}, nil, 1},
		{"the runs with the archive", "internal/runs", []string{module + "/internal/archive"}, nil, 1},
		{"the journal with the dumps", "internal/journal", []string{module + "/internal/dump"}, nil, 1},
		{"CouchDB with the wire", "internal/couch", []string{module + "/internal/wire"}, nil, 1},
		{"the masks with an AWS client", "mask", []string{dynamodb}, nil, 1},
		{"the prices with an AWS client", "internal/price", []string{dynamodb}, nil, 1},
		{"a job with an AWS client", "internal/job", []string{dynamodb}, nil, 1},
		{"a job with the front door", "internal/job", []string{module + "/table"}, nil, 1},
		{"the front door with the documents", "table", []string{module + "/document"}, nil, 1},
		{"the stream with the wire", "internal/stream", []string{module + "/internal/wire"}, nil, 1},
		{"scaling with the front door", "scaling", []string{module + "/table"}, nil, 1},
		{"the account with the engine", "internal/account", []string{module + "/copier"}, nil, 1},
		{"a noun with another package of ours", "item", []string{module + "/internal/x"}, nil, 1},
		{"a noun with an AWS client", "item", []string{dynamodb}, nil, 1},
		{"the command with an internal package", "cmd/dynamo", []string{module + "/internal/runs"}, nil, 1},
		{"the command with an SDK client", "cmd/dynamo", []string{dynamodb}, nil, 1},
		{"the front door with test support", "table", []string{module + "/internal/ddbtest"}, nil, 1},
		{"the command with test support behind the front door", "cmd/dynamo", []string{module + "/table"}, []string{module + "/internal/ddbtest"}, 1},
		{"the front door with a flag library", "table", []string{"github.com/urfave/cli/v2"}, nil, 1},
		{"an example with an internal package", "examples/x", []string{module + "/internal/wire"}, nil, 1},

		{"those who fulfil the contract with the engine and the nouns", "internal/wire", []string{module + "/copier", module + "/item"}, nil, 0},
		{"the dumps with a part of their own", "internal/dump", []string{module + "/internal/dump/s3"}, nil, 0},
		{"a job with the engine and the runs", "internal/job", []string{module + "/copier", module + "/internal/runs"}, nil, 0},
		{"the nouns with the scanner", "item", []string{module + "/internal/ddbjson"}, nil, 0},
		{"the documents with the front door", "document", []string{module + "/table"}, nil, 0},
		{"the command with a package of its own", "cmd/dynamo", []string{module + "/cmd/dynamo/internal/show"}, nil, 0},
		{"the command with SDK and internals behind the front door", "cmd/dynamo", []string{module + "/table", "github.com/urfave/cli/v2"}, []string{dynamodb, module + "/internal/wire"}, 0},
		{"the front door with all that it joins", "table", []string{module + "/copier", module + "/internal/wire", module + "/query", dynamodb}, nil, 0},
		{"the wire and scaling with the account", "scaling", []string{module + "/internal/account", dynamodb}, nil, 0},
		{"the engine with the nouns and the standard library", "copier", []string{module + "/item", "log/slog"}, nil, 0},
		{"the engine with a part of its own", "copier", []string{module + "/copier/join"}, nil, 0},
		{"the demo with test support and flags", "internal/ddbtest/demo", []string{module + "/internal/ddbtest", "flag"}, nil, 0},
		{"the suite with the program's own packages", "internal/torture", []string{module + "/table"}, []string{module + "/copier"}, 2},
		{"the suite with test support", "internal/torture", []string{module + "/internal/ddbtest", "flag"}, nil, 0},
		{"the benchmarks with test support", "internal/bench", []string{module + "/internal/ddbtest/sim", module + "/table"}, nil, 0},
		{"a module whose name begins as a banned one", "copier", []string{"github.com/awsome/x", module + "/queryable"}, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := goPackage{ImportPath: module + "/" + test.path, Imports: test.imports, Deps: slices.Concat(test.imports, test.deps)}
			if got := broken(rules(), []goPackage{p}); len(got) != test.want {
				t.Errorf("%d breaches, want %d: %q", len(got), test.want, got)
			}
		})
	}
}

// goList returns the packages of the module. That a package does not compile
// is for others to say.
func goList(t *testing.T) []goPackage {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Doc,Imports,Deps,GoFiles,CgoFiles", module+"/...")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list, err, &stderr)
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 2 {
		t.Fatalf("go list found %d packages, so this test would hold nothing", len(packages))
	}
	return packages
}
