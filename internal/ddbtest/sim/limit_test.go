package sim

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestUnprocessedWritesComeBackAsTheyWere(t *testing.T) {
	// So little that nothing is refilled while the test runs.
	s := start(t, Config{Items: 100, ItemBytes: 400, Target: SideConfig{Units: 0.001, Burst: 10_000 * time.Second}})
	var all []json.RawMessage
	scanAll(t, s.Source, 1, "", func(p page, _ []byte) { all = append(all, p.Items...) })
	status, answer, err := call(t, s.Target, "BatchWriteItem",
		strings.TrimSuffix(puts(all[:25]...), "}")+`,"ReturnConsumedCapacity":"TOTAL"}`)
	if err != nil || status != 200 {
		t.Fatalf("status %d, %v: %s", status, err, answer)
	}
	want := `{"UnprocessedItems":` + strings.TrimSuffix(strings.TrimPrefix(puts(all[10:25]...), `{"RequestItems":`), "}") +
		`,"ConsumedCapacity":[{"TableName":"orders","CapacityUnits":10}]}`
	if string(answer) != want {
		t.Errorf("got %.300s, want %.300s", answer, want)
	}
	status, answer, err = call(t, s.Target, "BatchWriteItem", puts(all[10:25]...))
	if err != nil || status != 400 || !strings.Contains(string(answer), "TableWriteProvisionedThroughputExceeded") {
		t.Errorf("nothing left: status %d, %v: %s", status, err, answer)
	}
	if r := s.Report(); r.Right != 10 || r.Target.Unprocessed != 15 || r.Target.Throttled != 1 || r.Target.Units != 10 {
		t.Errorf("%+v", r)
	}
}

func TestBucketFillsAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCapacity(100, time.Second, 2, 30)
		take := func(n int, place uint64) (taken int, met refusal) {
			w := make([]write, n)
			for i := range w {
				w[i] = write{units: 1, known: true, place: place, take: true}
			}
			return c.write(w, func(p uint64) int { return int(p) })
		}
		for _, step := range []struct {
			name  string
			wait  time.Duration
			n     int
			place uint64
			taken int
			met   refusal
		}{
			{"the burst of one range", 0, 40, 0, 30, rangeLimit},
			{"the other range has its own", 0, 40, 1, 30, rangeLimit},
			{"both fill", time.Second, 40, 0, 30, rangeLimit},
			{"no more than a burst is kept", time.Hour, 40, 1, 30, rangeLimit},
		} {
			time.Sleep(step.wait) // in the bubble's time
			if taken, met := take(step.n, step.place); taken != step.taken || met != step.met {
				t.Errorf("%s: %d taken, met %d; want %d, %d", step.name, taken, met, step.taken, step.met)
			}
		}
	})
}

func TestDriftIsExact(t *testing.T) {
	drift := Drift{Fill: true, Missing: 30, Differ: 17, Extra: 50}
	s := start(t, Config{Items: 1000, Drift: drift})
	source := map[string]bool{}
	scanAll(t, s.Source, 5, "", func(p page, _ []byte) {
		for _, item := range p.Items {
			source[string(item)] = true
		}
	})
	equal, other := 0, 0
	scanAll(t, s.Target, 3, "", func(p page, _ []byte) {
		for _, item := range p.Items {
			if source[string(item)] {
				equal++
			} else {
				other++
			}
		}
	})
	if len(source) != 1000 || equal != 1000-30-17 || other != 17+50 {
		t.Errorf("%d in the source, %d equal, %d other", len(source), equal, other)
	}
	if r := s.Report(); r.Right != 953 || r.Wrong != 17 || r.Missing != 30 || r.Extra != 50 {
		t.Errorf("%d right, %d wrong, %d missing, %d extra", r.Right, r.Wrong, r.Missing, r.Extra)
	}
	var key string
	for item := range source {
		_, key, _ = strings.Cut(item, `"pk":`)
		key = key[:strings.IndexByte(key, '}')+1]
		break
	}
	status, answer, err := call(t, s.Source, "BatchGetItem", `{"RequestItems":{"orders":{"ConsistentRead":true,"Keys":[{"pk":`+key+`},{"pk":{"S":"x"}}]}}}`)
	var got struct{ Responses map[string][]json.RawMessage }
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Error(err)
	}
	if err != nil || status != 200 || len(got.Responses["orders"]) != 1 || !source[string(got.Responses["orders"][0])] {
		t.Errorf("status %d, %v: %s", status, err, answer)
	}
}

func TestFaultsSpoilAnswersAndAreCounted(t *testing.T) {
	for _, kind := range FaultKinds {
		s := start(t, Config{Items: 50, Target: SideConfig{Faults: Faults{Probability: 1, Kinds: []string{kind}}}})
		var all []json.RawMessage
		scanAll(t, s.Source, 1, "", func(p page, _ []byte) { all = append(all, p.Items...) })
		status, answer, err := call(t, s.Target, "BatchWriteItem", puts(all[0]))
		if err == nil && status == 200 && string(answer) == `{"UnprocessedItems":{}}` {
			t.Errorf("%s: an answer like any other", kind)
		}
		r := s.Report()
		if r.Target.Faults[kind] == 0 || r.Target.Unacknowledged != r.Target.Written {
			t.Errorf("%s: %+v", kind, r.Target)
		}
		if strings.HasSuffix(kind, "after") && r.Right != 1 || strings.HasSuffix(kind, "before") && r.Right != 0 {
			t.Errorf("%s: %d right", kind, r.Right)
		}
	}
}

func TestReportAndResetOverHTTP(t *testing.T) {
	s := start(t, Config{Items: 10, Drift: Drift{Fill: true}})
	get := func(method, path string) (r Report) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), method, s.Target.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp.Status, err)
		}
		return r
	}
	s.marks.remove(3)
	if r := get("GET", "/_sim/report"); r.Right != 9 || r.Missing != 1 {
		t.Errorf("%+v", r)
	}
	get("POST", "/_sim/reset")
	if r := get("GET", "/_sim/report"); r.Right != 10 || r.Missing != 0 {
		t.Errorf("after the reset: %+v", r)
	}
}

func TestProfilesNameBothSides(t *testing.T) {
	s := start(t, Config{TLS: true})
	dir := t.TempDir()
	env, err := s.WriteProfiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(dir + "/config")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[profile simprod]", "[profile simdev]", s.Source.URL(), s.Target.URL(), "region = eu-west-1"} {
		if !strings.Contains(string(config), want) {
			t.Errorf("no %q in %s", want, config)
		}
	}
	if !strings.Contains(strings.Join(env, " "), "AWS_CA_BUNDLE="+s.CAFile()) {
		t.Errorf("no authority in %q", env)
	}
}
