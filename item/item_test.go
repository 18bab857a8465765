package item

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var pkOnly = Schema{Partition: Attr{"pk", String}}

func TestParseTakes(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"one attribute", `{"pk":{"S":"a"}}`},
		{"every type", `{"pk":{"S":"a"},"n":{"N":"-1.5E-130"},"b":{"B":"AP8="},"t":{"BOOL":true},"f":{"BOOL":false},"0":{"NULL":true},
			"m":{"M":{"x":{"L":[]},"":{"M":{}}}},"l":{"L":[{"S":""},{"L":[{"N":"1"}]}]},"ss":{"SS":["","b"]},"ns":{"NS":["1"]},"bs":{"BS":[""]}}`},
		{"white space anywhere", " {\n\t\"pk\" : { \"S\" : \"a\" } ,\r\n \"n\" : { \"N\" : \"1\" } } "},
		{"escapes", `{"pk":{"S":"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"}}`},
		{"an escaped key name", `{"\u0070k":{"S":"a"}}`},
		{"letters beyond ASCII", `{"pk":{"S":"é é 😀"},"ключ":{"S":"x"}}`},
		{"empty texts", `{"pk":{"S":""},"":{"B":""}}`},
		{"31 levels", `{"pk":{"S":"a"},"deep":` + strings.Repeat(`{"L":[`, 31) + `{"N":"1"}` + strings.Repeat(`]}`, 31) + `}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse([]byte(c.raw), pkOnly)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(f.Item), strings.TrimSpace(c.raw); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"nothing", ``, "unexpected end"},
		{"an array", `[]`, "expected {"},
		{"a missing key", `{"n":{"N":"1"}}`, "key attribute is missing"},
		{"a key that stands twice", `{"pk":{"S":"a"},"pk":{"S":"b"}}`, "stands twice"},
		{"an escaped key that stands twice", `{"pk":{"S":"a"},"\u0070k":{"S":"b"}}`, "stands twice"},
		{"an unknown type", `{"pk":{"S":"a"},"x":{"Q":"1"}}`, `"x": unknown type tag`},
		{"an unknown type inside", `{"pk":{"S":"a"},"x":{"L":[{"V":[1]}]}}`, `"x": unknown type tag`},
		{"a value without type", `{"pk":{"S":"a"},"x":{}}`, "must say its type"},
		{"two types", `{"pk":{"S":"a","N":"1"}}`, "must have one type"},
		{"a bare number", `{"pk":{"S":"a"},"x":{"N":1}}`, `a number must stand in quotes, as {"N":"5"}`},
		{"a NULL that is false", `{"pk":{"S":"a"},"x":{"NULL":false}}`, "a NULL must be true"},
		{"a BOOL that is text", `{"pk":{"S":"a"},"x":{"BOOL":"true"}}`, "a BOOL must be true or false, without quotes"},
		{"a lone surrogate", `{"pk":{"S":"\ud800"}}`, "lone surrogate"},
		{"a low surrogate first", `{"pk":{"S":"\udc00\ud800"}}`, "lone surrogate"},
		{"an unknown escape", `{"pk":{"S":"\x41"}}`, "unknown escape"},
		{"a raw control character", "{\"pk\":{\"S\":\"a\x01\"}}", "control character"},
		{"a raw byte that is not UTF-8", "{\"pk\":{\"S\":\"a\xff\"}}", "invalid UTF-8"},
		{"a cut text", `{"pk":{"S":"a`, "unexpected end"},
		{"a cut item", `{"pk":{"S":"a"}`, "unexpected end"},
		{"trailing bytes", `{"pk":{"S":"a"}}x`, "trailing bytes"},
		{"a missing comma", `{"pk":{"S":"a"}"n":{"N":"1"}}`, "expected , or }"},
		{"a trailing comma", `{"pk":{"S":"a"},}`, `expected "`},
		{"10,000 levels", `{"pk":{"S":"a"},"x":` + strings.Repeat(`{"L":[`, 10_000), "nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse([]byte(c.raw), pkOnly); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The survey looks at eight bytes at a time; every place in a block must count.
func TestSurveySeesEveryByte(t *testing.T) {
	for length := range 80 {
		for at := range length {
			b := []byte(strings.Repeat(" ~", 40)[:length])
			for _, c := range []struct {
				put                     byte
				controls, escapes, high bool
			}{{'a', false, false, false}, {'\\', false, true, false}, {0, true, false, false}, {0x1f, true, false, false}, {0x80, false, false, true},
				{0xff, false, false, true}, {0x7f, false, false, false}, {'[', false, false, false}, {']', false, false, false}} {
				b[at] = c.put
				controls, escapes, high := survey(b)
				// A byte beyond ASCII may also make the survey careful; that costs time only.
				if high != c.high || escapes != c.escapes || controls != c.controls && (!c.high || !controls) {
					t.Fatalf("%#x at %d of %d: controls %v, escapes %v, high %v", c.put, at, length, controls, escapes, high)
				}
			}
		}
	}
}

func TestValidUTF8(t *testing.T) {
	for range 20_000 {
		b := make([]byte, rand.IntN(24))
		for i := range b {
			b[i] = []byte{'a', 'b', 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 0x80, 0xff}[rand.IntN(12)]
		}
		if validUTF8(b) != utf8.Valid(b) {
			t.Fatalf("%x", b)
		}
	}
}

func TestDecimal(t *testing.T) {
	for want, forms := range map[string][]string{
		"0":      {"0", "-0", "0.0", "00", "0E5", "-0.00E-7", "+0"},
		"1E0":    {"1", "1.0", "1E0", "01", "10E-1", "0.1e1", "+1", "1.00000000000000000000000000000000000000"},
		"-15E-1": {"-1.5", "-15E-1", "-0.15E1", "-1.50"},
		"1E2":    {"100", "1E2", "1e+2", "0.1E3", "100.0"},
		"1E125":  {"1E125", "1" + strings.Repeat("0", 125)},
		"12345678901234567890123456789012345678E0": {"12345678901234567890123456789012345678"},
		"42E0": {"00042", "42", "4.2E1"},
	} {
		for _, form := range forms {
			if got, err := AppendDecimal(nil, []byte(form)); err != nil || string(got) != want {
				t.Errorf("%s: got %s, %v; want %s", form, got, err, want)
			}
		}
	}
	for _, bad := range []string{"", "-", ".", "abc", "1x", "1E", "1E1.5", "--1", "1.2.3", "0x10", " 1"} {
		if got, err := AppendDecimal(nil, []byte(bad)); err == nil {
			t.Errorf("%q: got %s, want an error", bad, got)
		}
	}
}

func hashOf(t *testing.T, raw string, s Schema) uint64 {
	t.Helper()
	f, err := Parse([]byte(raw), s)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := f.Hash(s)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestKeysByValue(t *testing.T) {
	ss := Schema{Attr{"pk", String}, Attr{"sk", String}}
	n := Schema{Partition: Attr{"pk", Number}}
	b := Schema{Partition: Attr{"pk", Binary}}
	pair := func(p, s string) string { return fmt.Sprintf(`{"pk":{"S":%q},"sk":{"S":%q}}`, p, s) }
	for _, c := range []struct {
		name       string
		s          Schema
		one, other string
		same       bool
	}{
		{"numbers in two forms", n, `{"pk":{"N":"1"}}`, `{"pk":{"N":"1.0"}}`, true},
		{"numbers with exponents", n, `{"pk":{"N":"100"}}`, `{"pk":{"N":"1E2"}}`, true},
		{"other numbers", n, `{"pk":{"N":"1"}}`, `{"pk":{"N":"-1"}}`, false},
		{"numbers of 38 digits", n, `{"pk":{"N":"12345678901234567890123456789012345678"}}`, `{"pk":{"N":"12345678901234567890123456789012345679"}}`, false},
		{"escaped and plain text", pkOnly, `{"pk":{"S":"a\u0062c"}}`, `{"pk":{"S":"abc"}}`, true},
		{"white space in the value", pkOnly, `{"pk": { "S" : "a" } }`, `{"pk":{"S":"a"}}`, true},
		{"other attributes", pkOnly, `{"x":{"N":"1"},"pk":{"S":"a"}}`, `{"pk":{"S":"a"}}`, true},
		{"composed and decomposed letters", pkOnly, "{\"pk\":{\"S\":\"\u00e9\"}}", "{\"pk\":{\"S\":\"e\u0301\"}}", false},
		{"binaries", b, `{"pk":{"B":"AP8="}}`, `{"pk":{"B":"AP8="}}`, true},
		{"other binaries", b, `{"pk":{"B":"AP8="}}`, `{"pk":{"B":"AP4="}}`, false},
		{"swapped parts", ss, pair("a", "b"), pair("b", "a"), false},
		{"parts that run together", ss, pair("a|b", "c"), pair("a", "b|c"), false},
		{"parts that run together, empty", ss, pair("ab", ""), pair("a", "b"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, other := hashOf(t, c.one, c.s), hashOf(t, c.other, c.s)
			if (one == other) != c.same {
				t.Fatalf("hashes %x and %x; want same: %v", one, other, c.same)
			}
		})
	}
}

// What the scanner takes, encoding/json must take too, and end at the same place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"a"},"n":{"N":"1"},"l":{"L":[{"M":{"x":{"NULL":true}}}]}}`))
	f.Add([]byte(` { "pk" : {"S":"\ud83d\ude00"} , "ss":{"SS":["",""]}}`))
	f.Add([]byte("{\"pk\":{\"S\":\"a\\u00e9\xc3\xa9\"}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := Parse(raw, pkOnly)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("took what is not JSON: %q", raw)
		}
		var typed map[string]map[string]json.RawMessage
		if err := json.Unmarshal(raw, &typed); err != nil {
			t.Fatalf("took what is no item: %v", err)
		}
		for name, value := range typed {
			if len(value) != 1 {
				t.Fatalf("attribute %q has %d types", name, len(value))
			}
		}
		if !json.Valid(found.Partition) {
			t.Fatalf("key value is %q", found.Partition)
		}
	})
}

// A page read with the fast path and with the careful one has the same items.
func TestCarefulAndPlainAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		raw := fmt.Sprintf(`{"pk":{"S":"%x"},"v":{"N":"%d"},"b":{"B":"%s"},"m":{"M":{"k":{"S":"%x"}}}}`,
			random.Uint64(), random.Int64(), strings.Repeat("AAAA", random.IntN(5)), random.Uint32())
		plain, err := Parse([]byte(raw), pkOnly)
		if err != nil {
			t.Fatal(err)
		}
		escaped := strings.Replace(raw, `"v"`, `"\u0076"`, 1)
		careful, err := Parse([]byte(escaped), pkOnly)
		if err != nil {
			t.Fatal(err)
		}
		if string(plain.Partition) != string(careful.Partition) || len(careful.Item) != len(plain.Item)+5 {
			t.Fatalf("%s and %s differ", plain.Item, careful.Item)
		}
	}
}

// An item of 400 KB all of whose characters are escaped takes milliseconds: the work grows with
// the text, not with its square.
func TestManyEscapes(t *testing.T) {
	raw := []byte(`{"pk":{"S":"a"},"x":{"S":"` + strings.Repeat(`\u0001`, 400_000) + `"},"y":{"S":"` + strings.Repeat(`\"`, 400_000) + `"}}`)
	began := time.Now()
	f, err := Parse(raw, pkOnly)
	if err != nil || len(f.Item) != len(raw) {
		t.Fatalf("%d bytes of %d, %v", len(f.Item), len(raw), err)
	}
	if _, err := f.Item.Digest(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Fatalf("took %s", took)
	}
}

// The near quote is found at each of the eight places, and never behind a backslash.
func TestNear(t *testing.T) {
	for at := range 10 {
		for slash := -1; slash < 10; slash++ {
			b := []byte("abcdefghijklmnop")
			b[at] = '"'
			if slash >= 0 && slash != at {
				b[slash] = '\\'
			}
			s := Scanner{b: b}
			n, ok := s.near(0)
			want := at < 8 && (slash < 0 || slash >= at)
			if ok != want || ok && n != at {
				t.Fatalf("quote at %d, backslash at %d: got %d, %v", at, slash, n, ok)
			}
		}
	}
}

// A key is what DynamoDB takes: to the byte, to the digit.
func TestCheckKey(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	for kind, list := range map[Type]map[string]bool{
		String: {``: false, `a`: true, text(1024): true, text(1025): false, `\u0000`: true, strings.Repeat(`\u00e9`, 512): true, strings.Repeat(`\u00e9`, 513): false},
		Binary: {``: false, `AA==`: true, base64.StdEncoding.EncodeToString(make([]byte, 1024)): true, base64.StdEncoding.EncodeToString(make([]byte, 1025)): false},
		Number: {`0`: true, `-0.0`: true, `1E125`: true, `9.9999999999999999999999999999999999999E+125`: true, `1E126`: false, `1E-130`: true, `1E-131`: false,
			strings.Repeat("7", 38): true, strings.Repeat("7", 39): false, strings.Repeat("7", 38) + "000": true},
	} {
		schema := Schema{Partition: Attr{"pk", String}, Sort: Attr{"sk", kind}}
		for value, want := range list {
			found, err := Parse([]byte(`{"pk":{"S":"`+text(2048)+`"},"sk":{"`+kind.String()+`":"`+value+`"}}`), schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := found.CheckKey(schema); (err == nil) != want {
				t.Errorf("%s of %d bytes, %.20s: %v", kind, len(value), value, err)
			}
		}
	}
	for n, want := range map[int]bool{0: false, 2048: true, 2049: false} {
		schema := Schema{Partition: Attr{"pk", String}}
		found, err := Parse([]byte(`{"pk":{"S":"`+text(n)+`"}}`), schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := found.CheckKey(schema); (err == nil) != want {
			t.Errorf("a partition key of %d bytes: %v", n, err)
		}
	}
}
