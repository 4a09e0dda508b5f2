//go:build linux

// Package testpty stands in for internal/testpty, without cgo.
package testpty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotSupported is here because tests compare with it; on Linux there are terminals.
var ErrNotSupported = fmt.Errorf("no pseudo terminals: %w", unix.ENOTSUP)

// Open returns a new pseudo terminal and the name of its other end.
func Open() (pty *os.File, tty string, err error) {
	pty, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, "", err
	}
	n := 0
	rc, err := pty.SyscallConn()
	if err == nil {
		cerr := rc.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		})
		if cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		pty.Close()
		return nil, "", err
	}
	return pty, fmt.Sprintf("/dev/pts/%d", n), nil
}
