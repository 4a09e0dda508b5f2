package fd

import (
	"time"

	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// loopTime returns a deadline of a user in nanoseconds of a loop's clock: 0 for none, and a time in
// the past for one that has passed.
func loopTime(l *aiort.Loop, t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if t.Unix() <= 1 { // what package net and others use for a long time ago; it needs no look at the clock
		return 1
	}
	d := time.Until(t)      // saturates
	if d <= 0 || l == nil { // no loop: the FD has never been open
		return 1
	}
	return After(l.Now(), d)
}

// After returns now + d, or the end of time if that overflows. It may lie before the clock's zero.
func After(now int64, d time.Duration) int64 {
	if d > 0 && now > backends.Forever-int64(d) {
		return backends.Forever
	}
	return now + int64(d)
}
