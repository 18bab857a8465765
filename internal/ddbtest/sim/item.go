package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
)

// The items of one simulated table differ in length and in which attributes
// they have, as real ones do. variants is how many such forms there are: few
// enough to build once and stay in the processor's cache at 1 KB.
const variants = 64

// itemStart begins every item and occurs nowhere else in one.
const itemStart = `{"entity":{"S":"`

const (
	keyPrefix  = "CUST#"
	sortPrefix = "ORDER#"
	keyMarker  = `"pk":{"S":"` + keyPrefix
)

// A generator knows every item of the simulated table. An item has a place, its
// rank in the order in which a scan visits the table; everything else about it
// follows from the place and the seed, so that no item is ever stored.
type generator struct {
	seed    uint64
	sortKey bool
	forms   [variants]form
	average float64 // bytes of JSON
	size    float64 // bytes as DynamoDB counts them, on average
}

// A form is the JSON of one kind of item, with spots to fill in.
type form struct {
	json  []byte
	spots []spot
	size  int // bytes as DynamoDB counts them
	units float64
}

type spot struct {
	offset int
	kind   spotKind
}

type spotKind uint8

const (
	spotKey    spotKind = iota // 16 hex digits: the place, mixed
	spotSort                   // 8 hex digits
	spotCheck                  // 16 hex digits: says that this is this version of this item
	spotNumber                 // 10 decimal digits
)

var spotWidth = [...]int{spotKey: 16, spotSort: 8, spotCheck: 16, spotNumber: 10}

func newGenerator(seed uint64, itemBytes int, sortKey, escapes bool) (*generator, error) {
	s := &generator{seed: mix(seed + 1), sortKey: sortKey}
	random := rand.New(rand.NewPCG(seed, uint64(itemBytes)))
	var total, size int
	for i := range s.forms {
		w := formWriter{random: random, escapes: escapes, sortKey: sortKey}
		// Lengths spread by 15 % to both sides of the wanted one.
		want := itemBytes - itemBytes*15/100 + i*(itemBytes*30/100)/(variants-1)
		s.forms[i] = w.form(want)
		if bytes.Count(s.forms[i].json, []byte(itemStart)) != 1 {
			return nil, fmt.Errorf("build form %d: its beginning occurs more than once", i)
		}
		total += len(s.forms[i].json)
		size += s.forms[i].size
	}
	s.average = float64(total) / variants
	s.size = float64(size) / variants
	return s, nil
}

// values are what fills the spots of one item.
type values struct{ key, check uint64 }

func (s *generator) values(place uint64, stale bool) values {
	key := mix(place ^ s.seed)
	check := mix(key + s.seed)
	if stale {
		check = ^check
	}
	return values{key, check}
}

// form does not depend on the version, so that a changed item keeps its size.
func (s *generator) form(place uint64) *form { return &s.forms[mix(place^s.seed)>>7%variants] }

// place is the reverse of values: which item has this key?
func (s *generator) place(key uint64) uint64 { return unmix(key) ^ s.seed }

// appendItem appends the JSON of an item. A stale item is an older version of
// it: same key and size, other content.
func (s *generator) appendItem(b []byte, place uint64, stale bool) []byte {
	v := s.values(place, stale)
	f := &s.forms[v.key>>7%variants]
	start := len(b)
	b = append(b, f.json...)
	for _, p := range f.spots {
		v.put(b[start+p.offset:], p.kind)
	}
	return b
}

// appendKey appends the item's primary key as DynamoDB JSON.
func (s *generator) appendKey(b []byte, place uint64) []byte {
	v := s.values(place, false)
	b = append(b, `{"pk":{"S":"`+keyPrefix...)
	b = append(b, "0000000000000000"...)
	v.put(b[len(b)-16:], spotKey)
	if s.sortKey {
		b = append(b, `"},"sk":{"S":"`+sortPrefix...)
		b = append(b, "00000000"...)
		v.put(b[len(b)-8:], spotSort)
	}
	return append(b, `"}}`...)
}

