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
	"slices"
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
	log.SetOutput(io.Discard) // net/http's complaints about servers: what they come to is an error of the request's
	s := newStreams(os.Stdin, os.Stdout, os.Stderr, os.Args)
	ctx, stop := interruptible(s.abandon)
	code := run(ctx, os.Args, s)
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

// newStreams are a command's with those arguments, which say how it speaks, even where they cannot be read further.
func newStreams(in, out, err *os.File, args []string) streams {
	v := &voice{json: asksJSON(newApp(streams{}), args), command: commandOf(args), exit: os.Exit}
	v.color = !v.json && colorful(err) && !slices.Contains(args, "--no-color")
	return streams{in, out, err, v, new(codes)}
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
// With the second one it calls abandon.
func interruptible(abandon func(error)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2) // the second may come while the first is handled
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away must not end a copy in the middle.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		first := <-signals
		cancel(stopped{first})
		second := <-signals
		abandon(stopped{second})
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
