package copier

import (
	"context"
	"flag"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dynamo-cmdline/dynamo/item"
)

// stress is how long TestJoinUnderStress goes on: make torture gives it minutes.
var stress = flag.Duration("stress", 4*time.Second, "how long to join tables under stress")

// An uneven is a table whose pages differ in size, and of which one read in twenty is late.
type uneven struct {
	*joined
	most  int         // items of a page
	items map[int]int // as tableOf has them
}

func (u uneven) Read(ctx context.Context, segment int, from item.Cursor, _ int, p *item.Page) error {
	if rand.IntN(20) == 0 {
		if err := pause(ctx, rand.N(3*time.Millisecond)); err != nil {
			return err
		}
	}
	at := 0
	if from != nil {
		var err error
		if at, err = strconv.Atoi(string(from)); err != nil {
			return err
		}
	}
	all := u.segments[segment]
	end := min(at+1+rand.IntN(u.most), len(all))
	p.Reset()
	if end < len(all) {
		p.Next = strconv.AppendInt(nil, int64(end), 10)
	}
	return fill(p, all[at:end])
}

// poison spoils a page that is about to be read into again: who still looks at an item of it sees
// none, and the race detector sees who does.
func poison(p *item.Page) {
	for i := range p.Buf {
		p.Buf[i] = '!'
	}
	clear(p.Items)
}

// No page is read into again while anybody looks at an item of it. Pages are small, so that they
// are reused often and their last item is one of few; they differ in size and some are late, so that lanes
// take each other's; and there are more threads than cores, so that one stops in the middle of anything.
func TestJoinUnderStress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
	same := upTo(4000)
	drifted := changed(same, 500)
	table := func(items map[int]int) uneven { return uneven{tableOf(items, 16, inOrder, itemOf), 2, items} }
	source, targets := table(same), []uneven{table(same), table(drifted)}
	began := time.Now()
	var g errgroup.Group
	type result struct {
		*finding
		target uneven
	}
	results := make(chan result)
	for range 32 {
		g.Go(func() error {
			for i := 0; i == 0 || time.Since(began) < *stress && !t.Failed(); i++ {
				opts := JoinOptions{reused: poison, Eventual: i%4 > 1}
				f, target := joining(t, &opts), targets[i%len(targets)]
				if err := Join(t.Context(), Half{Source: source, Getter: source}, Half{Source: target, Getter: target}, opts); err != nil {
					return err
				}
				results <- result{f, target}
			}
			return nil
		})
	}
	ended := make(chan error, 1)
	go func() {
		ended <- g.Wait()
		close(results)
	}()
	joins := 0
	for r := range results {
		r.requireExactly(same, r.target.items)
		joins++
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d joins", joins)
}
