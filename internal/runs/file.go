package runs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// replace puts data where path is, whole or not at all: under another name
// first, synced, renamed, and the directory synced.
func replace(path string, data []byte) (err error) {
	temp := fmt.Sprintf("%s.%s.tmp", path, rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
