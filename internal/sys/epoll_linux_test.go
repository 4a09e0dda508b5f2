package sys

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A wait in whole milliseconds is never too short, and never a negative one, which has no end.
func TestMilliseconds(t *testing.T) {
	for _, tt := range []struct {
		ns   int64
		want int32
	}{
		{math.MinInt64, 0}, {-1, 0}, {0, 0}, {1, 1}, {999_999, 1}, {1_000_000, 1}, {1_000_001, 2},
		{int64(time.Hour), 3_600_000},
		{math.MaxInt32 * 1_000_000, math.MaxInt32}, {math.MaxInt32*1_000_000 + 1, math.MaxInt32},
		{math.MaxInt64, math.MaxInt32},
	} {
		if got := milliseconds(tt.ns); got != tt.want {
			t.Errorf("milliseconds(%d) = %d, want %d", tt.ns, got, tt.want)
		}
	}
}

// Wait ends at its deadline, with both calls.
func TestEpollDeadline(t *testing.T) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	e := &Epoll{FD: fd, Events: make([]unix.EpollEvent, 1)}
	fine := []bool{false}
	if e.Probe() {
		fine = append(fine, true)
	} else {
		t.Log("there is no epoll_pwait2 here")
	}
	for _, e.Fine = range fine {
		for _, d := range []time.Duration{-time.Hour, 0, 1, time.Microsecond, 1100 * time.Microsecond} {
			waits := 0
			for deadline := Monotonic() + int64(d); waits == 0 || Monotonic() < deadline; waits++ {
				if n, errno := e.Wait(true, deadline); n != 0 || errno != 0 || waits > 100 {
					t.Fatalf("fine=%v, %v: wait %d: %d events, %v", e.Fine, d, waits, n, errno)
				}
			}
		}
	}
	unix.Close(fd)
	if _, errno := e.Wait(false, 0); errno != unix.EBADF {
		t.Errorf("Wait on a closed descriptor: %v", errno)
	}
	if e.Probe() {
		t.Error("Probe of a closed descriptor says yes")
	}
}
