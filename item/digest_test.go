package item

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// reference says what an item is by value: an own small decoder on
// encoding/json and math/big, to hold the fast ones against.
func reference(t *testing.T, raw string) string {
	t.Helper()
	var item map[string]map[string]any
	if err := json.Unmarshal([]byte(raw), &item); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	attributes := map[string]any{}
	for name, value := range item {
		attributes[name] = value
	}
	return referenceValue(t, map[string]any{"M": attributes})
}

func referenceValue(t *testing.T, value any) string {
	t.Helper()
	for tag, v := range value.(map[string]any) {
		one := func(tag string, v any) string {
			switch tag {
			case "N":
				r, ok := new(big.Rat).SetString(v.(string))
				if !ok {
					t.Fatalf("number %v", v)
				}
				return r.RatString()
			case "B":
				b, err := base64.StdEncoding.Strict().DecodeString(v.(string))
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprintf("%x", b)
			}
			return fmt.Sprintf("%q", v)
		}
		var parts []string
		switch tag {
		case "M":
			m := v.(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(m)) {
				parts = append(parts, fmt.Sprintf("%q:%s", name, referenceValue(t, m[name])))
			}
		case "L":
			for _, e := range v.([]any) {
				parts = append(parts, referenceValue(t, e))
			}
		case "SS", "NS", "BS":
			for _, e := range v.([]any) {
				parts = append(parts, one(tag[:1], e))
			}
			slices.Sort(parts)
		default:
			parts = []string{one(tag, v)}
		}
		return tag + "(" + strings.Join(parts, ",") + ")"
	}
	t.Fatal("a value without type")
	return ""
}

// A forger makes random items, and writes one in many ways.
type forger struct{ *rand.Rand }

