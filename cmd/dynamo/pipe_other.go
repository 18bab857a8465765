//go:build windows

package main

import (
	"context"
	"os"
)

// untilClosed returns ctx: here only a write tells that the reader is gone.
func untilClosed(ctx context.Context, _ *os.File) (context.Context, func()) {
	return ctx, func() {}
}
