//go:build race

package table

// many is how many items the largest copy of the tests has. The race detector
// makes both sides of it several times slower; `make torture` has it without.
const many = 5_000
