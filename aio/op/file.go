package op

import (
	"time"

	"github.com/weirgo/weir/backends"
)

// Read is read(2) or, with an offset, pread(2): up to len(p) bytes of fd from offset off, or from
// the current position if off is [Stream]. N is the number of bytes; 0 is the end of the file. It
// waits for data, also on a non-blocking descriptor. Errors: EBADF, EINVAL (off below -1), EISDIR,
// EIO. io_uring READ, Linux 5.6. Elsewhere it is preadv2(2) if the backend can wait for fd, and
// runs on the backend's pool for files.
func Read(fd int, p []byte, off int64) *Op {
	return of(backends.Op{Code: backends.OpRead, FD: fd, Buf: p, Off: off})
}

// Write is write(2) or, with an offset, pwrite(2). N is the number of bytes, which may be less than
// len(p). Errors: EBADF, EINVAL, EFBIG, ENOSPC, EDQUOT, EPIPE, EIO. It raises no SIGPIPE, not even
// on descriptors 1 and 2, where os.File.Write and aio.Write do: a list goes on with what is linked
// to it. io_uring WRITE, Linux 5.6; elsewhere pwritev2(2).
func Write(fd int, p []byte, off int64) *Op {
	return of(backends.Op{Code: backends.OpWrite, FD: fd, Buf: p, Off: off})
}

// Readv is preadv(2) or, with [Stream], readv(2): as [Read], into bufs one after the other. More
// than 1024 buffers that are not empty are EMSGSIZE, and nothing is submitted: on a descriptor that
// keeps records apart the rest of a record would be lost. Linux 5.1.
func Readv(fd int, bufs [][]byte, off int64) *Op {
	return of(backends.Op{Code: backends.OpReadv, FD: fd, Bufs: bufs, Off: off})
}

// Writev is pwritev(2) or, with [Stream], writev(2): as [Write], from bufs one after the other.
// More than 1024 buffers that are not empty are EMSGSIZE, and nothing is submitted: a datagram
// would be sent in part. Linux 5.1.
func Writev(fd int, bufs [][]byte, off int64) *Op {
	return of(backends.Op{Code: backends.OpWritev, FD: fd, Bufs: bufs, Off: off})
}

// Fsync is fsync(2): it is over when data and metadata of fd, or the entries of a directory, have
// reached the device. Once it has begun a cancellation does not end it. Errors: EBADF, EINVAL (fd
// cannot be synced), EIO, ENOSPC, EDQUOT. Linux 5.1; elsewhere on the backend's pool.
func Fsync(fd int) *Op { return of(backends.Op{Code: backends.OpFsync, FD: fd}) }

// Fdatasync is fdatasync(2): as [Fsync], without metadata that is not needed to read the data
// again.
func Fdatasync(fd int) *Op { return of(backends.Op{Code: backends.OpFdatasync, FD: fd}) }

// SyncFileRange is sync_file_range(2) on n bytes from off, n below 4 GiB, with flags
// SYNC_FILE_RANGE_*: it starts write-back of pages, or waits for it. It does not make data safe;
// [Fsync] does. Errors: EBADF, EINVAL, EIO, ESPIPE. Linux 5.2.
func SyncFileRange(fd int, off, n int64, flags int) *Op {
	return of32(backends.Op{Code: backends.OpSyncFileRange, FD: fd, Off: off, Args: &backends.Args{Len: n}}, flags)
}

// Fallocate is fallocate(2): it allocates n bytes from off, with mode FALLOC_FL_*. Errors: EBADF,
// EFBIG, EINVAL (n is not above 0), ENODEV (not a regular file), ENOSPC, EOPNOTSUPP (the file
// system lacks the mode). Linux 5.6.
func Fallocate(fd int, mode int, off, n int64) *Op {
	return of32(backends.Op{Code: backends.OpFallocate, FD: fd, Off: off, Args: &backends.Args{Len: n}}, mode)
}

// Fadvise is posix_fadvise(2): it declares how the program will use n bytes from off, or all bytes
// from off if n is 0; advice is FADV_*. Errors: EBADF, EINVAL, ESPIPE. Linux 5.6; n from 4 GiB on:
// 6.10.
func Fadvise(fd int, off, n int64, advice int) *Op {
	return of32(backends.Op{Code: backends.OpFadvise, FD: fd, Off: off, Args: &backends.Args{Len: n}}, advice)
}

// Ftruncate is ftruncate(2): it makes the file size bytes long. Errors: EBADF, EINVAL (size is
// negative, or fd is not open for writing), EFBIG. Linux 6.9; elsewhere on the backend's pool.
func Ftruncate(fd int, size int64) *Op {
	return of(backends.Op{Code: backends.OpFtruncate, FD: fd, Off: size})
}

