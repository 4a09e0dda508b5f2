package sys

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

var clockBase, monotonicBase = func() (base time.Time, monotonic int64) {
	// The thread may be preempted between the two readings, which would make every wait late. So
	// the closest of a few pairs is taken.
	for i, gap := 0, time.Duration(0); i < 10; i++ {
		now := time.Now()
		kernel := kernelTime()
		if d := time.Since(now); i == 0 || d < gap {
			gap, base, monotonic = d, now, kernel
		}
	}
	return base, monotonic
}()

// Monotonic returns CLOCK_MONOTONIC in nanoseconds, the clock of the kernel's deadlines. It reads
// Go's own monotonic clock, which is the same clock, without a system call. The two bases were read
// once, Go's first, so Monotonic is ahead of the kernel by the time between the two readings: after
// a wait that the kernel ends at a deadline, that deadline has passed. In a bubble of
// testing/synctest, which has another clock, it makes the system call.
func Monotonic() int64 {
	now := monotonicBase + int64(time.Since(clockBase))
	if now>>eraBits != era.Load() {
		return newEra(now)
	}
	return now
}

// eraBits is the size of an era in bits of nanoseconds: 18 minutes. If a time of Go's clock is in
// the same era as the last one, Monotonic assumes that it is not in a bubble. It does not check
// that, because the check would double its cost. So Monotonic errs in a bubble whose clock the
// program has moved, from the year 2000 on, to within minutes of the present.
const eraBits = 40

var era atomic.Int64

// newEra checks a time that is not in the same era as the last. It returns the kernel's time if the
// time is a bubble's.
func newEra(now int64) int64 {
	if InBubble() {
		return kernelTime()
	}
	era.Store(now >> eraBits)
	return now
}

func kernelTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("sys: clock_gettime(CLOCK_MONOTONIC): " + err.Error())
	}
	return ts.Nano()
}

// firstTimeNamespace is the inode of the time namespace that the system started with
// (TIME_NS_INIT_INO, linux/nsfs.h).
const firstTimeNamespace = 0xEFFFFFFA

// MovedClock reports whether the process is in a time namespace of its own (Linux 5.6). Its
// CLOCK_MONOTONIC may then be far from the kernel's, and io_uring compares absolute deadlines with
// the latter (seen on Linux 6.18). If that cannot be determined, without /proc, it reports false.
var MovedClock = sync.OnceValue(func() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/time", &st) == nil && st.Ino != firstTimeNamespace
})
