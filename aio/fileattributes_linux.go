//go:build !weir_portable

package aio

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// Sync writes the file's data and metadata to the device: fsync(2). The caller makes the call while
// few others wait for a device, as with [File.Read]: for a single caller the kernel's worker
// threads are a detour.
func (f *File) Sync() error {
	if !f.ok() {
		return os.ErrInvalid
	}
	if err := f.fd.Acquire(); err != nil {
		return f.pathError("sync", err)
	}
	defer f.fd.Release()
	if f.fd.Direct && f.fd.Waiter() == nil {
		defer f.fd.Shared.Files.Add(-1)
		if f.fd.Shared.Files.Add(1) <= fewCallers {
			f.fd.CountDirect()
			return f.pathError("sync", repeat(f.fd.Sysfd, unix.Fsync))
		}
	}
	c := f.fd.Loop.Borrow()
	defer f.fd.Loop.Return(c)
	c.Op = backends.Op{Code: backends.OpFsync, FD: f.fd.Sysfd}
	return f.pathError("sync", f.fd.Await(context.Background(), c))
}

// repeat makes a system call again if a signal has interrupted it.
func repeat(fd int, call func(fd int) error) (err error) {
	for err = call(fd); err == unix.EINTR; {
		err = call(fd)
	}
	return err
}

// Stat describes the file: see os.File.Stat.
func (f *File) Stat() (os.FileInfo, error) {
	var info os.FileInfo
	err := f.metadata("stat", func(int) (err error) {
		info, err = f.fd.OSFile(f.name).Stat()
		return bare(err)
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// size returns the file's size in bytes: 0 for pipes, files of /proc, and if it is not known.
func (f *File) size() int64 {
	var st unix.Stat_t
	f.control("stat", func(fd int) error { return unix.Fstat(fd, &st) })
	return st.Size
}

// Seek sets the file's position: see io.Seeker. In a regular file it waits for reads and writes at
// the position that are in progress; on a stream its effect on them is undefined.
func (f *File) Seek(offset int64, whence int) (pos int64, err error) {
	if f.ok() && f.regular {
		s := &f.fd.R
		if err := f.fd.Begin(context.Background(), s); err != nil {
			return 0, f.pathError("seek", err)
		}
		defer f.fd.End(s)
	}
	err = f.control("seek", func(fd int) (err error) {
		if std := f.fd.Owner(); std != nil && f.dir { // it forgets what it has read ahead of the old position
			pos, err = std.Seek(offset, whence)
			return bare(err)
		}
		pos, err = unix.Seek(fd, offset, whence)
		return err
	})
	return max(pos, 0), err
}

// Truncate sets the file's size.
func (f *File) Truncate(size int64) error {
	return f.metadata("truncate", func(fd int) error { return unix.Ftruncate(fd, size) })
}

// Chmod sets the file's mode: see os.File.Chmod.
func (f *File) Chmod(mode os.FileMode) error {
	return f.metadata("chmod", func(fd int) error { return unix.Fchmod(fd, sysMode(mode)) })
}

// Chown sets the file's user and group, -1 to leave one unchanged.
func (f *File) Chown(uid, gid int) error {
	if f.ok() {
		if err := checkIDs(f.name, uid, gid); err != nil {
			return err
		}
	}
	return f.metadata("chown", func(fd int) error { return unix.Fchown(fd, uid, gid) })
}

// Chdir makes the file, which is a directory, the current directory of the process.
func (f *File) Chdir() error {
	// package os tells the cache of go test
	return f.control("chdir", func(int) error { return bare(f.fd.OSFile(f.name).Chdir()) })
}

// metadata is control for a call that may wait for a disk or a server. A goroutine makes it itself,
// as in package os. For a view the pool makes it, because other coroutines share its thread.
func (f *File) metadata(op string, call func(fd int) error) (err error) {
	if !f.ok() {
		return os.ErrInvalid
	}
	if f.fd.Waiter() == nil {
		return f.control(op, call)
	}
	if err := f.fd.CheckCaller(); err != nil {
		return f.pathError(op, err)
	}
	if err := f.fd.OnPool(func() { err = f.control(op, call) }); err != nil {
		return f.pathError(op, err)
	}
	return err
}

// control runs a system call on the descriptor, which stays open meanwhile.
func (f *File) control(op string, call func(fd int) error) error {
	if !f.ok() {
		return os.ErrInvalid
	}
	err := f.fd.Acquire()
	if err == nil {
		err = repeat(f.fd.Sysfd, call)
		f.fd.Release()
	}
	return f.pathError(op, err)
}

// Close closes the file. Reads and writes that block in it return os.ErrClosed; Close waits until
// the kernel no longer uses their buffers. A second Close returns os.ErrClosed.
func (f *File) Close() error {
	if !f.ok() {
		return os.ErrInvalid
	}
	return f.pathError("close", f.fd.Close())
}

// Detach ends the File and returns its descriptor as an *os.File: see [FromFile]. Reads and writes
// that block in it return os.ErrClosed, as at Close, and Detach waits as Close does. A file that
// weir opened is put back into blocking mode, which a process that inherits it expects; so on a
// pipe or terminal the *os.File has no deadlines. With an error, os.ErrClosed or os.ErrInvalid, the
// *os.File is nil.
func (f *File) Detach() (*os.File, error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	if err := f.fd.GiveAway(); err != nil {
		return nil, f.pathError("detach", err)
	}
	if f.ours {
		unix.SetNonblock(f.fd.Sysfd, false)
	}
	if std := f.fd.Owner(); std != nil {
		return std, nil
	}
	return os.NewFile(uintptr(f.fd.Sysfd), f.name), nil
}

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// Fd returns the descriptor, which stays weir's: do not close it, do not use it after Close, and do
// not change its mode. It is ^uintptr(0) if the file is closed.
func (f *File) Fd() uintptr {
	if !f.ok() || f.fd.Closing() {
		return ^uintptr(0)
	}
	return uintptr(f.fd.Sysfd)
}

// SetDeadline sets the deadlines of Read and Write, as on a connection, on files that can be waited
// for: a pipe, a terminal, a file like /proc/kmsg. On all others, such as regular files and
// /dev/null, it returns os.ErrNoDeadline.
func (f *File) SetDeadline(t time.Time) error { return f.deadline(t, true, true) }

// SetReadDeadline sets the deadline of Read: see [File.SetDeadline].
func (f *File) SetReadDeadline(t time.Time) error { return f.deadline(t, true, false) }

// SetWriteDeadline sets the deadline of Write: see [File.SetDeadline].
func (f *File) SetWriteDeadline(t time.Time) error { return f.deadline(t, false, true) }

// deadline sets deadlines. Its errors are not wrapped, as in package os.
func (f *File) deadline(t time.Time, read, write bool) error {
	switch {
	case !f.ok():
		return os.ErrInvalid
	case f.fd.Closing():
		return os.ErrClosed
	case !f.polled:
		return os.ErrNoDeadline
	}
	switch {
	case !write:
		return f.fd.SetReadDeadline(t)
	case !read:
		return f.fd.SetWriteDeadline(t)
	}
	return f.fd.SetDeadline(t)
}
