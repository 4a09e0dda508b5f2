package aio

import (
	"context"
	"errors"
	"iter"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// listener is what listeners share.
type listener struct {
	h       handle
	network string
	addr    net.Addr
}

// TCPListener is a TCP listener: *net.TCPListener on an IO. Any goroutine may call its methods.
type TCPListener struct{ listener }

// UnixListener is a listener on a unix stream socket: *net.UnixListener on an IO. Any goroutine may call its methods.
// Close removes the socket's file.
type UnixListener struct{ listener }

var (
	_ net.Listener = (*TCPListener)(nil)
	_ net.Listener = (*UnixListener)(nil)
)

// Listen is net.Listen for stream networks: "tcp", "tcp4", "tcp6" and "unix".
func Listen(network, address string) (net.Listener, error) { return Default().Listen(network, address) }

// Listen is net.Listen for stream networks: "tcp", "tcp4", "tcp6" and "unix".
func (io *IO) Listen(network, address string) (net.Listener, error) {
	addrs, err := resolve(context.Background(), network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	addr := addrs[0]
	l, err := io.listen(network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	return l, nil
}

func (io *IO) listen(network string, addr net.Addr) (net.Listener, error) {
	e, err := endpointOf(network, addr)
	if err != nil {
		return nil, err
	}
	fd, err := socket(e)
	if err != nil {
		return nil, err
	}
	if err := bindAndListen(fd, e); err != nil {
		unix.Close(fd)
		return nil, err
	}
	var sa backends.Sockaddr
	if err := sys.SockName(unix.SYS_GETSOCKNAME, fd, &sa); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if e.family == unix.AF_UNIX {
		l := &UnixListener{listener{network: network, addr: addr}}
		return l, io.adopt(&l.h, fd, net.ErrClosed)
	}
	l := &TCPListener{listener{network: network, addr: toAddr(&sa)}}
	return l, io.adopt(&l.h, fd, net.ErrClosed)
}

func bindAndListen(fd int, e *endpoint) error {
	if e.family != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := sys.Bind(fd, &e.sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog()))
}

// backlog is the longest queue of connections that the system allows.
var backlog = sync.OnceValue(func() int {
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if n, err2 := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && err2 == nil && n > 0 {
		return n
	}
	return unix.SOMAXCONN
})

func (l *listener) ok() bool { return l != nil && l.h.io != nil }

func (l *listener) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: l.network, Addr: l.addr, Err: err}
}

// accept waits for a connection and returns its descriptor.
func (l *listener) accept(ctx context.Context) (int, *backends.Sockaddr, error) {
	h, s := &l.h, &l.h.r
	if err := h.begin(s); err != nil {
		return -1, nil, err
	}
	defer h.end(s)
	for {
		sa := &backends.Sockaddr{Len: uint32(len(backends.Sockaddr{}.Data))}
		fd, err := h.do(ctx, s, &backends.Op{Code: backends.OpAccept, FD: h.fd, Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, Addr: sa})
		switch {
		case err == nil && h.closing():
			unix.Close(fd)
			return -1, nil, h.errClosed
		case err == nil:
			return fd, sa, nil
		case errors.Is(err, unix.ECONNABORTED): // the client left while it was queued: nobody's loss
			if err := h.check(s); err != nil {
				return -1, nil, err
			}
		default:
			return -1, nil, syscallError("accept4", err)
		}
	}
}

// Accept waits for a connection. It ends early on Close (net.ErrClosed) and at the deadline
// (os.ErrDeadlineExceeded). Running out of descriptors (EMFILE) is reported as in package net and leaves the
// listener usable.
func (l *TCPListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is Accept that ends early when ctx does, with the cause of that.
func (l *TCPListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	c, err := l.acceptTCP(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the concrete type.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) { return l.acceptTCP(context.Background()) }

func (l *TCPListener) acceptTCP(ctx context.Context) (*TCPConn, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	fd, sa, err := l.accept(ctx)
	if err != nil {
		return nil, l.opError("accept", err)
	}
	prepareTCP(fd, 0, net.KeepAliveConfig{})
	c := &TCPConn{}
	if err := l.h.io.connected(&c.conn, fd, l.network, toAddr(sa)); err != nil {
		return nil, l.opError("accept", err)
	}
	return c, nil
}

// Accepts returns the connections as they come, until ctx ends, the listener is closed, or the consumer breaks off. An
// error comes with a nil connection: that of ctx and net.ErrClosed are the last, others (EMFILE) are not.
func (l *TCPListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	return accepts(ctx, l.AcceptContext)
}

func accepts(ctx context.Context, accept func(context.Context) (net.Conn, error)) iter.Seq2[net.Conn, error] {
	return func(yield func(net.Conn, error) bool) {
		for {
			c, err := accept(ctx)
			if !yield(c, err) || err != nil && (errors.Is(err, net.ErrClosed) || ctx.Err() != nil) {
				return
			}
		}
	}
}

// Accept waits for a connection: see TCPListener.Accept.
func (l *UnixListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is Accept that ends early when ctx does, with the cause of that.
func (l *UnixListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	c, err := l.acceptUnix(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptUnix is Accept with the concrete type.
func (l *UnixListener) AcceptUnix() (*UnixConn, error) { return l.acceptUnix(context.Background()) }

func (l *UnixListener) acceptUnix(ctx context.Context) (*UnixConn, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	fd, sa, err := l.accept(ctx)
	if err != nil {
		return nil, l.opError("accept", err)
	}
	c := &UnixConn{}
	if err := l.h.io.connected(&c.conn, fd, l.network, toAddr(sa)); err != nil {
		return nil, l.opError("accept", err)
	}
	return c, nil
}

// Accepts returns the connections as they come: see TCPListener.Accepts.
func (l *UnixListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	return accepts(ctx, l.AcceptContext)
}

// connected makes a connection of fd, which it owns from now on.
func (io *IO) connected(c *conn, fd int, network string, raddr net.Addr) error {
	var sa backends.Sockaddr
	sys.SockName(unix.SYS_GETSOCKNAME, fd, &sa)
	c.network, c.laddr, c.raddr = network, toAddr(&sa), raddr
	return io.adopt(&c.h, fd, net.ErrClosed)
}

// Close stops listening. An Accept that waits returns net.ErrClosed. A second Close is net.ErrClosed.
func (l *listener) Close() error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.opError("close", l.h.close())
}

// Close stops listening and removes the socket's file.
func (l *UnixListener) Close() error {
	if l.ok() && !l.h.closing() {
		if a, ok := l.addr.(*net.UnixAddr); ok && a.Name != "" && a.Name[0] != '@' {
			unix.Unlink(a.Name)
		}
	}
	return l.listener.Close()
}

// Addr returns the address listened on.
func (l *listener) Addr() net.Addr {
	if !l.ok() {
		return nil
	}
	return l.addr
}

// SetDeadline sets the time after which Accept fails with os.ErrDeadlineExceeded, the one that waits now included.
// The zero time removes it.
func (l *listener) SetDeadline(t time.Time) error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.opError("set", l.h.setDeadline(loopTime(l.h.loop.Now(), t), &l.h.r))
}
