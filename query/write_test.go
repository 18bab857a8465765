package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/dynamo-cmdline/dynamo/item"
)

// written is what a format makes of the items.
func written(t *testing.T, f Format, o Options, items ...string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, f, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if err := w.Write(item.Item(it)); err != nil {
			t.Fatalf("%s: %v", it, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const every = `{"z":{"S":"é <&>"},"sk":{"N":"12345678901234567890123456789012345678"},"pk":{"S":"a"},"b":{"B":"AP8="},"t":{"BOOL":true},"f":{"BOOL":false},"0":{"NULL":true},` +
	`"m":{"M":{"y":{"L":[{"N":"1E125"},{"M":{}}]},"x":{"S":""}}},"l":{"L":[{"L":[{"S":"in"}]},{"S":"q"}]},"ss":{"SS":["b","","a"]},"ns":{"NS":["10","9","-1.5","1E2"]},"bs":{"BS":["/w==","AA=="]},"e":{"L":[]}}`

func TestFormats(t *testing.T) {
	keys := Options{Keys: []string{"pk", "sk"}}
	const plain = `{"pk":"a","sk":12345678901234567890123456789012345678,"0":null,"b":"AP8=","bs":["AA==","/w=="],"e":[],"f":false,"l":[["in"],"q"],` +
		`"m":{"x":"","y":[1E125,{}]},"ns":[-1.5,9,10,1E2],"ss":["","a","b"],"t":true,"z":"é <&>"}`
	for _, c := range []struct {
		name   string
		format Format
		o      Options
		items  []string
		want   string
	}{
		{"lines", JSONLines, keys, []string{every, `{"pk":{"S":"b"},"sk":{"N":"-0.10"}}`}, plain + "\n" + `{"pk":"b","sk":-0.10}` + "\n"},
		{"no lines", JSONLines, keys, nil, ""},
		{"an array", JSON, keys, []string{every, `{"pk":{"S":"b"}}`}, "[\n" + plain + ",\n" + `{"pk":"b"}` + "\n]\n"},
		{"an empty array", JSON, keys, nil, "[]\n"},
		{"exported", DynamoLines, keys, []string{every}, `{"Item":{"pk":{"S":"a"},"sk":{"N":"12345678901234567890123456789012345678"},"0":{"NULL":true},"b":{"B":"AP8="},"bs":{"BS":["AA==","/w=="]},"e":{"L":[]},` +
			`"f":{"BOOL":false},"l":{"L":[{"L":[{"S":"in"}]},{"S":"q"}]},"m":{"M":{"x":{"S":""},"y":{"L":[{"N":"1E125"},{"M":{}}]}}},"ns":{"NS":["-1.5","9","10","1E2"]},"ss":{"SS":["","a","b"]},"t":{"BOOL":true},"z":{"S":"é <&>"}}}` + "\n"},
		{"attributes in their order", JSONLines, Options{Keys: []string{"pk"}, Attributes: []string{"b", "a"}}, []string{`{"a":{"N":"1"},"b":{"N":"2"}}`}, `{"b":2,"a":1}` + "\n"},
		{"YAML", YAML, keys, []string{every, `{}`}, "- pk: a\n  sk: 12345678901234567890123456789012345678\n  \"0\": null\n  b: !!binary \"AP8=\"\n  bs:\n    - !!binary \"AA==\"\n    - !!binary \"/w==\"\n  e: []\n  f: false\n" +
			"  l:\n    - - in\n    - q\n  m:\n    x: \"\"\n    \"y\":\n      - 1E125\n      - {}\n  ns:\n    - -1.5\n    - 9\n    - 10\n    - 1E2\n  ss:\n    - \"\"\n    - a\n    - b\n  t: true\n  z: \"é <&>\"\n- {}\n"},
		{"no YAML", YAML, keys, nil, "[]\n"},
		{"CSV", CSV, keys, []string{`{"x":{"S":"a,b"},"pk":{"S":"1"}}`, `{"sk":{"N":"-2"},"pk":{"S":"2"},"a":{"L":[{"S":"q"}]}}`}, "pk,sk,a,x\r\n1,,,\"a,b\"\r\n2,-2,\"[\"\"q\"\"]\",\r\n"},
		{"CSV of attributes", CSV, Options{Attributes: []string{"x", "none", "pk"}}, []string{`{"x":{"BOOL":true},"pk":{"S":"1"}}`}, "x,none,pk\r\ntrue,,1\r\n"},
		{"no CSV", CSV, keys, nil, "pk,sk\r\n"},
		{"aligned", Aligned, keys, []string{`{"x":{"S":"a b"},"pk":{"S":"1"},"sk":{"N":"10"}}`, `{"sk":{"N":"-2"},"pk":{"S":"two"},"l":{"L":[{"S":"q"}]},"x":{"S":"😀é"}}`},
			"pk   sk  x    l\n1    10  a b\ntwo  -2  😀é  [\"q\"]\n"},
		{"nothing aligned", Aligned, keys, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := written(t, c.format, c.o, c.items...); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	if _, err := NewWriter(io.Discard, "xml", Options{}); err == nil {
		t.Error("xml is a format")
	}
}

// evil are texts that a terminal, a spreadsheet or a reader of YAML would take
// for something else.
var evil = []string{
	"\x1b[2J", "\x1b]52;c;YQ==\x07", "\x9b31m\u009b31m", "\u0085", "\u202egnp.exe", "\u2066x\u2069", "\u200b\ufeff", "\u2028\u2029", "a\nb\r\nc", "\ttab", "\x00\x01\x1f\x7f",
	"\U000e0001tag", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "'=1", "true", "null", "~", "yes", "1e5", "0x1f", "2026-11-20", "- a", "a: b", "# c", "&x", "*x", "!!binary x",
	"<<", "[", "{", "|", ">", "%YAML", "---", "...", "\"", "\\", "'", " lead", "trail ", "", "é", "😀",
}

// hostile is an item whose names and values are all evil.
func hostile() (string, map[string]string) {
	want := map[string]string{}
	b := []byte(`{"pk":{"S":"k"}`)
	for i, text := range evil {
		text = strings.ToValidUTF8(text, "?")
		for name, nested := range map[string]bool{fmt.Sprintf("%02d", i) + text: false, text: true} {
			if name == "" || name == "pk" || nested && i%3 > 0 {
				continue
			}
			want[name] = text
			b = append(append(b, ','), jsonOf(name)...)
			b = append(append(append(b, `:{"S":`...), jsonOf(text)...), '}')
		}
	}
	return string(append(b, '}')), want
}

func jsonOf(text string) []byte {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return b
}

// steers reports what no terminal may get, said in another way than the product does.
func steers(c rune) bool {
	for _, r := range [][2]rune{{0, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0001, 0xe007f}} {
		if c >= r[0] && c <= r[1] {
			return true
		}
	}
	return false
}

func TestNothingRaw(t *testing.T) {
	it, want := hostile()
	for _, f := range Formats {
		for _, o := range []Options{{Keys: []string{"pk"}, Visible: true}, {Keys: []string{"pk"}, Width: 120, Visible: true}, {Attributes: slices.Collect(keysOfMap(want)), Width: 80, Visible: true}} {
			got := written(t, f, o, it, it)
			for _, c := range got {
				if steers(c) && c != '\n' && (c != '\r' || f != CSV) {
					t.Fatalf("%s: raw %U in\n%q", f, c, got)
				}
			}
			lines := map[Format]int{Aligned: 3, JSON: 4, JSONLines: 2, DynamoLines: 2, CSV: 3}[f]
			if n := strings.Count(got, "\n"); lines > 0 && n != lines || strings.Count(got, "\r") > strings.Count(got, "\r\n") {
				t.Errorf("%s: %d lines, want %d:\n%q", f, n, lines, got)
			}
		}
	}
}

func keysOfMap(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

// What the exact formats write is read back as it was.
func TestReadBack(t *testing.T) {
	it, want := hostile()
	want["pk"] = "k"
	check := func(what string, got map[string]string) {
		t.Helper()
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s: %q is %q, want %q", what, name, got[name], text)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d attributes, want %d", what, len(got), len(want))
		}
	}
	var object map[string]string
	if err := json.Unmarshal([]byte(written(t, JSONLines, Options{}, it)), &object); err != nil {
		t.Fatal(err)
	}
	check("jsonl", object)
	var list []map[string]string
	if err := json.Unmarshal([]byte(written(t, JSON, Options{}, it)), &list); err != nil {
		t.Fatal(err)
	}
	check("json", list[0])
	var exported struct{ Item map[string]struct{ S string } }
	if err := json.Unmarshal([]byte(written(t, DynamoLines, Options{}, it)), &exported); err != nil {
		t.Fatal(err)
	}
	object = map[string]string{}
	for name, v := range exported.Item {
		object[name] = v.S
	}
	check("ddb", object)
	var nodes []map[string]any // strings must come back as strings
	if err := yaml.Unmarshal([]byte(written(t, YAML, Options{}, it)), &nodes); err != nil {
		t.Fatal(err)
	}
	object = map[string]string{}
	for name, v := range nodes[0] {
		text, ok := v.(string)
		if !ok {
			t.Errorf("yaml: %q is a %T", name, v)
		}
		object[name] = text
	}
	check("yaml", object)
}

// CSV is read back as it was, by a reader that knows no more than RFC 4180: every text, in names
// and in cells; and what is not there is told from what is empty.
func TestCSVIsExact(t *testing.T) {
	it, want := hostile()
	for _, o := range []Options{{Keys: []string{"pk"}}, {Attributes: append(slices.Sorted(keysOfMap(want)), "none")}} {
		rows := records(t, written(t, CSV, o, it, `{"pk":{"S":""}}`))
		if len(rows) != 3 {
			t.Fatalf("%d records", len(rows))
		}
		seen := 0
		for i, name := range rows[0] {
			if text, ok := want[name.text]; ok {
				seen++
				if rows[1][i].text != text || !rows[1][i].quoted && text == "" {
					t.Errorf("%q: got %+v, want %q", name.text, rows[1][i], text)
				}
				if rows[2][i] != (csvCell{}) {
					t.Errorf("%q is not there, and is %+v", name.text, rows[2][i])
				}
			}
			if name.text == "pk" && rows[2][i] != (csvCell{"", true}) {
				t.Errorf("an empty text is %+v", rows[2][i])
			}
		}
		if seen != len(want) {
			t.Errorf("%d of %d names", seen, len(want))
		}
	}
	if got := written(t, CSV, Options{Attributes: []string{"x"}}, `{"pk":{"S":"1"}}`); got != "x\r\n\"\"\r\n" {
		t.Errorf("a record of one empty cell is %q", got)
	}
}

// A csvCell is what RFC 4180 says of a cell.
type csvCell struct {
	text   string
	quoted bool
}

// records reads RFC 4180, and nothing else.
func records(t *testing.T, text string) (rows [][]csvCell) {
	t.Helper()
	for text != "" {
		var row []csvCell
		for {
			var c csvCell
			if c.quoted = strings.HasPrefix(text, `"`); c.quoted {
				text = text[1:]
				for {
					end := strings.IndexByte(text, '"')
					if end < 0 {
						t.Fatal("a quote is not closed")
					}
					c.text += text[:end]
					if text = text[end+1:]; !strings.HasPrefix(text, `"`) {
						break
					}
					c.text, text = c.text+`"`, text[1:]
				}
			} else {
				end := strings.IndexAny(text, ",\"\r\n")
				if end < 0 {
					t.Fatal("a record has no end")
				}
				c.text, text = text[:end], text[end:]
			}
			row = append(row, c)
			if !strings.HasPrefix(text, ",") {
				break
			}
			text = text[1:]
		}
		rest, ok := strings.CutPrefix(text, "\r\n")
		if !ok {
			t.Fatalf("a record ends with %q", text[:min(len(text), 5)])
		}
		rows, text = append(rows, row), rest
	}
	return rows
}

func TestFormulasAreHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"x=1": "x=1", "": "", "'": "'", "a;=1": "a;=1",
	} {
		it := `{"v":{"S":` + string(jsonOf(text)) + `},"n":{"N":"-1.50"},"=h":{"S":"x"},"b":{"B":"+w=="}}`
		rows := records(t, written(t, CSV, Options{Spreadsheet: true}, it))
		if got := rows[1][3].text; got != want || strings.Contains(text, ";") && !rows[1][3].quoted {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if rows[0][0].text != "'=h" || rows[1][2].text != "-1.50" || rows[1][1].text != "'+w==" {
			t.Errorf("got %+v", rows)
		}
		if rows := records(t, written(t, CSV, Options{}, it)); rows[1][3].text != text || rows[0][0].text != "=h" {
			t.Errorf("without being asked: %+v", rows)
		}
	}
}

// The spooled items lie in a file that only its owner reads, and that is gone
// in the end, whatever the end is.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, end := range []func(*Writer){func(w *Writer) { _ = w.Close() }, (*Writer).Abandon} {
		w, err := NewWriter(io.Discard, CSV, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			if err := w.Write(item.Item(every)); err != nil {
				t.Fatal(err)
			}
		}
		s := w.form.(*spooled)
		info, err := s.file.Stat()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file is %v, %v", info, err)
		}
		if named := files(); len(named) > 0 && runtime.GOOS != "windows" {
			t.Errorf("a program that is killed leaves %v behind", named)
		}
		end(w)
		if left := files(); len(left) > 0 || s.file != nil {
			t.Errorf("left behind: %v", left)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	w, err := NewWriter(io.Discard, CSV, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(item.Item(every)); !errors.Is(err, os.ErrNotExist) || !errors.Is(w.Close(), os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// What broke off does not look whole.
func TestAbandon(t *testing.T) {
	for f, want := range map[Format]string{JSON: "[\n{\"pk\":\"a\"}", JSONLines: "{\"pk\":\"a\"}\n", CSV: "", Aligned: "pk\na\n"} {
		var b bytes.Buffer
		w, err := NewWriter(&b, f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(item.Item(`{"pk":{"S":"a"}}`)); err != nil {
			t.Fatal(err)
		}
		w.Abandon()
		if b.String() != want {
			t.Errorf("%s: %q, want %q", f, b.String(), want)
		}
	}
}

func TestColumns(t *testing.T) {
	wide := func(n int) string { return `{"S":"` + strings.Repeat("w", n) + `"}` }
	items := []string{
		`{"pk":{"S":"one"},"rare":{"N":"1"},"often":{"N":"1"},"list":{"L":[{"N":"1"}]},"text":` + wide(300) + `}`,
		`{"pk":{"S":"two"},"often":{"N":"2"},"list":{"L":[]},"text":` + wide(20) + `}`,
	}
	for _, c := range []struct {
		width int
		o     Options
		head  string
		rest  []string
	}{
		{0, Options{Keys: []string{"pk"}}, "pk   often  text" + strings.Repeat(" ", 38) + "rare  list", []string{}},
		{80, Options{Keys: []string{"pk"}}, "pk   often  text" + strings.Repeat(" ", 38) + "rare  list", []string{}},
		{30, Options{Keys: []string{"pk"}}, "pk   often  text", []string{"list", "rare"}},
		{16, Options{Keys: []string{"pk"}}, "pk   often  rare", []string{"list", "text"}},
		{2, Options{Keys: []string{"pk"}}, "pk", []string{"list", "often", "rare", "text"}},
		{20, Options{Keys: []string{"pk"}, Attributes: []string{"text", "pk"}}, "text        pk", nil},
	} {
		c.o.Width = c.width
		var b bytes.Buffer
		w, err := NewWriter(&b, Aligned, c.o)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if err := w.Write(item.Item(it)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		if lines[0] != c.head || !slices.Equal(w.Omitted(), c.rest) && len(w.Omitted())+len(c.rest) > 0 {
			t.Errorf("%d wide: %q, and not %q", c.width, lines[0], w.Omitted())
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); c.width > 0 && n > c.width {
				t.Errorf("%d wide: a line of %d: %q", c.width, n, line)
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"日本語", 6, "日本語"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"abc", 1, "…"}} {
		if got, _ := cut(c.text, c.width, true); got != c.want {
			t.Errorf("%q in %d is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	items := []string{
		`{"a":{"S":"x"}}`, `{"b":{"S":"y"}}`, `{"a":{"S":"x"}}`, `{"a":{"N":"1"}}`, `{"a":{"N":"1.0"}}`, `{"a":{"S":"1"}}`, `{"a":{"BOOL":true}}`, `{"a":{"NULL":true}}`,
		`{"a":{"B":"AA=="}}`, `{"a":{"S":"two\nlines"}}`, `{"a":{"S":"\u001b[2J"}}`, `{"a":{"S":""}}`, `{"a":{"SS":["b","a"]}}`, `{"a":{"SS":["a","b"]}}`, `{"a":{"S":"\"q\""}}`,
	}
	var lines, array bytes.Buffer
	for _, u := range []*Values{NewValues(&lines, "a", false), NewValues(&array, "a", true)} {
		for _, it := range items {
			if err := u.Write(item.Item(it)); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const want = "x\n1\n1\ntrue\nnull\nAA==\n\"two\\nlines\"\n\"\\u001b[2J\"\n\n[\"a\",\"b\"]\n\"q\"\n"
	if lines.String() != want {
		t.Errorf("got\n%s\nwant\n%s", lines.String(), want)
	}
	var list []any
	if err := json.Unmarshal(array.Bytes(), &list); err != nil || len(list) != 11 {
		t.Errorf("got %v, %v", list, err)
	}
}

// FuzzItem: whatever the scanner takes for an item can be written in every
// format, the JSON of it is JSON, and nothing in it is raw.
func FuzzItem(f *testing.F) {
	it, _ := hostile()
	f.Add([]byte(it))
	f.Add([]byte(every))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := item.Parse(append([]byte(`{"pk":{"S":"a"},"v":`), append(raw, '}')...), item.Schema{Partition: item.Attr{Name: "pk", Type: 'S'}}); err != nil {
			if _, err := item.Parse(raw, item.Schema{Partition: item.Attr{Name: "pk", Type: 'S'}}); err != nil {
				return
			}
		} else {
			raw = append([]byte(`{"pk":{"S":"a"},"v":`), append(raw, '}')...)
		}
		for _, format := range Formats {
			var b bytes.Buffer
			w, err := NewWriter(&b, format, Options{Width: 80, Visible: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Write(raw), w.Close()); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			for _, c := range b.String() {
				if steers(c) && c != '\n' && (c != '\r' || format != CSV) {
					t.Fatalf("%s: raw %U", format, c)
				}
			}
			if (format == JSON || format == JSONLines || format == DynamoLines) && !json.Valid(b.Bytes()) {
				t.Fatalf("%s is no JSON: %s", format, b.Bytes())
			}
		}
	})
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"": `""`, "a": `"a"`, "a\"b\\": `"a\"b\\"`, "\n\r\t\x00": `"\n\r\t\u0000"`, "é\x7f\u0085😀": `"é\u007f\u0085😀"`, "\u202ex\U000e0001": `"\u202ex\udb40\udc01"`,
		"a\xffb\xc3": "\"a\ufffdb\ufffd\"",
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
