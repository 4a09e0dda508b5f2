package aio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is what stream connections share.
type conn struct {
	h            handle
	network      string
	laddr, raddr net.Addr
}

// TCPConn is a TCP connection: *net.TCPConn on an IO. Any goroutine may call its methods.
type TCPConn struct{ conn }

// UnixConn is a connected unix stream socket: *net.UnixConn on an IO. Any goroutine may call its methods.
type UnixConn struct{ conn }

var (
	_ net.Conn = (*TCPConn)(nil)
	_ net.Conn = (*UnixConn)(nil)
)

// opError gives err the shape in which package net reports it.
func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.laddr, Addr: c.raddr, Err: err}
}

func (c *conn) ok() bool { return c != nil && c.h.io != nil }

// Read reads up to len(p) bytes: at least one, blocking until there are some, or none with io.EOF when the peer
// has closed its side, or with an error. It ends early at the read deadline (os.ErrDeadlineExceeded) and on
// Close (net.ErrClosed). p belongs to weir until Read returns. An empty p returns at once. Reads of several
// goroutines queue up.
func (c *conn) Read(p []byte) (int, error) { return c.ReadContext(context.Background(), p) }

// ReadContext is Read that ends early when ctx does, with the cause of that. Bytes that had arrived are
// delivered with a nil error all the same.
func (c *conn) ReadContext(ctx context.Context, p []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.h.recv(ctx, p)
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return n, c.opError("read", err)
}

// Write writes all of p, or fewer bytes and an error: os.ErrDeadlineExceeded at the write deadline, net.ErrClosed on
// Close, EPIPE or ECONNRESET if the peer is gone. p belongs to weir until Write returns. Writes of several
// goroutines queue up and never mix.
func (c *conn) Write(p []byte) (int, error) { return c.WriteContext(context.Background(), p) }

// WriteContext is Write that ends early when ctx does, with the cause of that and the number of bytes written.
func (c *conn) WriteContext(ctx context.Context, p []byte) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.h.send(ctx, p)
	return n, c.opError("write", err)
}

// Close ends the connection. Calls that block in it return net.ErrClosed; when the kernel has let go of their
// buffers the descriptor is closed, and Close returns. A second Close is net.ErrClosed.
func (c *conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.opError("close", c.h.close())
}

// CloseRead shuts the reading side down; most callers just Close.
func (c *conn) CloseRead() error { return c.shutdown(unix.SHUT_RD) }

// CloseWrite shuts the writing side down: the peer reads io.EOF.
func (c *conn) CloseWrite() error { return c.shutdown(unix.SHUT_WR) }

func (c *conn) shutdown(how int) error {
	return c.control("close", func(fd int) error { return os.NewSyscallError("shutdown", unix.Shutdown(fd, how)) })
}

// control runs f on the descriptor, which stays open meanwhile.
func (c *conn) control(op string, f func(fd int) error) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	err := c.h.acquire()
	if err == nil {
		err = f(c.h.fd)
		c.h.release()
	}
	return c.opError(op, err)
}

// LocalAddr returns the local address.
func (c *conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.laddr
}

// RemoteAddr returns the peer's address.
func (c *conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.raddr
}

// SetDeadline sets both deadlines: absolute times after which calls fail with os.ErrDeadlineExceeded, the ones
// that block now included. A time in the past ends them at once, the zero time removes the deadline. Any goroutine
// may move them at any time.
func (c *conn) SetDeadline(t time.Time) error { return c.deadline(t, &c.h.r, &c.h.w) }

// SetReadDeadline sets the deadline of reads: see SetDeadline.
func (c *conn) SetReadDeadline(t time.Time) error { return c.deadline(t, &c.h.r) }

// SetWriteDeadline sets the deadline of writes: see SetDeadline. A Write that times out may have written some.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.deadline(t, &c.h.w) }