var alphabet = []string{"a", "b", "A", `"`, `\`, "/", "é", "😀", "\n", "\u2028", "", "x", " "}

func (f forger) word() string {
	var b strings.Builder
	for range f.IntN(4) {
		b.WriteString(alphabet[f.IntN(len(alphabet))])
	}
	if f.IntN(8) == 0 {
		b.WriteString(strings.Repeat("long ", 10+f.IntN(60)))
	}
	return b.String()
}

// A big.Rat is a number, a string text, []byte binary; set is a set of those.
type (
	set  []any
	list []any
	tree map[string]any
)

func (f forger) number() *big.Rat {
	r, _ := new(big.Rat).SetString(fmt.Sprintf("%dE%d", f.Int64N(2000)-1000, f.IntN(12)-6))
	if f.IntN(10) == 0 {
		r, _ = new(big.Rat).SetString("1234567890123456789012345678901234567" + fmt.Sprint(f.IntN(10)))
	}
	return r
}

func (f forger) value(depth int) any {
	switch n := f.IntN(12); {
	case n < 3:
		return f.word()
	case n < 5:
		return f.number()
	case n == 5:
		return []byte(f.word())
	case n == 6:
		return f.IntN(2) == 0
	case n == 7:
		return nil
	case n == 8:
		member := []func() any{func() any { return f.word() }, func() any { return f.number() }, func() any { return []byte(f.word()) }}[f.IntN(3)]
		s, seen := set{}, map[string]bool{}
		for range 1 + f.IntN(4) {
			v := member()
			if id := fmt.Sprint(v); !seen[id] {
				s, seen[id] = append(s, v), true
			}
		}
		return s
	case n < 10 && depth < 4:
		l := list{}
		for range f.IntN(4) {
			l = append(l, f.value(depth+1))
		}
		return l
	case depth < 4:
		return f.tree(depth + 1)
	}
	return ""
}

func (f forger) tree(depth int) tree {
	t := tree{}
	for range f.IntN(5) {
		t[f.word()] = f.value(depth)
	}
	return t
}

// write writes a value as DynamoDB JSON, each time in another way.
func (f forger) write(v any) string {
	typed := func(tag, text string) string {
		return "{" + f.space() + `"` + tag + `":` + f.space() + text + f.space() + "}"
	}
	switch v := v.(type) {
	case string:
		return typed("S", f.quote(v))
	case *big.Rat:
		return typed("N", f.quote(f.digits(v)))
	case []byte:
		return typed("B", f.quote(base64.StdEncoding.EncodeToString(v)))
	case bool:
		return typed("BOOL", fmt.Sprint(v))
	case nil:
		return typed("NULL", "true")
	case list:
		var parts []string
		for _, e := range v {
			parts = append(parts, f.write(e))
		}
		return typed("L", "["+strings.Join(parts, ",")+"]")
	case tree:
		return typed("M", f.members(v))
	case set:
		tag := ""
		var parts []string
		for _, i := range f.Perm(len(v)) {
			switch e := v[i].(type) {
			case string:
				tag, parts = "SS", append(parts, f.quote(e))
			case *big.Rat:
				tag, parts = "NS", append(parts, f.quote(f.digits(e)))
			case []byte:
				tag, parts = "BS", append(parts, f.quote(base64.StdEncoding.EncodeToString(e)))
			}
		}
		return typed(tag, "["+strings.Join(parts, ","+f.space())+"]")
	}
	panic(v)
}

func (f forger) members(m tree) string {
	names := slices.Sorted(maps.Keys(m))
	f.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var parts []string
	for _, name := range names {
		parts = append(parts, f.quote(name)+":"+f.write(m[name]))
	}
	return "{" + f.space() + strings.Join(parts, ","+f.space()) + "}"
}

func (f forger) space() string {
	if f.IntN(12) > 0 {
		return ""
	}
	return []string{" ", "\n", "\t ", ""}[f.IntN(4)]
}

func (f forger) quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case f.IntN(10) == 0 && r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04X`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case f.IntN(10) == 0 && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r == '/' && f.IntN(2) == 0:
			b.WriteString(`\/`)
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// digits writes a number in one of its forms.
func (f forger) digits(r *big.Rat) string {
	plain := r.FloatString(6)
	if r.IsInt() && f.IntN(2) == 0 {
		plain = r.Num().String()
	}
	switch f.IntN(5) {
	case 0:
		return plain + "E0"
	case 1:
		scaled, _ := new(big.Rat).SetString("1E3")
		return new(big.Rat).Mul(r, scaled).FloatString(3) + "e-3"
	case 2:
		return strings.Replace("0"+plain, "0-", "-0", 1)
	case 3:
		if r.Sign() == 0 {
			return "-0"
		}
	}
	return plain
}

// change alters one thing in a value.
func (f forger) change(v any) any {
	switch v := v.(type) {
	case tree:
		out := maps.Clone(v)
		if names := slices.Sorted(maps.Keys(v)); len(names) > 0 && f.IntN(3) > 0 {
			name := names[f.IntN(len(names))]
			if f.IntN(3) == 0 {
				delete(out, name)
			} else {
				out[name] = f.change(out[name])
			}
			return out
		}
		out[f.word()+"new"] = f.value(4)
		return out
	case list:
		out := slices.Clone(v)
		if len(out) > 0 && f.IntN(2) == 0 {
			i := f.IntN(len(out))
			out[i] = f.change(out[i])
			return out
		}
		return append(out, f.value(4))
	}
	return f.value(3)
}

func digestOf(t *testing.T, raw string) (Digest, string) {
	t.Helper()
	d, err := Item(raw).Digest()
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	print, err := Item(raw).Fingerprint()
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return d, print
}

// Digests, fingerprints and the list of differing attributes say of random items, each written in
// two ways or changed a little, what the reference says.
func TestDigestsAgreeWithTheReference(t *testing.T) {
	same, other := 0, 0
	for seed := range uint64(6_000) {
		checkPair(t, seed, &same, &other)
	}
	if same < 1500 || other < 1500 {
		t.Fatalf("%d equal pairs and %d others show too little", same, other)
	}
}

func FuzzDigestsAgreeWithTheReference(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		var same, other int
		checkPair(t, seed, &same, &other)
	})
}

