package crash

import (
	"runtime"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	var said any
	var stack string
	closed := false
	ctx := With(t.Context(), func(v any, s []byte) {
		said, stack = v, string(s)
		if closed {
			t.Error("what was deferred before has run already")
		}
		runtime.Goexit()
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { closed = true }()
		defer Guard(ctx)
		panic("a bug")
	}()
	<-done
	if said != "a bug" || !strings.Contains(stack, "TestGuard") {
		t.Errorf("told of %v, %s", said, stack)
	}
}

// A program that does not ask for it sees its panics as ever.
func TestNoGuard(t *testing.T) {
	defer func() {
		if v := recover(); v != "a bug" {
			t.Errorf("recovered %v", v)
		}
	}()
	defer Guard(t.Context())
	panic("a bug")
}
