package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are made by a goroutine itself when that is cheaper than a loop. They repeat a
// call on EINTR, and tell the race detector what the kernel does to the buffer.

// TryRecv receives what is there without waiting: EAGAIN if there is nothing.
func TryRecv(fd int, p []byte) (int, syscall.Errno) {
	n, errno := move(unix.SYS_RECVFROM, fd, p, unix.MSG_DONTWAIT, copied)
	if RaceEnabled && errno == 0 {
		RaceReceived(p[:n])
	}
	return n, errno
}

// TrySend sends what there is room for without waiting: EAGAIN if there is none.
func TrySend(fd int, p []byte) (int, syscall.Errno) {
	RaceSending(p)
	return move(unix.SYS_SENDTO, fd, p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, sent)
}

// TryRecvMsg and TrySendMsg are recvmsg(2) and sendmsg(2) that do not wait: EAGAIN. They do not
// inform the race detector.
func TryRecvMsg(fd int, m *Message, flags uint32) (int, syscall.Errno) {
	for {
		if n, errno := RecvMsg(fd, m, 0, flags|unix.MSG_DONTWAIT); errno != unix.EINTR {
			return n, errno
		}
	}
}

func TrySendMsg(fd int, m *Message) (int, syscall.Errno) {
	for {
		if n, errno := SendMsg(fd, m, 0, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); errno != unix.EINTR {
			return n, errno
		}
	}
}

// TryAccept accepts a connection on a non-blocking listener: EAGAIN if there is none. It is
// close-on-exec and non-blocking.
func TryAccept(fd int, sa *Sockaddr) (int, syscall.Errno) {
	for {
		if n, errno := Accept(fd, sa, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC); errno != unix.EINTR {
			return n, errno
		}
	}
}

// ReadAt and WriteAt are preadv2(2) and pwritev2(2) of one buffer. With off -1 they work at the
// file's position. flags are RWF_*. If a filter denies these calls, a call with flags is
// EOPNOTSUPP, as for a file that does not support them; calls without flags are unaffected.
func ReadAt(fd int, p []byte, off int64, flags int) (int, syscall.Errno) {
	n, errno := vector(readTrap(off, uint32(flags)), fd, p, off, flags)
	if errno == 0 {
		RaceReceived(p[:n])
	}
	return n, errno
}

func WriteAt(fd int, p []byte, off int64, flags int) (int, syscall.Errno) {
	RaceSending(p)
	return vector(writeTrap(off, uint32(flags)), fd, p, off, flags)
}

func vector(trap uintptr, fd int, p []byte, off int64, flags int) (int, syscall.Errno) {
	iov := unix.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	for {
		var n uintptr
		var errno syscall.Errno
		// The kernel takes the offset in two halves; on 64-bit systems the first is all of it.
		if small(p, flags&unix.RWF_NOWAIT != 0, copied) && watched() {
			n, _, errno = syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1, uintptr(off),
				uintptr(uint64(off)>>32), uintptr(flags))
		} else {
			n, _, errno = syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1, uintptr(off),
				uintptr(uint64(off)>>32), uintptr(flags))
		}
		if errno == 0 {
			return int(n), 0
		}
		if flags != 0 && (errno == unix.ENOSYS || errno == unix.EPERM) {
			return 0, unix.EOPNOTSUPP // by the kernel, or by a filter in front of it
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// RingEventfd adds 1 to the non-blocking eventfd fd, which makes it readable. It can fail only if
// fd is readable already.
func RingEventfd(fd int) {
	one := uint64(1)
	for {
		if _, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)),
			8); errno != unix.EINTR {
			return
		}
	}
}

// Bind, Connect and SockName take addresses in the encoding that operations use. trap is
// SYS_GETSOCKNAME or SYS_GETPEERNAME. Connect does not wait: the descriptor is non-blocking.
func Bind(fd int, sa *Sockaddr) error { return withAddr(unix.SYS_BIND, fd, sa) }

func Connect(fd int, sa *Sockaddr) error { return withAddr(unix.SYS_CONNECT, fd, sa) }

func withAddr(trap uintptr, fd int, sa *Sockaddr) error {
	_, _, errno := syscall.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&sa.Data)), uintptr(sa.Len))
	if errno != 0 {
		return errno
	}
	return nil
}

func SockName(trap uintptr, fd int, sa *Sockaddr) error {
	sa.Len = uint32(len(sa.Data))
	_, _, errno := syscall.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&sa.Data)),
		uintptr(unsafe.Pointer(&sa.Len)))
	if errno != 0 {
		return errno
	}
	return nil
}

// Splice is splice(2) that does not wait: EAGAIN. An offset of -1 means none.
func Splice(rfd int, roff int64, wfd int, woff int64, n int) (int, error) {
	var r, w *int64
	if roff >= 0 {
		r = &roff
	}
	if woff >= 0 {
		w = &woff
	}
	for {
		moved, err := unix.Splice(rfd, r, wfd, w, n, unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(max(moved, 0)), err
		}
	}
}

// Sendfile is sendfile(2) from the position of rfd to wfd, repeated if a signal interrupts it. It
// waits for rfd. It waits for wfd too, unless that is non-blocking: EAGAIN.
func Sendfile(wfd, rfd, n int) (int, error) {
	for {
		moved, err := unix.Sendfile(wfd, rfd, nil, n)
		if err != unix.EINTR {
			return max(moved, 0), err
		}
	}
}
