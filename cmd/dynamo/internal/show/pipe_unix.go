//go:build !windows

package show

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// UntilClosed returns a context that ends, with the cause ErrClosed, when the
// pipe's reader goes away: with nothing to write for a while, no write would tell.
func UntilClosed(ctx context.Context, f *os.File) (context.Context, func()) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends within a tenth of a second after ctx; nobody waits for that
		for ctx.Err() == nil {
			list := []unix.PollFd{{Fd: int32(f.Fd())}} // asks for nothing: errors come anyway
			n, err := unix.Poll(list, int((100 * time.Millisecond).Milliseconds()))
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return
			case n > 0 && list[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
				cancel(ErrClosed)
			case n > 0:
				return // a system that says something else: then a write has to tell
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