func checkPair(t *testing.T, seed uint64, same, other *int) {
	t.Helper()
	f := forger{rand.New(rand.NewPCG(seed, 5))}
	it := f.tree(0)
	it["pk"] = "key"
	changed := it
	if f.IntN(2) == 0 {
		changed = f.change(it).(tree)
	}
	one, two := f.members(it), f.members(changed)
	want := reference(t, one) == reference(t, two)
	if want {
		*same++
	} else {
		*other++
	}
	if _, err := Parse([]byte(one), pkOnly); err != nil {
		t.Fatalf("%s: %v", one, err)
	}
	d1, p1 := digestOf(t, one)
	d2, p2 := digestOf(t, two)
	names, err := Differing(Item(one), Item(two))
	if err != nil {
		t.Fatal(err)
	}
	if (d1 == d2) != want || (p1 == p2) != want || (len(names) == 0) != want {
		t.Fatalf("seed %d: equal %v, but digests %x %x, fingerprints %s %s, differing %q:\n%s\n%s", seed, want, d1, d2, p1, p2, names, one, two)
	}
}

func TestDigestByValue(t *testing.T) {
	for _, c := range []struct {
		name, one, other string
		same             bool
	}{
		{"other order of attributes", `{"a":{"S":"1"},"b":{"S":"2"}}`, `{"b":{"S":"2"},"a":{"S":"1"}}`, true},
		{"values that changed places", `{"a":{"S":"1"},"b":{"S":"2"}}`, `{"a":{"S":"2"},"b":{"S":"1"}}`, false},
		{"numbers 1 and 1.0", `{"a":{"N":"1"}}`, `{"a":{"N":"1.0"}}`, true},
		{"numbers 1E0 and 1", `{"a":{"N":"1E0"}}`, `{"a":{"N":"1"}}`, true},
		{"numbers 100 and 1E2", `{"a":{"N":"100"}}`, `{"a":{"N":"1E2"}}`, true},
		{"numbers 0 and -0", `{"a":{"N":"0"}}`, `{"a":{"N":"-0"}}`, true},
		{"numbers 1 and -1", `{"a":{"N":"1"}}`, `{"a":{"N":"-1"}}`, false},
		{"numbers that differ in digit 38", `{"a":{"N":"1.2345678901234567890123456789012345678"}}`, `{"a":{"N":"1.2345678901234567890123456789012345679"}}`, false},
		{"1 as text and as number", `{"a":{"N":"1"}}`, `{"a":{"S":"1"}}`, false},
		{"text and binary", `{"a":{"S":"AAAA"}}`, `{"a":{"B":"AAAA"}}`, false},
		{"sets in another order", `{"a":{"SS":["x","y"]}}`, `{"a":{"SS":["y","x"]}}`, true},
		{"lists in another order", `{"a":{"L":[{"S":"x"},{"S":"y"}]}}`, `{"a":{"L":[{"S":"y"},{"S":"x"}]}}`, false},
		{"number sets by value", `{"a":{"NS":["1","20"]}}`, `{"a":{"NS":["2E1","1.0"]}}`, true},
		{"number and string sets", `{"a":{"NS":["1"]}}`, `{"a":{"SS":["1"]}}`, false},
		{"binary and string sets", `{"a":{"BS":["AAAA"]}}`, `{"a":{"SS":["AAAA"]}}`, false},
		{"a member that stands twice", `{"a":{"SS":["x","x"]}}`, `{"a":{"SS":["x"]}}`, false},
		{"two members run together", `{"a":{"SS":["x","y"]}}`, `{"a":{"SS":["xy"]}}`, false},
		{"an empty member more", `{"a":{"SS":["x",""]}}`, `{"a":{"SS":["x"]}}`, false},
		{"an escaped letter", `{"a":{"S":"\u0041"}}`, `{"a":{"S":"A"}}`, true},
		{"an escaped slash", `{"a":{"S":"\/"}}`, `{"a":{"S":"/"}}`, true},
		{"a surrogate pair", `{"a":{"S":"\ud83d\ude00"}}`, `{"a":{"S":"😀"}}`, true},
		{"a backslash and a letter", `{"a":{"S":"\\n"}}`, `{"a":{"S":"\n"}}`, false},
		{"an escaped name", `{"\u0061":{"S":"x"}}`, `{"a":{"S":"x"}}`, true},
		{"an escaped member", `{"a":{"SS":["\u0041"]}}`, `{"a":{"SS":["A"]}}`, true},
		{"base64 with an escaped slash", `{"a":{"B":"\/\/8="}}`, `{"a":{"B":"//8="}}`, true},
		{"composed and decomposed letters", "{\"a\":{\"S\":\"\u00e9\"}}", "{\"a\":{\"S\":\"e\u0301\"}}", false},
		{"an empty text and no attribute", `{"a":{"S":""}}`, `{}`, false},
		{"an empty text and an empty binary", `{"a":{"S":""}}`, `{"a":{"B":""}}`, false},
		{"an empty list and an empty map", `{"a":{"L":[]}}`, `{"a":{"M":{}}}`, false},
		{"an empty map and an empty set", `{"a":{"M":{}}}`, `{"a":{"SS":[]}}`, false},
		{"empty sets of two types", `{"a":{"NS":[]}}`, `{"a":{"SS":[]}}`, false},
		{"an empty list and an empty set", `{"a":{"L":[]}}`, `{"a":{"SS":[]}}`, false},
		{"NULL and false", `{"a":{"NULL":true}}`, `{"a":{"BOOL":false}}`, false},
		{"true and false", `{"a":{"BOOL":true}}`, `{"a":{"BOOL":false}}`, false},
		{"a list in a list", `{"a":{"L":[{"L":[{"S":"x"}]}]}}`, `{"a":{"L":[{"S":"x"}]}}`, false},
		{"lists cut elsewhere", `{"a":{"L":[{"L":[{"S":"x"}]},{"L":[{"S":"y"}]}]}}`, `{"a":{"L":[{"L":[{"S":"x"},{"S":"y"}]},{"L":[]}]}}`, false},
		{"an attribute in a map or beside it", `{"a":{"M":{"b":{"S":"x"}}}}`, `{"a":{"M":{}},"b":{"S":"x"}}`, false},
		{"a name that moves into the value", `{"ab":{"S":"c"}}`, `{"a":{"S":"bc"}}`, false},
		{"texts that differ at byte 300", `{"a":{"S":"` + strings.Repeat("x", 300) + `a"}}`, `{"a":{"S":"` + strings.Repeat("x", 300) + `b"}}`, false},
		{"a long text with an escape", `{"a":{"S":"` + strings.Repeat("x", 300) + `\u0061"}}`, `{"a":{"S":"` + strings.Repeat("x", 300) + `a"}}`, true},
		{"white space", " { \"a\" : { \"N\" : \"1\" } } ", `{"a":{"N":"1"}}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d1, p1 := digestOf(t, c.one)
			d2, p2 := digestOf(t, c.other)
			if (d1 == d2) != c.same || (p1 == p2) != c.same {
				t.Fatalf("digests %x and %x, fingerprints %s and %s; want same: %v", d1, d2, p1, p2, c.same)
			}
		})
	}
}

func TestDigestRefuses(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"nothing", ``, "unexpected end"},
		{"trailing bytes", `{} x`, "trailing bytes"},
		{"a number that is none", `{"a":{"N":"one"}}`, `attribute "a": not a number`},
		{"an exponent beyond reason", `{"a":{"N":"1E9223372036854775807"}}`, "not a number"},
		{"a number that is none, in a set", `{"a":{"NS":["one"]}}`, "not a number"},
		{"base64 without padding", `{"a":{"B":"AA"}}`, "not base64"},
		{"base64 with loose bits", `{"a":{"B":"AB=="}}`, "not base64"},
		{"base64 for addresses", `{"a":{"B":"-_8="}}`, "not base64"},
		{"base64 with a line end", `{"a":{"B":"AA\n=="}}`, "not base64"},
		{"a list of nothing known", `{"a":{"L":[{"X":"1"}]}}`, "unknown type tag"},
		{"10,000 levels", `{"a":` + strings.Repeat(`{"L":[`, 10_000), "nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Item(c.raw).Digest()
			_, err2 := Item(c.raw).Fingerprint()
			for _, err := range []error{err, err2} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			}
		})
	}
}

// What the digest and the canonical form make of any bytes that a scanner
// takes must agree, too.
func FuzzDigestAndFingerprint(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"a"},"n":{"N":"1"}}`), []byte(`{"n":{"N":"1.0"},"pk":{"S":"\u0061"}}`))
	f.Add([]byte(`{"pk":{"S":"a"},"n":{"NS":["1","2"]}}`), []byte(`{"pk":{"S":"a"},"n":{"NS":["2","1"]}}`))
	f.Add([]byte(`{"pk":{"S":"a"},"x":{"L":[{"M":{}},{"BS":["AA=="]}]}}`), []byte(`{"pk":{"S":"a"},"x":{"L":[]}}`))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		for _, raw := range [][]byte{one, other} {
			if _, err := Parse(raw, pkOnly); err != nil {
				return
			}
		}
		d1, err1 := Item(one).Digest()
		d2, err2 := Item(other).Digest()
		p1, err3 := Item(one).Fingerprint()
		p2, err4 := Item(other).Fingerprint()
		if (err1 == nil) != (err3 == nil) || (err2 == nil) != (err4 == nil) {
			t.Fatalf("errors %v and %v, %v and %v", err1, err3, err2, err4)
		}
		if err1 == nil && err2 == nil && (d1 == d2) != (p1 == p2) {
			t.Fatalf("digests %x %x, fingerprints %s %s", d1, d2, p1, p2)
		}
	})
}

// Journals are read by other processes and later versions: this never changes.
func TestFingerprintStays(t *testing.T) {
	const raw = `{"pk":{"S":"a"},"n":{"N":"-1.50"},"b":{"B":"AP8="},"t":{"BOOL":true},"0":{"NULL":true},"m":{"M":{"y":{"L":[]},"x":{"N":"0"}}},"l":{"L":[{"S":""},{"BOOL":false}]},"ss":{"SS":["b","a"]},"ns":{"NS":["100","2"]},"bs":{"BS":["/w=="]}}`
	form, err := Item(raw).canonical(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "M+\x010" + "0" + "+\x01bB\x02\x00\xff" + "+\x01lL+S\x00+O0." + "+\x01mM+\x01xN\x010+\x01yL.." + "+\x01nN\x06-15E-1" + "+\x01tO1" +
		"+\x02bsb+\x01\xff." + "+\x02nsn+\x031E2+\x032E0." + "+\x02pkS\x01a" + "+\x02sss+\x01a+\x01b." + "."
	if string(form) != want {
		t.Fatalf("got  %q\nwant %q", form, want)
	}
	if print, _ := Item(raw).Fingerprint(); print != "ad725a997b936e1c414dbac7a82ef310" {
		t.Fatalf("got %s", print)
	}
}

func TestDiffering(t *testing.T) {
	names, err := Differing(
		Item(`{"pk":{"S":"a"},"same":{"N":"1.0"},"changed":{"S":"x"},"gone":{"NULL":true},"\u0062oth":{"SS":["x","y"]}}`),
		Item(`{"same":{"N":"1"},"both":{"SS":["y","x"]},"changed":{"S":"y"},"pk":{"S":"a"},"new":{"S":""}}`))
	if want := []string{"changed", "gone", "new"}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("got %q, %v; want %q", names, err, want)
	}
	if _, err := Differing(Item(`{"a":{"N":"x"}}`), Item(`{}`)); err == nil {
		t.Fatal("took what is no number")
	}
}

func TestStrictBase64(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const digits = "ABCDEFGHabcdefgh0189+/==-_\n"
	for range 200_000 {
		text := make([]byte, random.IntN(10))
		for i := range text {
			text[i] = digits[random.IntN(len(digits))]
		}
		// Go's own decoder passes over line ends, even where it is strict.
		_, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if want := err == nil && !strings.Contains(string(text), "\n"); strictBase64(text) != want {
			t.Fatalf("%q: want %v", text, want)
		}
	}
}

func keyHashOf(t *testing.T, raw string, s Schema) KeyHash {
	t.Helper()
	f, err := Parse([]byte(raw), s)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := f.KeyHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// Two hashes agree on which keys are equal, and neither half of the long one is
// the other's or idle.
func TestKeyHashByValue(t *testing.T) {
	ss := Schema{Attr{"pk", String}, Attr{"sk", String}}
	bn := Schema{Attr{"pk", Binary}, Attr{"sk", Number}}
	var raws []string
	for _, p := range []string{"a", "b", "ab", "", "a|b", `\u0061`, `\/`, "/"} {
		for _, s := range []string{"a", "b", "", "c", "b|c"} {
			raws = append(raws, fmt.Sprintf(`{"pk":{"S":"%s"},"sk":{"S":"%s"}}`, p, s))
		}
	}
	for _, one := range raws {
		for _, other := range raws {
			k1, k2 := keyHashOf(t, one, ss), keyHashOf(t, other, ss)
			same := reference(t, one) == reference(t, other)
			if (k1 == k2) != same || (k1[0] == k2[0]) != same || (k1[1] == k2[1]) != same {
				t.Fatalf("%s and %s: %x and %x", one, other, k1, k2)
			}
			if (hashOf(t, one, ss) == hashOf(t, other, ss)) != same {
				t.Fatalf("%s and %s: the short hashes say otherwise", one, other)
			}
		}
	}
	one, other := keyHashOf(t, `{"pk":{"B":"//8="},"sk":{"N":"1E2"}}`, bn), keyHashOf(t, `{"sk":{"N":"100.0"},"pk":{"B":"\/\/8="}}`, bn)
	if one != other || one[0] == one[1] {
		t.Fatalf("%x and %x", one, other)
	}
	types := map[KeyHash]string{}
	for _, c := range []struct {
		tag  Type
		text string
	}{{String, "0"}, {Number, "0"}, {String, "AAAA"}, {Binary, "AAAA"}} {
		s := Schema{Partition: Attr{"pk", c.tag}}
		raw := fmt.Sprintf(`{"pk":{"%s":"%s"}}`, c.tag, c.text)
		hash := keyHashOf(t, raw, s)
		if before, ok := types[hash]; ok {
			t.Fatalf("%s and %s share a hash", raw, before)
		}
		types[hash] = raw
	}
	f, err := Parse([]byte(`{"pk":{"B":"AA"},"sk":{"N":"1"}}`), bn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.KeyHash(bn); err == nil {
		t.Fatal("took a key that is not base64")
	}
}

func TestAppendKey(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		schema    Schema
		want      string
	}{
		{"a partition key", `{"x":{"S":"1"},"pk":{"S":"a"}}`, pkOnly, `{"pk":{"S":"a"}}`},
		{"both", `{"sk":{"N":"1"},"x":{"S":"1"},"pk":{"S":"\u0061"}}`, Schema{Attr{"pk", String}, Attr{"sk", Number}}, `{"pk":{"S":"\u0061"},"sk":{"N":"1"}}`},
		{"names to quote", `{"a\"\n":{"S":"x"},"é":{"B":"AA=="}}`, Schema{Attr{"é", Binary}, Attr{"a\"\n", String}}, `{"é":{"B":"AA=="},"a\"\n":{"S":"x"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse([]byte(c.raw), c.schema)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(f.AppendKey(nil, c.schema)); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			if keyHashOf(t, c.want, c.schema) != keyHashOf(t, c.raw, c.schema) {
				t.Fatal("the key has another hash than its item")
			}
		})
	}
}
