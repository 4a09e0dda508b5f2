//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// WakePipe makes a pipe that no child inherits and whose ends are non-blocking.
func WakePipe() (r, w int, err error) {
	var p [2]int
	syscall.ForkLock.RLock() // until both are close-on-exec no child is forked
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return -1, -1, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(p[0])
			unix.Close(p[1])
			return -1, -1, err
		}
	}
	return p[0], p[1], nil
}
