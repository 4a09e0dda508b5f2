//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"os"
	"reflect"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"
)

// ReadFrom writes what it reads from r, until r ends, at the file's position, and returns how many
// bytes it wrote: io.Copy uses it. From one regular file (*os.File or *[File], or an
// io.LimitedReader of one) to another the bytes stay in the kernel, or are shared if the file
// system can do that. The caller makes the system calls, and reads and writes of both files wait
// for it. It copies anything else through a buffer. It also does so in coroutines, which must not
// wait for a disk, and with O_APPEND, which the kernel refuses (copy_file_range(2)).
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	return copyFrom(f, r, func(from io.Reader, limit int64) (int64, error, bool) {
		if src := regularFile(from); src != nil && f.regular && f.fd.Waiter() == nil {
			return f.copyRange(src, fileIn(from), limit)
		}
		return 0, nil, false
	})
}

// copyRange copies up to limit bytes inside the kernel. done is false if there may be more to copy
// that the kernel does not do; the caller goes on by reading and writing, and finds out why.
func (f *File) copyRange(src fd.Source, from *File, limit int64) (n int64, err error, done bool) {
	// The locks of both files are taken in the order of their descriptors: otherwise two copies to
	// and fro would wait for each other.
	files := []*File{f}
	switch {
	case from == nil || from.fd.SameAs(&f.fd):
	case from.fd.Sysfd < f.fd.Sysfd:
		files = []*File{from, f}
	default:
		files = []*File{f, from}
	}
	for _, x := range files {
		switch err := x.fd.Begin(context.Background(), &x.fd.R); {
		case err == nil:
			defer x.fd.End(&x.fd.R)
		case x == f:
			return 0, f.pathError("write", err), true
		default:
			return 0, nil, false
		}
	}
	if from != nil {
		src = func(use func(fd int) (int, error)) (int, error) { return use(from.fd.Sysfd) }
	}
	for n < limit {
		if err := f.fd.Check(&f.fd.R); err != nil {
			return n, f.pathError("write", err), true
		}
		moved, err := src(func(sysfd int) (int, error) {
			return unix.CopyFileRange(sysfd, nil, f.fd.Sysfd, nil, int(min(limit-n, fd.SendChunk)), 0)
		})
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, nil, false
		case moved == 0: // its end; but if nothing came at all the kernel may not see what there is: /proc
			return n, nil, n > 0
		default:
			n += int64(moved)
			f.fd.CountDirect()
		}
	}
	return n, nil, true
}

// WriteTo writes what it reads, from the file's position to its end, to w, and returns how many
// bytes it wrote: io.Copy uses it. From a regular file to a connection of weir or another regular
// file the bytes stay in the kernel: see [TCPConn.ReadFrom] and [File.ReadFrom].
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if !f.ok() {
		return 0, os.ErrInvalid
	}
	n := int64(0)
	if c, ok := w.(*UnixConn); ok && c.ok() && c.sotype == unix.SOCK_STREAM && f.regular {
		sent, err, done := c.fd.SendFile(1<<62, f.source)
		if done {
			return sent, c.opError("write", err)
		}
		n = sent
	}
	rest, err := io.Copy(w, fileToRead{f})
	return n + rest, err
}

// fileToRead is a File without WriteTo, for io.Copy; w may look for what else a file has.
type fileToRead struct{ stdFile }

// fileIn returns the File that r is, or nil.
func fileIn(r io.Reader) *File {
	switch f := r.(type) {
	case *File:
		return f
	case fileToRead:
		return fileIn(f.stdFile)
	}
	return nil
}

// regularFile returns the source that r is, or nil.
func regularFile(r io.Reader) fd.Source {
	switch f := r.(type) {
	case *File:
		if f.ok() && f.regular {
			return f.source
		}
	case fileToRead:
		return regularFile(f.stdFile)
	case stdFile:
		if !isOSFile(f) {
			return nil // it embeds one, and may have a Read of its own
		}
		raw, err := f.SyscallConn()
		if err != nil {
			return nil
		}
		return func(use func(fd int) (int, error)) (n int, err error) {
			closed := raw.Read(func(fd uintptr) bool {
				var st unix.Stat_t
				if err = unix.Fstat(int(fd), &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
					err = unix.EINVAL // it might make the call wait
				}
				if err == nil {
					n, err = use(int(fd))
				}
				return true
			})
			if closed != nil {
				return 0, closed
			}
			return n, err
		}
	}
	return nil
}

// isOSFile reports whether f is an *os.File, or what package os makes of one as the source of
// io.Copy.
func isOSFile(f stdFile) bool {
	if _, ok := f.(*os.File); ok {
		return true
	}
	return reflect.TypeOf(f).PkgPath() == "os"
}

// source calls use with the descriptor of a regular file, as one of its reads.
func (f *File) source(use func(fd int) (int, error)) (int, error) {
	if err := f.fd.Begin(context.Background(), &f.fd.R); err != nil {
		return 0, f.pathError("read", err)
	}
	defer f.fd.End(&f.fd.R)
	return use(f.fd.Sysfd)
}

// copyFrom writes what it reads from r to w. It first passes r, or the reader that r limits, to
// inKernel, which may copy without a buffer: then done is true.
func copyFrom(w io.Writer, r io.Reader, inKernel func(from io.Reader, limit int64) (n int64, err error,
	done bool)) (n int64, err error) {
	from, limit := r, int64(1<<62)
	l, limited := r.(*io.LimitedReader)
	if limited {
		if l.N <= 0 {
			return 0, nil
		}
		from, limit = l.R, l.N
		defer func() { l.N -= n }()
	}
	n, err, done := inKernel(from, limit)
	if done {
		return n, err
	}
	if limited {
		from = &io.LimitedReader{R: from, N: limit - n}
	}
	rest, err := io.Copy(struct{ io.Writer }{w}, from)
	return n + rest, err
}
