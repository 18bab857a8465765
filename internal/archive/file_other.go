//go:build !unix

package archive

const noFollow = 0

// syncDir does nothing where a directory cannot be synced.
func syncDir(string) error { return nil }
