package sys

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below take names that end with a zero byte.

// Openat is openat(2), or openat2(2) if resolve is not 0.
func Openat(dir int, path []byte, flags, mode uint32, resolve uint64) (int, syscall.Errno) {
	if resolve != 0 {
		how := unix.OpenHow{Flags: uint64(flags), Mode: uint64(mode), Resolve: resolve}
		n, _, errno := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(path))),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		return result(n, errno)
	}
	n, _, errno := syscall.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(path))),
		uintptr(flags|unix.O_LARGEFILE), uintptr(mode), 0, 0)
	return result(n, errno)
}

// StatxAt is statx(2).
func StatxAt(dir int, path []byte, flags, mask uint32, stat *Statx) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(path))),
		uintptr(flags), uintptr(mask), uintptr(unsafe.Pointer(stat)), 0)
	return result(n, errno)
}

// Unlinkat is unlinkat(2), Mkdirat mkdirat(2).
func Unlinkat(dir int, path []byte, flags uint32) (int, syscall.Errno) {
	return callPath(unix.SYS_UNLINKAT, dir, path, flags)
}

func Mkdirat(dir int, path []byte, mode uint32) (int, syscall.Errno) {
	return callPath(unix.SYS_MKDIRAT, dir, path, mode)
}

func callPath(trap uintptr, dir int, path []byte, arg uint32) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(trap, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(path))), uintptr(arg))
	return result(n, errno)
}

// Renameat is renameat2(2), Linkat linkat(2).
func Renameat(dir int, path []byte, dir2 int, path2 []byte, flags uint32) (int, syscall.Errno) {
	return callPaths(unix.SYS_RENAMEAT2, dir, path, dir2, path2, flags)
}

func Linkat(dir int, path []byte, dir2 int, path2 []byte, flags uint32) (int, syscall.Errno) {
	return callPaths(unix.SYS_LINKAT, dir, path, dir2, path2, flags)
}

func callPaths(trap uintptr, dir int, path []byte, dir2 int, path2 []byte, flags uint32) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall6(trap, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(path))),
		uintptr(dir2), uintptr(unsafe.Pointer(unsafe.SliceData(path2))), uintptr(flags), 0)
	return result(n, errno)
}

// Symlinkat is symlinkat(2).
func Symlinkat(content []byte, dir int, path []byte) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(unix.SYS_SYMLINKAT, uintptr(unsafe.Pointer(unsafe.SliceData(content))), uintptr(dir),
		uintptr(unsafe.Pointer(unsafe.SliceData(path))))
	return result(n, errno)
}

// Xattr is getxattr(2) or, with set, setxattr(2): of path or, if that is nil, of fd.
func Xattr(set bool, fd int, path, attr, value []byte, flags uint32) (int, syscall.Errno) {
	trap := uintptr(unix.SYS_GETXATTR)
	switch {
	case set && path == nil:
		trap = unix.SYS_FSETXATTR
	case set:
		trap = unix.SYS_SETXATTR
	case path == nil:
		trap = unix.SYS_FGETXATTR
	}
	if path == nil {
		n, _, errno := syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(attr))),
			uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), uintptr(flags), 0)
		return result(n, errno)
	}
	n, _, errno := syscall.Syscall6(trap, uintptr(unsafe.Pointer(unsafe.SliceData(path))),
		uintptr(unsafe.Pointer(unsafe.SliceData(attr))), uintptr(unsafe.Pointer(unsafe.SliceData(value))),
		uintptr(len(value)), uintptr(flags), 0)
	return result(n, errno)
}

// Waitid is waitid(2).
func Waitid(idType, id int, info *Siginfo, options uint32) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall6(unix.SYS_WAITID, uintptr(idType), uintptr(id), uintptr(unsafe.Pointer(info)),
		uintptr(options), 0, 0)
	return result(n, errno)
}

// Pipe2 is pipe2(2).
func Pipe2(p *[2]int32, flags uint32) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(p)), uintptr(flags), 0)
	return result(n, errno)
}

// FutexWake wakes up to n waiters on word, with flags FUTEX2_*. It uses futex(2), which every
// kernel has, and which for words of 32 bits does what futex_wake(2) does. Other sizes are EINVAL,
// as in the kernel.
func FutexWake(word *atomic.Uint32, n uint64, flags uint32) (int, syscall.Errno) {
	const (
		size32  = 2    // FUTEX2_SIZE_U32
		private = 0x80 // FUTEX2_PRIVATE, FUTEX_PRIVATE_FLAG
		opWake  = 1
	)
	if flags&^private != size32 {
		return 0, unix.EINVAL
	}
	if n == 0 {
		return 0, 0 // futex(2) would wake one
	}
	woken, _, errno := syscall.Syscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), opWake|uintptr(flags&private),
		uintptr(min(n, 1<<31-1)))
	return result(woken, errno)
}

// The calls below have offsets, which 32-bit machines pass in different ways.

// Fallocate is fallocate(2).
func Fallocate(fd int, mode uint32, off, n int64) (int, syscall.Errno) {
	return errnoOf(0, unix.Fallocate(fd, mode, off, n))
}

// Fadvise is posix_fadvise(2).
func Fadvise(fd int, off, n int64, advice uint32) (int, syscall.Errno) {
	return errnoOf(0, unix.Fadvise(fd, off, n, int(advice)))
}

// Ftruncate is ftruncate(2).
func Ftruncate(fd int, size int64) (int, syscall.Errno) { return errnoOf(0, unix.Ftruncate(fd, size)) }

// SyncFileRange is sync_file_range(2).
func SyncFileRange(fd int, off, n int64, flags uint32) (int, syscall.Errno) {
	return errnoOf(0, unix.SyncFileRange(fd, off, n, int(flags)))
}

// SpliceFlags is splice(2). An offset of -1 is none.
func SpliceFlags(from int, fromOff int64, to int, toOff int64, n int, flags uint32) (int, syscall.Errno) {
	var r, w *int64
	if fromOff != -1 {
		r = &fromOff
	}
	if toOff != -1 {
		w = &toOff
	}
	moved, err := unix.Splice(from, r, to, w, n, int(flags))
	return errnoOf(int(moved), err)
}

// Tee is tee(2).
func Tee(from, to, n int, flags uint32) (int, syscall.Errno) {
	moved, err := unix.Tee(from, to, n, int(flags))
	return errnoOf(int(moved), err)
}

func errnoOf(n int, err error) (int, syscall.Errno) {
	if err != nil {
		return 0, err.(syscall.Errno)
	}
	return n, 0
}

// Socket is socket(2), BindTo bind(2), Listen listen(2), Shutdown shutdown(2).
func Socket(domain int, kind uint32, protocol int) (int, syscall.Errno) {
	return errnoOf(unix.Socket(domain, int(kind), protocol))
}

func BindTo(fd int, sa *Sockaddr) (int, syscall.Errno) { return errnoOf(0, Bind(fd, sa)) }

func Listen(fd int, backlog uint32) (int, syscall.Errno) {
	return errnoOf(0, unix.Listen(fd, int(backlog)))
}

func Shutdown(fd int, how uint32) (int, syscall.Errno) {
	return errnoOf(0, unix.Shutdown(fd, int(how)))
}
