package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// peakLimit is the most memory that a copy of a small table may take, in
// bytes. It does not grow with the table: see the soak.
const peakLimit = 160 << 20

// exitCodes are those that a copy has.
var exitCodes = []int{0, 1, 2, 3, 5, 6, 7, 8, 130, 143}

// A history is what really happened to a trial's tables, as the proxies and
// the engine tell it, and what is wrong with that.
type history struct {
	*trial
	mode           string
	source, target ddbtest.Calls
	after          map[string]string // the target as it is
	state          map[string]string // the target as it must be, by the log
	puts, deletes  map[string]int    // applied, by key
	wrong          []string
}

// blame notes what is wrong.
func (h *history) blame(format string, args ...any) {
	if len(h.wrong) < 20 {
		h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
	}
}

// look reads the logs and the target and checks what must hold however a copy
// ends.
func look(t *trial, mode string, after map[string]string) *history {
	h := &history{
		trial: t, mode: mode, after: after,
		source: t.prod.Proxy.Take(t.source.Name), target: t.dev.Proxy.Take(t.target.Name),
		puts: map[string]int{}, deletes: map[string]int{}, state: maps.Clone(t.before),
	}
	for _, v := range slices.Concat(h.source.Violations, h.target.Violations) {
		h.blame("against the protocol: %s", v)
	}
	for _, r := range h.source.Requests {
		if r.Mutates() {
			h.blame("the source was written to: %s", r)
		}
	}
	h.replay()
	if !maps.Equal(h.state, h.after) {
		h.blame("the target is not what was written to it: %s", differences(h.state, h.after))
	}
	return h
}

// replay follows the writes in the order in which they were applied: only the
// source's items, unchanged; no delete in a merge, and none after a put.
func (h *history) replay() {
	firstPut, firstDelete := 0, 0
	late := map[int]bool{} // requests that were applied after their answers
	for _, r := range h.target.Requests {
		late[r.Number] = r.Fault == ddbtest.Late
	}
	for _, w := range h.target.Writes {
		if w.Delete {
			h.deletes[w.Key]++
			delete(h.state, w.Key)
			h.mayDelete(w, firstPut)
			if firstDelete == 0 {
				firstDelete = w.Sequence
			}
			continue
		}
		if firstPut == 0 {
			firstPut = w.Sequence
		}
		if h.mode == syncing {
			if firstDelete > 0 && !late[w.Request] {
				h.blame("%s was put (write %d) after the first delete (write %d)", w.Key, w.Sequence, firstDelete)
			}
			if h.before[w.Key] == w.Digest {
				h.blame("a sync put %s, which was equal", w.Key)
			}
		}
		h.puts[w.Key]++
		h.state[w.Key] = w.Digest
		switch d, ok := h.items[w.Key]; {
		case !ok:
			h.blame("invented %s", w.Key)
		case d != w.Digest:
			h.blame("corrupted %s", w.Key)
		}
	}
	h.deletesAfterDoubt()
}

// mayDelete blames a delete that the mode does not allow.
func (h *history) mayDelete(w ddbtest.Write, firstPut int) {
	if _, ok := h.before[w.Key]; !ok {
		h.blame("deleted %s, which the target did not have", w.Key)
	}
	switch h.mode {
	case merge:
		h.blame("a merge deleted %s", w.Key)
	case replace:
		if firstPut > 0 {
			h.blame("%s was deleted (write %d) after the first put (write %d)", w.Key, w.Sequence, firstPut)
		}
	case syncing:
		if _, ok := h.items[w.Key]; ok {
			h.blame("a sync deleted %s, which the source has", w.Key)
		}
	}
}

// resent blames writes that were sent again by one process although the answer
// to the first had said that they were taken.
func (h *history) resent() {
	done := map[int]time.Time{} // when requests were answered well
	sent := map[int]time.Time{}
	for _, r := range h.target.Requests {
		sent[r.Number] = r.Start
		if r.Status == 200 && (r.Fault == "" || r.Fault == ddbtest.Unprocessed || r.Fault == ddbtest.Delay) {
			done[r.Number] = r.Start.Add(r.Took)
		}
	}
	type write struct {
		key    string
		delete bool
	}
	taken := map[write]time.Time{}
	for _, w := range h.target.Writes {
		id := write{w.Key, w.Delete}
		if at, ok := taken[id]; ok && sent[w.Request].After(at) {
			h.blame("%s was sent again (write %d) although it had been taken", w.Key, w.Sequence)
		}
		if at, ok := done[w.Request]; ok && taken[id].IsZero() {
			taken[id] = at
		}
	}
}

