//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// ReadFrom writes what it reads from r until that ends, and returns how many bytes it wrote:
// io.Copy uses it. From a regular file (*os.File or *File), a TCPConn or a stream UnixConn, or an
// io.LimitedReader of one, the bytes go through the kernel alone. Deadlines of both apply. From a
// file it has the turn among writes until it ends. From everything else it takes its turn for each
// piece, so that what others write meanwhile lands between two pieces, as with package net.
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
				return splice(&c.conn, &f.h, limit)
			}
		case *UnixConn:
			if f.ok() && f.sotype == unix.SOCK_STREAM {
				return splice(&c.conn, &f.h, limit)
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
		n, err, done = splice(to, &c.h, 1<<62)
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

// sendChunk is how much one system call is asked to move at most, and viewChunk in a view, where
// others wait for the thread.
const (
	sendChunk = 4 << 20
	viewChunk = 64 << 10
)

// chunk is how much of limit one system call is asked to move.
func (h *handle) chunk(limit int64) int {
	if h.lane() != nil {
		return int(min(limit, viewChunk))
	}
	return int(min(limit, sendChunk))
}

// mayMove lets a view make another system call that moves bytes. After some of them in a row the
// view waits for readiness on the loop, which there mostly is, so that other coroutines and the
// loop have their turn.
func (r *readiness) mayMove() error {
	if l := r.h.lane(); l == nil || l.Direct(true) {
		return nil
	}
	return r.poll(context.Background(), r.h.fd, r.events)
}

// stdFile is what an *os.File has also when it is the source of io.Copy, for which package os wraps it.
type stdFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}

// sendFile sends up to limit bytes of a file from its position, or as many as there are. done is
// false if the rest is not for the kernel: it cannot do that, or another process has put the socket
// into blocking mode, where no deadline and no Close would end the call. It has the turn of writing
// all the time, and the file's of reading for each call, so that Close of the file
// need not wait for the socket.
func (h *handle) sendFile(limit int64, src source) (n int64, err error, done bool) {
	s := &h.w
	if err := h.begin(context.Background(), s); err != nil {
		return 0, err, true
	}
	defer h.end(s)
	ready := h.readiness(s, unix.POLLOUT)
	defer ready.stop()
	for n < limit {
		if err := h.check(s); err != nil {
			return n, err, true
		}
		if err := ready.mayMove(); err != nil {
			return n, err, true
		}
		if !neverWaits(h.fd) {
			return n, nil, false
		}
		moved, err := src(func(fd int) (int, error) { return sys.Sendfile(h.fd, fd, h.chunk(limit-n)) })
		switch err {
		case nil:
			if moved == 0 {
				return n, nil, true
			}
			n += int64(moved)
			h.did()
			ready.did()
		case unix.EAGAIN:
			if err := ready.wait(context.Background()); err != nil {
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

// splice moves up to limit bytes from one stream socket to another, through a pipe. done is false
// if the rest is not for the kernel: there is no pipe to be had, it cannot do it, or another
// process has put a socket into blocking mode.
//
// No call waits in the kernel, which would hold a thread for each: the pipe is empty whenever the
// source is asked, so EAGAIN then means that it has nothing, and the destination has no room when
// it says so. A call that waits holds the turn of the side that it waits for, and not the other's:
// closing that waits for nothing.
func splice(c *conn, from *handle, limit int64) (n int64, err error, done bool) {
	to := &c.h
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
		held, err = from.fill(p, from.chunk(limit-n))
		if err == unix.EINVAL && n == 0 || err == errBlocking {
			return n, nil, false
		}
		if err != nil || held == 0 {
			return n, syscallError("splice", err), true
		}
		var moved int
		moved, err = to.drain(p, held)
		n += int64(moved)
		if held -= moved; err == errBlocking {
			moved, err = c.pour(p, held)
			n += int64(moved)
			held -= moved
		}
		if err != nil {
			return n, syscallError("splice", err), true
		}
		to.did()
	}
	return n, nil, true
}

// errBlocking is not for users: a socket is in blocking mode.
var errBlocking = errors.New("blocking mode")

// fill moves what there is, up to limit bytes, from the socket to an empty pipe: none at the end of the stream.
func (h *handle) fill(p pipeFDs, limit int) (int, error) {
	s := &h.r
	if err := h.begin(context.Background(), s); err != nil {
		return 0, err
	}
	defer h.end(s)
	ready := h.readiness(s, unix.POLLIN)
	defer ready.stop()
	for {
		if err := ready.mayMove(); err != nil {
			return 0, err
		}
		if !neverWaits(h.fd) {
			return 0, errBlocking
		}
		moved, err := sys.Splice(h.fd, -1, p.w, -1, limit)
		if moved == 0 && (err == nil || err == unix.EAGAIN && ready.polled) && sys.AtMark(h.fd) {
			var errno unix.Errno
			if moved, errno = sys.StepOverMark(h.fd, p.w); errno == 0 {
				return moved, nil
			}
			err = errno
		}
		if err != unix.EAGAIN {
			return moved, err
		}
		if err := ready.wait(context.Background()); err != nil {
			return 0, err
		}
	}
}

// drain moves the n bytes in the pipe to the socket, or fewer and an error.
func (h *handle) drain(p pipeFDs, n int) (done int, err error) {
	s := &h.w
	if err := h.begin(context.Background(), s); err != nil {
		return 0, err
	}
	defer h.end(s)
	ready := h.readiness(s, unix.POLLOUT)
	defer ready.stop()
	for done < n {
		if err := h.check(s); err != nil {
			return done, err
		}
		if err := ready.mayMove(); err != nil {
			return done, err
		}
		if !neverWaits(h.fd) {
			return done, errBlocking
		}
		moved, err := sys.Splice(p.r, -1, h.fd, -1, n-done)
		if err == unix.EAGAIN {
			err = ready.wait(context.Background())
		} else {
			ready.did()
		}
		if err != nil {
			return done, err
		}
		done += moved
	}
	return done, nil
}

// pour writes the n bytes in the pipe to the connection, or fewer and an error.
func (c *conn) pour(p pipeFDs, n int) (done int, err error) {
	buf := lendable.Get().(*lent)
	defer lendable.Put(buf)
	for done < n && err == nil {
		held, errno := sys.Read(p.r, buf[:min(n-done, len(buf))])
		if errno != 0 {
			return done, errno
		}
		var moved int
		moved, err = c.send(context.Background(), buf[:held])
		done += moved
	}
	if op, ok := err.(*net.OpError); ok {
		err = op.Err
	}
	return done, err
}
