//go:build !unix

package runs

const noFollow = 0

// syncDir does nothing where a directory cannot be synced.
func syncDir(string) error { return nil }
