package runs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/item"
)

var at = time.Date(2026, 11, 20, 10, 11, 12, 0, time.UTC)

func store(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state", "dynamo"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, s *Store, table string) *Run {
	t.Helper()
	r, err := s.New(table, at, sample())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sample() *State {
	return &State{
		Program: "dynamo/1", Command: "copy", Mode: "replace",
		Source:  Place{Profile: "prod", Account: "111111111111", Region: "eu-west-1", Table: "orders", ID: "a", Name: "orders"},
		Target:  Place{Profile: "dev", Account: "222222222222", Region: "eu-west-1", Table: "orders", ID: "b", Name: "orders"},
		Options: json.RawMessage(`{"mode":"replace"}`), Began: at, Phase: "copy", Segments: 2,
		Position: []Position{{Next: item.Cursor(`{"pk":{"S":"ü\u0001"}}`)}, {Done: true}},
		Counts:   json.RawMessage(`{"written":3}`), Letters: 17,
	}
}

func TestSaveAndLoad(t *testing.T) {
	s := store(t)
	r := begin(t, s, "orders")
	if r.Name != "20261120T101112Z-orders" {
		t.Fatalf("the run is called %q", r.Name)
	}
	want := sample()
	for range 3 { // each takes the place of the one before
		if err := r.Save(want); err != nil {
			t.Fatal(err)
		}
	}
	_, got, err := s.Load(r.Name)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Fatalf("loaded %s\nwant   %s", b, a)
	}
	left, err := os.ReadDir(r.Dir)
	if err != nil || len(left) != 1 {
		t.Fatalf("the directory holds %v, %v", left, err)
	}
	for path, want := range map[string]fs.FileMode{s.Dir(): 0o700, r.Dir: 0o700, filepath.Join(r.Dir, stateFile): 0o600} {
		about, err := os.Stat(path)
		if err != nil || about.Mode().Perm() != want {
			t.Fatalf("%s has mode %v, want %v (%v)", path, about.Mode().Perm(), want, err)
		}
	}
}

// Every bit counts: whichever is flipped, the state is not believed.
func TestDamage(t *testing.T) {
	s := store(t)
	r := begin(t, s, "orders")
	if err := r.Save(sample()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.Dir, stateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, raw []byte) {
		t.Helper()
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, state, err := s.Load(r.Name); !errors.Is(err, ErrDamaged) || state != nil {
			t.Fatalf("%s: got %v", name, err)
		}
	}
	for i := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := decode(bad); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d flipped: got %v", i, err)
		}
	}
	for i := range good {
		if _, err := decode(good[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: got %v", i, err)
		}
	}
	refused("a flipped bit", append([]byte{good[0] ^ 1}, good[1:]...))
	refused("cut", good[:len(good)-1])
	refused("something added", append(bytes.Clone(good), '\n'))
	refused("from the future", bytes.Replace(good, []byte(`"version":2`), []byte(`"version":3`), 1))
	refused("no version", bytes.Replace(good, []byte(`"version":2`), []byte(`"version":0`), 1))
	refused("empty", nil)

	unlink := func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	isDamaged := func(name string) {
		t.Helper()
		if _, _, err := s.Load(r.Name); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: got %v", name, err)
		}
	}
	unlink()
	isDamaged("missing")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	isDamaged("a directory")
	unlink()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	isDamaged("a link")
	if err := r.Save(sample()); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(elsewhere); err != nil || !bytes.Equal(kept, good) {
		t.Fatalf("a file elsewhere was written to (%v)", err)
	}
}

