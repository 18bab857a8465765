package sim

import (
	"bytes"
	"fmt"
	"testing"
)

// Both halves of the simulator without the network, then both with it, from a
// client that does nothing but read.

func BenchmarkMakePage(b *testing.B) {
	for _, size := range []int{200, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := start(b, Config{Items: 1 << 30, ItemBytes: size})
			place, end := uint64(0), uint64(1)<<30
			for b.Loop() {
				a := s.Source.page(scanInput{}, place, end, false)
				b.SetBytes(int64(len(a.page)))
				s.Source.release(a.page)
				place = (place + 10_000) % (end / 2)
			}
		})
	}
}

func BenchmarkCheckBatch(b *testing.B) {
	for _, size := range []int{200, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := start(b, Config{Items: 1 << 20, ItemBytes: size})
			body := []byte(`{"RequestItems":{"orders":[`)
			for place := range uint64(25) {
				if place > 0 {
					body = append(body, ',')
				}
				body = append(body, `{"PutRequest":{"Item":`...)
				body = s.items.appendItem(body, place*777, false)
				body = append(body, `}}`...)
			}
			body = append(body, `]}}`...)
			b.SetBytes(int64(len(body)))
			var c conn
			r := request{body: body}
			for b.Loop() {
				if a := s.Target.batchWrite(&c, &r, noFault, 1); !bytes.HasPrefix(a.body, []byte(`{"UnprocessedItems":{}}`)) {
					b.Fatalf("%s", a.body)
				}
			}
		})
	}
}

func BenchmarkScanOverHTTP(b *testing.B) {
	s := start(b, Config{Items: 1 << 20})
	for b.Loop() {
		_, answer, err := call(b, s.Source, "Scan", `{"TableName":"orders"}`)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(answer)))
	}
}
