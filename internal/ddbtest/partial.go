package ddbtest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// unprocessed holds some writes of a batch back and gives them to the sender
// as unprocessed; the engine gets the rest.
func (p *Proxy) unprocessed(r *request, f *armed) (*answer, bool) {
	var all []entry
	for table, list := range members(member(r.body, "RequestItems")) {
		for e := range elements(list) {
			all = append(all, entry{table, e})
		}
	}
	back := p.pick(f, len(all))
	if f.Key != "" {
		for i, e := range all {
			back[i] = parseWrite(e.table, e.raw, p.keyNames(e.table)).Key == f.Key
		}
	}
	kept, given := split(all, back)
	if len(given) == 0 {
		return p.apply(r), false
	}
	a := jsonAnswer(http.StatusOK, []byte(`{"UnprocessedItems":{}}`))
	if len(kept) > 0 {
		r.body = withMember(r.body, "RequestItems", grouped(kept, func(t string) string { return t }, list))
		if a = p.apply(r); a.status != http.StatusOK {
			return a, false
		}
	}
	a.replaceBody(withMember(a.body, "UnprocessedItems", grouped(given, r.ref, list)))
	return a, true
}

// unprocessedKeys does the same to a BatchGetItem.
func (p *Proxy) unprocessedKeys(r *request, f *armed) (*answer, bool) {
	var all []entry
	asked := map[string][]byte{}
	for table, question := range members(member(r.body, "RequestItems")) {
		asked[table] = question
		for key := range elements(member(question, "Keys")) {
			all = append(all, entry{table, key})
		}
	}
	kept, given := split(all, p.pick(f, len(all)))
	if len(given) == 0 {
		return p.apply(r), false
	}
	keys := func(table string, raw [][]byte) []byte { return withMember(asked[table], "Keys", list(table, raw)) }
	var none object
	for table := range asked {
		none = append(none, pair{r.ref(table), []byte("[]")})
	}
	a := jsonAnswer(http.StatusOK, object{{"Responses", none.json()}}.json())
	if len(kept) > 0 {
		r.body = withMember(r.body, "RequestItems", grouped(kept, func(t string) string { return t }, keys))
		if a = p.apply(r); a.status != http.StatusOK {
			return a, false
		}
	}
	a.replaceBody(withMember(a.body, "UnprocessedKeys", grouped(given, r.ref, keys)))
	return a, true
}

// An entry is one element of a batch.
type entry struct {
	table string
	raw   []byte
}

// pick marks N of n at random, or a random number of them, at least one.
func (p *Proxy) pick(f *armed, n int) []bool {
	marks := make([]bool, n)
	if n == 0 {
		return marks
	}
	k := f.N
	if k == 0 {
		k = 1 + p.faults.number(n)
	}
	for _, i := range p.faults.shuffled(n)[:min(k, n)] {
		marks[i] = true
	}
	return marks
}

func split(all []entry, back []bool) (kept, given []entry) {
	for i, e := range all {
		if back[i] {
			given = append(given, e)
		} else {
			kept = append(kept, e)
		}
	}
	return kept, given
}

// grouped writes entries as an object by table.
func grouped(all []entry, ref func(string) string, value func(table string, raw [][]byte) []byte) []byte {
	var tables []string
	by := map[string][][]byte{}
	for _, e := range all {
		if !slices.Contains(tables, e.table) {
			tables = append(tables, e.table)
		}
		by[e.table] = append(by[e.table], e.raw)
	}
	var o object
	for _, t := range tables {
		o = append(o, pair{ref(t), value(t, by[t])})
	}
	return o.json()
}

func list(_ string, raw [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(raw, []byte{','})...), ']')
}

