package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

func TestParseSort(t *testing.T) {
	for _, c := range []struct {
		text  string
		op    Operator
		value string
		upper string
	}{
		{"order#", "", "order#", ""},
		{"2026-11", "", "2026-11", ""},
		{" x ", "", " x ", ""}, // verbatim
		{"= v", Equal, "v", ""},
		{"=v", Equal, "v", ""},
		{"< 5", Less, "5", ""},
		{"<= 5", LessEqual, "5", ""},
		{">  5 ", Greater, "5", ""},
		{">=-5", GreaterEqual, "-5", ""},
		{"= =x", Equal, "=x", ""},
		{`= " x"`, Equal, " x", ""},
		{`> "\u00e9\n"`, Greater, "é\n", ""},
		{"begins_with order", BeginsWith, "order", ""},
		{"begins_with = x", BeginsWith, "= x", ""},
		{"begins_with between", BeginsWith, "between", ""},
		{`begins_with "a b "`, BeginsWith, "a b ", ""},
		{"BEGINS_WITH x", BeginsWith, "x", ""},
		{"between a and b", Between, "a", "b"},
		{"BETWEEN 1 AND 5", Between, "1", "5"},
		{"between 2026-01-01  and  2026-02-01", Between, "2026-01-01", "2026-02-01"},
		{"between x y and z", Between, "x y", "z"},
		{`between "a and b" and "c"`, Between, "a and b", "c"},
		{`between "a"and "c"`, Between, "a", "c"},
		{`between a and "b and c"`, Between, "a", "b and c"},
		{`between "a and b" and c`, Between, "a and b", "c"},
		{"betweenness", "", "betweenness", ""},
		{"begins_with(x)", "", "begins_with(x)", ""},
		{"anderson and sons", "", "anderson and sons", ""},
	} {
		got, err := ParseSort(c.text)
		if want := (Condition{c.op, c.value, c.upper}); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", c.text, got, err, want)
		}
	}
	for _, text := range []string{
		"=", "= ", ">", "<> 5", "== 5", "=> 5", "begins_with", "begins_with ", "between", "between ", "between a", "between a and", "between and b",
		"between a and b and c", `between "a" b`, `between "a" and`, `= "a`, `= "a" b`, `= "\ud800"`, `= "\x41"`, `between "a and b and c`, `between "a" and "b" and "c"`,
	} {
		got, err := ParseSort(text)
		if bad := (*Error)(nil); !errors.As(err, &bad) || bad.Hint == "" {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

var (
	str   = Table{Schema: item.Schema{Partition: item.Attr{Name: "size", Type: 'S'}, Sort: item.Attr{Name: "a.b", Type: 'S'}}}
	num   = Table{Schema: item.Schema{Partition: item.Attr{Name: "n", Type: 'N'}, Sort: item.Attr{Name: "m", Type: 'N'}}}
	bin   = Table{Schema: item.Schema{Partition: item.Attr{Name: "x", Type: 'B'}, Sort: item.Attr{Name: "y", Type: 'B'}}}
	hash  = Table{Schema: item.Schema{Partition: item.Attr{Name: "pk", Type: 'S'}}}
	mixed = Table{
		Schema: hash.Schema,
		Indexes: []Index{
			{Name: "all", Schema: num.Schema, All: true},
			{Name: "keys", Schema: str.Schema},
			{Name: "some", Schema: str.Schema, Attributes: []string{"q", "b"}},
			{Name: "local", Schema: item.Schema{Partition: hash.Schema.Partition, Sort: item.Attr{Name: "at", Type: 'N'}}, Local: true},
		},
	}
)

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		name   string
		table  Table
		q      Query
		want   string // condition | filter | projection
		names  string
		values string
	}{
		{"a key", hash, Query{Partition: "a"}, "#k0 = :v0||", "pk", `{"S":"a"}`},
		{"a key that looks like syntax", hash, Query{Partition: `x" OR :v0 = :v0 #k0`}, "#k0 = :v0||", "pk", `{"S":"x\" OR :v0 = :v0 #k0"}`},
		{"a prefix", str, Query{Partition: "a", Sort: "b"}, "#k0 = :v0 AND begins_with(#k1, :v1)||", "size a.b", `{"S":"a"} {"S":"b"}`},
		{"a number", num, Query{Partition: "1.50", Sort: "7"}, "#k0 = :v0 AND #k1 = :v1||", "n m", `{"N":"1.50"} {"N":"7"}`},
		{"a range of numbers", num, Query{Partition: "-1E3", Sort: "between 9 and 10"}, "#k0 = :v0 AND #k1 BETWEEN :v1 AND :v2||", "n m", `{"N":"-1E3"} {"N":"9"} {"N":"10"}`},
		{"a number with a sign", num, Query{Partition: "+5"}, "#k0 = :v0||", "n", `{"N":"5"}`},
		{"binaries", bin, Query{Partition: "/w==", Sort: "> AA=="}, "#k0 = :v0 AND #k1 > :v1||", "x y", `{"B":"/w=="} {"B":"AA=="}`},
		{"everything", hash, Query{All: true}, "||", "", ""},
		{"a global index", mixed, Query{Partition: "1", Index: "all"}, "#k0 = :v0||", "n", `{"N":"1"}`},
		{"a local index", mixed, Query{Partition: "a", Sort: "<= 5", Index: "local"}, "#k0 = :v0 AND #k1 <= :v1||", "pk at", `{"S":"a"} {"N":"5"}`},
		{"a filter", hash, Query{Partition: "a", Filter: "#s = :s AND (size(#t) > :n OR #s = :s)", Names: map[string]string{"#s": "status", "#t": "pk"},
			Values: map[string]string{":s": `"open"`, ":n": "1.0"}}, "#k0 = :v0|#k1 = :v1 AND (size(#k0) > :v2 OR #k1 = :v1)|", "pk status", `{"S":"a"} {"S":"open"} {"N":"1.0"}`},
		{"a filter with placeholders like ours", hash, Query{All: true, Filter: "#k1=:v1 AND #k0=:v0", Names: map[string]string{"#k0": "a", "#k1": "b"},
			Values: map[string]string{":v0": "true", ":v1": "null"}}, "|#k0=:v0 AND #k1=:v1|", "b a", `{"NULL":true} {"BOOL":true}`},
		{"attributes", str, Query{Partition: "a", Attributes: []string{"x.y", "a.b", "size"}}, "#k0 = :v0||#k0,#k1,#k2", "size a.b x.y", `{"S":"a"}`},
		{"keys only", str, Query{All: true, KeysOnly: true}, "||#k0,#k1", "size a.b", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.q.Compile(c.table)
			if err != nil {
				t.Fatal(err)
			}
			var values []string
			for _, v := range s.Values {
				values = append(values, string(v))
			}
			if got := s.Condition + "|" + s.Filter + "|" + s.Projection; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := strings.Join(s.Names, " "); got != c.names {
				t.Errorf("names %s, want %s", got, c.names)
			}
			if got := strings.Join(values, " "); got != c.values {
				t.Errorf("values %s, want %s", got, c.values)
			}
		})
	}
}

