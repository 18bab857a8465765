package sim

import (
	"math/bits"
	"sync/atomic"
)

// marks say, for each place of the table, whether the target has an item
// there, and whether that item is the wrong one. Two bits an item.
type marks struct {
	present, wrong []uint64
}

func newMarks(places uint64) *marks {
	words := (places + 63) / 64
	return &marks{make([]uint64, words), make([]uint64, words)}
}

// put stores an item and reports whether there was one already.
func (m *marks) put(place uint64, right bool) (again bool) {
	word, bit := place/64, uint64(1)<<(place%64)
	if right {
		if atomic.LoadUint64(&m.wrong[word])&bit != 0 {
			atomic.AndUint64(&m.wrong[word], ^bit)
		}
	} else {
		atomic.OrUint64(&m.wrong[word], bit)
	}
	return atomic.OrUint64(&m.present[word], bit)&bit != 0
}

// remove deletes an item and reports whether there was one.
func (m *marks) remove(place uint64) bool {
	word, bit := place/64, uint64(1)<<(place%64)
	atomic.AndUint64(&m.wrong[word], ^bit)
	return atomic.AndUint64(&m.present[word], ^bit)&bit != 0
}

func (m *marks) has(place uint64) (present, wrong bool) {
	word, bit := place/64, uint64(1)<<(place%64)
	return atomic.LoadUint64(&m.present[word])&bit != 0, atomic.LoadUint64(&m.wrong[word])&bit != 0
}

// next returns the first place from one on that has an item, or end.
func (m *marks) next(place, end uint64) uint64 {
	for place < end {
		rest := atomic.LoadUint64(&m.present[place/64]) >> (place % 64)
		if rest != 0 {
			return min(place+uint64(bits.TrailingZeros64(rest)), end)
		}
		place = (place/64 + 1) * 64
	}
	return end
}

// count returns how many places hold an item and how many a wrong one.
func (m *marks) count() (present, wrong int64) {
	for i := range m.present {
		present += int64(bits.OnesCount64(atomic.LoadUint64(&m.present[i])))
		wrong += int64(bits.OnesCount64(atomic.LoadUint64(&m.wrong[i])))
	}
	return present, wrong
}

func (m *marks) clear() {
	for i := range m.present {
		atomic.StoreUint64(&m.present[i], 0)
		atomic.StoreUint64(&m.wrong[i], 0)
	}
}