// forged is an unprocessed item that nobody sent.
func (p *Proxy) forged(r *request) []byte {
	values := map[string]string{"S": `"forged"`, "N": `"-98765432123456789"`, "B": `"Zm9yZ2Vk"`}
	var key object
	for _, attr := range p.account.keyAttrs(r.table) {
		key = append(key, pair{attr.Name, object{{string(attr.Type), []byte(values[string(attr.Type)])}}.json()})
	}
	put := object{{"PutRequest", object{{"Item", key.json()}}.json()}}
	return grouped([]entry{{r.table, put.json()}}, r.ref, list)
}

// endEarly has a page end after some of its items, where it has several.
func (p *Proxy) endEarly(r *request, f *armed, a *answer) bool {
	all := slices.Collect(elements(member(a.body, "Items")))
	if len(all) < 2 || member(r.body, "IndexName") != nil || !bytes.Equal(member(a.body, "Count"), member(a.body, "ScannedCount")) {
		return false
	}
	if p.faults.number(20) == 0 {
		p.wait(f.Delay, p.faults.untilCleared())
	}
	n := 1 + p.faults.number(len(all)-1)
	var last object
	for _, attr := range p.account.keyAttrs(r.table) {
		last = append(last, pair{attr.Name, member(all[n-1], attr.Name)})
	}
	count := strconv.AppendInt(nil, int64(n), 10)
	body := withMember(withMember(a.body, "Count", count), "ScannedCount", count)
	a.replaceBody(withMember(withMember(body, "Items", list("", all[:n])), "LastEvaluatedKey", last.json()))
	return true
}

// marker is an attribute that a forged LastEvaluatedKey carries: where to
// really go on, and how many empty pages there have been. The cursor needs no
// memory of ours and so survives a resume.
const marker = "~ddbtest"

// emptyPage answers a page without items. Its LastEvaluatedKey leads back to
// where the request began, so that nothing is lost.
func (p *Proxy) emptyPage(r *request) (*answer, bool) {
	cursor, pages := member(r.cursor, marker), 0
	from := member(r.body, "ExclusiveStartKey")
	if cursor != nil {
		_, _ = fmt.Sscanf(memberString(cursor, "S"), "%d", &pages)
	}
	key := from
	if key == nil {
		first := p.forward(r.http, p.account.engineURL, withMember(r.body, "Limit", []byte("1")))
		if key = member(first.body, "LastEvaluatedKey"); key == nil {
			return p.apply(r), false // the table ends here
		}
	}
	text := fmt.Sprintf("%d %s", pages+1, from)
	key = withMember(key, marker, object{{"S", quote(text)}}.json())
	return jsonAnswer(http.StatusOK, object{
		{"Items", []byte("[]")}, {"Count", []byte("0")}, {"ScannedCount", []byte("0")}, {"LastEvaluatedKey", key},
	}.json()), true
}

// unmark turns the cursor of an empty page back into the one that it stands for.
func (r *request) unmark() {
	if r.op != "Scan" && r.op != "Query" || !bytes.Contains(r.body, []byte(marker)) {
		return
	}
	r.cursor = member(r.body, "ExclusiveStartKey")
	mark := memberString(member(r.cursor, marker), "S")
	if mark == "" {
		return
	}
	_, from, _ := bytes.Cut([]byte(mark), []byte{' '})
	if len(from) == 0 {
		from = nil
	}
	r.body = withMember(r.body, "ExclusiveStartKey", from)
}

// ease asks the engine for what costs it least. A scan in one piece and
// without a limit makes it read the rest of the table for each page (half a
// second at 100,000 items); with a limit it reads the page. A page of at most
// 2,000 items is as legal an answer as one of 1 MB.
func (r *request) ease(pageItems int) {
	segments := string(member(r.body, "TotalSegments"))
	if r.op != "Scan" || segments != "" && segments != "1" {
		return
	}
	// where the engine would ignore the limit
	r.body = withMember(withMember(r.body, "Segment", nil), "TotalSegments", nil)
	limit, err := strconv.Atoi(string(member(r.body, "Limit")))
	if err != nil || limit > pageItems {
		r.body = withMember(r.body, "Limit", strconv.AppendInt(nil, int64(pageItems), 10))
	}
}
