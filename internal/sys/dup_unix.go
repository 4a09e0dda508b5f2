//go:build unix && !aix

package sys

import "golang.org/x/sys/unix"

// Dup makes another descriptor of the same open file, which no child inherits. [CloseDup] closes
// it.
func Dup(fd int) (int, error) {
	if int(int32(fd)) != fd { // a kernel would look at 32 bits of it
		return -1, unix.EBADF
	}
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// CloseDup closes what [Dup] made. The descriptor is closed even if it fails.
func CloseDup(fd int) error { return unix.Close(fd) }
