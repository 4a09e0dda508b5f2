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

func (c *TCPConn) readFrom(r io.Reader) (n int64, err error) {
	limit, limited := int64(1<<62), false
	from := r
	if l, ok := r.(*io.LimitedReader); ok {
		if l.N <= 0 {
			return 0, nil
		}
		from, limit, limited = l.R, l.N, true
		defer func() { l.N -= n }()
	}
	done := false
	switch f := from.(type) {
	case *TCPConn:
		if f.ok() {
			n, err, done = splice(&c.h, &f.h, limit)
		}
	case *UnixConn:
		if f.ok() && f.sotype == unix.SOCK_STREAM {
			n, err, done = splice(&c.h, &f.h, limit)
		}
	case *File:
		if f.ok() && f.regular {
			n, err, done = c.h.sendOwnFile(f, limit)
		}
	case stdFile:
		n, err, done = c.h.sendStdFile(f, limit)
	}
	if done {
		return n, err
	}
	if limited {
		from = &io.LimitedReader{R: from, N: limit - n}
	}
	rest, err := io.Copy(struct{ io.Writer }{c}, from)
	return n + rest, err
}

// WriteTo writes what it reads to w, until the peer closes its side, and returns how many bytes it wrote: io.Copy uses
// it. To a TCPConn or a stream UnixConn the bytes go through the kernel alone: see ReadFrom. For anything else,
// unless it is an io.ReaderFrom, a buffer is borrowed whenever there is something to read.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to *socket
	switch w := w.(type) {
	case *TCPConn:
		to = &w.socket
	case *UnixConn:
		to = &w.socket
	}
	done := false
	if to != nil && to.ok() && to.sotype == unix.SOCK_STREAM {
		n, err, done = splice(&to.h, &c.h, 1<<62)
	}
	if !done {
		if _, ok := w.(io.ReaderFrom); ok {
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

// sendOwnFile sends up to limit bytes of a regular file from its position. done is false if nothing was sent because the
// kernel cannot do it.
func (h *handle) sendOwnFile(f *File, limit int64) (n int64, err error, done bool) {
	return h.sendFile(limit, func(max int) (int, error) {
		if err := f.h.begin(&f.h.r); err != nil {
			return 0, f.pathError("read", err)
		}
		defer f.h.end(&f.h.r)
		return sys.Sendfile(h.fd, f.h.fd, max)
	})
}

// stdFile is an *os.File, which package os wraps when it is the source of io.Copy.
type stdFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}

// sendStdFile is sendOwnFile for one of package os's.
func (h *handle) sendStdFile(f stdFile, limit int64) (n int64, err error, done bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	return h.sendFile(limit, func(max int) (moved int, err error) {
		closed := raw.Read(func(fd uintptr) bool {
			var st unix.Stat_t
			if err = unix.Fstat(int(fd), &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
				err = unix.EINVAL // it might make the call wait
			}
			if err == nil {
				moved, err = sys.Sendfile(h.fd, int(fd), max)
			}
			return true
		})
		if closed != nil {
			return 0, closed
		}
		return moved, err
	})
}

// sendFile calls send, a sendfile(2) of some bytes at most, until limit bytes are sent or the file ends. It has the turn
// of writing all the time; send takes the file's for each call, so that nobody who wants to close the file waits for the
// socket.
func (h *handle) sendFile(limit int64, send func(max int) (int, error)) (n int64, err error, done bool) {
	s := &h.w
	if err := h.begin(s); err != nil {
		return 0, err, true
	}
	defer h.end(s)
	for n < limit {
		if err := h.check(s); err != nil {
			return n, err, true
		}
		moved, err := send(int(min(limit-n, sendChunk)))
		switch err {
		case nil:
			if moved == 0 {
				return n, nil, true
			}
			n += int64(moved)
			h.loop.Direct()
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
		to.loop.Direct()
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
