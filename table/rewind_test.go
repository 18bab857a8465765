package table

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// brittle is a way to an account on which no answer of more than so many bytes comes through. It returns its endpoint.
func brittle(t *testing.T, a *ddbtest.Account, most int64) string {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	pass := func(near, far net.Conn) {
		defer near.Close()
		defer far.Close()
		var came atomic.Int64 // since something was last asked for
		passing.Go(func() {
			defer far.Close()
			_, _ = io.Copy(writerFunc(func(b []byte) (int, error) { came.Store(0); return far.Write(b) }), near)
		})
		_, _ = io.Copy(writerFunc(func(b []byte) (int, error) {
			if came.Add(int64(len(b))) > most {
				return 0, io.ErrClosedPipe
			}
			return near.Write(b)
		}), far)
	}
	passing.Go(func() {
		for {
			near, err := listen.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(a.Endpoint(), "http://"))
			if err != nil {
				near.Close()
				continue
			}
			passing.Go(func() { pass(near, far) })
		}
	})
	t.Cleanup(func() { listen.Close() })
	return "http://" + listen.Addr().String()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Where large answers do not come through, an undo asks for fewer items at once.
func TestUndoOverABrittleLine(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		for i := range 30 {
			if !yield(ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}, "v": &types.AttributeValueMemberS{Value: strings.Repeat("x", 380<<10)}}) {
				return
			}
		}
	})
	source, target := open(t, "prod", p.Name, AccountOptions{}), open(t, "dev", p.Name, AccountOptions{Endpoint: brittle(t, p.dev, 1<<20)})
	o := soon(Sync)
	o.NoBackup, o.RunDir = false, t.TempDir()
	s, err := source.Copy(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Undo(t.Context(), s.Run, UndoOptions{RunDir: o.RunDir, Stall: 20 * time.Second}); err != nil || s.Deleted != 30 {
		t.Fatalf("%d deleted, %v", s.Deleted, err)
	}
}
