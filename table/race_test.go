//go:build race

package table

// many is how many items the largest copy of the tests has. The race detector
// makes both sides of it several times slower; `make test` has it without, too.
const many = 3_000
