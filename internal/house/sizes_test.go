package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A package holds one idea. Past these limits we look for the second one in it. Tests count for
// the width of comments only: a table of cases may be long.
const (
	packageLines  = 3500
	packageFiles  = 15
	fileLines     = 600
	optionsFields = 15  // of a struct of options; one that is embedded counts as one
	commentWidth  = 100 // columns; a tab has four
)

// A figure is how large something is, and may be.
type figure struct {
	what  string
	n     int
	limit int
	give  int // how far below its debt it may be: not every commit shall have to touch the list
	hint  string
}

// debts are the figures that were above their limit when that was set. They may only go down.
var debts = map[string]int{
	"fields of table.CopyOptions":               26,
	"files of cmd/dynamo":                       20,
	"files of cmd/dynamo/internal/show":         18,
	"files of copier":                           20,
	"files of internal/archive":                 16,
	"files of internal/ddbtest":                 27,
	"files of internal/ddbtest/sim":             17,
	"files of internal/torture":                 27,
	"files of table":                            43,
	"lines of internal/ddbtest":                 4900,
	"lines of internal/torture":                 5500,
	"lines of table":                            8700,
	"wide comments of cmd/dynamo":               30,
	"wide comments of cmd/dynamo/internal/show": 20,
	"wide comments of copier":                   85,
	"wide comments of internal/account":         14,
	"wide comments of internal/archive":         60,
	"wide comments of internal/torture":         30,
	"wide comments of table":                    307,
}

