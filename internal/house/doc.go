// Package house holds the rules of this code base, as tests: who may import
// whom, what a package below the command may touch, how large a package gets,
// what a workflow may do. Each rule is a pure function, and has a test of its own
// that shows it refusing what it must refuse. There is no code here to import.
package house
