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
