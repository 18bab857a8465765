package ddbtest

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLogHoldsWhatWasApplied(t *testing.T) {
	a := stage(t, 0)
	table := Table{Name: "edge", Partition: B("pk"), Sort: N("sk")}
	create(t, a, table)
	items := slices.Collect(EdgeItems(table, 60, 1))
	if err := fill(t.Context(), a.ProxyClient(), "edge", slices.Values(items)); err != nil {
		t.Fatal(err)
	}
	call(t, a, "BatchWriteItem", `{"RequestItems":{"orders":[{"DeleteRequest":{"Key":{"pk":{"S":"x"}}}}]}}`)
	want := map[string]string{`S"x"`: ""}
	for _, item := range items {
		want[KeyOf(item, "pk", "sk")] = DigestOf(item)
	}
	writes := a.Proxy.Writes()
	if len(writes) != 61 {
		t.Fatalf("%d writes, want 61", len(writes))
	}
	for i, w := range writes {
		if d, ok := want[w.Key]; !ok || d != w.Digest || w.Delete != (w.Table == "orders") || w.Sequence != i+1 {
			t.Errorf("write %+v, want digest %s", w, d)
		}
	}
	if v := a.Proxy.Violations(); len(v) != 0 {
		t.Errorf("violations %v", v)
	}
}

func TestViolationsAreSeen(t *testing.T) {
	a := stage(t, 0)
	one := func(n string) string { return `{"PutRequest":{"Item":{"pk":{"S":"` + n + `"}}}}` }
	twice := `{"RequestItems":{"orders":[` + one("a") + "," + strings.Replace(one("a"), "a", `\u0061`, 1) + `]}}`
	call(t, a, "BatchWriteItem", twice)
	call(t, a, "BatchWriteItem", batch(26))
	if r := call(t, a, "BatchWriteItem", `{"RequestItems":{"orders":[`+one(strings.Repeat("x", maxBody))+`]}}`); r.status != 413 {
		t.Errorf("17 MB: status %d", r.status)
	}
	got := strings.Join(a.Proxy.Violations(), "\n")
	for _, part := range []string{`orders S"a" twice`, "26 writes", "more than 16 MB"} {
		if !strings.Contains(got, part) {
			t.Errorf("violations %q lack %q", got, part)
		}
	}
}

func TestMutationsAreWhatIsNotARead(t *testing.T) {
	a := stage(t, 1)
	call(t, a, "Scan", scan)
	call(t, a, "DescribeTable", scan)
	if m := a.Proxy.Mutations(); len(m) != 0 {
		t.Errorf("mutations %v", m)
	}
	call(t, a, "UpdateTable", scan)
	call(t, a, "BatchWriteItem", batch(1))
	m := a.Proxy.Mutations()
	if len(m) != 2 || m[0].Op != "UpdateTable" || m[0].Applied || !m[1].Applied || m[1].Writes != 1 {
		t.Errorf("mutations %v", m)
	}
	if n := a.Proxy.Accepts(); n != 4 {
		t.Errorf("%d connections, want 4", n)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	a := stage(t, 1)
	c := a.ProxyClient()
	for range 50 {
		if _, err := describe(t.Context(), c, "orders"); err != nil {
			t.Fatal(err)
		}
	}
	// A client may ask again before net/http has put the connection back.
	if n := a.Proxy.Accepts(); n > 10 {
		t.Errorf("%d connections for 50 calls", n)
	}
}

// What is taken is one table's, is gone, and leaves the others' alone.
func TestTakeIsOneTables(t *testing.T) {
	a := stage(t, 0)
	create(t, a, Table{Name: "other", Partition: S("pk")})
	one := func(table, key string) string {
		return `{"RequestItems":{"` + table + `":[{"PutRequest":{"Item":{"pk":{"S":"` + key + `"}}}}]}}`
	}
	twice := strings.Replace(one("orders", "x"), "[{", `[{"DeleteRequest":{"Key":{"pk":{"S":"x"}}}},{`, 1)
	for _, body := range []string{one("orders", "a"), one("other", "b"), one("orders", "c"), twice} {
		call(t, a, "BatchWriteItem", body)
	}
	c := a.Proxy.Take("orders")
	if len(c.Requests) != 3 || len(c.Writes) != 2 || c.Writes[1].Key != `S"c"` || c.Writes[1].Sequence != 3 || len(c.Violations) != 1 {
		t.Errorf("took %+v", c)
	}
	if c = a.Proxy.Take("orders"); len(c.Requests)+len(c.Writes)+len(c.Violations) != 0 {
		t.Errorf("took again %+v", c)
	}
	if w := a.Proxy.Writes(); len(w) != 1 || w[0].Table != "other" || len(a.Proxy.Requests()) != 1 {
		t.Errorf("left %v", w)
	}
	call(t, a, "BatchWriteItem", one("orders", "d"))
	if c = a.Proxy.Take("orders"); len(c.Writes) != 1 || c.Writes[0].Sequence != 4 {
		t.Errorf("took later %+v", c)
	}
}

// A request whose sender has gone is awaited until it is applied.
func TestQuietWaitsForTheLateWrite(t *testing.T) {
	a := stage(t, 0)
	a.Proxy.Inject(Fault{Kind: Delay, Op: "BatchWriteItem", Delay: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan reply)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Endpoint(), strings.NewReader(batch(1)))
	if err != nil {
		t.Fatal(err)
	}
	go func() { gone <- send(a, request, "BatchWriteItem") }()
	under := func() int {
		a.Proxy.log.mu.Lock()
		defer a.Proxy.log.mu.Unlock()
		return a.Proxy.log.open["orders"]
	}
	for under() == 0 {
		runtime.Gosched()
	}
	cancel()
	if r := <-gone; r.err == nil {
		t.Fatalf("answered: %+v", r)
	}
	if n := len(a.Proxy.Writes()); n != 0 {
		t.Fatalf("%d writes before the delay was over", n)
	}
	if err := a.Proxy.Quiet(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if n := len(a.Proxy.Writes()); n != 1 {
		t.Errorf("%d writes, want the late one", n)
	}
}
