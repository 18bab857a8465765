package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

const plantedHead = "a fire is lit\n\nPromise: Nothing burns.\nFound by: guards\n\n"

// planted is a mutant of x/x.go whose call burns.
const planted = plantedHead + `--- a/x/x.go
+++ b/x/x.go
@@ -4,7 +4,7 @@
 	one()
 	two()
 	three()
-	wait()
+	burn()
 	four()
 	five()
 	six()
`

const (
	calmBody = "\tone()\n\ttwo()\n\tthree()\n\twait()\n\tfour()\n\tfive()\n\tsix()\n}\n"
	calm     = "package x\n\nfunc f() {\n" + calmBody
)

// A patch applies wherever its lines are now, in one place; one that does not says what to do.
func TestPatchApplies(t *testing.T) {
	m, err := parseMutant("fire", planted)
	if err != nil {
		t.Fatal(err)
	}
	if m.what != "a fire is lit" || m.promise != "Nothing burns." || m.part != "guards" || m.where != "" {
		t.Errorf("read as %+v", m)
	}
	for _, c := range []struct {
		name, file, text string
		want             error
		hint             string
	}{
		{"as it was", "x/x.go", calm, nil, ""},
		{"lines that moved", "x/x.go", "package x\n\n" + strings.Repeat("// a comment\n", 50) + calm[9:], nil, ""},
		{"other lines around it", "x/x.go", strings.NewReplacer("one", "1", "two", "2", "five", "5").Replace(calm), nil, ""},
		{"other lines beside it", "x/x.go", strings.Replace(calm, "three", "3", 1), errAbsent, "edit the same bug into the code"},
		{"other code", "x/x.go", strings.Replace(calm, "wait", "rest", 1), errAbsent, "patch -mutant fire`"},
		{"twice", "x/x.go", calm + calm[9:], errTwice, "edit the same bug into the code"},
		{"no file", "y/y.txt", calm, errAbsent, "delete the patch"},
		{"a file with another name", "x/y.go", calm, errMoved, "run `go run ./internal/torture patch`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := m.source(fstest.MapFS{c.file: {Data: []byte(c.text)}})
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want != nil && !strings.Contains(err.Error(), c.hint) {
				t.Errorf("%v does not say %q", err, c.hint)
			}
			if want := strings.Replace(c.text, "wait()", "burn()", 1); c.want == nil && got["x/x.go"] != want {
				t.Errorf("got %s, want %s", got["x/x.go"], want)
			}
		})
	}
}

func TestPatchesThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no promise":         strings.Replace(planted, "Promise", "promise", 1),
		"nobody to find it":  strings.Replace(planted, "Found by: guards\n", "", 1),
		"no hunk":            plantedHead,
		"no change":          strings.Replace(planted, "-\twait()\n+\tburn()\n", " \twait()\n", 1),
		"no file":            strings.Replace(planted, "+++ b/x/x.go\n", "", 1),
		"a line that is not": planted + "and so on\n",
	} {
		if m, err := parseMutant("x", text); err == nil {
			t.Errorf("%s: read as %+v", name, m)
		}
	}
}

// What is edited into a checkout becomes a patch; what has moved is written anew.
func TestPatchIsWritten(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	put := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do := func(args ...string) {
		t.Helper()
		_, err := git(t.Context(), dir, args...)
		check(err)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		check(err)
		return string(text)
	}
	patch := filepath.FromSlash(mutantsDir + "/fire.patch")
	put("x/x.go", strings.Replace(calm, "wait", "rest", 1))
	put(patch, planted)
	do("init", "-q")
	do("add", "-A")
	s := &suite{}
	if err := s.take(t.Context(), dir, "fire"); err == nil || !strings.Contains(err.Error(), "there is no bug") {
		t.Errorf("with nothing edited: %v", err)
	}

	put("x/x.go", strings.Replace(calm, "wait", "burn", 1))
	check(s.take(t.Context(), dir, "fire"))
	if want := strings.Replace(planted, "wait", "rest", 1); !strings.HasPrefix(read(patch), plantedHead) || !sameHunks(t, read(patch), want) {
		t.Errorf("the patch is\n%s", read(patch))
	}
	if strings.Contains(read("x/x.go"), "burn") {
		t.Error("the bug is still in the code")
	}

	// The same lines twice: more context, until it is clear which are meant.
	double := calm + "\nfunc g() {\n" + calmBody
	put("x/x.go", double)
	do("add", "-A")
	put("x/x.go", strings.Replace(double, "wait", "burn", 1))
	check(s.take(t.Context(), dir, "fire"))
	m, err := parseMutant("fire", read(patch))
	check(err)
	if got, err := m.source(os.DirFS(dir)); err != nil || got["x/x.go"] != strings.Replace(double, "wait", "burn", 1) {
		t.Errorf("among the same lines: %v, %s", err, got)
	}

	put("x/x.go", "package x\n")
	put("y/y.go", strings.NewReplacer("one", "1", "package x", "package y").Replace(calm))
	put(patch, planted)
	check(s.refresh(t.Context(), dir))
	if got := read(patch); !strings.Contains(got, "+++ b/y/y.go\n") || !strings.Contains(got, "\t1()\n") {
		t.Errorf("the patch of what has moved is\n%s", got)
	}
}

func sameHunks(t *testing.T, a, b string) bool {
	t.Helper()
	var texts []string
	for _, text := range []string{a, b} {
		hunks, err := parseHunks(text)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, h := range hunks {
			b.WriteString(h.file + strings.Join(h.old, "\n") + strings.Join(h.new, "\n"))
		}
		texts = append(texts, b.String())
	}
	return texts[0] == texts[1]
}
