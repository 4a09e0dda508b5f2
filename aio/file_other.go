//go:build !linux || weir_portable

package aio

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

type osFile = os.File

// File is an open file: *os.File on an IO. Any goroutine may call its methods.
type File struct {
	*osFile
	sides sides
	m     membership
}

// Open opens a file for reading: see the function of the same name.
func (io *IO) Open(name string) (*File, error) { return io.OpenFile(name, os.O_RDONLY, 0) }

// Create makes or empties a file: see the function of the same name.
func (io *IO) Create(name string) (*File, error) {
	return io.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile is os.OpenFile: see the function of the same name.
func (io *IO) OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	if err := io.alive(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
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

// NewFile returns a File for an open descriptor: see the function of the same name. On an IO that has ended it closes the
// descriptor and returns nil.
func (io *IO) NewFile(fd uintptr, name string) *File {
	f := os.NewFile(fd, name)
	if f == nil {
		return nil
	}
	on, _ := io.file(f)
	return on
}

func (io *IO) file(of *os.File) (*File, error) {
	f := &File{osFile: of}
	f.sides.r.init(of.SetReadDeadline, pathError(of, "read"))
	f.sides.w.init(of.SetWriteDeadline, pathError(of, "write"))
	if err := join(io, &f.m, f, func(f *File) { f.sides.end() }); err != nil {
		of.Close()
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

// ReadContext is Read that ends early when ctx does, with the cause of that, where the system can wait for the file: a
// pipe, a terminal. A regular file's read that has begun is not given up.
func (f *File) ReadContext(ctx context.Context, p []byte) (int, error) {
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

// WriteContext is Write that ends early when ctx does, with the cause of that and the number of bytes written, where the
// system can wait for the file.
func (f *File) WriteContext(ctx context.Context, p []byte) (int, error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	return f.sides.w.move(ctx, f.osFile.Write, p)
}

// WriteString is os.File.WriteString.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// ReadAt is os.File.ReadAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt, unless ctx is over before it begins: then the error is the cause of that.
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
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

// WriteAtContext is WriteAt, unless ctx is over before it begins: then the error is the cause of that.
func (f *File) WriteAtContext(ctx context.Context, p []byte, off int64) (int, error) {
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

// SetDeadline sets both deadlines: see os.File.SetDeadline.
func (f *File) SetDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	return f.sides.SetDeadline(t)
}

// SetReadDeadline sets the deadline of reads: see os.File.SetReadDeadline.
func (f *File) SetReadDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	return f.sides.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of writes: see os.File.SetWriteDeadline.
func (f *File) SetWriteDeadline(t time.Time) error {
	if f == nil {
		return os.ErrInvalid
	}
	return f.sides.SetWriteDeadline(t)
}

// Close closes the file: see os.File.Close.
func (f *File) Close() error {
	if f == nil {
		return os.ErrInvalid
	}
	f.m.leave()
	return f.osFile.Close()
}

// SyscallConn is os.File.SyscallConn.
func (f *File) SyscallConn() (syscall.RawConn, error) {
	if f == nil {
		return nil, os.ErrInvalid
	}
	raw, err := f.osFile.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &f.sides}, nil
}
