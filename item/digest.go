package item

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// A Digest stands for an item by value: equal items have equal digests,
// whatever the order of attributes, of set members and of map entries, the form of numbers and
// the escapes in texts. Items that differ have different digests, up to one chance in 2⁶⁴ for each
// pair, and nobody can choose items that collide: digests are keyed with random values of the
// process, so they mean nothing to another one. For that there is [Item.Fingerprint].
type Digest uint64

// A KeyHash stands for a primary key by value, as [Digest] does for an item, in
// 128 bits: among 10¹² keys no two will share one.
type KeyHash [2]uint64

// Each kind of value has a key of its own, so that no two kinds share a hash:
// what is text is hashed under a seed, what is structure is folded with a secret.
// Each secret has one use: two numbers that are equal by construction could cancel
// each other, and fold keeps a zero.
var (
	seedName                           = maphash.MakeSeed()
	seedString, seedNumber, seedBinary = maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()
	// The second half of a key's hash.
	otherString, otherNumber, otherBinary = maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()

	secretTrue, secretFalse, secretNull       = secret(), secret(), secret()
	secretMap, secretList                     = secret(), secret()
	secretStrings, secretNumbers, secretBytes = secret(), secret(), secret()
	secretName, secretValue                   = secret(), secret()           // of a map's entry
	secretFirst, secretElement, secretNext    = secret(), secret(), secret() // of a list
	secretEnd                                 = secret()
	secretPartition, secretSort               = [2]uint64{secret(), secret()}, [2]uint64{secret(), secret()}
	secretPart                                = secret() // of a key
)

// secret returns a random odd number: an even one would cost fold a bit.
func secret() uint64 { return maphash.String(maphash.MakeSeed(), "secret") | 1 }

// fold mixes two numbers into one. Who does not know them cannot steer it.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// closed ends a structure: its kind makes it different from every other that
// has the same sum.
func closed(sum, kind uint64) uint64 { return fold(sum^kind, secretEnd) + kind }

// Digest returns the digest of an item that a [Scanner] has passed. A number
// that is none, or binary that is not the base64 of RFC 4648 with its padding, is a
// [*SyntaxError]: it cannot be said what that equals.
func (it Item) Digest() (Digest, error) {
	controls, escapes, _ := survey(it)
	d := digester{Scanner{b: it, escapes: escapes, controls: controls}}
	i, err := d.Expect(0, '{')
	if err != nil {
		return 0, err
	}
	h, i, err := d.attributes(i, 0)
	if err != nil {
		return 0, err
	}
	if i = d.Space(i); i != len(it) {
		return 0, d.fail(i, "trailing bytes")
	}
	return Digest(h), nil
}

// A digester walks over an item as its Scanner does, and hashes what it passes.
type digester struct{ Scanner }

// attributes digests the members of a map from behind its opening brace. The
// order of the members does not matter to a sum.
func (d *digester) attributes(i, depth int) (uint64, int, error) {
	var sum uint64
	i, empty := d.Empty(i, '}')
	for more := !empty; more; {
		var v uint64
		name, next, ok := d.member(i)
		if ok {
			// What member has passed is `"name":{"S":"text"}` to the byte.
			v, ok = scalarHash(d.b[i+len(name)+5], d.b[i+len(name)+9:next-2])
			if !ok {
				return 0, i, inAttribute(d.fail(i, badText), name)
			}
			i = next
		} else {
			var err error
			if name, i, err = d.name(i); err != nil {
				return 0, i, err
			}
			if v, i, err = d.value(i, depth); err != nil {
				return 0, i, inAttribute(err, name)
			}
		}
		sum += fold(d.text(seedName, name)^secretName, v^secretValue)
		if i < len(d.b) && d.b[i] == ',' {
			i++
			continue
		}
		var err error
		if i, more, err = d.More(i, '}'); err != nil {
			return 0, i, err
		}
	}
	return closed(sum, secretMap), i, nil
}

const badText = "not a number, or not base64,"

// scalarHash hashes the text of a value of type S, N or B that has no escapes.
func scalarHash(tag byte, text []byte) (uint64, bool) {
	switch Type(tag) {
	case String:
		return maphash.Bytes(seedString, text), true
	case Number:
		var stack [64]byte
		canonical, err := AppendDecimal(stack[:0], text)
		return maphash.Bytes(seedNumber, canonical), err == nil
	}
	return maphash.Bytes(seedBinary, text), strictBase64(text)
}

