package sys

import "golang.org/x/sys/unix"

// ThreadID returns the ID of the calling thread.
func ThreadID() int { return unix.Gettid() }

// DupNonblock duplicates fd, close-on-exec, and sets O_NONBLOCK on what both refer to.
func DupNonblock(fd int) (int, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return -1, err
	}
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// InMemory reports whether the file fd is on a file system that has no device: tmpfs, ramfs,
// hugetlbfs.
func InMemory(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch int64(st.Type) {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.HUGETLBFS_MAGIC:
		return true
	}
	return false
}

// Pollable reports whether epoll can tell when fd is ready; regular files always are. fd must not
// be an epoll instance that could be added to itself: the kernel checks the kind of fd before it
// detects the circle. On kernels that check later (gVisor) Pollable is always true.
func Pollable(fd int) bool {
	return unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, fd, new(unix.EpollEvent)) == unix.EINVAL
}
