package item

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkItems is the price of finding and checking a page's items and keys.
func BenchmarkItems(b *testing.B) {
	schema := Schema{Partition: Attr{"pk", String}, Sort: Attr{"sk", Number}}
	for _, c := range []struct {
		name string
		size int
		text string
	}{{"200", 200, "x"}, {"1000", 1000, "x"}, {"10000", 10_000, "x"}, {"1000 escaped", 1000, `one \"word\" in some text, née Ünal, `}} {
		b.Run(c.name, func(b *testing.B) {
			one := fmt.Sprintf(`{"pk":{"S":"customer#0001"},"sk":{"N":"17"},"open":{"BOOL":true},"tags":{"L":[{"S":"a"},{"S":"b"}]},"lines":{"L":[{"M":{"sku":{"S":"SKU-1"},"price":{"N":"7"}}},{"M":{"sku":{"S":"SKU-22"},"price":{"N":"45"}}}]},"total":{"N":"12.50"},"text":{"S":"%s"}}`, strings.Repeat(c.text, c.size/len(c.text)))
			page := []byte("[" + strings.Repeat(one+",", 1<<20/len(one)) + one + "]")
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := NewScanner(page)
				if err != nil {
					b.Fatal(err)
				}
				_, err = s.Elements(0, func(i int) (int, error) {
					f, i, err := s.Item(i, schema)
					if err != nil {
						return i, err
					}
					_, err = f.Hash(schema)
					return i, err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDigest is the price of a digest, by item size and content.
func BenchmarkDigest(b *testing.B) {
	filler := func(text string, size int) string { return strings.Repeat(text, 1+size/len(text))[:size] }
	mixed := func(text string, size int) string {
		return fmt.Sprintf(`{"pk":{"S":"customer#0001"},"sk":{"N":"17"},"open":{"BOOL":true},"tags":{"SS":["a","b"]},"total":{"N":"12.50"},"text":{"S":"%s"}}`, filler(text, size-120))
	}
	numbers := `{"pk":{"S":"a"},"l":{"L":[` + strings.TrimSuffix(strings.Repeat(`{"N":"12.50"},{"N":"1699999999"},`, 30), ",") + `]}}`
	for _, c := range []struct{ name, raw string }{
		{"200", mixed("x", 200)}, {"1000", mixed("x", 1000)}, {"10000", mixed("x", 10_000)},
		{"1000 escaped", mixed(`one \"word\" in some text, née. `, 1024)}, {"1000 of numbers", numbers},
		{"1000 binary", `{"pk":{"S":"a"},"b":{"B":"` + filler("abcd", 1000) + `"}}`},
	} {
		it := Item(c.raw)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(it)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := it.Digest(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+" fingerprint", func(b *testing.B) {
			b.SetBytes(int64(len(it)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := it.Fingerprint(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkKeyHash is the price of a key, parsing included.
func BenchmarkKeyHash(b *testing.B) {
	schema := Schema{Attr{"pk", String}, Attr{"sk", Number}}
	raw := []byte(fmt.Sprintf(`{"text":{"S":"%s"},"pk":{"S":"customer#0001"},"sk":{"N":"17"}}`, strings.Repeat("x", 1000)))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Parse(raw, schema)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.KeyHash(schema); err != nil {
			b.Fatal(err)
		}
	}
}
