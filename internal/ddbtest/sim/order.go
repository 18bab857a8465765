package sim

import (
	"math/big"
	"math/bits"
)

// An order is that of a side's items in its scans: the place of each position
// is position*step+start, modulo the number of places. The zero value is the
// places' own order.
type order struct {
	places, step, back, start uint64
}

// newOrder makes an order that scatters neighbours over the whole table.
func newOrder(places uint64) order {
	if places < 2 {
		return order{}
	}
	n := new(big.Int).SetUint64(places)
	for step := product(places, 618_034, 1_000_000) + 1; ; step++ { // the golden section
		if back := new(big.Int).ModInverse(new(big.Int).SetUint64(step), n); back != nil {
			return order{places: places, step: step % places, back: back.Uint64(), start: places / 3}
		}
	}
}

func (o order) shuffled() bool { return o.places > 0 }

func (o order) place(position uint64) uint64 {
	if !o.shuffled() {
		return position
	}
	return o.times(position, o.step, o.start)
}

func (o order) position(place uint64) uint64 {
	if !o.shuffled() {
		return place
	}
	return o.times((place+o.places-o.start)%o.places, o.back, 0)
}

// times is a*b+c modulo the number of places, without overflow.
func (o order) times(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a%o.places, b)
	low, carry := bits.Add64(low, c, 0)
	_, rest := bits.Div64(high+carry, low, o.places)
	return rest
}
