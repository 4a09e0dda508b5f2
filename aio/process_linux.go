//go:build !weir_portable

package aio

import (
	"context"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the process pid has ended, if it can be watched.
func (io *IO) awaitExit(ctx context.Context, pid int) (watched bool, err error) {
	fd, err := unix.PidfdOpen(pid, 0)
	switch err {
	case nil:
	case unix.ENOSYS, unix.EPERM: // older than 5.3, or forbidden
		return false, nil
	case unix.EINVAL, unix.ESRCH: // there is no such child: Wait says so
		return true, nil
	default:
		return false, err
	}
	defer unix.Close(fd)
	_, err = io.Poll(ctx, fd, unix.POLLIN)
	return true, err
}
