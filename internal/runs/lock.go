package runs

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A Holder is who holds a lock.
type Holder struct {
	Run   string    `json:"run,omitempty"`
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// A HeldError says that another run has the target.
type HeldError struct {
	Target Place
	Holder Holder
}

func (e *HeldError) Error() string {
	who := fmt.Sprintf("process %d on %s", e.Holder.PID, e.Holder.Host)
	if e.Holder.Run != "" {
		who = "run " + e.Holder.Run + ", " + who
	}
	if !e.Holder.Since.IsZero() {
		who += ", since " + e.Holder.Since.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("another run is at work on table %s: %s", e.Target, who)
}

// A Lock keeps a target to one run. The operating system lets go of it when the
// process ends, however that is.
type Lock struct {
	flock *flock.Flock
	path  string
}

const (
	lookers  = 3
	lookWait = 20 * time.Millisecond
)

// Lock takes the target for a run, or returns a [*HeldError] at once. It holds
// among processes that share the store.
func (s *Store) Lock(target Place) (*Lock, error) {
	dir := filepath.Join(s.dir, "locks")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the directory of locks: %w", err)
	}
	if err := plainDir(dir); err != nil {
		return nil, fmt.Errorf("lock the target: %w", err)
	}
	// No part holds a +, so that two targets never share a name.
	name := fmt.Sprintf("%s+%s+%s.lock", target.Account, target.Region, short(target.Table))
	if target.Address != "" {
		sum := sha256.Sum256([]byte(target.Address))
		name = fmt.Sprintf("%s+%s+%s+%x.lock", target.Account, target.Region, short(target.Table), sum[:8])
	}
	if name != filepath.Base(name) {
		return nil, fmt.Errorf("lock the target: %q is no file name", name)
	}
	path := filepath.Join(dir, name)
	if about, err := os.Lstat(path); err == nil && !about.Mode().IsRegular() {
		return nil, fmt.Errorf("lock the target: %s is no plain file", path)
	}
	l := &Lock{flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow)), path}
	got, err := l.flock.TryLock()
	for range lookers { // somebody may only be looking
		if got || err != nil {
			break
		}
		time.Sleep(lookWait)
		got, err = l.flock.TryLock()
	}
	if err != nil {
		return nil, fmt.Errorf("lock the target: %w", err)
	}
	if !got {
		held := &HeldError{Target: target}
		if raw, err := os.ReadFile(l.path + ".holder"); err == nil {
			_ = json.Unmarshal(raw, &held.Holder) // it only names who it is
		}
		return nil, held
	}
	return l, l.Hold("")
}

// Hold writes down which run has the lock, for those who find it taken.
func (l *Lock) Hold(run string) error {
	host, _ := os.Hostname()
	raw, err := json.Marshal(Holder{Run: run, PID: os.Getpid(), Host: host, Since: time.Now().Round(time.Second)})
	if err == nil {
		err = replace(l.path+".holder", raw)
	}
	if err != nil {
		return fmt.Errorf("lock the target: %w", err)
	}
	return nil
}

// Release lets go of the target.
func (l *Lock) Release() error { return l.flock.Close() }

// Running is the name of the run that has the target, or "".
func (s *Store) Running(target Place) string {
	l, err := s.Lock(target)
	if held := (*HeldError)(nil); errors.As(err, &held) {
		return held.Holder.Run
	}
	if err == nil {
		_ = l.Release()
	}
	return ""
}
