//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// ReadFrom writes what it reads from r until that ends, and returns how many bytes it wrote: io.Copy uses it. From
// a regular file (*os.File or *File), a TCPConn or a stream UnixConn, or an io.LimitedReader of one, the bytes go through
// the kernel alone. It takes its turn among writes, and the source's reads, for all of that time; deadlines of both apply.
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
				return splice(&c.h, &f.h, limit)
			}
		case *UnixConn:
			if f.ok() && f.sotype == unix.SOCK_STREAM {
				return splice(&c.h, &f.h, limit)
			}
		default:
			if src := regularFile(from); src != nil {
				return c.h.sendFile(limit, src)
			}
		}
		return 0, nil, false
	})
}

// WriteTo writes what it reads to w, until the peer closes its side, and returns how many bytes it wrote: io.Copy uses
// it. To a TCPConn or a stream UnixConn the bytes go through the kernel alone: see ReadFrom. For anything else,
// unless it is an io.ReaderFrom, a buffer is borrowed whenever there is something to read.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to *socket
	_, fills := w.(io.ReaderFrom)
	switch w := w.(type) {
	case *TCPConn:
		to = &w.socket
	case *UnixConn:
		to = &w.socket
	case *File:
		fills = false // it would borrow nothing
	}
	done := false
	if to != nil && to.ok() && to.sotype == unix.SOCK_STREAM {
		n, err, done = splice(&to.h, &c.h, 1<<62)
	}
	if !done {
		if fills {
			n, err = io.Copy(w, struct{ io.Reader }{c})
		} else {
			n, err = c.copyTo(w)
		}
	}
	if err != nil && err != io.EOF {
		err = c.opError("writeto", err)
	}
	return n, err
}

// sendChunk is how much one system call is asked to move at most.
const sendChunk = 4 << 20

// stdFile is what an *os.File has also when it is the source of io.Copy, for which package os wraps it.
type stdFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}

// sendFile sends up to limit bytes of a file from its position, or as many as there are. done is false if nothing was sent
// because the kernel cannot do it. It has the turn of writing all the time, and the file's of reading for each call, so that
// nobody who wants to close the file waits for the socket.
func (h *handle) sendFile(limit int64, src source) (n int64, err error, done bool) {
	s := &h.w
	if err := h.begin(s); err != nil {
		return 0, err, true
	}
	defer h.end(s)
	for n < limit {
		if err := h.check(s); err != nil {
			return n, err, true
		}
		moved, err := src(func(fd int) (int, error) { return sys.Sendfile(h.fd, fd, int(min(limit-n, sendChunk))) })
		switch err {
		case nil:
			if moved == 0 {
				return n, nil, true
			}
			n += int64(moved)
			h.did()
		case unix.EAGAIN:
			if err := h.poll(context.Background(), s, unix.POLLOUT); err != nil {
				return n, err, true
			}
		case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM, unix.EOVERFLOW:
			if n == 0 { // not for this kind of file
				return 0, nil, false
			}
			return n, os.NewSyscallError("sendfile", err), true
		default:
			return n, syscallError("sendfile", err), true
		}
	}
	return n, nil, true
}

// poll waits until a socket is ready for what s is about.
func (h *handle) poll(ctx context.Context, s *side, events uint32) error {
	_, err := h.do(ctx, s, &backends.Op{Code: backends.OpPoll, FD: h.fd, Flags: events})
	return err
}

// splice moves up to limit bytes from one stream socket to another, through a pipe. done is false if nothing was moved
// because there is no pipe to be had, or the kernel cannot do it.
//
// No call waits in the kernel, which would hold a thread for each: the pipe is empty whenever the source is asked, so
// EAGAIN then means that it has nothing, and the destination has no room when it says so. Whoever waits holds the turn of
// the side that he waits for, and not the other's: closing that waits for nobody.
func splice(to, from *handle, limit int64) (n int64, err error, done bool) {
	if to.closing() { // before the wait for something to send there
		return 0, to.errClosed(), true
	}
	p, err := to.io.pipes.get()
	if err != nil {
		return 0, nil, false
	}
	held := 0 // bytes in the pipe
	defer func() { to.io.pipes.put(p, held == 0) }()
	for n < limit {
		held, err = from.fill(p, int(min(limit-n, sendChunk)))
		if err == unix.EINVAL && n == 0 {
			return 0, nil, false
		}
		if err != nil || held == 0 {
			return n, syscallError("splice", err), true
		}
		var moved int
		moved, err = to.drain(p, held)
		n += int64(moved)
		if held -= moved; err != nil {
			return n, syscallError("splice", err), true
		}
		to.did()
	}
	return n, nil, true
}

// fill moves what there is, up to limit bytes, from the socket to an empty pipe: none at the end of the stream.
func (h *handle) fill(p pipeFDs, limit int) (int, error) {
	s := &h.r
	if err := h.begin(s); err != nil {
		return 0, err
	}
	defer h.end(s)
	for {
		moved, err := sys.Splice(h.fd, -1, p.w, -1, limit)
		if err != unix.EAGAIN {
			return moved, err
		}
		if err := h.poll(context.Background(), s, unix.POLLIN); err != nil {
			return 0, err
		}
	}
}

// drain moves the n bytes in the pipe to the socket, or fewer and an error.
func (h *handle) drain(p pipeFDs, n int) (done int, err error) {
	s := &h.w
	if err := h.begin(s); err != nil {
		return 0, err
	}
	defer h.end(s)
	for done < n {
		if err := h.check(s); err != nil {
			return done, err
		}
		moved, err := sys.Splice(p.r, -1, h.fd, -1, n-done)
		if err == unix.EAGAIN {
			err = h.poll(context.Background(), s, unix.POLLOUT)
		}
		if err != nil {
			return done, err
		}
		done += moved
	}
	return done, nil
}
