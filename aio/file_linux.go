//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// File is an open file: *os.File on an IO. Any goroutine may call its methods. Reads at the file's position queue up
// among themselves, and so do writes; ReadAt and WriteAt go side by side.
type File struct {
	h    handle
	name string

	regular bool // or a directory, or a block device: nothing to wait for, so no deadlines
	uncache bool // every read goes to the device: O_DIRECT
	through bool // every write goes to the device: O_DIRECT, O_SYNC, O_DSYNC
	memory  bool // there is no device: every read and write is a copy
	append  bool
	dir     *directory // nil if it is none

	noNowait atomic.Bool // the file system refused RWF_NOWAIT
}

var (
	_ io.ReadWriteSeeker = (*File)(nil)
	_ io.ReaderAt        = (*File)(nil)
	_ io.WriterAt        = (*File)(nil)
	_ fs.ReadDirFile     = (*File)(nil)
)

// Open opens a file for reading: os.Open.
func (io *IO) Open(name string) (*File, error) { return io.OpenFile(name, os.O_RDONLY, 0) }

// Create makes or empties a file, mode 0666 before umask: os.Create.
func (io *IO) Create(name string) (*File, error) {
	return io.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile is os.OpenFile: see the function of the same name. Opening may block this goroutine's thread, as it does
// with package os (a FIFO without a peer, a network file system).
func (io *IO) OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	if err := io.refused("open", name); err != nil {
		return nil, err
	}
	for {
		fd, err := unix.Open(name, flag|unix.O_CLOEXEC|unix.O_LARGEFILE, sysMode(perm))
		if err == nil {
			var f *File
			if f, err = io.newFile(fd, name); err == nil {
				return f, nil
			}
		}
		if err != unix.EINTR {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// sysMode is the part of a mode that open(2) takes.
func sysMode(m os.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&os.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if m&os.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if m&os.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// NewFile returns a File for an open descriptor: see the function of the same name. On an IO that has ended it closes the
// descriptor and returns nil.
func (io *IO) NewFile(fd uintptr, name string) *File {
	if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil {
		return nil
	}
	f, err := io.newFile(int(fd), name)
	if err != nil {
		return nil
	}
	return f
}

// Pipe returns the ends of a pipe: see the function of the same name.
func (io *IO) Pipe() (r, w *File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if r, err = io.newFile(fds[0], "|0"); err != nil {
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if w, err = io.newFile(fds[1], "|1"); err != nil {
		r.Close()
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return r, w, nil
}

// file makes a File of std, which is closed.
func (io *IO) file(std *os.File) (f *File, err error) {
	defer std.Close()
	raw, err := std.SyscallConn()
	if err != nil {
		return nil, err
	}
	closed := raw.Control(func(fd uintptr) {
		var dup int
		if dup, err = sys.Dup(int(fd)); err == nil {
			f, err = io.newFile(dup, std.Name())
		}
	})
	if closed != nil {
		return nil, closed
	}
	return f, err
}

// newFile makes a File of fd, which it owns from now on.
func (io *IO) newFile(fd int, name string) (*File, error) {
	f := &File{name: name}
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = io.alive()
	}
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil {
		f.append = flags&unix.O_APPEND != 0
		f.uncache = flags&unix.O_DIRECT != 0
		f.through = flags&(unix.O_DIRECT|unix.O_SYNC|unix.O_DSYNC) != 0
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			f.regular = true
			f.dir = new(directory)
		case unix.S_IFREG, unix.S_IFBLK:
			f.regular = true
			f.memory = sys.InMemory(fd)
		default:
			err = unix.SetNonblock(fd, true)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := io.adopt(&f.h, fd, true); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) ok() bool { return f != nil && f.h.descriptor != nil }

func (f *File) pathError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if e, ok := err.(*os.SyscallError); ok { // files report the bare errno
		err = e.Err
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// Read reads up to len(p) bytes from the file's position: io.EOF at its end. On a pipe or terminal it blocks until
// there are some, the read deadline passes or Close is called. p belongs to weir until Read returns.
func (f *File) Read(p []byte) (int, error) { return f.ReadContext(context.Background(), p) }

// ReadContext is Read that ends early when ctx does, with the cause of that, as far as the kernel lets it: a read of
// a regular file that has begun is not given up.
func (f *File) ReadContext(ctx context.Context, p []byte) (int, error) {
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	s := &f.h.r
	if err := f.h.begin(s); err != nil {
		return 0, f.pathError("read", err)
	}
	defer f.h.end(s)
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(ctx, s, backends.OpRead, p, backends.Stream)
	for more := n; f.regular && 0 < more && n < len(p); n += more { // to the end, not just to the end of what is cached
		if more, err = f.transfer(ctx, s, backends.OpRead, p[n:], backends.Stream); err != nil {
			return n, nil // the next Read tells
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, f.pathError("read", err)
}

// Write writes all of p at the file's position, or fewer bytes and an error. p belongs to weir until Write returns.
func (f *File) Write(p []byte) (int, error) { return f.WriteContext(context.Background(), p) }

// WriteContext is Write that ends early when ctx does, with the cause of that and the number of bytes written.
func (f *File) WriteContext(ctx context.Context, p []byte) (int, error) {
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	s := &f.h.w
	if err := f.h.begin(s); err != nil {
		return 0, f.pathError("write", err)
	}
	defer f.h.end(s)
	for done := 0; ; { // an empty p is written too: the kernel has its say
		n, err := f.transfer(ctx, s, backends.OpWrite, p[done:], backends.Stream)
		if done += n; done == len(p) && err == nil {
			return done, nil
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = f.h.check(s)
		}
		if err != nil {
			return done, f.pathError("write", err)
		}
	}
}

// WriteString is Write of a string.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// ReadAt reads len(p) bytes from off: fewer only with an error, io.EOF at the end of the file. p belongs to weir until
// ReadAt returns.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt that ends early when ctx does: see ReadContext.
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	return f.at(ctx, "read", backends.OpRead, p, off)
}

// WriteAt writes all of p at off, or fewer bytes and an error. It fails on a file opened with O_APPEND. p belongs to
// weir until WriteAt returns.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteAtContext(context.Background(), p, off)
}

// WriteAtContext is WriteAt that ends early when ctx does: see ReadContext.
func (f *File) WriteAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	if f.ok() && f.append {
		return 0, errAppend
	}
	return f.at(ctx, "write", backends.OpWrite, p, off)
}

var (
	errAppend   = errors.New("os: invalid use of WriteAt on file opened with O_APPEND")
	errNegative = errors.New("negative offset")
)

// at moves all of p at off.
func (f *File) at(ctx context.Context, op string, code backends.Code, p []byte, off int64) (int, error) {
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	if off < 0 {
		return 0, &fs.PathError{Op: op + "at", Path: f.name, Err: errNegative}
	}
	if err := f.h.enter(); err != nil {
		return 0, f.pathError(op, err)
	}
	if err := f.h.acquire(); err != nil {
		return 0, f.pathError(op, err)
	}
	defer f.h.release()
	done := 0
	for done < len(p) {
		n, err := f.transfer(ctx, nil, code, p[done:], off+int64(done))
		done += n
		if err == nil && n == 0 {
			if err = io.EOF; code == backends.OpWrite {
				err = io.ErrUnexpectedEOF
			}
		}
		if err != nil {
			return done, f.pathError(op, err)
		}
	}
	return done, nil
}

// transfer moves part of p, once, the way that is measured to be the cheapest: in the caller or on the loop, with c or,
// if that is nil, a borrowed Completion.
func (f *File) transfer(ctx context.Context, s *side, code backends.Code, p []byte, off int64) (int, error) {
	p = p[:min(len(p), backends.MaxTransfer)]
	if f.regular && f.h.direct {
		if n, errno := f.direct(code, p, off); errno != unix.EAGAIN {
			f.h.did()
			if errno != 0 {
				return 0, errno
			}
			return n, nil
		}
		f.h.io.files.Add(1)
		defer f.h.io.files.Add(-1)
	}
	if code == backends.OpWrite {
		sys.RaceSending(p)
	}
	var c *aiort.Completion
	if s != nil {
		c = f.h.record(s)
	} else {
		c = f.h.loop.Borrow()
		defer f.h.loop.Return(c)
	}
	c.Op = backends.Op{Code: code, FD: f.h.fd, Off: off, Buf: p}
	err := f.h.await(ctx, c)
	c.Op = backends.Op{}
	if err != nil {
		if errors.Is(err, aiort.ErrClosed) && f.h.closing() {
			err = f.h.errClosed()
		}
		return 0, err
	}
	if code == backends.OpRead {
		sys.RaceReceived(p[:c.N()])
	}
	return c.N(), nil
}

// direct tries to have the caller move p by itself. EAGAIN: it is for the loop.
//
//   - A write that the page cache takes is only a copy, and the ring would have a kernel thread make it.
//   - A read that the page cache holds is only a copy, too; RWF_NOWAIT tells.
//   - Whoever waits for the device alone is served best by a plain system call.
//
// A view does only what cannot wait: its thread is not its coroutine's alone.
func (f *File) direct(code backends.Code, p []byte, off int64) (int, syscall.Errno) {
	do := sys.ReadAt
	if code == backends.OpWrite {
		do = sys.WriteAt
	}
	if f.memory || code == backends.OpWrite && !f.through && f.h.lane() == nil {
		return do(f.h.fd, p, off, 0)
	}
	if code == backends.OpRead && !f.uncache && !f.noNowait.Load() {
		switch n, errno := do(f.h.fd, p, off, unix.RWF_NOWAIT); errno {
		case unix.EAGAIN:
		case unix.EOPNOTSUPP:
			f.noNowait.Store(true)
		default:
			return n, errno
		}
	}
	if f.h.lane() != nil {
		return 0, unix.EAGAIN
	}
	defer f.h.io.files.Add(-1)
	if f.h.io.files.Add(1) > 1 {
		return 0, unix.EAGAIN
	}
	return do(f.h.fd, p, off, 0)
}

// Sync has the file's data and metadata written to the device: fsync(2).
func (f *File) Sync() error { return f.sync(context.Background(), backends.OpFsync) }

func (f *File) sync(ctx context.Context, code backends.Code) error {
	if !f.ok() {
		return os.ErrInvalid
	}
	if err := f.h.acquire(); err != nil {
		return f.pathError("sync", err)
	}
	defer f.h.release()
	c := f.h.loop.Borrow()
	defer f.h.loop.Return(c)
	c.Op = backends.Op{Code: code, FD: f.h.fd}
	return f.pathError("sync", f.h.await(ctx, c))
}

// Stat describes the file: see os.File.Stat.
func (f *File) Stat() (os.FileInfo, error) {
	var info os.FileInfo
	err := f.metadata("stat", func(fd int) error {
		std, err := duplicate(fd, f.name) // only package os can make the FileInfo that os.SameFile knows
		if err != nil {
			return err
		}
		defer std.Close()
		if info, err = std.Stat(); err != nil {
			err = errors.Unwrap(err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// duplicate makes an *os.File of what fd refers to.
func duplicate(fd int, name string) (*os.File, error) {
	dup, err := sys.Dup(fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(dup), name), nil
}

// size is the file's size in bytes, as far as it has one: 0 for pipes, files of /proc, and if it is not known.
func (f *File) size() int64 {
	var st unix.Stat_t
	f.control("stat", func(fd int) error { return unix.Fstat(fd, &st) })
	return st.Size
}

// Seek sets the file's position: see io.Seeker. With reads and writes under way its effect on them is open.
func (f *File) Seek(offset int64, whence int) (pos int64, err error) {
	err = f.control("seek", func(fd int) (err error) {
		pos, err = f.dir.seek(fd, offset, whence)
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

// Chown sets the file's user and group, -1 to leave one as it is.
func (f *File) Chown(uid, gid int) error {
	return f.metadata("chown", func(fd int) error { return unix.Fchown(fd, uid, gid) })
}

// Chdir makes the file, which is a directory, the current directory of the process.
func (f *File) Chdir() error { return f.control("chdir", unix.Fchdir) }

// metadata is control for a call that may wait for a disk or a server. A goroutine makes it itself, as in package os; the
// thread of a coroutine belongs to others too, so for a view the pool makes it.
func (f *File) metadata(op string, call func(fd int) error) (err error) {
	if !f.ok() {
		return os.ErrInvalid
	}
	if f.h.lane() == nil {
		return f.control(op, call)
	}
	if err := f.h.enter(); err != nil {
		return f.pathError(op, err)
	}
	c := new(aiort.Completion)
	c.Block(func() { err = f.control(op, call) })
	if err := f.h.await(context.Background(), c); err != nil {
		return f.pathError(op, err)
	}
	return err
}

// control runs a system call on the descriptor, which stays open meanwhile.
func (f *File) control(op string, call func(fd int) error) error {
	if !f.ok() {
		return os.ErrInvalid
	}
	err := f.h.acquire()
	if err == nil {
		for err = call(f.h.fd); err == unix.EINTR; {
			err = call(f.h.fd)
		}
		f.h.release()
	}
	return f.pathError(op, err)
}

// Close closes the file. Reads and writes that block in it return os.ErrClosed; Close waits until the kernel has let
// go of their buffers. A second Close is os.ErrClosed.
func (f *File) Close() error {
	if !f.ok() {
		return os.ErrInvalid
	}
	err := f.h.close()
	if err != os.ErrClosed { // it was open until now, and nobody is in it any more
		f.dir.close()
	}
	return f.pathError("close", err)
}

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// Fd returns the descriptor, which stays weir's: do not close it, do not use it after Close, and leave it
// non-blocking. ^uintptr(0) if the file is closed.
func (f *File) Fd() uintptr {
	if !f.ok() || f.h.closing() {
		return ^uintptr(0)
	}
	return uintptr(f.h.fd)
}

// SetDeadline sets the deadlines of Read and Write on a pipe or terminal, as on a connection; on a regular file it is
// os.ErrNoDeadline.
func (f *File) SetDeadline(t time.Time) error { return f.deadline(t, true, true) }

// SetReadDeadline sets the deadline of Read: see SetDeadline.
func (f *File) SetReadDeadline(t time.Time) error { return f.deadline(t, true, false) }

// SetWriteDeadline sets the deadline of Write: see SetDeadline.
func (f *File) SetWriteDeadline(t time.Time) error { return f.deadline(t, false, true) }

// deadline sets deadlines. Its errors are not wrapped, as those of package os's are not.
func (f *File) deadline(t time.Time, read, write bool) error {
	switch {
	case !f.ok():
		return os.ErrInvalid
	case f.h.closing():
		return os.ErrClosed
	case f.regular:
		return os.ErrNoDeadline
	}
	sides := []*side{&f.h.r, &f.h.w}
	switch {
	case !write:
		sides = sides[:1]
	case !read:
		sides = sides[1:]
	}
	return f.h.setDeadline(loopTime(f.h.loop, t), sides...)
}
