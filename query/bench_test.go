package query

import (
	"io"
	"testing"

	"github.com/dynamo-cmdline/dynamo/item"
)

// BenchmarkWrite is the price of an item in each format.
func BenchmarkWrite(b *testing.B) {
	for _, f := range Formats {
		b.Run(string(f), func(b *testing.B) {
			w, err := NewWriter(io.Discard, f, Options{Keys: []string{"pk", "sk"}, Width: 120})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(every)))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(item.Item(every)); err != nil {
					b.Fatal(err)
				}
			}
			w.Abandon()
		})
	}
}