func TestCompileSays(t *testing.T) {
	s, err := Query{Partition: "a", Sort: "x", Index: "keys", Reverse: true, Limit: 5}.Compile(mixed)
	if err != nil {
		t.Fatal(err)
	}
	want := Selection{
		Index: "keys", Condition: "#k0 = :v0 AND begins_with(#k1, :v1)", Names: []string{"size", "a.b"}, Values: s.Values,
		Reverse: true, Eventual: true, Limit: 5, Keys: []string{"pk", "size", "a.b"}, Lacking: `index "keys" has not all attributes of the items: only keys are projected`,
	}
	want.within = s.within
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if s.PageLimit() != 5 {
		t.Errorf("pages of %d", s.PageLimit())
	}
	if s, err = (Query{Partition: "a", Limit: 5, Filter: "attribute_exists(x)"}).Compile(hash); err != nil || s.PageLimit() != 0 || s.Eventual || !s.Whole {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = (Query{Partition: "a", Index: "local", Attributes: []string{"anything"}}).Compile(mixed); err != nil || s.Eventual {
		t.Errorf("a local index reads consistently and fetches what it lacks: %+v, %v", s, err)
	}
}

func TestCompileRefuses(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		name  string
		table Table
		q     Query
		want  string
	}{
		{"nothing", hash, Query{}, "is empty"},
		{"key and all", hash, Query{Partition: "a", All: true}, "at once"},
		{"a sort key alone", str, Query{All: true, Sort: "x"}, "needs a partition key"},
		{"a sort key that the table lacks", hash, Query{Partition: "a", Sort: "x"}, "has no sort key"},
		{"a scan in reverse", hash, Query{All: true, Reverse: true}, "no order"},
		{"no number", num, Query{Partition: "abc"}, `"abc" is none`},
		{"half a number", num, Query{Partition: "1e"}, "is none"},
		{"hexadecimal", num, Query{Partition: "0x10"}, "is none"},
		{"a number with blanks", num, Query{Partition: " 1"}, "is none"},
		{"not a number", num, Query{Partition: "NaN"}, "is none"},
		{"39 digits", num, Query{Partition: "123456789012345678901234567890123456789"}, "38 digits"},
		{"too large", num, Query{Partition: "1E126"}, "1E126"},
		{"too small", num, Query{Partition: "1E-131"}, "1E-130"},
		{"absurd", num, Query{Partition: "1E999999999999999999999"}, "is none"},
		{"no number in the range", num, Query{Partition: "1", Sort: "between 1 and x"}, `"x" is none`},
		{"a range the wrong way, by value", num, Query{Partition: "1", Sort: "between 10 and 9"}, "nothing between"},
		{"a range the wrong way, by byte", bin, Query{Partition: "AA==", Sort: "between /w== and AA=="}, "nothing between"},
		{"begins_with on a number", num, Query{Partition: "1", Sort: "begins_with 1"}, "does not work"},
		{"no base64", bin, Query{Partition: "###"}, "is not base64"},
		{"base64 without its end", bin, Query{Partition: "AA"}, "is not base64"},
		{"a long partition key", hash, Query{Partition: long + long}, "2050 bytes"},
		{"a long sort key", str, Query{Partition: "a", Sort: long}, "1025 bytes"},
		{"an index that is not there", mixed, Query{Partition: "a", Index: "none"}, `no index "none"`},
		{"an attribute that the index lacks", mixed, Query{Partition: "a", Index: "some", Attributes: []string{"z"}}, `no attribute "z": beside keys, only b, q are projected`},
		{"an attribute twice", hash, Query{Partition: "a", Attributes: []string{"x", "x"}}, "stands twice"},
		{"an attribute without a name", hash, Query{Partition: "a", Attributes: []string{""}}, "is empty"},
		{"invalid UTF-8 in the key", hash, Query{Partition: "a\xff"}, "UTF-8"},
		{"invalid UTF-8 in the filter's value", hash, Query{Partition: "a", Filter: ":v = :v", Values: map[string]string{":v": "\"\xff\""}}, "UTF-8"},
		{"a name that is not defined", hash, Query{Partition: "a", Filter: "#x = :x", Values: map[string]string{":x": "1"}}, "#x has no name"},
		{"a value that is not defined", hash, Query{Partition: "a", Filter: "x = :x"}, ":x has no value"},
		{"a name that is not used", hash, Query{Partition: "a", Filter: "x = y", Names: map[string]string{"#z": "z"}}, "#z is not in the filter"},
		{"a value without a filter", hash, Query{Partition: "a", Values: map[string]string{":z": "1"}}, ":z is not in the filter"},
		{"a bare #", hash, Query{Partition: "a", Filter: "# = x"}, "# has no name"},
		{"a placeholder without its sign", hash, Query{Partition: "a", Filter: "x = x", Names: map[string]string{"x": "x"}}, "not a name's placeholder"},
		{"a placeholder with a dash", hash, Query{Partition: "a", Filter: "x = :a-b", Values: map[string]string{":a-b": "1"}}, "not a value's placeholder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.q.Compile(c.table)
			if bad := (*Error)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParseValue(t *testing.T) {
	for text, want := range map[string]string{
		`"x"`: `{"S":"x"}`, `""`: `{"S":""}`, "1": `{"N":"1"}`, "-1.50E+3": `{"N":"-1.50E+3"}`, "true": `{"BOOL":true}`, "false": `{"BOOL":false}`, " null ": `{"NULL":true}`,
		`{"S":"x"}`: `{"S":"x"}`, `{"SS":["a","b"]}`: `{"SS":["a","b"]}`, `{"M":{"a":{"N":"1"}}}`: `{"M":{"a":{"N":"1"}}}`, `{ "B" : "AA==" }`: `{ "B" : "AA==" }`,
		`12345678901234567890123456789012345678`: `{"N":"12345678901234567890123456789012345678"}`,
	} {
		if got, err := ParseValue(text); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{``, `x`, `'x'`, `[1]`, `{}`, `{"a":1}`, `{"Z":"x"}`, `{"S":"x","N":"1"}`, `{"N":1}`, `{"N":"x"}`, `1E200`, `01`, `"a" "b"`, `"\ud800"`} {
		if got, err := ParseValue(text); err == nil {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

func TestShow(t *testing.T) {
	it := item.Item(`{"pk":{"S":"a"},"x,\"y":{"M":{"pk":{"S":"inner"}}},"\u0062":{"N":"1.50"} , "c":{"NULL":true}}`)
	for _, c := range []struct {
		only []string
		want string
	}{
		{nil, string(it)},
		{[]string{"pk"}, `{"pk":{"S":"a"}}`},
		{[]string{"b", "x,\"y"}, `{"x,\"y":{"M":{"pk":{"S":"inner"}}},"\u0062":{"N":"1.50"}}`},
		{[]string{"none"}, `{}`},
	} {
		if got, err := (Selection{Only: c.only}).Show(it); err != nil || string(got) != c.want {
			t.Errorf("%q: got %s, %v; want %s", c.only, got, err, c.want)
		}
	}
}

// What a filter names is found whatever else stands in it.
func TestFiltered(t *testing.T) {
	for filter, want := range map[string]string{
		"":                                  "",
		"color = :c":                        "color",
		"#c = :c AND NOT contains(tags,:c)": "the color,tags",
		"a.b.#c[0] <> :x or size(d)>:y":     "a,d",
		"x BETWEEN :a AND :b":               "x",
		"begins_with ( y , :p )":            "y",
		"l[3].m = :v and z in (:a,:b)":      "l,z",
		"a . b = :v":                        "a",
		"attribute_type(q, :t)":             "q",
	} {
		q := Query{Filter: filter, Names: map[string]string{"#c": "the color"}}
		if got := strings.Join(q.filtered(), ","); got != want {
			t.Errorf("%q names %q, want %q", filter, got, want)
		}
	}
}
