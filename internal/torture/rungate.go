package main

// runGuards: a checkpoint that does not fit.
func runGuards() []guard { return nil }

// lockGuards: another run holds the target.
func lockGuards() []guard { return nil }
