package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func start(tb testing.TB, c Config) *Server {
	tb.Helper()
	s, err := Start(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func call(tb testing.TB, s *Side, operation, body string) (int, []byte, error) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), "POST", s.URL(), strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.config.KeyID+"/x")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	if want := strconv.Itoa(int(crc32.ChecksumIEEE(answer))); err == nil && resp.Header.Get("X-Amz-Crc32") != want {
		tb.Errorf("crc32 is %s, want %s", resp.Header.Get("X-Amz-Crc32"), want)
	}
	return resp.StatusCode, answer, err
}

type page struct {
	Items               []json.RawMessage
	Count, ScannedCount int
	LastEvaluatedKey    json.RawMessage
	ConsumedCapacity    struct{ CapacityUnits float64 }
}

// scanAll reads a table over so many segments and hands over every page.
func scanAll(tb testing.TB, s *Side, segments int, more string, each func(page, []byte)) {
	tb.Helper()
	for segment := range segments {
		from := ""
		for {
			body := fmt.Sprintf(`{"TableName":"orders","Segment":%d,"TotalSegments":%d%s%s}`, segment, segments, from, more)
			status, answer, err := call(tb, s, "Scan", body)
			if err != nil || status != 200 {
				tb.Fatalf("%s: status %d, %v: %.200s", body, status, err, answer)
			}
			var p page
			if err := json.Unmarshal(answer, &p); err != nil {
				tb.Fatal(err)
			}
			if p.Count != len(p.Items) || p.ScannedCount != p.Count {
				tb.Fatalf("count %d, scanned %d, items %d", p.Count, p.ScannedCount, len(p.Items))
			}
			each(p, answer)
			if p.LastEvaluatedKey == nil {
				break
			}
			from = `,"ExclusiveStartKey":` + string(p.LastEvaluatedKey)
		}
	}
}

// size counts an item as DynamoDB does.
func size(v any) int {
	n := 0
	for tag, x := range v.(map[string]any) {
		switch tag {
		case "S":
			n += len(x.(string))
		case "N":
			n += (len(x.(string))+1)/2 + 1
		case "BOOL", "NULL":
			n++
		case "L":
			n += 3
			for _, e := range x.([]any) {
				n += 1 + size(e)
			}
		case "M":
			n += 3
			for name, e := range x.(map[string]any) {
				n += 1 + len(name) + size(e)
			}
		}
	}
	return n
}

func itemSize(tb testing.TB, raw []byte) int {
	tb.Helper()
	var item map[string]any
	if err := json.Unmarshal(raw, &item); err != nil {
		tb.Fatal(err)
	}
	n := 0
	for name, v := range item {
		n += len(name) + size(v)
	}
	return n
}

func TestSameItemsWhateverTheSegments(t *testing.T) {
	for _, c := range []Config{
		{Items: 1501, Seed: 5}, {Items: 1501, SortKey: true, ItemBytes: 200}, {Items: 700, ItemBytes: 10_000, Escapes: true},
	} {
		s := start(t, c)
		var first map[string]bool
		for _, segments := range []int{1, 2, 7, 500} {
			seen := map[string]bool{}
			scanAll(t, s.Source, segments, "", func(p page, _ []byte) {
				for _, item := range p.Items {
					seen[string(item)] = true
				}
			})
			if first == nil {
				first = seen
			}
			if len(seen) != int(c.Items) {
				t.Errorf("%d segments: %d items, want %d", segments, len(seen), c.Items)
			}
			for item := range seen {
				if !first[item] {
					t.Fatalf("%d segments: an item that was not there before: %.100s", segments, item)
				}
			}
		}
	}
}

