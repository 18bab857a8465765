//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package archive

import (
	"errors"
	"os"
	"syscall"
)

// lockDir takes a directory for this process, until what it returns is closed or the process ends. ok says that it was
// free; an error, that the file system has no such locks.
func lockDir(dir string) (held *os.File, ok bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return d, true, nil
	}
	d.Close() //nolint:errcheck // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, err
}
