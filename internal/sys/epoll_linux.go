package sys

import (
	"math"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll waits for the events of one epoll instance. It must be on the heap: the kernel writes to it
// while the goroutine's stack may move.
type Epoll struct {
	FD     int
	Events []unix.EpollEvent // where Wait puts what is ready; on the heap too
	// the kernel has epoll_pwait2(2) (Linux 5.11): deadlines are exact, not rounded up to
	// milliseconds
	Fine bool
	ts   Timespec
}

// Wait returns the number of Events that are ready. With block set it waits until there is one, the
// deadline passes (nanoseconds of CLOCK_MONOTONIC; math.MaxInt64: none) or a signal arrives, so
// that 0 is an ordinary answer. Before it blocks it hands the P off: see syscallBlocking.
func (e *Epoll) Wait(block bool, deadline int64) (int, syscall.Errno) {
	defer runtime.KeepAlive(e)
	trap, timeout := uintptr(unix.SYS_EPOLL_PWAIT), uintptr(0)
	deadline = max(deadline, 0) // the differences below do not overflow
	switch {
	case !block && watched(): // the call keeps the P
		n, _, errno := syscall.RawSyscall6(trap, uintptr(e.FD), e.events(), uintptr(len(e.Events)), 0, 0, 0)
		return ready(n, errno)
	case !block:
		n, _, errno := syscall.Syscall6(trap, uintptr(e.FD), e.events(), uintptr(len(e.Events)), 0, 0, 0)
		return ready(n, errno)
	case deadline == math.MaxInt64:
		timeout = ^uintptr(0) // -1: none
	case e.Fine:
		left := max(deadline-Monotonic(), 0)
		e.ts = Timespec{Sec: left / 1e9, Nsec: left % 1e9}
		trap, timeout = unix.SYS_EPOLL_PWAIT2, uintptr(unsafe.Pointer(&e.ts))
	default:
		timeout = uintptr(milliseconds(deadline - Monotonic()))
	}
	return ready(syscallBlocking(trap, uintptr(e.FD), e.events(), uintptr(len(e.Events)), timeout, 0, 0))
}

func (e *Epoll) events() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(e.Events))) }

// milliseconds rounds up, because a wait that ends too early has to be repeated.
func milliseconds(ns int64) int32 {
	switch {
	case ns <= 0:
		return 0
	case ns > math.MaxInt32*1e6:
		return math.MaxInt32
	}
	return int32((ns + 1e6 - 1) / 1e6)
}

func ready(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno == unix.EINTR {
		return 0, 0
	}
	return result(n, errno)
}

// Probe finds out whether Fine may be set. A filter in front of the kernel can deny that as well.
func (e *Epoll) Probe() bool {
	e.ts = Timespec{}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.FD), e.events(), uintptr(len(e.Events)),
		uintptr(unsafe.Pointer(&e.ts)), 0, 0)
	return errno == 0 || errno == unix.EINTR
}