// Open is openat(2): it opens name relative to the directory dir (or [CWD]), with flags O_* and
// permissions mode for a file that it creates. O_CLOEXEC is added. N is the new descriptor. If a
// cancellation comes too late the operation has succeeded, and the caller closes the descriptor.
//
// Opening a FIFO waits for its other end, which holds a thread unless flags has O_NONBLOCK. At most
// half of Options.KernelWorkers such Opens wait at a time; further ones queue. Errors: EACCES,
// EEXIST, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOTDIR, ENXIO, EROFS and others.
// Linux 5.6; elsewhere on the backend's pool, where an open that waits for a FIFO's other end
// cannot be cancelled.
func Open(dir int, name string, flags int, mode uint32) *Op { return OpenIn(dir, name, flags, mode, 0) }

// OpenIn is [Open] with resolve, RESOLVE_* of openat2(2), which restricts what name may lead
// through. Further errors: EXDEV (it leads out), EINVAL (unknown flags), E2BIG. Linux 5.6.
func OpenIn(dir int, name string, flags int, mode uint32, resolve uint64) *Op {
	return named(backends.Op{Code: backends.OpOpen, FD: dir, Flags: cloexec}, flags,
		&backends.Args{Mode: mode, Resolve: resolve}, name)
}

// Close is close(2), for files, directories and pipes. The descriptor is closed even if Close
// fails, and must not be used any more. Operations in flight on it go on, and keep the file open
// until they are over; [CloseSocket] ends them first. Errors: EBADF, and EIO, ENOSPC or EDQUOT of
// earlier writes. Linux 5.6.
func Close(fd int) *Op { return of(backends.Op{Code: backends.OpClose, FD: fd}) }

// CloseSocket is [Close] that first cancels whatever this loop has in flight on fd, and waits for
// it: those operations end with net.ErrClosed, unless they were done anyway. It works for all kinds
// of descriptors. An operation that ran on a worker thread of io_uring, such as [Shutdown] or
// [Bind] to a path, keeps the socket open a moment longer: until the thread that submitted it runs
// next.
func CloseSocket(fd int) *Op {
	return of(backends.Op{Code: backends.OpClose, FD: fd, Flags: backends.CloseAll})
}

// Stat is what [Statx] fills in.
type Stat = backends.Statx

// Statx is statx(2) of name relative to dir. With an empty name and AT_EMPTY_PATH in flags it is of
// dir itself. mask, STATX_*, says which fields of st are wanted. Errors: EACCES, EBADF, EINVAL,
// ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR. Linux 5.6.
func Statx(dir int, name string, flags int, mask uint32, st *Stat) *Op {
	return named(backends.Op{Code: backends.OpStatx, FD: dir}, flags, &backends.Args{Mode: mask, Stat: st}, name)
}

// Rename is renameat2(2) with flags RENAME_*. With 0 it replaces a file that has the new name; with
// RENAME_NOREPLACE that is EEXIST. Errors: EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR,
// ENOTEMPTY, EXDEV and others. Linux 5.11.
func Rename(dir int, name string, newDir int, newName string, flags int) *Op {
	return named(backends.Op{Code: backends.OpRename, FD: dir}, flags, &backends.Args{FD: newDir}, name, newName)
}

// Hardlink is linkat(2): it makes a second name for a file. flags is 0 or AT_SYMLINK_FOLLOW,
// AT_EMPTY_PATH. Errors: EEXIST, EMLINK, ENOENT, EPERM (a directory), EXDEV and others. Linux 5.15.
func Hardlink(dir int, name string, newDir int, newName string, flags int) *Op {
	return named(backends.Op{Code: backends.OpLink, FD: dir}, flags, &backends.Args{FD: newDir}, name, newName)
}

// Symlink is symlinkat(2): it makes name in dir a symbolic link with the given content. Errors:
// EEXIST, ENOENT, ENOTDIR and others. Linux 5.15.
func Symlink(content string, dir int, name string) *Op {
	return named(backends.Op{Code: backends.OpSymlink, FD: dir}, 0, &backends.Args{}, content, name)
}

// Unlink is unlinkat(2) of a file. Errors: EACCES, EBUSY, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS.
// Linux 5.11.
func Unlink(dir int, name string) *Op {
	return named(backends.Op{Code: backends.OpUnlink, FD: dir}, 0, &backends.Args{}, name)
}

// Rmdir is unlinkat(2) of an empty directory. Errors: EBUSY, ENOENT, ENOTDIR, ENOTEMPTY and others.
// Linux 5.11.
func Rmdir(dir int, name string) *Op {
	return named(backends.Op{Code: backends.OpUnlink, FD: dir, Flags: removeDir}, 0, &backends.Args{}, name)
}

const removeDir = 0x200 // AT_REMOVEDIR

// Mkdir is mkdirat(2) with permissions mode, less the umask. Errors: EEXIST, ENOENT, ENOSPC,
// ENOTDIR and others. Linux 5.15.
func Mkdir(dir int, name string, mode uint32) *Op {
	return named(backends.Op{Code: backends.OpMkdir, FD: dir}, 0, &backends.Args{Mode: mode}, name)
}

