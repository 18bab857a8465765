//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package archive

import (
	"errors"
	"os"
)

// lockDir would take a directory for this process, if there were such locks.
func lockDir(string) (held *os.File, ok bool, err error) { return nil, false, errors.ErrUnsupported }
