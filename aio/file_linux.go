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

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// File is an open file: *os.File on an [IO]. Any goroutine may call its methods. Reads at the
// file's position run one after the other, and so do writes. In a regular file, which has one
// position for both, reads and writes also wait for each other. ReadAt and WriteAt run
// concurrently.
type File struct {
	fd   fd.FD
	name string
	traits

	noNowait atomic.Bool // the file system refused RWF_NOWAIT
}

// traits say what can be done with a File: see newFile.
type traits struct {
	regular bool // a regular file, a directory, a block device: nothing to wait for, so no deadlines
	called  bool // regular by its mode, but reads wait, or a server answers: see File.call
	polled  bool // epoll can wait for it, so it has deadlines
	blocks  bool // the descriptor is in blocking mode
	ours    bool // it was, until weir changed that
	dir     bool
	uncache bool // every read goes to the device: O_DIRECT
	through bool // every write goes to the device: O_DIRECT, O_SYNC, O_DSYNC
	memory  bool // there is no device: every read and write is a copy
	append  bool
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

// OpenFile is os.OpenFile: see [OpenFile]. Opening may block this goroutine's thread, as with
// package os (a FIFO without a peer, a network file system).
func (io *IO) OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	if err := io.refused("open", name); err != nil {
		return nil, err
	}
	sys.LogOpen(name)
	for {
		fd, err := unix.Open(name, flag|unix.O_CLOEXEC|unix.O_LARGEFILE, sysMode(perm))
		if err == nil {
			var f *File
			if f, err = io.newFile(fd, name, true); err == nil {
				return f, nil
			}
		}
		if err != unix.EINTR {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// sysMode returns the part of a mode that open(2) takes.
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

// NewFile returns a File for an open descriptor: see [NewFile]. On an IO that has ended the
// descriptor stays the caller's, and the File is closed.
func (io *IO) NewFile(fd uintptr, name string) *File {
	if uintptr(int32(fd)) != fd { // a kernel would look at 32 bits of it
		return nil
	}
	if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil {
		return nil
	}
	if io.alive() != nil {
		return closedFile(io, name)
	}
	f, err := io.newFile(int(fd), name, false)
	if err != nil {
		return nil
	}
	return f
}

// closedFile returns a File on which every call is os.ErrClosed.
func closedFile(io *IO, name string) *File {
	f := &File{name: name}
	io.fds.InitClosed(&f.fd)
	return f
}

// Pipe returns the ends of a pipe: see [Pipe].
func (io *IO) Pipe() (r, w *File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if r, err = io.newFile(fds[0], "|0", true); err != nil {
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if w, err = io.newFile(fds[1], "|1", true); err != nil {
		r.Close()
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return r, w, nil
}

// file makes a File of std, which it owns from now on, even if it fails.
func (io *IO) file(std *os.File) (*File, error) {
	f, err := io.FromFile(std)
	if err != nil {
		std.Close()
	}
	return f, err
}

// FromFile makes a File of std: see [FromFile].
func (io *IO) FromFile(std *os.File) (*File, error) {
	raw, err := std.SyscallConn()
	if err != nil {
		return nil, err
	}
	f := &File{name: std.Name()}
	closed := raw.Control(func(fd uintptr) {
		if err = f.learn(int(fd)); err == nil {
			if err = io.shared().Init(&f.fd, int(fd), f.kind()); err == nil {
				f.fd.CloseWith(std)
			}
		}
	})
	if closed != nil {
		err = os.ErrClosed
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: std.Name(), Err: bare(err)}
	}
	return f, nil
}

// newFile makes a File of fd, which it owns from now on. opened says that weir has just opened it,
// so that no other process shares its mode: if it can be polled it becomes non-blocking. All other
// descriptors keep their mode, because the mode belongs to the open file, not to the descriptor:
// the shell shares a terminal's.
func (io *IO) newFile(fd int, name string, opened bool) (*File, error) {
	f := &File{name: name}
	err := io.alive()
	if err == nil {
		err = f.learn(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := io.shared().Adopt(&f.fd, fd, f.kind()); err != nil {
		return nil, err
	}
	if opened && f.polled && f.blocks {
		// package os takes it for blocking for good, and so does not have Go's poller watch it: see
		// Detach
		f.fd.OSFile(name)
		f.ours = unix.SetNonblock(fd, true) == nil
		f.blocks = !f.ours
	}
	return f, nil
}

// learn finds out what fd is. epoll knows what can be waited for, stat does not: /proc/kmsg says
// that it is a regular file and is a stream, and so do files of FUSE; /dev/null says that it is a
// device, and is always ready.
func (f *File) learn(fd int) error {
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		return err
	}
	f.blocks = flags&unix.O_NONBLOCK == 0
	f.append = flags&unix.O_APPEND != 0
	f.uncache = flags&unix.O_DIRECT != 0
	f.through = flags&(unix.O_DIRECT|unix.O_SYNC|unix.O_DSYNC) != 0
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR, unix.S_IFBLK:
		f.regular = true
		f.dir = st.Mode&unix.S_IFMT == unix.S_IFDIR
	case unix.S_IFREG:
		f.polled = sys.Pollable(fd)
		f.regular, f.called = !f.polled, f.polled
	case unix.S_IFIFO, unix.S_IFSOCK:
		f.polled = true
	default:
		f.polled = sys.Pollable(fd)
	}
	f.memory = f.regular && sys.InMemory(fd)
	return nil
}

// kind returns what the descriptor has to know of the file.
func (f *File) kind() fd.Kind { return fd.Kind{File: true, Polled: f.polled} }

func (f *File) ok() bool { return f != nil && f.fd.Valid() }

func (f *File) pathError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if e, ok := err.(*os.SyscallError); ok { // files report the plain errno
		err = e.Err
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// Read reads up to len(p) bytes from the file's position: io.EOF at its end. On a stream (a pipe, a
// terminal, a file like /proc/kmsg) it blocks until there are some, the read deadline passes or
// Close is called, and returns the result of one read of the system. p belongs to weir until Read
// returns.
func (f *File) Read(p []byte) (int, error) { return f.ReadContext(context.Background(), p) }

// ReadContext is [File.Read] that also ends when ctx does, with its cause, as far as the kernel
// allows: a read of a regular file that has begun runs to its end.
func (f *File) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	s := &f.fd.R
	if err := f.fd.Begin(ctx, s); err != nil {
		return 0, f.pathError("read", err)
	}
	defer f.fd.End(s)
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(ctx, s, backends.OpRead, p, backends.Stream)
	// to the end, not only to the end of what is cached
	for more := n; f.asksCache() && 0 < more && n < len(p); n += more {
		if more, err = f.transfer(ctx, s, backends.OpRead, p[n:], backends.Stream); err != nil {
			return n, nil // the next Read reports it
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, f.pathError("read", err)
}

// Write writes all of p at the file's position, or fewer bytes and an error. p belongs to weir
// until Write returns. On descriptors 1 and 2 a pipe without a reader ends the program with
// SIGPIPE, as with os.Stdout: see os/signal.
func (f *File) Write(p []byte) (int, error) { return f.WriteContext(context.Background(), p) }

// WriteContext is [File.Write] that also ends when ctx does, with its cause and the number of bytes
// written.
func (f *File) WriteContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	s := f.side(&f.fd.W)
	if err := f.fd.Begin(ctx, s); err != nil {
		return 0, f.pathError("write", err)
	}
	defer f.fd.End(s)
	for done := 0; ; { // an empty p is written too, since the kernel may return an error
		n, err := f.transfer(ctx, s, backends.OpWrite, p[done:], backends.Stream)
		if err != nil {
			n, err = brokenPipe(f.fd.Sysfd, err, p[done:])
		}
		if done += n; done == len(p) && err == nil {
			return done, nil
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = f.fd.Check(s)
		}
		if err != nil {
			return done, f.pathError("write", err)
		}
	}
}

// WriteString is [File.Write] of a string.
func (f *File) WriteString(s string) (int, error) { return f.Write(sys.Bytes(s)) }

// ReadAt reads len(p) bytes from off: fewer only with an error, io.EOF at the end of the file. p
// belongs to weir until ReadAt returns.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is [File.ReadAt] that also ends when ctx does: see [File.ReadContext].
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	mustContext(ctx)
	return f.at(ctx, "read", backends.OpRead, p, off)
}

// WriteAt writes all of p at off, or fewer bytes and an error. It fails on a file opened with
// O_APPEND. p belongs to weir until WriteAt returns.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteAtContext(context.Background(), p, off)
}

// WriteAtContext is [File.WriteAt] that also ends when ctx does: see [File.ReadContext].
func (f *File) WriteAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	mustContext(ctx)
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
	if err := f.fd.CheckCaller(); err != nil {
		return 0, f.pathError(op, err)
	}
	if ctx.Err() != nil {
		return 0, f.pathError(op, context.Cause(ctx))
	}
	if err := f.fd.Acquire(); err != nil {
		return 0, f.pathError(op, err)
	}
	defer f.fd.Release()
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

// transfer moves part of p, once, in the way that is measured to be the cheapest: by the caller or
// on the loop, with c or, if that is nil, a borrowed Completion.
func (f *File) transfer(ctx context.Context, s *fd.Side, code backends.Code, p []byte, off int64) (int, error) {
	p = p[:min(len(p), backends.MaxTransfer)]
	if f.called || sys.Missing(p) && (f.regular || !f.blocks || code == backends.OpRead) {
		return f.call(ctx, s, code, p, off)
	}
	if f.regular && f.fd.Direct {
		if n, errno := f.direct(code, p, off); errno != unix.EAGAIN {
			f.fd.CountDirect()
			if errno != 0 {
				return 0, errno
			}
			return n, nil
		}
		f.fd.Shared.Files.Add(1)
		defer f.fd.Shared.Files.Add(-1)
	}
	if code == backends.OpWrite {
		sys.RaceSending(p)
	}
	var c *aiort.Completion
	if s != nil {
		c = f.fd.Completion(s)
	} else {
		c = f.fd.Loop.Borrow()
		defer f.fd.Loop.Return(c)
	}
	c.Op = backends.Op{Code: code, FD: f.fd.Sysfd, Off: off, Buf: p}
	err := f.fd.Await(ctx, c)
	c.Op = backends.Op{}
	if err != nil {
		if errors.Is(err, aiort.ErrClosed) && f.fd.Closing() {
			err = f.fd.ErrClosed()
		}
		return 0, err
	}
	if code == backends.OpRead {
		sys.RaceReceived(p[:c.N()])
	}
	return c.N(), nil
}

// side returns the side whose lock an operation takes. A file with a position has one lock for
// both: in a ring, reads and writes at the position would not see each other's change of it.
func (f *File) side(s *fd.Side) *fd.Side {
	if f.regular {
		return &f.fd.R
	}
	return s
}

// asksCache reports whether a read may have ended at the end of what is cached.
func (f *File) asksCache() bool {
	return f.regular && f.fd.Direct && !f.memory && !f.uncache && !f.noNowait.Load()
}

// call is transfer for a file that is regular by its mode and waits all the same, and for memory of
// which pages are missing. The caller makes the system call, as in package os; for a view the pool
// does. The loop only polls. A loop must not make the call: what a program serves (FUSE, a page of
// userfaultfd) may take long in spite of O_NONBLOCK, and this very program may serve it.
func (f *File) call(ctx context.Context, s *fd.Side, code backends.Code, p []byte, off int64) (int, error) {
	do, events := sys.ReadAt, uint32(unix.POLLIN)
	if code == backends.OpWrite {
		do, events = sys.WriteAt, unix.POLLOUT
	}
	ready := f.fd.Readiness(s, events)
	defer ready.Stop()
	for wait := f.polled && f.blocks && code == backends.OpRead; ; wait = true {
		if wait && s != nil {
			if err := ready.Wait(ctx); err != nil {
				return 0, err
			}
		}
		var n int
		var errno syscall.Errno
		if f.fd.Waiter() == nil {
			n, errno = do(f.fd.Sysfd, p, off, 0)
		} else if err := f.fd.OnPool(func() { n, errno = do(f.fd.Sysfd, p, off, 0) }); err != nil {
			return 0, err
		}
		switch {
		case errno == 0:
			f.fd.CountDirect()
			return n, nil
		case errno != unix.EAGAIN || s == nil:
			return 0, errno
		}
	}
}

// fewCallers is how many goroutines at a time make file operations themselves that wait for a
// device. With more, the loop carries their operations together, which costs less than a thread for
// each.
const fewCallers = 4

// direct lets the caller move p by itself if that is cheap. EAGAIN means that the loop must do it.
//
//   - A write that the page cache takes is only a copy, and the ring would make a kernel thread
//     copy.
//   - A read that the page cache holds is only a copy too; RWF_NOWAIT tells.
//   - For a few callers that wait for the device system calls are the fastest.
//
// A view does only what cannot wait, because other coroutines share its thread.
func (f *File) direct(code backends.Code, p []byte, off int64) (int, syscall.Errno) {
	do := sys.ReadAt
	if code == backends.OpWrite {
		do = sys.WriteAt
	}
	if f.memory || code == backends.OpWrite && !f.through && f.fd.Waiter() == nil {
		return do(f.fd.Sysfd, p, off, 0)
	}
	if code == backends.OpRead && f.asksCache() {
		switch n, errno := do(f.fd.Sysfd, p, off, unix.RWF_NOWAIT); errno {
		case unix.EAGAIN:
		case unix.EOPNOTSUPP:
			f.noNowait.Store(true)
		default:
			return n, errno
		}
	}
	if f.fd.Waiter() != nil {
		return 0, unix.EAGAIN
	}
	defer f.fd.Shared.Files.Add(-1)
	if f.fd.Shared.Files.Add(1) > fewCallers {
		return 0, unix.EAGAIN
	}
	return do(f.fd.Sysfd, p, off, 0)
}
