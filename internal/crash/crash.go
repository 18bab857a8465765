// Package crash lets a program say how it ends where a goroutine of the library panics. The runtime
// ends it with the exit code of a usage error, and without a word that a script could read; and a
// panic can be recovered only where it is.
package crash

import (
	"context"
	"runtime/debug"
)

type key struct{}

// With returns a context whose goroutines end the program by f, which does not return.
func With(ctx context.Context, f func(value any, stack []byte)) context.Context {
	return context.WithValue(ctx, key{}, f)
}

// Guard is the last that a goroutine defers, and so the first to hear of a panic: nothing that is
// deferred before it may take what has panicked for something that has ended. Without a function it
// leaves the panic to the runtime.
func Guard(ctx context.Context) {
	f, ok := ctx.Value(key{}).(func(any, []byte))
	if !ok {
		return
	}
	if v := recover(); v != nil {
		f(v, debug.Stack())
	}
}
