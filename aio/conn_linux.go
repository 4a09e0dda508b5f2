//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// conn is what all connections share, packet sockets included.
type conn struct{ socket }

func (c *conn) ok() bool { return c != nil && c.socket.ok() }

// Read reads up to len(p) bytes: at least one, blocking until there are some, or none with io.EOF when the peer
// has closed its side, or with an error. A packet socket gives one packet, which may be empty and is cut to len(p). It
// ends early at the read deadline (os.ErrDeadlineExceeded) and on Close (net.ErrClosed). p belongs to weir until Read
// returns. An empty p returns at once. Reads of several goroutines queue up.
func (c *conn) Read(p []byte) (int, error) { return c.recv(context.Background(), p) }

// ReadContext is Read that ends early when ctx does, with the cause of that. Bytes that had arrived are
// delivered with a nil error all the same.
func (c *conn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.recv(ctx, p)
}

// recv is all of a read, and send of a write, in one function each: every one that waits, or the kernel, returns to costs 10 ns,
// since the processor mispredicts that.
func (c *conn) recv(ctx context.Context, p []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	h, s := &c.h, &c.h.r
	if err := h.begin(ctx, s); err != nil {
		return 0, c.opError("read", err)
	}
	defer h.end(s)
	if len(p) == 0 {
		return 0, nil
	}
	idle := s.idle
	l := lingering{brief: len(p) == 1, retries: true, data: prefetch.Of(&p[0])} // net/http reads one byte while it works on a request, and takes that back
	for ; h.again(s, &l); idle = true {
		if l.step != trying { // as it was allowed to begin, this has come while others ran
			if err := h.check(s); err != nil {
				return 0, c.opError("read", err)
			}
		}
		n, errno, q := 0, unix.EAGAIN, p[:min(len(p), backends.MaxTransfer)]
		if l.step != yielding || h.lane() == nil {
			n, errno = sys.TryRecv(h.fd, q)
		} else if res, ok := h.lane().Retry(tryRecv, h.fd, q, [3]prefetch.Addr{prefetch.Of(h), prefetch.Of(h.descriptor), prefetch.Of(h.as)}); !ok {
			l.skip()
		} else if n, errno = res, 0; res < 0 {
			n, errno = 0, unix.Errno(-res)
		}
		if errno == unix.EAGAIN {
			continue
		}
		h.found(s, &l)
		if errno != 0 {
			return 0, c.opError("read", os.NewSyscallError("read", errno))
		}
		return n, c.noMore(n, nil)
	}
	var n int
	var err error
	if sys.MayFault(p) {
		n, err = h.whenReady(ctx, s, unix.POLLIN, func() (int, unix.Errno) { return sys.TryRecv(h.fd, p) })
	} else {
		h.transfer(s, backends.OpRecv, p, idle)
		n, err = h.run(ctx, s)
	}
	if err != nil {
		return 0, c.opError("read", syscallError("read", err))
	}
	s.idle = n < len(p)
	sys.RaceReceived(p[:n])
	return n, c.noMore(n, nil)
}

// ends reports whether receiving nothing means that there will be nothing more.
func (c *conn) ends() bool { return c.sotype != unix.SOCK_DGRAM && c.sotype != unix.SOCK_RAW }

// noMore makes the end of a stream io.EOF.
func (c *conn) noMore(n int, err error) error {
	if n == 0 && err == nil && c.ends() {
		return io.EOF
	}
	return err
}

// tryRecv is sys.TryRecv with one result.
func tryRecv(fd int, p []byte) int {
	n, errno := sys.TryRecv(fd, p)
	if errno != 0 {
		return -int(errno)
	}
	return n
}

// Write writes all of p, or fewer bytes and an error: os.ErrDeadlineExceeded at the write deadline, net.ErrClosed on
// Close, EPIPE or ECONNRESET if the peer is gone. On a packet socket p is one packet. p belongs to weir until Write
// returns. Writes of several goroutines queue up and never mix.
func (c *conn) Write(p []byte) (int, error) { return c.send(context.Background(), p) }

// WriteContext is Write that ends early when ctx does, with the cause of that and the number of bytes written.
func (c *conn) WriteContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.send(ctx, p)
}

