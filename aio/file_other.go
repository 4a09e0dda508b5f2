//go:build !linux || weir_portable

package aio

import (
	"context"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirgo/weir/internal/sys"
)

type osFile = os.File

var _ fs.ReadDirFile = (*File)(nil)

// File is an open file: *os.File on an IO. Any goroutine may call its methods.
type File struct {
	*osFile
	sides    sides
	m        membership
	detached atomic.Bool
}

// Open opens a file for reading: see [Open].
func (io *IO) Open(name string) (*File, error) { return io.OpenFile(name, os.O_RDONLY, 0) }

// Create makes or empties a file: see [Create].
func (io *IO) Create(name string) (*File, error) {
	return io.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile is os.OpenFile: see [OpenFile].
func (io *IO) OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	if err := io.refused("open", name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	on, err := io.file(f)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return on, nil
}

// NewFile returns a File for an open descriptor: see [NewFile]. On an IO that has ended the
// descriptor stays the caller's, and the File is closed.
func (io *IO) NewFile(fd uintptr, name string) *File {
	if io.alive() != nil {
		return closedFile()
	}
	f := os.NewFile(fd, name)
	if f == nil {
		return nil
	}
	on, _ := io.file(f)
	return on
}

// closedFile returns a File on which every call is os.ErrClosed. It returns nil if the system has
// no null device.
func closedFile() *File {
	std, err := os.Open(os.DevNull)
	if err != nil {
		return nil
	}
	std.Close()
	f := &File{osFile: std}
	f.sides.r.init(std.SetReadDeadline, pathError(std, "read"))
	f.sides.w.init(std.SetWriteDeadline, pathError(std, "write"))
	return f
}

// Pipe returns the ends of a pipe: see [Pipe].
func (io *IO) Pipe() (r, w *File, err error) {
	if err := io.alive(); err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	stdR, stdW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if r, err = io.file(stdR); err != nil {
		stdW.Close()
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	if w, err = io.file(stdW); err != nil {
		r.Close()
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	return r, w, nil
}

// file makes a File of an *os.File, which it owns from now on, even if it fails.
func (io *IO) file(of *os.File) (*File, error) {
	f, err := io.fromFile(of)
	if err != nil {
		of.Close()
	}
	return f, err
}

// FromFile makes a File of std: see [FromFile].
func (io *IO) FromFile(std *os.File) (*File, error) {
	if std == nil {
		return nil, os.ErrInvalid
	}
	var f *File
	err := os.ErrClosed
	if isOpen(std) {
		f, err = io.fromFile(std)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: std.Name(), Err: err}
	}
	return f, nil
}

func isOpen(std *os.File) bool {
	raw, err := std.SyscallConn()
	return err == nil && raw.Control(func(uintptr) {}) == nil
}

func (io *IO) fromFile(of *os.File) (*File, error) {
	f := &File{osFile: of}
	f.sides.r.init(of.SetReadDeadline, pathError(of, "read"))
	f.sides.w.init(of.SetWriteDeadline, pathError(of, "write"))
	if err := join(io, &f.m, f, func(f *File) { f.sides.end() }); err != nil {
		return nil, err
	}
	return f, nil
}

func pathError(f *os.File, op string) func(error) error {
	return func(err error) error { return &fs.PathError{Op: op, Path: f.Name(), Err: err} }
}

// Read is os.File.Read.
func (f *File) Read(p []byte) (int, error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	return f.sides.r.move(context.Background(), f.osFile.Read, p)
}

// ReadContext is [File.Read] that also ends when ctx does, with its cause, if the system can wait
// for the file: a pipe, a terminal. A read of a regular file that has begun runs to its end.
func (f *File) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	if f == nil {
		return 0, os.ErrInvalid
	}
	return f.sides.r.move(ctx, f.osFile.Read, p)
}

// Write is os.File.Write.
func (f *File) Write(p []byte) (int, error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	return f.sides.w.move(context.Background(), f.osFile.Write, p)
}

// WriteContext is [File.Write] that also ends when ctx does, with its cause and the number of bytes
// written, if the system can wait for the file.
func (f *File) WriteContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	if f == nil {
		return 0, os.ErrInvalid
	}
	return f.sides.w.move(ctx, f.osFile.Write, p)
}

// WriteString is os.File.WriteString.
func (f *File) WriteString(s string) (int, error) { return f.Write(sys.Bytes(s)) }

// ReadAt is os.File.ReadAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is [File.ReadAt]. If ctx is over before it begins the error is its cause.
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	mustContext(ctx)
	if f == nil {
		return 0, os.ErrInvalid
	}
	if err := f.sides.r.may(ctx); err != nil {
		return 0, err
	}
	return f.osFile.ReadAt(p, off)
}

