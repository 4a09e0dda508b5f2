//go:build !race

package sys

// RaceEnabled says that this build has no race detector.
const RaceEnabled = false

// RaceSending and RaceReceived inform the race detector, in builds that have one.
func RaceSending([]byte) {}

func RaceReceived([]byte) {}
