package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

var clockBase, monotonicBase = func() (time.Time, int64) {
	var ts unix.Timespec
	now := time.Now()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("sys: clock_gettime(CLOCK_MONOTONIC): " + err.Error())
	}
	return now, ts.Nano()
}()

// Monotonic is CLOCK_MONOTONIC in nanoseconds, the clock of the kernel's deadlines. It reads Go's own monotonic
// clock, which is the same one read without a system call. The two bases were taken once, Go's first, so Monotonic
// is ahead of the kernel by the nanoseconds between the two readings: a wait that the kernel ends at a deadline
// finds that deadline passed.
func Monotonic() int64 { return monotonicBase + int64(time.Since(clockBase)) }
