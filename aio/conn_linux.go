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
)

// conn is what all connections share, including packet sockets.
type conn struct{ socket }

func (c *conn) ok() bool { return c != nil && c.socket.ok() }

// Read reads up to len(p) bytes and blocks until there is at least one. It returns 0 and io.EOF
// when the peer has closed its side. A packet socket returns one packet, which may be empty and is
// cut to len(p). The read deadline (os.ErrDeadlineExceeded) and Close (net.ErrClosed) end it. p
// belongs to weir until Read returns. An empty p returns at once. Reads of several goroutines run
// one after the other.
func (c *conn) Read(p []byte) (int, error) {
	return c.fd.Read(background, p, (*netErrors)(c))
}

// ReadContext is [TCPConn.Read] that also ends when ctx does, with its cause. Bytes that had
// arrived are still delivered, with a nil error.
func (c *conn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.fd.Read(ctx, p, (*netErrors)(c))
}

// Write writes all of p, or fewer bytes and an error: os.ErrDeadlineExceeded at the write deadline,
// net.ErrClosed on Close, EPIPE or ECONNRESET if the peer is gone. On a packet socket p is one
// packet. p belongs to weir until Write returns. Writes of several goroutines run one after the
// other and never mix.
func (c *conn) Write(p []byte) (int, error) {
	return c.fd.Write(background, p, (*netErrors)(c))
}

// WriteContext is [TCPConn.Write] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *conn) WriteContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.fd.Write(ctx, p, (*netErrors)(c))
}

// background is for Read and Write, which the compiler inlines into their callers as long as they
// make only one call: see fd.Errors.
var background = context.Background()

// netErrors wraps the errors of Read and Write as package net does.
type netErrors conn

func (e *netErrors) OpError(op string, err error) error { return (*conn)(e).opError(op, err) }

// noMore turns the end of a stream into io.EOF.
func (c *conn) noMore(n int, err error) error {
	if n == 0 && err == nil && zeroReadIsEOF(c.sotype) {
		return io.EOF
	}
	return err
}

// Writev writes all of bufs, in order, as if they were one: on a stream with as few system calls as
// the kernel needs, on a packet socket as one packet. For connections of package net
// net.Buffers.WriteTo does that; on connections of weir it writes one buffer at a time. bufs is not
// changed. It and its buffers belong to weir until Writev returns. The errors are those of Write,
// with the number of bytes written.
func (c *conn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is [TCPConn.Writev] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *conn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.fd.Writev(ctx, bufs, c.sotype == unix.SOCK_STREAM)
	return n, c.opError("writev", err)
}

// Close ends the connection. Calls that block in it return net.ErrClosed. When the kernel no longer
// uses their buffers the descriptor is closed, and Close returns. A second Close returns
// net.ErrClosed.
func (c *conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.opError("close", c.fd.Close())
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

// LocalAddr returns the local address. Do not modify it: it is shared, as in package net, and here
// also by connections of one listener.
func (c *conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.laddr
}

// RemoteAddr returns the peer's address. It is nil if there is no single peer.
func (c *conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.raddr
}

// SetDeadline sets both deadlines: absolute times after which calls fail with
// os.ErrDeadlineExceeded, including calls that block now. A time in the past ends them at once, and
// the zero time removes the deadline. Any goroutine may move the deadlines at any time.
func (c *conn) SetDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError("set", c.fd.SetDeadline(t))
}

// SetReadDeadline sets the deadline of reads: see [TCPConn.SetDeadline].
func (c *conn) SetReadDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError("set", c.fd.SetReadDeadline(t))
}

// SetWriteDeadline sets the deadline of writes: see [TCPConn.SetDeadline]. A Write that times out
// may have written some bytes.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError("set", c.fd.SetWriteDeadline(t))
}

// SetReadBuffer sets the size of the kernel's receive buffer, in bytes.
func (c *conn) SetReadBuffer(bytes int) error { return c.setBuffer(unix.SO_RCVBUF, bytes) }

// SetWriteBuffer sets the size of the kernel's send buffer, in bytes.
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
	return c.set("set", func(fd int) error {
		return os.NewSyscallError("setsockopt",
			setsockoptInt(fd, level, opt, v))
	})
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

// SyscallConn gives access to the descriptor, which is non-blocking: see syscall.Conn. Its Read and
// Write run one after the other with the reads and writes of the connection, and obey deadlines and
// Close.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	return &rawConn{&c.socket}, nil
}