// overdrawn says which figures are above what they may be, and which debts are not owed any more.
func overdrawn(figures []figure, debts map[string]int) []string {
	var lines []string
	owed := map[string]bool{}
	for _, f := range figures {
		debt, inDebt := debts[f.what]
		owed[f.what] = true
		switch {
		case !inDebt && f.n > f.limit:
			lines = append(lines, fmt.Sprintf("%s: %d, more than %d: %s", f.what, f.n, f.limit, f.hint))
		case inDebt && f.n > debt:
			lines = append(lines, fmt.Sprintf("%s: %d, more than the %d that it has in debts, which only go down: %s", f.what, f.n, debt, f.hint))
		case inDebt && f.n <= f.limit:
			lines = append(lines, fmt.Sprintf("%s: %d, which is fine: delete it from debts", f.what, f.n))
		case inDebt && f.n < debt-f.give:
			lines = append(lines, fmt.Sprintf("%s: %d: lower the %d that it has in debts", f.what, f.n, debt))
		}
	}
	for what := range debts {
		if !owed[what] {
			lines = append(lines, fmt.Sprintf("%s: there is no such thing: delete it from debts", what))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestSizes(t *testing.T) {
	for _, line := range overdrawn(figuresOf(t), debts) {
		t.Error(line)
	}
}

func figuresOf(t *testing.T) []figure {
	t.Helper()
	const second, fewer = "look for the second idea in it", "make two structs of it"
	var all []figure
	for _, p := range goList(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		files := sources(t, p.Dir)
		lines := 0
		for _, file := range files {
			src := read(t, file)
			n := strings.Count(src, "\n")
			lines += n
			all = append(all, figure{"lines of " + name + "/" + filepath.Base(file), n, fileLines, 20, second})
			for options, n := range optionsOf(src) {
				all = append(all, figure{"fields of " + name + "." + options, n, optionsFields, 0, fewer})
			}
		}
		all = append(all, figure{"lines of " + name, lines, packageLines, 200, second},
			figure{"files of " + name, len(files), packageFiles, 0, second})
		var wide []string
		tests, err := filepath.Glob(filepath.Join(p.Dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range append(files, tests...) {
			wide = append(wide, wideComments(name+"/"+filepath.Base(file), read(t, file))...)
		}
		hint := fmt.Sprintf("break at %d columns what stands in %s", commentWidth, strings.Join(wide, " "))
		all = append(all, figure{"wide comments of " + name, len(wide), 0, 20, hint})
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// optionsOf are the structs of options in a file, and how many fields each has.
func optionsOf(src string) map[string]int {
	file, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	if err != nil {
		return nil // for the compiler to say
	}
	fields := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		named, ok := n.(*ast.TypeSpec)
		if !ok || !strings.HasSuffix(strings.ToLower(named.Name.Name), "options") {
			return true
		}
		if of, ok := named.Type.(*ast.StructType); ok {
			for _, f := range of.Fields.List {
				fields[named.Name.Name] += max(len(f.Names), 1)
			}
		}
		return true
	})
	return fields
}

// wideComments are the places of comments that end too far to the right. What is told to a tool
// stands in one line, however long.
func wideComments(name, src string) []string {
	fset := token.NewFileSet()
	file := fset.AddFile(name, fset.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, []byte(src), nil, scanner.ScanComments)
	lines := strings.Split(src, "\n")
	var places []string
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return places
		}
		if tok != token.COMMENT || strings.HasPrefix(text, "//go:") || strings.HasPrefix(text, "//nolint") {
			continue
		}
		first := file.Line(pos)
		for i := range strings.Count(text, "\n") + 1 {
			line := lines[first+i-1]
			if utf8.RuneCountInString(line)+3*strings.Count(line, "\t") > commentWidth {
				places = append(places, fmt.Sprintf("%s:%d", name, first+i))
			}
		}
	}
}

func TestSizesRefuse(t *testing.T) {
	debts := map[string]int{"lines of old": 5000}
	for _, c := range []struct {
		name string
		n    int // lines of a new package, and of one in debt
		old  int
		want string
	}{
		{"both as they may be", 3500, 5000, ""},
		{"one that is a little less", 10, 4800, ""},
		{"a new one that is too large", 3501, 5000, "lines of new: 3501, more than 3500: divide it"},
		{"one that grows", 10, 5001, "lines of old: 5001, more than the 5000 that it has in debts, which only go down: divide it"},
		{"one that has become much less", 10, 4799, "lines of old: 4799: lower the 5000 that it has in debts"},
		{"one that is paid", 10, 3500, "lines of old: 3500, which is fine: delete it from debts"},
		{"one that is gone", 10, -1, "lines of old: there is no such thing: delete it from debts"},
	} {
		figures := []figure{{"lines of new", c.n, packageLines, 200, "divide it"}}
		if c.old >= 0 {
			figures = append(figures, figure{"lines of old", c.old, packageLines, 200, "divide it"})
		}
		if got := strings.Join(overdrawn(figures, debts), "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOptionsOf(t *testing.T) {
	src := "package x\ntype CopyOptions struct {\n\tRunOptions\n\tA, B int\n\tC string\n}\ntype plan struct{ a int }\ntype options = CopyOptions\n"
	if got := optionsOf(src); !maps.Equal(got, map[string]int{"CopyOptions": 4}) {
		t.Errorf("got %v", got)
	}
}

func TestWideComments(t *testing.T) {
	long := strings.Repeat("x", commentWidth-3)
	for _, c := range []struct {
		name, src string
		want      int
	}{
		{"as wide as may be", "// " + long, 0},
		{"one more", "// x" + long, 1},
		{"behind a tab", "\t// " + long[4:], 0},
		{"behind a tab, one more", "\t// " + long[3:], 1},
		{"behind code", "var a = 1 // " + long, 1},
		{"two lines of a block", "/* " + long + "x\nshort\n" + long + "xxxx */", 2},
		{"letters of many bytes", "// " + strings.Repeat("ä", commentWidth-3), 0},
		{"code", "var a = \"// " + long + "\"", 0},
		{"what is told to a tool", "var a = 1 //nolint:errcheck // " + long, 0},
	} {
		if got := wideComments("x.go", "package x\n\n"+c.src+"\n"); len(got) != c.want {
			t.Errorf("%s: %q, want %d", c.name, got, c.want)
		}
	}
}
