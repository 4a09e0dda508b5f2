//go:build race

package sched_test

// raceEnabled: the race detector is on. It makes sync.Pool drop values at random, so that counts of
// allocations mean nothing.
const raceEnabled = true