// match reports how many bytes at the beginning of b are exactly this item's
// JSON; 0 where they are not.
func (s *generator) match(b []byte, place uint64) int {
	v := s.values(place, false)
	f := &s.forms[v.key>>7%variants]
	if len(b) < len(f.json) {
		return 0
	}
	from := 0
	var want [16]byte
	for _, p := range f.spots {
		if !bytes.Equal(b[from:p.offset], f.json[from:p.offset]) {
			return 0
		}
		from = p.offset + spotWidth[p.kind]
		v.put(want[:], p.kind)
		if !bytes.Equal(b[p.offset:from], want[:spotWidth[p.kind]]) {
			return 0
		}
	}
	if !bytes.Equal(b[from:len(f.json)], f.json[from:]) {
		return 0
	}
	return len(f.json)
}

func (v values) put(b []byte, kind spotKind) {
	switch kind {
	case spotKey:
		putHex(b, v.key)
	case spotSort:
		// The sort key is the same in every version of an item.
		var all [16]byte
		putHex(all[:], bits.ReverseBytes64(v.key)*0x9e3779b97f4a7c15)
		copy(b[:8], all[:8])
	case spotCheck:
		putHex(b, v.check)
	case spotNumber:
		n := 1_000_000_000 + v.check%9_000_000_000
		for i := 9; i >= 0; i-- {
			b[i] = byte('0' + n%10)
			n /= 10
		}
	}
}

// hexPairs holds the two hex digits of every byte.
var hexPairs = func() (t [256]uint16) {
	const digits = "0123456789abcdef"
	for i := range t {
		t[i] = uint16(digits[i>>4]) | uint16(digits[i&15])<<8
	}
	return t
}()

func putHex(b []byte, v uint64) {
	_ = b[15]
	for i := 14; i >= 0; i -= 2 {
		binary.LittleEndian.PutUint16(b[i:], hexPairs[byte(v)])
		v >>= 8
	}
}

// parseHex reads lower-case hex digits, nothing else.
func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// mix is a bijection of 64 bits (SplitMix64's finisher), unmix its reverse.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func unmix(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	return x ^ x>>30 ^ x>>60
}

// A formWriter writes one form and counts its size as DynamoDB does: names and
// values, with 3 bytes for a list or map and 1 for each member.
type formWriter struct {
	random  *rand.Rand
	escapes bool
	sortKey bool
	f       form
}

func (w *formWriter) form(want int) form {
	w.raw(itemStart)
	w.size(len("entity"))
	w.raw(`order"}`)
	w.size(len("order"))
	w.number("amount")
	w.name("pk")
	w.raw(`{"S":"` + keyPrefix)
	w.spot(spotKey)
	w.raw(`"}`)
	w.size(len(keyPrefix))
	if w.sortKey {
		w.name("sk")
		w.raw(`{"S":"` + sortPrefix)
		w.spot(spotSort)
		w.raw(`"}`)
		w.size(len(sortPrefix))
	}
	w.name("check")
	w.raw(`{"S":"`)
	w.spot(spotCheck)
	w.raw(`"}`)
	w.flag("paid", w.random.IntN(2) == 0)
	if want-len(w.f.json) > 250 {
		w.address()
		w.tags(2 + w.random.IntN(5))
		w.text("email", "customer@example.com")
		w.text("created", "2026-03-01T09:30:00.000Z")
		if w.random.IntN(3) > 0 {
			w.text("status", "shipped")
		}
		if w.random.IntN(8) == 0 {
			w.name("cancelled")
			w.raw(`{"NULL":true}`)
			w.size(1)
		}
		w.lines((want - len(w.f.json)) * 2 / 3)
	}
	w.name("note")
	w.raw(`{"S":"`)
	w.prose(max(4, want-len(w.f.json)-3))
	w.raw(`"}}`)
	w.f.units = float64((w.f.size + 1023) / 1024)
	return w.f
}

