//go:build !race

package sched_test

// raceEnabled: the race detector is on.
const raceEnabled = false
