//go:build !race

package table

// many is how many items the largest copy of the tests has.
const many = 100_000