func TestPagesAreWithinTheLimit(t *testing.T) {
	for _, bytes := range []int{200, 1000, 10_000} {
		s := start(t, Config{Items: int64(3_000_000 / bytes), ItemBytes: bytes})
		pages, total := 0, 0
		scanAll(t, s.Source, 1, `,"ReturnConsumedCapacity":"TOTAL","ConsistentRead":true`, func(p page, _ []byte) {
			pages++
			n := 0
			for _, item := range p.Items {
				n += itemSize(t, item)
				total += len(item)
			}
			if n > 1<<20 {
				t.Errorf("a page of %d bytes", n)
			}
			if want := float64((n + 4095) / 4096); p.ConsumedCapacity.CapacityUnits != want {
				t.Errorf("consumed %v units, want %v", p.ConsumedCapacity.CapacityUnits, want)
			}
			if p.LastEvaluatedKey != nil && n < 1<<20-15_000 {
				t.Errorf("a page that stops at %d bytes", n)
			}
		})
		if pages < 2 {
			t.Errorf("%d pages, want more", pages)
		}
		if average := total * bytes / 3_000_000; average < bytes*95/100 || average > bytes*105/100 {
			t.Errorf("items of %d bytes on average, want %d", average, bytes)
		}
	}
}

func TestCursorsBelongToTheirSegment(t *testing.T) {
	s := start(t, Config{Items: 1000})
	var cursor string
	scanAll(t, s.Source, 2, `,"Limit":100`, func(p page, _ []byte) {
		if p.LastEvaluatedKey != nil && cursor == "" {
			cursor = string(p.LastEvaluatedKey)
		}
	})
	for body, want := range map[string]int{
		`{"TableName":"orders","Segment":0,"TotalSegments":2,"ExclusiveStartKey":` + cursor + `}`:   200,
		`{"TableName":"orders","Segment":1,"TotalSegments":2,"ExclusiveStartKey":` + cursor + `}`:   400,
		`{"TableName":"orders","Segment":0,"TotalSegments":100,"ExclusiveStartKey":` + cursor + `}`: 400,
		`{"TableName":"orders","Segment":2,"TotalSegments":2}`:                                      400,
		`{"TableName":"orders","Segment":1}`:                                                        400,
		`{"TableName":"nowhere"}`:                                                                   400,
	} {
		status, answer, err := call(t, s.Source, "Scan", body)
		if err != nil || status != want {
			t.Errorf("%s: status %d, %v, want %d: %.100s", body, status, err, want, answer)
		}
	}
}

// puts makes a batch of items as they came.
func puts(items ...json.RawMessage) string {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"PutRequest":{"Item":%s}}`, item)
	}
	return `{"RequestItems":{"orders":[` + b.String() + `]}}`
}

func TestTargetKnowsWhatWentWrong(t *testing.T) {
	const items = 2500
	s := start(t, Config{Items: items, SortKey: true})
	var all []json.RawMessage
	scanAll(t, s.Source, 3, "", func(p page, _ []byte) { all = append(all, p.Items...) })
	send := func(batch ...json.RawMessage) {
		t.Helper()
		if status, answer, err := call(t, s.Target, "BatchWriteItem", puts(batch...)); err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, answer)
		}
	}
	for from := 0; from < items; from += 25 {
		batch := append([]json.RawMessage{}, all[from:from+25]...)
		switch from {
		case 250: // lose three
			batch = batch[3:]
		case 500: // another text
			batch[4] = bytes.Replace(batch[4], []byte(`Springfield`), []byte(`springfield`), 1)
		case 525: // another form of the same value
			batch[5] = bytes.Replace(batch[5], []byte(`"check":{`), []byte(`"check": {`), 1)
		case 550: // another key
			batch[6] = bytes.Replace(batch[6], []byte(`CUST#`), []byte(`CUST%`), 1)
		case 575: // another sort key
			batch[7] = bytes.Replace(batch[7], []byte(`ORDER#`), []byte(`ORDEA#`), 1)
		}
		send(batch...)
	}
	send(all[1000:1025]...)
	r := s.Report()
	got := fmt.Sprint(r.Right, r.Wrong, r.Missing, r.Target.Written, r.Target.Duplicates, r.Target.Corrupt, r.Target.Unknown)
	if want := fmt.Sprint(items-3-2-2, 2, 3+2, items-3+25, 25, 2, 2); got != want {
		t.Errorf("right, wrong, missing, written, duplicates, corrupt, unknown: %s, want %s", got, want)
	}

	send(all[250:253]...)
	send(all[504], all[530], all[556], all[582])
	if r := s.Report(); r.Right != items || r.Wrong != 0 || r.Missing != 0 {
		t.Errorf("after the repair: %d right, %d wrong, %d missing", r.Right, r.Wrong, r.Missing)
	}

	var keys []string
	scanAll(t, s.Target, 2, `,"ProjectionExpression":"#a,#b","ExpressionAttributeNames":{"#a":"pk","#b":"sk"}`, func(p page, _ []byte) {
		for _, key := range p.Items {
			keys = append(keys, `{"DeleteRequest":{"Key":`+string(key)+`}}`)
		}
	})
	for from := 0; from < items; from += 25 {
		body := `{"RequestItems":{"orders":[` + strings.Join(keys[from:from+25], ",") + `]}}`
		if status, answer, err := call(t, s.Target, "BatchWriteItem", body); err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, answer)
		}
	}
	if r := s.Report(); r.Missing != items || r.Target.Deleted != items {
		t.Errorf("after the truncate: %d missing, %d deleted", r.Missing, r.Target.Deleted)
	}
}