func (w *formWriter) raw(s string) { w.f.json = append(w.f.json, s...) }
func (w *formWriter) size(n int)   { w.f.size += n }

func (w *formWriter) spot(kind spotKind) {
	w.f.spots = append(w.f.spots, spot{len(w.f.json), kind})
	w.raw(strings.Repeat("0", spotWidth[kind]))
	if kind == spotNumber {
		w.size(6) // two digits a byte, and one
		return
	}
	w.size(spotWidth[kind])
}

func (w *formWriter) name(name string) {
	if last := w.f.json[len(w.f.json)-1]; last != '{' && last != '[' {
		w.raw(",")
	}
	w.raw(`"` + name + `":`)
	w.size(len(name))
}

func (w *formWriter) number(name string) {
	w.name(name)
	w.raw(`{"N":"`)
	w.spot(spotNumber)
	w.raw(`"}`)
}

func (w *formWriter) text(name, value string) {
	w.name(name)
	w.raw(`{"S":"` + value + `"}`)
	w.size(len(value))
}

func (w *formWriter) decimal(name string, n int) {
	w.name(name)
	digits := fmt.Sprint(n)
	w.raw(`{"N":"` + digits + `"}`)
	w.size((len(digits)+1)/2 + 1)
}

func (w *formWriter) flag(name string, on bool) {
	w.name(name)
	w.raw(fmt.Sprintf(`{"BOOL":%t}`, on))
	w.size(1)
}

func (w *formWriter) address() {
	w.name("address")
	w.raw(`{"M":{`)
	w.text("city", "Springfield")
	w.text("street", fmt.Sprintf("%d Evergreen Terrace", 1+w.random.IntN(2000)))
	w.decimal("postcode", 10000+w.random.IntN(90000))
	w.raw(`}}`)
	w.size(3 + 3)
}

func (w *formWriter) tags(n int) {
	w.name("tags")
	w.raw(`{"L":[`)
	for i := range n {
		if i > 0 {
			w.raw(",")
		}
		word := words[w.random.IntN(len(words))]
		w.raw(`{"S":"` + word + `"}`)
		w.size(len(word) + 1)
	}
	w.raw(`]}`)
	w.size(3)
}

// lines writes an order's lines, a list of maps, of about so many bytes.
func (w *formWriter) lines(bytes int) {
	w.name("lines")
	w.raw(`{"L":[`)
	for end := len(w.f.json) + bytes - 120; len(w.f.json) < end; {
		if w.f.json[len(w.f.json)-1] == '}' {
			w.raw(",")
		}
		w.raw(`{"M":{`)
		w.text("sku", fmt.Sprintf("SKU-%06d", w.random.IntN(1e6)))
		w.decimal("quantity", 1+w.random.IntN(20))
		w.decimal("price", 100+w.random.IntN(99900))
		w.name("title")
		w.raw(`{"S":"`)
		w.prose(20 + w.random.IntN(40))
		w.raw(`"}}}`)
		w.size(3 + 4 + 1)
	}
	w.raw(`]}`)
	w.size(3)
}

var words = strings.Fields("alpha blue castle delta early forest garden house island journey kettle lemon " +
	"market night ocean paper quiet river silver table under violet winter yellow zebra and the of in with")

// prose writes n bytes of words; with escapes, some that JSON must escape and
// some that are not ASCII.
func (w *formWriter) prose(n int) {
	end := len(w.f.json) + n
	if w.escapes && n >= 16 {
		w.raw(`\"café\"\n`)
		w.size(len("\"café\"\n"))
	}
	for len(w.f.json) < end {
		word := words[w.random.IntN(len(words))] + " "
		word = word[:min(len(word), end-len(w.f.json))]
		w.raw(word)
		w.size(len(word))
	}
}
