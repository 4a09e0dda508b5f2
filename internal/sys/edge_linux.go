package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Edge tells of changes at one descriptor or two: an epoll instance that watches them
// edge-triggered.
type Edge struct{ FD int }

// WatchEdges watches fd for events, and for errors and hang-ups. It counts what is there already as
// a change.
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

// Take takes note of the changes so far: FD is readable again after the next one.
func (e Edge) Take() {
	var two [2]unix.EpollEvent
	unix.EpollWait(e.FD, two[:], 0)
}

// Close ends the watch.
func (e Edge) Close() { unix.Close(e.FD) }

// Add watches another descriptor too. One that cannot be watched is left out.
func (e Edge) Add(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events | unix.EPOLLET}
	unix.EpollCtl(e.FD, unix.EPOLL_CTL_ADD, fd, &ev)
}