// WriteAt is os.File.WriteAt.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteAtContext(context.Background(), p, off)
}

// WriteAtContext is [File.WriteAt]. If ctx is over before it begins the error is its cause.
func (f *File) WriteAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	mustContext(ctx)
	if f == nil {
		return 0, os.ErrInvalid
	}
	if err := f.sides.w.may(ctx); err != nil {
		return 0, err
	}
	return f.osFile.WriteAt(p, off)
}

// ReadFrom is os.File.ReadFrom.
func (f *File) ReadFrom(r io.Reader) (n int64, err error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	err = f.sides.w.do(context.Background(), func() error {
		n, err = f.osFile.ReadFrom(r)
		return err
	})
	return n, err
}

// WriteTo is os.File.WriteTo.
func (f *File) WriteTo(w io.Writer) (n int64, err error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	err = f.sides.r.do(context.Background(), func() error {
		n, err = f.osFile.WriteTo(w)
		return err
	})
	return n, err
}

// std returns the *os.File, whose methods handle nil. After Detach it returns a closed one.
func (f *File) std() *os.File {
	switch {
	case f == nil:
		return nil
	case f.detached.Load():
		return closedStd()
	}
	return f.osFile
}

var closedStd = sync.OnceValue(func() *os.File {
	f := os.NewFile(1<<30, "")
	f.Close()
	return f
})

// Detach ends the File and returns its *os.File with the descriptor: see [FromFile]. Reads and
// writes that block in it return os.ErrClosed. With an error, os.ErrClosed or os.ErrInvalid, the
// *os.File is nil.
func (f *File) Detach() (*os.File, error) {
	if f == nil {
		return nil, os.ErrInvalid
	}
	if !isOpen(f.osFile) || f.detached.Swap(true) {
		return nil, &fs.PathError{Op: "detach", Path: f.Name(), Err: os.ErrClosed}
	}
	f.m.leave()
	f.sides.end()
	for _, s := range []*side{&f.sides.r, &f.sides.w} { // an operation in progress is over when its side is free
		s.turn <- struct{}{}
		<-s.turn
	}
	f.osFile.SetDeadline(time.Time{})
	return f.osFile, nil
}

// Chdir is os.File.Chdir.
func (f *File) Chdir() error { return f.std().Chdir() }

// Chmod is os.File.Chmod.
func (f *File) Chmod(mode os.FileMode) error { return f.std().Chmod(mode) }

// Chown is os.File.Chown.
func (f *File) Chown(uid, gid int) error {
	if f := f.std(); f != nil {
		if err := checkIDs(f.Name(), uid, gid); err != nil {
			return err
		}
	}
	return f.std().Chown(uid, gid)
}

// Fd is os.File.Fd.
func (f *File) Fd() uintptr { return f.std().Fd() }

// ReadDir is os.File.ReadDir.
func (f *File) ReadDir(n int) ([]os.DirEntry, error) { return f.std().ReadDir(n) }

// Readdir is os.File.Readdir.
func (f *File) Readdir(n int) ([]os.FileInfo, error) { return f.std().Readdir(n) }

// Readdirnames is os.File.Readdirnames.
func (f *File) Readdirnames(n int) ([]string, error) { return f.std().Readdirnames(n) }

// Seek is os.File.Seek.
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.std().Seek(offset, whence) }

// Stat is os.File.Stat.
func (f *File) Stat() (os.FileInfo, error) { return f.std().Stat() }

// size returns the file's size in bytes, as far as it has one.
func (f *File) size() int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// Sync is os.File.Sync.
func (f *File) Sync() error { return f.std().Sync() }

// Truncate is os.File.Truncate.
func (f *File) Truncate(size int64) error { return f.std().Truncate(size) }

// SetDeadline sets both deadlines: see os.File.SetDeadline.
func (f *File) SetDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	if f.detached.Load() {
		return os.ErrClosed
	}
	return f.sides.SetDeadline(t)
}

// SetReadDeadline sets the deadline of reads: see os.File.SetReadDeadline.
func (f *File) SetReadDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	if f.detached.Load() {
		return os.ErrClosed
	}
	return f.sides.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of writes: see os.File.SetWriteDeadline.
func (f *File) SetWriteDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	if f.detached.Load() {
		return os.ErrClosed
	}
	return f.sides.SetWriteDeadline(t)
}

// Close closes the file: see os.File.Close.
func (f *File) Close() error {
	if f == nil {
		return os.ErrInvalid
	}
	f.m.leave()
	return f.std().Close()
}

// SyscallConn is os.File.SyscallConn.
func (f *File) SyscallConn() (syscall.RawConn, error) {
	if f == nil {
		return nil, os.ErrInvalid
	}
	raw, err := f.std().SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &f.sides}, nil
}
