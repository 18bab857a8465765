package item

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// values is how many items TestSmallValues makes: make torture makes ten million.
var values = flag.Int("values", 100_000, "how many items of small nested values to digest")

// A small makes items of small nested values: each as DynamoDB JSON, in one of the forms that it
// may have, and as the canonical form that [Item.Fingerprint] promises. It
// shares nothing with the product.
type small struct{ *rand.Rand }

// numbers are some forms of a number, behind the canonical one.
var numbers = [][]string{{"0", "0", "-0", "0.0", "0E3"}, {"1E0", "1", "1.0", "10E-1", "01"}, {"-1E0", "-1", "-1.0"}, {"1E1", "10", "1E1"}}

func smallItem(seed uint64) (raw, form string) {
	return small{rand.New(rand.NewPCG(seed, 13))}.entries(4)
}

// sized is a text behind its length, which is small.
func sized(text string) string { return string(rune(len(text))) + text }

func (s small) value(depth int) (raw, form string) {
	kind := s.IntN(12)
	if depth == 0 {
		kind = s.IntN(6)
	}
	switch kind {
	case 0:
		text := []string{"", "a", "L", "[]"}[s.IntN(4)]
		return `{"S":"` + text + `"}`, "S" + sized(text)
	case 1:
		forms := numbers[s.IntN(len(numbers))]
		return `{"N":"` + forms[1+s.IntN(len(forms)-1)] + `"}`, "N" + sized(forms[0])
	case 2:
		text := []string{"", "a", "L"}[s.IntN(3)]
		return `{"B":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`, "B" + sized(text)
	case 3:
		n := s.IntN(2)
		return `{"BOOL":` + strconv.FormatBool(n == 1) + `}`, "O" + strconv.Itoa(n)
	case 4:
		return `{"NULL":true}`, "0"
	case 5:
		return s.set()
	case 6, 7:
		raw, form = s.entries(depth - 1)
		return `{"M":` + raw + `}`, form
	}
	var raws []string
	form = "L"
	for range s.IntN(4) {
		raw, text := s.value(depth - 1)
		raws, form = append(raws, raw), form+"+"+text
	}
	return `{"L":[` + strings.Join(raws, ",") + `]}`, form + "."
}

// set is one of texts or numbers, in any order.
func (s small) set() (raw, form string) {
	tag, members := "S", [][]string{{"", ""}, {"a", "a"}, {"L", "L"}}
	if s.IntN(2) == 0 {
		tag, members = "N", numbers
	}
	var raws, forms []string
	for _, i := range s.Perm(len(members))[:1+s.IntN(2)] {
		m := members[i]
		raws, forms = append(raws, strconv.Quote(m[1+s.IntN(len(m)-1)])), append(forms, "+"+sized(m[0]))
	}
	slices.Sort(forms)
	return `{"` + tag + `S":[` + strings.Join(raws, ",") + `]}`, strings.ToLower(tag) + strings.Join(forms, "") + "."
}

// entries are those of a map, in any order.
func (s small) entries(depth int) (raw, form string) {
	var raws, forms []string
	for _, i := range s.Perm(3)[:s.IntN(4)] {
		name := string("aLb"[i])
		raw, form := s.value(depth)
		raws, forms = append(raws, strconv.Quote(name)+":"+raw), append(forms, "+"+sized(name)+form)
	}
	slices.Sort(forms)
	return "{" + strings.Join(raws, ",") + "}", "M" + strings.Join(forms, "") + "."
}

// Digests and fingerprints are equal where items are, and nowhere else, in all that is small:
// what is empty, begins with what is empty, or holds what itself is made of, a hash may forget.
func TestSmallValues(t *testing.T) {
	type known struct {
		digest Digest
		form   [16]byte // the beginning of its hash
		seed   uint64
	}
	all := make([]known, *values)
	for i := range all {
		k := known{seed: uint64(i)}
		raw, form := smallItem(k.seed)
		sum := sha256.Sum256([]byte(form))
		print, err := Item(raw).Fingerprint()
		if err != nil || print != hex.EncodeToString(sum[:16]) {
			t.Fatalf("%s has the fingerprint %s, %v; its canonical form is %q", raw, print, err, form)
		}
		if k.digest, err = Item(raw).Digest(); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		copy(k.form[:], sum[:])
		all[i] = k
	}
	equal := 0
	for _, order := range []func(a, b known) int{
		func(a, b known) int { return cmp.Compare(a.digest, b.digest) },
		func(a, b known) int { return slices.Compare(a.form[:], b.form[:]) },
	} {
		slices.SortFunc(all, order)
		for i, a := range all[1:] {
			b := all[i]
			if same := a.form == b.form; (a.digest == b.digest) != same {
				one, _ := smallItem(a.seed)
				other, _ := smallItem(b.seed)
				t.Fatalf("equal is %t, but the digests are %x of %s and %x of %s", same, a.digest, one, b.digest, other)
			} else if same {
				equal++
			}
		}
	}
	t.Logf("%d items, %d of them of a value that another has", len(all), equal/2)
}
