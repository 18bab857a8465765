package table

import (
	"context"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
)

// OnPanic returns a context with which a panic in a goroutine of this module's calls f instead of ending the program as
// the runtime does. There is no way back from it: f must not return.
func OnPanic(ctx context.Context, f func(value any, stack []byte)) context.Context {
	return crash.With(ctx, f)
}
