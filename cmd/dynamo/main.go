// Command dynamo copies DynamoDB tables between AWS accounts.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
)

// version is set by the build.
var version = "dev"

func main() {
	// Most of the memory is page buffers, which live as long as the run and hold
	// no pointers: collecting often costs little, and keeps the process small.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	log.SetOutput(io.Discard) // net/http's complaints about servers: what they come to is an error of the request's
	s := newStreams(os.Stdin, os.Stdout, os.Stderr, os.Args)
	ctx, stop := interruptible(s.Abandon)
	code := run(ctx, os.Args, s)
	stop()
	os.Exit(code)
}

// newStreams are a command's with those arguments, which say how it speaks, even where they cannot be read further.
func newStreams(in, out, err *os.File, args []string) *show.Streams {
	return show.New(in, out, err, commandOf(args), asksJSON(newApp(new(show.Streams)), args), slices.Contains(args, "--no-color"))
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM.
// With the second one it calls abandon.
func interruptible(abandon func(error)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2) // the second may come while the first is handled
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away must not end a copy in the middle.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		first := <-signals
		cancel(show.Stopped{Signal: first})
		second := <-signals
		abandon(show.Stopped{Signal: second})
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}