func TestNames(t *testing.T) {
	s := store(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "nothing"} {
		if _, _, err := s.Load(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	a, b := begin(t, s, "orders"), begin(t, s, "orders")
	if a.Name == b.Name {
		t.Fatal("two runs of one second have one name")
	}
	long := begin(t, s, strings.Repeat("x", 255))
	other := begin(t, s, strings.Repeat("x", 254)+"y")
	if long.Name == other.Name {
		t.Fatal("two long names are one")
	}
}

// There is no run without a state: one that cannot be written, or whose program is
// killed meanwhile, leaves none.
func TestNoRunWithoutState(t *testing.T) {
	s := store(t)
	bad := sample()
	bad.Options = json.RawMessage("{") // which cannot be written
	if r, err := s.New("orders", at, bad); err == nil {
		t.Errorf("made %s", r.Name)
	}
	killed, err := os.MkdirTemp(s.Dir(), newPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	for i, there := range []bool{true, false} { // young, it may be somebody's who is at work
		begin(t, s, "orders")
		if _, err := os.Lstat(killed); (err == nil) != there {
			t.Errorf("%d: %v", i, err)
		}
		if err := os.Chtimes(killed, at, at.Add(-2*time.Hour)); there && err != nil {
			t.Fatal(err)
		}
	}
}

// Those who begin at once have a directory each.
func TestNewAtOnce(t *testing.T) {
	s := store(t)
	var g errgroup.Group
	for range 20 {
		g.Go(func() error {
			r, err := s.New("orders", at, sample())
			if err == nil {
				_, _, err = s.Load(r.Name)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 20 {
		t.Errorf("%d runs, %v", len(list), err)
	}
}

func TestList(t *testing.T) {
	s := store(t)
	var want []string
	for i := range 12 {
		// eleven in one second
		r, err := s.New("orders", at.Add(time.Duration(i/11)*time.Second), sample())
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{r.Name}, want...)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "20261120T101112Z-file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(sample().Target); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range list {
		if info.State == nil {
			if info.Err == nil || info.Name != "20261120T101112Z-file" {
				t.Errorf("%s: %v", info.Name, info.Err)
			}
			continue
		}
		got = append(got, info.Name)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") || len(list) != len(want)+1 {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

// Runs are in the order that they began in, whatever their names are, also those of one second, and
// also where the clock was set back.
func TestOrder(t *testing.T) {
	s := store(t)
	var want []string
	for i, table := range []string{"orders-2020-archive", "orders", "orders-2", "a", "orders", "orders-2-2", "2", "orders-10", "orders"} {
		when := at.Add(time.Duration(i) * time.Millisecond)
		if i > 6 {
			when = at.Add(-time.Hour)
		}
		r, err := s.New(table, when, sample())
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{r.Name}, want...)
		if !MayBeOf(r.Name, table) {
			t.Errorf("%s is not of table %s", r.Name, table)
		}
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range list {
		got = append(got, info.Name)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	for name, may := range map[string]bool{
		"20261120T101112Z-orders": true, "20261120T101112Z-orders-7": true, "20261120T101112Z-my-orders": false,
		"20261120T101112Z-orders-old": false, "20261120T101112Z-orders2": false, "20261120T101112Z-orders-": false,
	} {
		if MayBeOf(name, "orders") != may {
			t.Errorf("%s: %t", name, !may)
		}
	}
}

// A state of the first format is read, and says that it is one.
func TestFirstFormat(t *testing.T) {
	s := store(t)
	r := begin(t, s, "orders")
	body := []byte(`{"program":"dynamo/0","command":"copy","phase":"copy","ended":{"time":"2026-11-20T10:11:12Z","done":true,"code":5}}` + "\n")
	old := append(append(headerOf(1, body), '\n'), body...)
	if err := os.WriteFile(filepath.Join(r.Dir, stateFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	_, state, err := s.Load(r.Name)
	if err != nil || state.Version != 1 || !state.Done() || state.Changed || state.Journal != nil {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := r.Save(state); err != nil {
		t.Fatal(err)
	}
	if _, state, err = s.Load(r.Name); err != nil || state.Version != version {
		t.Fatalf("%+v, %v", state, err)
	}
}

func TestLock(t *testing.T) {
	s := store(t)
	target := sample().Target
	l, err := s.Lock(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Hold("20261120T101112Z-orders"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock(target)
	held := (*HeldError)(nil)
	if !errors.As(err, &held) || held.Holder.Run != "20261120T101112Z-orders" || held.Holder.PID != os.Getpid() {
		t.Fatalf("got %v", err)
	}
	if got := s.Running(target); got != "20261120T101112Z-orders" {
		t.Fatalf("%q is running", got)
	}
	for _, other := range []Place{
		{Account: "222222222222", Region: "eu-west-1", Table: "orders2"},
		{Account: "222222222222", Region: "eu-west-2", Table: "orders"},
		{Account: "222222222223", Region: "eu-west-1", Table: "orders"},
	} {
		o, err := s.Lock(other)
		if err != nil {
			t.Fatalf("%v: %v", other, err)
		}
		if err := o.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Lock(target); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if got := s.Running(target); got != "" {
		t.Fatalf("%q is running", got)
	}
	if _, err := s.Lock(Place{Account: "../../x", Region: "eu-west-1", Table: "orders"}); err == nil {
		t.Fatal("a lock outside of the directory")
	}
}

// A process that is killed lets go of its lock.
func TestLockOfTheDead(t *testing.T) {
	if dir := os.Getenv("LOCK_AND_WAIT"); dir != "" {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		lock, err := s.Lock(sample().Target)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		// for ever; the runtime ends a process that only waits for itself
		_, _ = os.Stdin.Read(make([]byte, 1))
		runtime.KeepAlive(lock)
		return
	}
	s := store(t)
	child := exec.Command(os.Args[0], "-test.run=^TestLockOfTheDead$")
	child.Env = append(os.Environ(), "LOCK_AND_WAIT="+s.Dir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	_, err = child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 7)
	if _, err := out.Read(line); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(sample().Target); !errors.As(err, new(*HeldError)) {
		t.Fatalf("got %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if _, err := s.Lock(sample().Target); err != nil {
		t.Fatal(err)
	}
}

// A full disk leaves the checkpoint that was there.
func TestSaveFails(t *testing.T) {
	if os.Getuid() == 0 {
		// Permissions do not hold for root: a directory in the way does.
		s := store(t)
		r := begin(t, s, "orders")
		path := filepath.Join(r.Dir, stateFile)
		if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := r.Save(sample()); err == nil {
			t.Fatal("saved over a directory")
		}
		left, err := os.ReadDir(r.Dir)
		if err != nil || len(left) != 1 {
			t.Fatalf("left behind: %v, %v", left, err)
		}
		return
	}
	s := store(t)
	r := begin(t, s, "orders")
	if err := r.Save(sample()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.Dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(sample()); err == nil {
		t.Fatal("saved in a directory that may not be written to")
	}
	if _, _, err := s.Load(r.Name); err != nil {
		t.Fatal(err)
	}
}