func (c *conn) send(ctx context.Context, p []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	if c.sotype != unix.SOCK_STREAM {
		n, err := c.h.sendTo(ctx, "write", p, nil)
		return n, c.opError("write", err)
	}
	h, s := &c.h, &c.h.w
	if err := h.begin(ctx, s); err != nil {
		return 0, c.opError("write", err)
	}
	defer h.end(s)
	sys.RaceSending(p)
	for done := 0; ; { // an empty p is sent too: the kernel has its say
		rest := p[done:min(len(p), done+backends.MaxTransfer)]
		n, errno := 0, unix.EAGAIN
		if h.mayTry(s) {
			n, errno = sys.TrySend(h.fd, rest)
		}
		switch errno {
		case 0:
			h.did()
		case unix.EAGAIN:
			var err error
			if sys.MayFault(rest) {
				n, err = h.whenReady(ctx, s, unix.POLLOUT, func() (int, unix.Errno) { return sys.TrySend(h.fd, rest) })
			} else {
				h.transfer(s, backends.OpSend, rest, false)
				n, err = h.run(ctx, s)
			}
			if err != nil {
				return done, c.opError("write", syscallError("write", err))
			}
		default:
			return done, c.opError("write", os.NewSyscallError("write", errno))
		}
		if done += n; done == len(p) {
			return done, nil
		}
		if err := h.check(s); err != nil {
			return done, c.opError("write", err)
		}
	}
}

// Writev writes all of bufs, in order, as if they were one: on a stream with as few system calls as the kernel needs, on
// a packet socket as one packet. It is what net.Buffers.WriteTo is for connections of package net; for weir's that writes
// one buffer at a time. bufs is left as it is; like the buffers in it it belongs to weir until Writev returns. Errors
// are those of Write, with the number of bytes written.
func (c *conn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is Writev that ends early when ctx does, with the cause of that and the number of bytes written.
func (c *conn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.h.sendv(ctx, bufs, c.sotype == unix.SOCK_STREAM)
	return n, c.opError("writev", err)
}

// Close ends the connection. Calls that block in it return net.ErrClosed; when the kernel has let go of their
// buffers the descriptor is closed, and Close returns. A second Close is net.ErrClosed.
func (c *conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.opError("close", c.h.close())
}

func (c *conn) shutdown(how int) error {
	return c.set("close", func(fd int) error { return os.NewSyscallError("shutdown", unix.Shutdown(fd, how)) })
}

// set is control with the errors of a method.
func (c *conn) set(op string, f func(fd int) error) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.opError(op, c.control(f))
}

// LocalAddr returns the local address. It is shared, as in package net, here by connections of one listener, too: do not
// modify it.
func (c *conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.laddr
}

// RemoteAddr returns the peer's address; nil if there is no one peer.
func (c *conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.raddr
}

// SetDeadline sets both deadlines: absolute times after which calls fail with os.ErrDeadlineExceeded, the ones
// that block now included. A time in the past ends them at once, the zero time removes the deadline. Any goroutine
// may move them at any time.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.h.r, &c.h.w) }

// SetReadDeadline sets the deadline of reads: see SetDeadline.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.h.r) }

// SetWriteDeadline sets the deadline of writes: see SetDeadline. A Write that times out may have written some.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.h.w) }

func (c *conn) setDeadlines(t time.Time, sides ...*side) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError("set", c.deadline(t, sides...))
}

// SetReadBuffer sets the size of the kernel's buffer for what arrives, in bytes.
func (c *conn) SetReadBuffer(bytes int) error { return c.setBuffer(unix.SO_RCVBUF, bytes) }

// SetWriteBuffer sets the size of the kernel's buffer for what leaves, in bytes.
func (c *conn) SetWriteBuffer(bytes int) error { return c.setBuffer(unix.SO_SNDBUF, bytes) }

func (c *conn) setBuffer(opt, bytes int) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError("set", c.control(func(fd int) error {
		return os.NewSyscallError("setsockopt", setsockoptInt(fd, unix.SOL_SOCKET, opt, bytes))
	}))
}

func (c *conn) setInt(level, opt, v int) error {
	return c.set("set", func(fd int) error { return os.NewSyscallError("setsockopt", setsockoptInt(fd, level, opt, v)) })
}

// File returns a duplicate of the connection as an *os.File. Closing one does not close the other.
// The mode is shared: Fd of the file puts both into blocking mode, as with package net, and the
// connection goes on as before. Its Name says "tcp" also for "tcp4" and "tcp6".
func (c *conn) File() (*os.File, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	f, err := c.file()
	return f, c.opError("file", err)
}

// SyscallConn gives access to the descriptor, which is non-blocking: see syscall.Conn. Its Read and Write take their
// turn among the reads and writes of the connection, and obey deadlines and Close.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	return &rawConn{&c.socket}, nil
}
