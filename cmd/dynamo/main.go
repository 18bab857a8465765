// Command dynamo copies DynamoDB tables between AWS accounts.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"syscall"
)

// version is set by the build.
var version = "dev"

func main() {
	// Most of the memory is page buffers, which live as long as the run and hold
	// no pointers: collecting often costs little, and keeps the process small.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	ctx, stop := interruptible()
	log.SetOutput(io.Discard) // net/http's complaints about servers: what they come to is an error of the request's
	code := run(ctx, os.Args, newStreams(os.Stdin, os.Stdout, os.Stderr))
	stop()
	os.Exit(code)
}

// streams are the command's ends to the world. They are files, because what is
// done depends on whether they are terminals.
type streams struct {
	in       *os.File
	out, err *os.File
	*voice
	asked *codes
}

func newStreams(in, out, err *os.File) streams {
	return streams{in, out, err, &voice{color: colorful(err), exit: os.Exit}, new(codes)}
}

// A stopped is the cause of a context that a signal ended.
type stopped struct{ signal os.Signal }

func (s stopped) Error() string {
	if s.signal == syscall.SIGTERM {
		return "terminated"
	}
	return "interrupted"
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM.
// The second one ends the program at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2) // the second may come while the first is handled
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away must not end a copy in the middle.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		first := <-signals
		cancel(stopped{first})
		second := <-signals
		os.Exit(exitCode(stopped{second}))
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// say writes a line for people; a stream that is closed is no error. It is the one way to them, and nothing in its
// arguments steers a terminal, or what reads a job's log.
func say(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		switch v := arg.(type) {
		case error:
			args[i] = visible(v.Error())
		case fmt.Stringer:
			args[i] = visible(v.String())
		default:
			if reflect.ValueOf(arg).Kind() == reflect.String {
				args[i] = visible(fmt.Sprint(arg))
			}
		}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}
