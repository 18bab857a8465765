package ddbtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// pages reads orders to its end, three items a page, and returns the number of
// pages, of empty ones, and the items by key.
func pages(t *testing.T, a *Account) (all, empty int, seen map[string]int) {
	t.Helper()
	seen = map[string]int{}
	var from []byte
	for all < 1000 {
		r := call(t, a, "Scan", string(withMember([]byte(`{"TableName":"orders","Limit":3}`), "ExclusiveStartKey", from)))
		if r.status != 200 {
			t.Fatalf("%+v", r)
		}
		all++
		items := 0
		for item := range elements(member([]byte(r.body), "Items")) {
			seen[rawKey(item, []string{"pk"})]++
			items++
		}
		if items == 0 {
			empty++
		}
		next := member([]byte(r.body), "LastEvaluatedKey")
		if next == nil {
			return all, empty, seen
		}
		if string(next) == string(from) {
			t.Fatalf("the cursor %s is repeated", next)
		}
		from = next
	}
	t.Fatal("the table does not end")
	return 0, 0, nil
}

func TestEmptyPagesLoseNothing(t *testing.T) {
	for name, fault := range map[string]Fault{"one": {Count: 1}, "many": {Count: 7}, "later": {Skip: 2, Count: 5}, "random": {Probability: 0.5}} {
		t.Run(name, func(t *testing.T) {
			a := stage(t, 20)
			fault.Kind = EmptyPages
			id := a.Proxy.Inject(fault)
			_, empty, seen := pages(t, a)
			if len(seen) != 20 || empty < a.Proxy.Fired(id) || a.Proxy.Fired(id) == 0 {
				t.Errorf("%d items, %d empty pages, fired %d", len(seen), empty, a.Proxy.Fired(id))
			}
			for key, n := range seen {
				if n != 1 {
					t.Errorf("%s seen %d times", key, n)
				}
			}
		})
	}
}

func TestRepeatedCursor(t *testing.T) {
	a := stage(t, 20)
	id := a.Proxy.Inject(Fault{Kind: RepeatLEK})
	first := call(t, a, "Scan", `{"TableName":"orders","Limit":3}`)
	if a.Proxy.Fired(id) != 0 {
		t.Error("it strikes a request without a cursor")
	}
	from := string(member([]byte(first.body), "LastEvaluatedKey"))
	second := call(t, a, "Scan", `{"TableName":"orders","Limit":3,"ExclusiveStartKey":`+from+`}`)
	if !strings.Contains(second.body, `"LastEvaluatedKey":`+from) || a.Proxy.Fired(id) != 1 {
		t.Errorf("body %s", second.body)
	}
}

// A scan in one piece is passed on in another form; nothing may differ to who asked.
func TestScanInOnePieceIsWhole(t *testing.T) {
	a := stage(t, 4500)
	n, from := 0, []byte(nil)
	for range 10 {
		r := call(t, a, "Scan", string(withMember([]byte(`{"TableName":"orders","Segment":0,"TotalSegments":1}`), "ExclusiveStartKey", from)))
		for range elements(member([]byte(r.body), "Items")) {
			n++
		}
		if from = member([]byte(r.body), "LastEvaluatedKey"); from == nil {
			break
		}
	}
	if n != 4500 || from != nil {
		t.Errorf("%d items, want 4500; cursor %s", n, from)
	}
}

// A scan in one piece has pages of the size that was asked for, with and
// without a limit of its own, and loses nothing.
func TestUnevenPagesLoseNothing(t *testing.T) {
	a := stage(t, 40)
	id := a.Proxy.Inject(Fault{Kind: UnevenPages, Delay: time.Millisecond})
	all, empty, seen := pages(t, a)
	if len(seen) != 40 || all <= 15 || empty > 1 || a.Proxy.Fired(id) < 5 {
		t.Errorf("%d items, %d pages, %d of them empty, fired %d", len(seen), all, empty, a.Proxy.Fired(id))
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s seen %d times", key, n)
		}
	}
}

func TestPageItems(t *testing.T) {
	a := Start(t, WithPageItems(4)).Account("prod")
	create(t, a, Table{Name: "orders", Partition: S("pk")})
	var items []Item
	for i := range 10 {
		items = append(items, Item{"pk": str(fmt.Sprint("k", i))})
	}
	put(t, a, "orders", items...)
	if all, _, seen := pages(t, a); len(seen) != 10 || all < 4 { // three a page
		t.Errorf("%d items in %d pages of 3", len(seen), all)
	}
	for body, want := range map[string]string{
		`{"TableName":"orders"}`:                                         `"Count":4`,
		`{"TableName":"orders","Limit":9}`:                               `"Count":4`,
		`{"TableName":"orders","Segment":0,"TotalSegments":1}`:           `"Count":4`,
		`{"TableName":"orders","Segment":0,"TotalSegments":1,"Limit":2}`: `"Count":2`,
	} {
		if r := call(t, a, "Scan", body); !strings.Contains(r.body, want) {
			t.Errorf("%s: want %s in %s", body, want, r.body)
		}
	}
}
