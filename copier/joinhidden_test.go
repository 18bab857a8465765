package copier

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/dynamo-cmdline/dynamo/item"
)

// shownNow makes a source of one item as it is now, behind a filter that hides every fourth version.
func (s *joined) shownNow(key []byte) (Source, error) {
	one := &joined{segments: make([][]string, 1), perPage: 1, latency: s.latency}
	if raw, ok := s.stored[canonicalKey(string(key))]; ok {
		n, err := item.Item(raw).NumberOf("v")
		if err != nil || n == "4" {
			return one, err
		}
		one.segments[0] = []string{raw}
	}
	return one, nil
}

// Behind a filter there are three kinds of source items: those that it showed, those that it did not, and those that
// are something else by now than what it showed. Of the last the filter is asked again.
func TestJoinBehindAFilter(t *testing.T) {
	for _, memory := range []int64{0, 1} { // in pages, and as digests on disk
		t.Run(fmt.Sprint("memory ", memory), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				opts := JoinOptions{Eventual: true, Items: true, Partial: true, Memory: memory, Dir: dir}
				joining(t, &opts)
				source, target := tableOf(upTo(100), 1, inOrder, itemOf), tableOf(upTo(300), 1, shuffled, itemOf)
				for n := range 300 { // the source shows the first hundred only
					source.put(itemOf(n, 1))
				}
				delete(source.stored, canonicalKey(keyOf(299)))
				for n := range 10 {
					source.segments[0][n] = itemOf(n, 2) // shown, and differs
					source.put(itemAgain(n, 2))
					source.segments[0][10+n] = itemOf(10+n, 2) // shown, and is another by now
					source.put(itemOf(10+n, 3))
					source.segments[0][30+n] = itemOf(30+n, 2) // shown, and is hidden by now
					source.put(itemOf(30+n, 4))
					source.segments[0][20+n] = itemOf(20+n, 2) // shown, and is equal by now
					source.put(itemOf(200+n, 2))               // not shown, and differs
				}
				source.put(itemOf(400, 2)) // new, and another by now
				source.put(itemOf(401, 4)) // new, and hidden by now
				source.segments[0] = append(source.segments[0], itemOf(400, 1), itemOf(401, 1))
				delete(source.stored, canonicalKey(keyOf(99))) // gone by now
				source.segments[0][99] = itemOf(99, 2)

				got := map[string][]string{}
				opts.Found = func(_ context.Context, list []Difference) error {
					for _, d := range list {
						kind := fmt.Sprint(d.Kind, " ", d.Hidden)
						got[kind] = append(got[kind], string(d.Key))
					}
					return nil
				}
				from := asHalf(source)
				from.Shown = source.shownNow
				if err := Join(t.Context(), from, asHalf(target), opts); err != nil {
					t.Fatal(err)
				}
				want := map[string][]string{"only_source false": {keyOf(400)}, "only_source true": {keyOf(401)}, "only_target false": {keyOf(299)}}
				for n := range 10 {
					want["differs false"] = append(want["differs false"], keyOf(n), keyOf(10+n))
					want["differs true"] = append(want["differs true"], keyOf(30+n), keyOf(200+n))
				}
				for _, keys := range []map[string][]string{got, want} {
					for kind := range keys {
						slices.Sort(keys[kind])
					}
				}
				if !maps.EqualFunc(got, want, slices.Equal) {
					t.Errorf("got %v,\nwant %v", got, want)
				}
				if n := opts.Stats.Count(); n.Hidden != 21 || n.Differs != 40 || n.OnlySource != 2 || n.Gone != 1 {
					t.Errorf("counted %+v", n)
				}
			})
		})
	}
}