// value digests one typed value.
func (d *digester) value(i, depth int) (h uint64, next int, err error) {
	if next, ok := d.scalar(i); ok {
		h, ok := scalarHash(d.b[i+2], d.b[i+6:next-2])
		if !ok {
			return 0, i, d.fail(i, badText)
		}
		return h, next, nil
	}
	tag, i, err := d.tag(i, depth)
	if err != nil {
		return 0, i, err
	}
	switch string(tag) {
	case "S", "N", "B":
		h, i, err = d.escaped(tag[0], i)
	case "BOOL":
		h = secretTrue
		if i = d.Space(i); i < len(d.b) && d.b[i] == 't' {
			i, err = d.Word(i, "true")
		} else {
			h = secretFalse
			i, err = d.Word(i, "false")
		}
	case "NULL":
		h = secretNull
		i, err = d.Word(i, "true")
	case "M":
		if i, err = d.Expect(i, '{'); err == nil {
			h, i, err = d.attributes(i, depth+1)
		}
	case "L":
		h, i, err = d.list(i, depth+1)
	case "SS":
		h, i, err = d.set(i, byte(String), secretStrings)
	case "NS":
		h, i, err = d.set(i, byte(Number), secretNumbers)
	case "BS":
		h, i, err = d.set(i, byte(Binary), secretBytes)
	default:
		return 0, i, d.fail(i, "unknown type tag")
	}
	if err != nil {
		return 0, i, err
	}
	i, err = d.Expect(i, '}')
	return h, i, err
}

// tag passes the beginning of a typed value, `{"M":`, and returns its tag.
func (s *Scanner) tag(i, depth int) (tag []byte, next int, err error) {
	if i, err = s.Expect(i, '{'); err != nil {
		return nil, i, err
	}
	if depth > maxDepth {
		return nil, i, s.fail(i, "nested too deeply")
	}
	if tag, i, err = s.Text(i); err != nil {
		return nil, i, err
	}
	i, err = s.Expect(i, ':')
	return tag, i, err
}

// escaped digests a string, number or binary that may have escapes in it.
func (d *digester) escaped(tag byte, i int) (uint64, int, error) {
	text, next, err := d.Text(i)
	if err != nil {
		return 0, i, err
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		if Type(tag) == String {
			return unescapedHash(seedString, text), next, nil
		}
		text = appendUnescaped(nil, text)
	}
	h, ok := scalarHash(tag, text)
	if !ok {
		return 0, i, d.fail(i, badText)
	}
	return h, next, nil
}

// list digests a list: the order of its elements matters.
func (d *digester) list(i, depth int) (uint64, int, error) {
	sum := secretFirst
	i, err := d.Elements(i, func(i int) (int, error) {
		v, i, err := d.value(i, depth)
		sum = fold(sum^v, secretElement) + secretNext
		return i, err
	})
	return closed(sum, secretList), i, err
}

// set digests a set of strings, numbers or binaries: their order does not matter.
func (d *digester) set(i int, tag byte, kind uint64) (uint64, int, error) {
	var sum uint64
	i, err := d.Elements(i, func(i int) (int, error) {
		v, i, err := d.escaped(tag, i)
		sum += v
		return i, err
	})
	return closed(sum, kind), i, err
}

// text hashes a string as it stands between its quotes.
func (d *digester) text(seed maphash.Seed, text []byte) uint64 {
	if d.escapes && bytes.IndexByte(text, '\\') >= 0 {
		return unescapedHash(seed, text)
	}
	return maphash.Bytes(seed, text)
}

// unescapedHash hashes what a string with escapes stands for.
func unescapedHash(seed maphash.Seed, text []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var stack [4]byte
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			h.Write(text) //nolint:errcheck // it never fails
			return h.Sum64()
		}
		h.Write(text[:at]) //nolint:errcheck // as above
		plain, n := appendEscape(stack[:0], text[at:])
		h.Write(plain) //nolint:errcheck // as above
		text = text[at+n:]
	}
}

// KeyHash returns the hash of the found item's primary key by value.
func (f Found) KeyHash(schema Schema) (KeyHash, error) {
	var k KeyHash
	p, err := keyValueHash(f.Partition, schema.Partition)
	if err != nil {
		return k, err
	}
	var s [2]uint64
	if schema.HasSort() {
		if s, err = keyValueHash(f.Sort, schema.Sort); err != nil {
			return k, err
		}
	}
	for i := range k {
		k[i] = fold(fold(p[i]^secretPartition[i], secretPart)+s[i], secretSort[i])
	}
	return k, nil
}

// keyValueHash hashes a key attribute's value under the two seeds of its type.
func keyValueHash(raw []byte, attr Attr) (h [2]uint64, err error) {
	var stack [128]byte
	var text []byte
	if attr.Type != Number && compact(raw, attr.Type) {
		text = raw[6 : len(raw)-2]
	} else if text, err = keyText(stack[:0], raw, attr); err != nil {
		return h, err
	}
	if attr.Type == Binary && !strictBase64(text) {
		return h, inAttribute(&SyntaxError{Reason: "not base64"}, []byte(attr.Name))
	}
	one, other := seedString, otherString
	switch attr.Type {
	case Number:
		one, other = seedNumber, otherNumber
	case Binary:
		one, other = seedBinary, otherBinary
	}
	return [2]uint64{maphash.Bytes(one, text), maphash.Bytes(other, text)}, nil
}
