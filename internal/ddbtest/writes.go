package ddbtest

import (
	"fmt"
	"slices"
)

// inspect checks a batch against DynamoDB's limits and counts what it asks for.
func (p *Proxy) inspect(r *request) {
	switch r.op {
	case "PutItem", "DeleteItem", "UpdateItem":
		r.asked = 1
		return
	case "BatchWriteItem":
	default:
		return
	}
	seen := map[string]bool{}
	for table, list := range members(member(r.body, "RequestItems")) {
		names := p.keyNames(table)
		for e := range elements(list) {
			r.asked++
			if p.account.world.settings.noWriteLog {
				continue
			}
			w := parseWrite(table, e, names)
			r.keys = append(r.keys, w.Key)
			if id := table + " " + w.Key; seen[id] {
				p.log.violate(r.number, id+" twice in a batch")
			} else {
				seen[id] = true
			}
		}
	}
	if r.asked > 25 {
		p.log.violate(r.number, fmt.Sprintf("%d writes in a batch", r.asked))
	}
}

// writesOf lists the writes in a request, with key and digest.
func (p *Proxy) writesOf(r *request) []Write {
	switch r.op {
	case "BatchWriteItem":
		var all []Write
		for table, list := range members(member(r.body, "RequestItems")) {
			names := p.keyNames(table)
			for e := range elements(list) {
				w := parseWrite(table, e, names)
				if item := member(member(e, "PutRequest"), "Item"); item != nil {
					w.Digest = RawDigestOf(item)
				}
				all = append(all, w)
			}
		}
		return all
	case "PutItem":
		item := member(r.body, "Item")
		return []Write{{Table: r.table, Key: rawKey(item, p.keyNames(r.table)), Digest: RawDigestOf(item)}}
	case "UpdateItem", "DeleteItem":
		return []Write{{Table: r.table, Key: rawKey(member(r.body, "Key"), p.keyNames(r.table)), Delete: r.op == "DeleteItem"}}
	}
	return nil
}

func parseWrite(table string, e []byte, names []string) Write {
	if put := member(e, "PutRequest"); put != nil {
		return Write{Table: table, Key: rawKey(member(put, "Item"), names)}
	}
	return Write{Table: table, Delete: true, Key: rawKey(member(member(e, "DeleteRequest"), "Key"), names)}
}

// dropUnprocessed removes what the engine itself gave back.
func dropUnprocessed(all []Write, answer []byte, keyNames func(string) []string) []Write {
	for table, list := range members(member(answer, "UnprocessedItems")) {
		for e := range elements(list) {
			back := parseWrite(table, e, keyNames(table))
			all = slices.DeleteFunc(all, func(w Write) bool {
				return w.Table == back.Table && w.Key == back.Key && w.Delete == back.Delete
			})
		}
	}
	return all
}
