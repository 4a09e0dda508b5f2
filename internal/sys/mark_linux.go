package sys

import (
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// splice(2) stops at the urgent mark of a TCP socket and does not step over it. It answers EAGAIN,
// or 0 on a socket in blocking mode, whatever comes behind the mark. It answers the same at the end
// of the stream, so what comes behind the mark would be lost. recv(2) leaves the urgent byte out
// and goes on.

// AtMark reports whether a socket is at its urgent mark: sockatmark(3).
func AtMark(fd int) bool {
	at, err := unix.IoctlGetInt(fd, siocAtMark)
	return err == nil && at != 0
}

// siocAtMark is SIOCATMARK.
var siocAtMark = func() uint {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 0x40047307
	}
	return 0x8905
}()

// StepOverMark moves the byte behind the urgent mark to a pipe. It does not wait for the byte or
// for room: EAGAIN. The byte stays in the socket until it is in the pipe.
func StepOverMark(fd, pipe int) (int, syscall.Errno) {
	one := make([]byte, 1)
	n, errno := Recv(fd, one, unix.MSG_DONTWAIT|unix.MSG_PEEK)
	if errno != 0 {
		return 0, errno
	}
	if n > 0 {
		switch _, errno := Pwritev(pipe, [][]byte{one}, 0, -1, rwfNoWait); errno {
		case 0:
		case unix.EOPNOTSUPP, unix.ENOSYS: // an older kernel
			if _, errno := Write(pipe, one); errno != 0 {
				return 0, errno
			}
		default:
			return 0, errno
		}
	}
	_, errno = Recv(fd, one, unix.MSG_DONTWAIT)
	return n, errno
}

const rwfNoWait = 0x8
