package ddbtest

import (
	"math/big"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func TestDiffSeesEachKindOfDifference(t *testing.T) {
	w := Start(t)
	prod, dev := w.Account("prod"), w.Account("dev")
	table := Table{Name: "orders", Partition: S("pk"), Sort: N("sk")}
	item := func(sk string, more Item) Item {
		i := Item{"pk": str("a"), "sk": num(sk), "tags": &types.AttributeValueMemberSS{Value: []string{"x", "y"}}}
		for n, v := range more {
			i[n] = v
		}
		return i
	}
	for _, a := range []*Account{prod, dev} {
		create(t, a, table)
	}
	put(t, prod, "orders", item("1", nil), item("2", Item{"n": num("100")}), item("3", nil), item("5", Item{"v": str("old")}))
	reordered := item("1.0", Item{"tags": &types.AttributeValueMemberSS{Value: []string{"y", "x"}}})
	put(t, dev, "orders", reordered, item("2", Item{"n": num("1E2")}), item("40", nil), item("5", Item{"v": str("new")}))

	r, err := Diff(t.Context(), prod.Client(), dev.Client(), "orders", "orders")
	if err != nil {
		t.Fatal(err)
	}
	if r.Equal != 2 || !slices.Equal(r.OnlyA, []string{`S"a" N"3"`}) || !slices.Equal(r.OnlyB, []string{`S"a" N"4E1"`}) ||
		!slices.Equal(r.Differ, []string{`S"a" N"5"`}) {
		t.Errorf("report: %s", r)
	}
}

func TestDigestIsByValue(t *testing.T) {
	list := func(v ...types.AttributeValue) types.AttributeValue { return &types.AttributeValueMemberL{Value: v} }
	bytes := func(b ...byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }
	null := &types.AttributeValueMemberNULL{Value: true}
	for _, c := range []struct {
		name string
		a, b types.AttributeValue
		same bool
	}{
		{"1 and 1.0", num("1"), num("1.0"), true},
		{"1E125 and its 126 digits", num("1E125"), num("1" + string(slices.Repeat([]byte("0"), 125))), true},
		{"0 and -0", num("0"), num("-0.00"), true},
		{"1 and -1", num("1"), num("-1"), false},
		{"the 38th digit", num("12345678901234567890123456789012345678"), num("12345678901234567890123456789012345679"), false},
		{"number and string", num("1"), str("1"), false},
		{"string and binary", str("a"), bytes('a'), false},
		{"empty string and NULL", str(""), null, false},
		{"order in a list", list(str("a"), str("b")), list(str("b"), str("a")), false},
		{"order in a set of numbers", &types.AttributeValueMemberNS{Value: []string{"1", "2"}}, &types.AttributeValueMemberNS{Value: []string{"2.0", "1"}}, true},
		{"set and list", &types.AttributeValueMemberSS{Value: []string{"a"}}, list(str("a")), false},
		{"where a string ends", list(str("ab"), str("c")), list(str("a"), str("bc")), false},
		{"empty list and empty map", list(), &types.AttributeValueMemberM{Value: Item{}}, false},
		{"NFC and NFD", str("é"), str("e\u0301"), false},
	} {
		if same := DigestOf(Item{"v": c.a}) == DigestOf(Item{"v": c.b}); same != c.same {
			t.Errorf("%s: same = %v", c.name, same)
		}
	}
}

// The witness's own decimals are checked by the standard library's.
func TestDecimalAgreesWithMathBig(t *testing.T) {
	numbers := append([]string{"10", "100", "1e2", "1E+2", "0.10", "-1.50", "1000E-3", "0.000", "-0E5", "+7", ".5", "5."}, edgeNumbers...)
	for _, a := range numbers {
		for _, b := range numbers {
			x, okX := new(big.Rat).SetString(a)
			y, okY := new(big.Rat).SetString(b)
			if !okX || !okY {
				t.Fatalf("not numbers: %s, %s", a, b)
			}
			if (decimal(a) == decimal(b)) != (x.Cmp(y) == 0) {
				t.Errorf("%s is %s, %s is %s", a, decimal(a), b, decimal(b))
			}
		}
	}
	for _, s := range []string{"", "x", "1e", "--1", "1.2.3"} {
		if decimal(s) != s {
			t.Errorf("decimal(%q) = %q, want it unchanged", s, decimal(s))
		}
	}
}
