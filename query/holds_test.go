package query

import (
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		name  string
		table Table
		q     Query
		in    string // items, one a line
		out   string
	}{
		{"a key", hash, Query{Partition: "a"}, `{"pk":{"S":"a"},"x":{"N":"1"}}`, `{"pk":{"S":"b"}}
{"x":{"S":"a"}}`},
		{"an escaped key", hash, Query{Partition: "é\""}, `{"pk":{"S":"\u00e9\""}}
{"p\u006b":{"S":"é\u0022"}}`, `{"pk":{"S":"e"}}`},
		{"a number", num, Query{Partition: "1.50", Sort: "7"}, `{"n":{"N":"15E-1"},"m":{"N":"7.0"}}`, `{"n":{"N":"1.5"},"m":{"N":"70"}}
{"n":{"S":"1.50"},"m":{"N":"7"}}
{"n":{"N":"1.50"}}`},
		{"a range of numbers", num, Query{Partition: "1", Sort: "between 9 and 10"}, `{"n":{"N":"1"},"m":{"N":"9"}}
{"n":{"N":"1"},"m":{"N":"9.5"}}
{"n":{"N":"1"},"m":{"N":"1E1"}}`, `{"n":{"N":"1"},"m":{"N":"8"}}
{"n":{"N":"1"},"m":{"N":"10.1"}}
{"n":{"N":"1"},"m":{"N":"-9"}}`},
		{"a prefix", str, Query{Partition: "a", Sort: "b"}, `{"size":{"S":"a"},"a.b":{"S":"b"}}
{"a.b":{"S":"bc"},"size":{"S":"a"}}`, `{"size":{"S":"a"},"a.b":{"S":"ab"}}
{"size":{"S":"ab"},"a.b":{"S":"b"}}`},
		{"below", str, Query{Partition: "a", Sort: "< b"}, `{"size":{"S":"a"},"a.b":{"S":"az"}}`, `{"size":{"S":"a"},"a.b":{"S":"b"}}`},
		{"at most", str, Query{Partition: "a", Sort: "<= b"}, `{"size":{"S":"a"},"a.b":{"S":"b"}}`, `{"size":{"S":"a"},"a.b":{"S":"ba"}}`},
		{"above", bin, Query{Partition: "/w==", Sort: "> AA=="}, `{"x":{"B":"/w=="},"y":{"B":"AAA="}}`, `{"x":{"B":"/w=="},"y":{"B":"AA=="}}`},
		{"at least", num, Query{Partition: "1", Sort: ">= 2"}, `{"n":{"N":"1"},"m":{"N":"10"}}`, `{"n":{"N":"1"},"m":{"N":"1.9"}}`},
		{"a prefix of bytes", bin, Query{Partition: "/w==", Sort: "/w=="}, `{"x":{"B":"/w=="},"y":{"B":"/wA="}}`, `{"x":{"B":"/w=="},"y":{"B":"AP8="}}`},
		{"all of an index", mixed, Query{All: true, Index: "all"}, `{"pk":{"S":"a"},"n":{"N":"1"},"m":{"N":"1"}}`, `{"pk":{"S":"a"},"n":{"N":"1"}}
{"pk":{"S":"a"},"n":{"N":"1"},"m":{"S":"1"}}
{"pk":{"S":"a"}}`},
		{"a local index", mixed, Query{Partition: "a", Sort: "<= 5", Index: "local"}, `{"pk":{"S":"a"},"at":{"N":"5"}}`, `{"pk":{"S":"a"},"at":{"N":"6"}}
{"pk":{"S":"a"}}`},
		{"everything", hash, Query{All: true}, `{"pk":{"S":"a"}}`, ``},
	} {
		s, err := c.q.Compile(c.table)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]bool{c.in: true, c.out: false} {
			for line := range strings.Lines(text) {
				if got, err := s.Holds(item.Item(strings.TrimSpace(line))); err != nil || got != want {
					t.Errorf("%s: %s: %v, %v", c.name, line, got, err)
				}
			}
		}
	}
	s, err := Query{Partition: "a"}.Compile(hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", `{"pk":{"S":1}}`, `{"pk":{"Q":"a"}}`} {
		if _, err := s.Holds(item.Item(text)); err == nil {
			t.Errorf("%q is an item", text)
		}
	}
}
