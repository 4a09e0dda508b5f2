//go:build !go1.26 && !weir_portable

package aio

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var errNoHandle = errors.New("process handle unavailable")

// withHandle calls f with a descriptor of p, which stays open until f returns. The error is
// errNoHandle if it cannot get one, and another if p has been waited for or released.
//
// A process keeps its number until it has been waited for. So the descriptor of the number is one
// of p if p has not been waited for when the descriptor is open.
func withHandle(p *os.Process, f func(pidfd uintptr)) error {
	fd, err := unix.PidfdOpen(p.Pid, 0)
	switch err {
	case nil:
	case unix.EINVAL, unix.ESRCH:
		return os.ErrProcessDone
	default:
		return errNoHandle
	}
	defer unix.Close(fd)
	if err := p.Signal(syscall.Signal(0)); err != nil && !errors.Is(err, syscall.EPERM) {
		return err
	}
	f(uintptr(fd))
	return nil
}