// Getxattr is getxattr(2): it reads the extended attribute attr of the file path into p. N is the
// length of the attribute; with an empty p nothing is read. Errors: ENODATA, ENOENT, EOPNOTSUPP,
// ERANGE (p is too short). Linux 5.19.
func Getxattr(path, attr string, p []byte) *Op {
	return xattr(named(backends.Op{Code: backends.OpGetxattr, Buf: p}, 0, &backends.Args{}, path), attr)
}

// Fgetxattr is fgetxattr(2): [Getxattr] of an open file.
func Fgetxattr(fd int, attr string, p []byte) *Op {
	return xattr(of(backends.Op{Code: backends.OpGetxattr, FD: fd, Buf: p, Args: &backends.Args{}}), attr)
}

// Setxattr is setxattr(2) with flags XATTR_*. Errors: EEXIST, ENODATA, ENOENT, ENOSPC, EOPNOTSUPP,
// EPERM, ERANGE. Linux 5.19.
func Setxattr(path, attr string, value []byte, flags int) *Op {
	return xattr(named(backends.Op{Code: backends.OpSetxattr, Buf: value}, flags, &backends.Args{}, path), attr)
}

// Fsetxattr is fsetxattr(2): [Setxattr] of an open file.
func Fsetxattr(fd int, attr string, value []byte, flags int) *Op {
	return xattr(of32(backends.Op{Code: backends.OpSetxattr, FD: fd, Buf: value, Args: &backends.Args{}}, flags), attr)
}

func xattr(o *Op, attr string) *Op {
	name, err := backends.PathOf(attr)
	if err != nil {
		o.invalid = err
	}
	o.c.Op.Args.Name = name
	return o
}

// Splice is splice(2): it moves up to n bytes from one descriptor to another, one of them a pipe,
// inside the kernel. The offset is [Stream] for a descriptor that has none. N is the number of
// bytes; 0 is the end. flags are SPLICE_F_*; with SPLICE_F_NONBLOCK it ends with EAGAIN instead of
// waiting.
//
// The loop polls both ends before the kernel moves anything, and makes the kernel not wait. So a
// Splice that waits holds no thread and can be cancelled. The exception is a socket in blocking
// mode at the far end: it can hold a kernel thread for as long as its peer does not read. Errors,
// which may come only when both ends are ready: EBADF, EINVAL, ESPIPE. Linux 5.7.
func Splice(from int, fromOff int64, to int, toOff int64, n int64, flags int) *Op {
	return of32(backends.Op{
		Code: backends.OpSplice, FD: to, Off: toOff, Args: &backends.Args{FD: from, Off: fromOff, Len: n},
	}, flags)
}

// Tee is tee(2): it copies up to n bytes of one pipe into another without consuming them. It waits
// as [Splice] does. Errors: EBADF, EINVAL. Linux 5.8.
func Tee(from, to int, n int64, flags int) *Op {
	return of32(backends.Op{Code: backends.OpTee, FD: to, Args: &backends.Args{FD: from, Len: n}}, flags)
}

// Pipe is pipe2(2) with flags O_NONBLOCK, O_DIRECT; O_CLOEXEC is added. [Op.Ends] returns the
// descriptors. Errors: EMFILE, ENFILE, EINVAL. Linux 6.16; elsewhere the system call.
func Pipe(flags int) *Op {
	return of32(backends.Op{Code: backends.OpPipe, Flags: cloexec, Args: &backends.Args{}}, flags)
}

// Ends returns the descriptors of a [Pipe] that succeeded: the read end and the write end.
func (o *Op) Ends() (r, w int) {
	if o.c.Op.Code != backends.OpPipe {
		panic("op: Ends of " + o.c.Op.Code.String())
	}
	return int(o.c.Op.Args.Pipe[0]), int(o.c.Op.Args.Pipe[1])
}

// Nop does nothing, but passes through the kernel.
func Nop() *Op { return of(backends.Op{Code: backends.OpNop}) }

// Timeout is over after d, at once if d is not above 0. The loop's timers do it, on every system;
// the clock is monotonic.
func Timeout(d time.Duration) *Op {
	return of(backends.Op{Code: backends.OpTimeout, Off: int64(d)})
}

// LinkTimeout limits the operation before it, which must be linked to it, to the time d from that
// operation's start. When the time is over the operation is cancelled, and both end with
// os.ErrDeadlineExceeded, unless the operation was done anyway. A LinkTimeout that was not needed
// has no error. If the LinkTimeout is linked itself, the chain goes on behind it as it would
// without it. The loop's timers do it, on every system.
func LinkTimeout(d time.Duration) *Op {
	return of(backends.Op{Code: backends.OpLinkTimeout, Off: int64(d)})
}

// Cancel asks for the end of target, wherever it is in flight. It is over when it has asked:
// target's own result says whether target was cancelled or done anyway. Errors: ENOENT if target
// was not in flight.
func Cancel(target *Op) *Op {
	o := of(backends.Op{Code: backends.OpCancel})
	if target == nil {
		o.invalid = errNil
		return o
	}
	o.c.Aim(&target.c)
	return o
}
