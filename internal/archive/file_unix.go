//go:build unix

package archive

import "syscall"

// noFollow refuses to open a link.
const noFollow = syscall.O_NOFOLLOW
