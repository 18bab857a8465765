//go:build unix

package table

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dynamo-cmdline/dynamo/scaling"
)

// Only a plain file is replaced: pipes and devices are written into, links and directories left alone.
func TestSaveScalingReplacesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	list := []SavedScaling{{Account: "111111111111", Region: "eu-west-1", Table: "orders", State: scaling.State{Billing: scaling.OnDemand}}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(at("file"), []byte("before"), 0o600))
	must(os.Symlink("file", at("link")))
	must(os.Symlink("nowhere", at("dangling")))
	must(os.Symlink(os.DevNull, at("device")))
	must(os.Mkdir(at("dir"), 0o700))
	must(syscall.Mkfifo(at("fifo"), 0o600))
	modes := func() (all []string) {
		entries, err := os.ReadDir(dir)
		must(err)
		for _, e := range entries {
			all = append(all, e.Name()+" "+e.Type().String())
		}
		return all
	}
	before := modes()
	for _, name := range []string{"link", "dangling", "dir"} {
		if err := SaveScaling(at(name), list); kindOf(err) != Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := SaveScaling(at("fifo"), list); kindOf(err) != Failed { // nobody reads from it
		t.Errorf("a pipe without a reader: %v", err)
	}
	reader, err := os.OpenFile(at("fifo"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(err)
	must(SaveScaling(at("fifo"), list))
	got, err := io.ReadAll(reader)
	must(errors.Join(err, reader.Close()))
	must(SaveScaling(at("device"), list))
	must(SaveScaling(at("file"), list))
	want, err := os.ReadFile(at("file"))
	must(err)
	if string(got) != string(want) || !strings.Contains(string(got), `"orders"`) {
		t.Errorf("through the pipe came %q, want %q", got, want)
	}
	if after := modes(); !slices.Equal(before, after) {
		t.Errorf("there is %q, there was %q", after, before)
	}
}
