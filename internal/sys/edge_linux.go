package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Edge reports changes at one or two descriptors: an epoll instance that watches them
// edge-triggered.
type Edge struct{ FD int }

// WatchEdges watches fd for events, and for errors and hang-ups. The state at the start counts as a
// change.
func WatchEdges(fd int, events uint32) (Edge, syscall.Errno) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return Edge{-1}, err.(syscall.Errno)
	}
	ev := unix.EpollEvent{Events: events | unix.EPOLLET}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		unix.Close(ep)
		return Edge{-1}, err.(syscall.Errno)
	}
	return Edge{ep}, 0
}

// Take consumes the changes so far: FD is readable again after the next one.
func (e Edge) Take() {
	var two [2]unix.EpollEvent
	unix.EpollWait(e.FD, two[:], 0)
}

// Close ends the watch.
func (e Edge) Close() { unix.Close(e.FD) }

// Add also watches another descriptor. It ignores one that cannot be watched.
func (e Edge) Add(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events | unix.EPOLLET}
	unix.EpollCtl(e.FD, unix.EPOLL_CTL_ADD, fd, &ev)
}