func (c *conn) deadline(t time.Time, sides ...*side) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.localError(c.h.setDeadline(loopTime(c.h.loop.Now(), t), sides...))
}

// localError is the shape in which package net reports failures of deadlines and buffer sizes.
func (c *conn) localError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "set", Net: c.network, Addr: c.laddr, Err: err}
}

// SetReadBuffer and SetWriteBuffer set the size of the kernel's buffers in bytes.
func (c *conn) SetReadBuffer(bytes int) error {
	return c.setBuffer(unix.SO_RCVBUF, bytes)
}

func (c *conn) SetWriteBuffer(bytes int) error {
	return c.setBuffer(unix.SO_SNDBUF, bytes)
}

func (c *conn) setBuffer(opt, bytes int) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	err := c.h.acquire()
	if err == nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(c.h.fd, unix.SOL_SOCKET, opt, bytes))
		c.h.release()
	}
	return c.localError(err)
}

func (c *conn) setInt(level, opt, v int) error {
	return c.control("set", func(fd int) error { return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, opt, v)) })
}

// File returns a duplicate of the connection as an *os.File. Closing one does not close the other.
func (c *conn) File() (f *os.File, err error) {
	err = c.control("file", func(fd int) error {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			f = os.NewFile(uintptr(dup), c.network+":"+c.laddr.String()+"->"+c.raddr.String())
		}
		return os.NewSyscallError("fcntl", err)
	})
	return f, err
}

// SetNoDelay says whether small writes leave at once (true, the default) or wait to be joined by others.
func (c *TCPConn) SetNoDelay(noDelay bool) error {
	return c.setInt(unix.IPPROTO_TCP, unix.TCP_NODELAY, boolInt(noDelay))
}

// SetLinger says what becomes of unsent data on Close: negative, sent in the background (the default); 0, dropped
// and the connection reset; positive, the kernel blocks close(2) for up to sec seconds.
func (c *TCPConn) SetLinger(sec int) error {
	l := unix.Linger{}
	if sec >= 0 {
		l = unix.Linger{Onoff: 1, Linger: int32(sec)}
	}
	return c.control("set", func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
	})
}

// SetKeepAlive says whether the kernel probes an idle connection.
func (c *TCPConn) SetKeepAlive(keepalive bool) error {
	return c.setInt(unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(keepalive))
}

// SetKeepAlivePeriod sets the time between probes.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setInt(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(d))
}

// SetKeepAliveConfig configures probes as in package net.
func (c *TCPConn) SetKeepAliveConfig(cfg net.KeepAliveConfig) error {
	return c.control("set", func(fd int) error { return setKeepAlive(fd, cfg) })
}

const (
	keepAliveTime  = 15 * time.Second
	keepAliveCount = 9
)

// setKeepAlive applies cfg: zero fields mean the defaults, negative ones leave things alone.
func setKeepAlive(fd int, cfg net.KeepAliveConfig) error {
	set := func(opt int, v int64, zero int64) error {
		if v < 0 {
			return nil
		}
		if v == 0 {
			v = zero
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, opt, int(v))
	}
	errs := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(cfg.Enable)),
		set(unix.TCP_KEEPIDLE, roundSeconds(cfg.Idle), int64(keepAliveTime/time.Second)),
		set(unix.TCP_KEEPINTVL, roundSeconds(cfg.Interval), int64(keepAliveTime/time.Second)),
		set(unix.TCP_KEEPCNT, int64(cfg.Count), keepAliveCount),
	)
	return os.NewSyscallError("setsockopt", errs)
}

// prepareTCP gives a new connection the options that package net gives it.
func prepareTCP(fd int, period time.Duration, cfg net.KeepAliveConfig) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if period < 0 && !cfg.Enable {
		return
	}
	if !cfg.Enable {
		cfg = net.KeepAliveConfig{Enable: true, Idle: period}
	}
	setKeepAlive(fd, cfg)
}

func roundSeconds(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return int64(seconds(d))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
