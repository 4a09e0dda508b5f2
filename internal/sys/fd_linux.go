package sys

import "golang.org/x/sys/unix"

// ThreadID is the calling thread's.
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

// Pollable reports whether epoll can tell when fd is ready, which files of disks are always. fd is
// no epoll instance that could take it: the kernel looks at what fd is before it finds that out.
// Where one does not (gVisor), everything is.
func Pollable(fd int) bool {
	return unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, fd, new(unix.EpollEvent)) == unix.EINVAL
}