// deletesAfterDoubt blames deletes that were sent before the source could be
// read, or after either side had said that reading is denied.
func (h *history) deletesAfterDoubt() {
	var denied ddbtest.Request
	for _, r := range slices.Concat(h.source.Requests, h.target.Requests) {
		if (r.Op == "Scan" || r.Op == "BatchGetItem") && r.Fault == ddbtest.Deny && (denied.Number == 0 || r.Start.Before(denied.Start)) {
			denied = r
		}
	}
	readable := slices.IndexFunc(h.source.Requests, func(r ddbtest.Request) bool {
		return r.Op == "Scan" && r.Status == 200 && slices.Contains([]ddbtest.Kind{"", ddbtest.Delay, ddbtest.EmptyPages, ddbtest.UnevenPages, ddbtest.Stale, ddbtest.Trickle}, r.Fault)
	})
	deleting := map[int]bool{}
	for _, w := range h.target.Writes {
		deleting[w.Request] = deleting[w.Request] || w.Delete
	}
	for _, r := range h.target.Requests {
		if !deleting[r.Number] {
			continue
		}
		if readable < 0 || r.Start.Before(h.source.Requests[readable].Start) {
			h.blame("%s deleted before the source had been read", r)
		}
		if denied.Number != 0 && r.Start.After(denied.Start.Add(denied.Took+drainSlack)) {
			h.blame("%s deleted after %s", r, denied)
		}
	}
}

// ended checks one child's end: in time, with an exit code that may be, in
// bounded memory, and with a summary that says the same.
func (h *history) ended(o outcome, exits []int) {
	switch {
	case o.hung:
		h.blame("it hung: not done after %s", hangLimit)
		return
	case !slices.Contains(exitCodes, o.code):
		h.blame("exit code %d is not in the table", o.code)
	case !slices.Contains(exits, o.code):
		h.blame("exit code %d, want one of %v", o.code, exits)
	}
	if o.peak > peakLimit {
		h.blame("it took %d MB", o.peak>>20)
	}
	switch {
	case o.summary == nil:
		h.blame("stdout is not one JSON object")
	case o.code == 0 && o.summary.Error != nil:
		h.blame("exit 0, and the summary has an error")
	case o.code != 0 && o.code != 3 && (o.summary.Error == nil || o.summary.Error.Code != o.code):
		h.blame("exit %d, and the summary has another error", o.code)
	}
	h.secrets(o)
}

// books compares a finished copy's summary with the log: all the distinct keys.
// Those of unknown fate are rejected, be they written or not.
func (h *history) books(s *summary, rejected int, unknown ...string) {
	if s == nil {
		return
	}
	if sum := s.Written + s.Unchanged + s.Skipped + s.Rejected; s.Read != sum {
		h.blame("read %d, accounted for %d", s.Read, sum)
	}
	written := int64(len(h.puts))
	for _, key := range unknown {
		written -= int64(min(1, h.puts[key]))
	}
	for _, c := range []struct {
		name      string
		said, was int64
	}{
		{"read", s.Read, int64(len(h.items))}, {"written", s.Written, written}, {"unchanged", s.Unchanged, h.unchanged()},
		{"deleted", s.Deleted, int64(len(h.deletes))}, {"rejected", s.Rejected, int64(rejected)},
	} {
		if c.said != c.was {
			h.blame("the summary says %d %s, the log %d", c.said, c.name, c.was)
		}
	}
}

// unchanged counts the items that a sync need not put.
func (h *history) unchanged() (n int64) {
	if h.mode != syncing {
		return 0
	}
	for key, d := range h.items {
		if h.before[key] == d {
			n++
		}
	}
	return n
}

// claims compares an unfinished copy's summary with the log: it may not claim
// more than was done.
func (h *history) claims(s *summary) {
	if s == nil {
		return
	}
	if s.Written > int64(len(h.puts)) || s.Deleted > int64(len(h.deletes)) {
		h.blame("the summary claims %d written and %d deleted; the log has %d and %d", s.Written, s.Deleted, len(h.puts), len(h.deletes))
	}
}

// equal checks that the target is what a finished copy makes it.
func (h *history) equal(rejected []string) {
	if want := h.wanted(h.mode, rejected); !maps.Equal(want, h.after) {
		h.blame("false success: %s", differences(want, h.after))
	}
}

// equalBut is equal where nobody answered for some keys: those may have been
// written after all, as they are in the source.
func (h *history) equalBut(unknown []string) {
	want := h.wanted(h.mode, unknown)
	for _, key := range unknown {
		if h.puts[key] > 0 {
			want[key] = h.items[key]
		}
	}
	if !maps.Equal(want, h.after) {
		h.blame("false success: %s", differences(want, h.after))
	}
}

// twice counts the items that were put more than once.
func (h *history) twice() (n int) {
	for _, puts := range h.puts {
		n += puts - 1
	}
	return n
}

// differences tells how two tables differ.
func differences(want, have map[string]string) string {
	var missing, extra, differ []string
	for key, d := range want {
		switch other, ok := have[key]; {
		case !ok:
			missing = append(missing, key)
		case other != d:
			differ = append(differ, key)
		}
	}
	for key := range have {
		if _, ok := want[key]; !ok {
			extra = append(extra, key)
		}
	}
	text := ""
	for _, part := range []struct {
		name string
		keys []string
	}{{"missing", missing}, {"too many", extra}, {"different", differ}} {
		if len(part.keys) > 0 {
			slices.Sort(part.keys)
			text += fmt.Sprintf("%d %s, as %s; ", len(part.keys), part.name, clip(part.keys[0], 100))
		}
	}
	return text
}
