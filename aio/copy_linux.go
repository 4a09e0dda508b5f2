//go:build !weir_portable

package aio

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"
)

// ReadFrom writes what it reads from r until r ends, and returns how many bytes it wrote: io.Copy
// uses it. From a regular file (*os.File or *[File]), a TCPConn or a stream UnixConn, or an
// io.LimitedReader of one, the bytes stay in the kernel. Deadlines of both apply. When it copies
// from a file no other write runs until it ends. When it copies from anything else, other writes
// may land between two pieces, as with package net.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.readFrom(r)
	if err != nil && err != io.EOF {
		err = c.opError("readfrom", err)
	}
	return n, err
}

func (c *TCPConn) readFrom(r io.Reader) (int64, error) {
	return copyFrom(c, r, func(from io.Reader, limit int64) (int64, error, bool) {
		switch f := from.(type) {
		case *TCPConn:
			if f.ok() {
				return fd.Splice(&c.fd, &f.fd, limit)
			}
		case *UnixConn:
			if f.ok() && f.sotype == unix.SOCK_STREAM {
				return fd.Splice(&c.fd, &f.fd, limit)
			}
		default:
			if src := regularFile(from); src != nil {
				return c.fd.SendFile(limit, src)
			}
		}
		return 0, nil, false
	})
}

// WriteTo writes what it reads to w, until the peer closes its side, and returns how many bytes it
// wrote: io.Copy uses it. To a TCPConn or a stream UnixConn the bytes stay in the kernel: see
// [TCPConn.ReadFrom]. For anything else, unless it is an io.ReaderFrom, it borrows a buffer
// whenever there is something to read.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to *conn
	_, fills := w.(io.ReaderFrom)
	switch w := w.(type) {
	case *TCPConn:
		to = &w.conn
	case *UnixConn:
		to = &w.conn
	case *File:
		fills = false // it would borrow nothing
	}
	done := false
	if to != nil && to.ok() && to.sotype == unix.SOCK_STREAM {
		n, err, done = fd.Splice(&to.fd, &c.fd, 1<<62)
	}
	if !done {
		rest := int64(0)
		if fills {
			rest, err = io.Copy(w, struct{ io.Reader }{c})
		} else {
			rest, err = c.copyTo(w)
		}
		n += rest
	}
	if err != nil && err != io.EOF {
		err = c.opError("writeto", err)
	}
	return n, err
}

// stdFile is what an *os.File still has as the source of io.Copy, for which package os wraps it.
type stdFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}
