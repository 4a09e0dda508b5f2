//go:build !weir_portable

package aio

import (
	"time"

	aiort "github.com/weirgo/weir/runtime"
)

// loopTime turns a deadline as users give it into nanoseconds of a loop's clock: 0 for none, and for one that has
// passed a time that has passed.
func loopTime(l *aiort.Loop, t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if t.Unix() <= 1 { // what package net and others mean by a long time ago, without a look at the clock
		return 1
	}
	d := time.Until(t)      // saturates
	if d <= 0 || l == nil { // no loop: the handle has never been open
		return 1
	}
	return after(l.Now(), d)
}