func TestBadBatchesAreRefused(t *testing.T) {
	s := start(t, Config{Items: 100})
	var all []json.RawMessage
	scanAll(t, s.Source, 1, "", func(p page, _ []byte) { all = append(all, p.Items...) })
	for name, body := range map[string]string{
		"26 writes":      puts(all[:26]...),
		"a key twice":    puts(all[0], all[1], all[0]),
		"no writes":      puts(),
		"trailing bytes": puts(all[0]) + "x",
		"cut":            puts(all[0])[:300],
		"another table":  strings.Replace(puts(all[0]), "orders", "others", 1),
		"two items":      `{"RequestItems":{"orders":[{"PutRequest":{"Item":` + string(all[0]) + `,"Item":` + string(all[1]) + `}}]}}`,
	} {
		if status, answer, err := call(t, s.Target, "BatchWriteItem", body); err != nil || status != 400 {
			t.Errorf("%s: status %d, %v: %.100s", name, status, err, answer)
		}
	}
	if r := s.Report(); r.Target.Written != 0 || r.Missing != 100 {
		t.Errorf("%d written, %d missing", r.Target.Written, r.Missing)
	}
	if status, _, _ := call(t, s.Source, "BatchWriteItem", puts(all[0])); status != 400 {
		t.Errorf("a write to the source: status %d", status)
	}
}

// A shuffled side has the same items in the same number of segments, elsewhere.
func TestShuffled(t *testing.T) {
	for _, items := range []int64{1, 2, 7, 999, 1000} {
		s := start(t, Config{Items: items, SortKey: true, Target: SideConfig{Shuffled: true}, Drift: Drift{Fill: true, Extra: items / 7}})
		lists := map[*Side][]string{}
		for _, side := range []*Side{s.Source, s.Target} {
			scanAll(t, side, 3, `,"Limit":10`, func(p page, _ []byte) {
				for _, it := range p.Items {
					lists[side] = append(lists[side], string(it))
				}
			})
		}
		source, target := lists[s.Source], lists[s.Target]
		if int64(len(source)) != items || int64(len(target)) != items+items/7 {
			t.Fatalf("%d items and %d of %d and %d", len(source), len(target), items, items+items/7)
		}
		same := 0
		at := map[string]int{}
		for i, it := range target {
			at[it] = i
		}
		for i, it := range source {
			j, ok := at[it]
			if !ok {
				t.Fatalf("the target lacks %.80s", it)
			}
			if i == j {
				same++
			}
		}
		if items > 100 && same > 10 {
			t.Errorf("%d of %d items are where they were", same, items)
		}
	}
}
