package aio

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Dial is net.Dial for stream networks: "tcp", "tcp4", "tcp6" and "unix".
func Dial(network, address string) (net.Conn, error) { return Default().Dial(network, address) }

// DialTimeout is net.DialTimeout for stream networks.
func DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	return Default().DialTimeout(network, address, timeout)
}

// DialContext connects to address; ctx bounds connecting, not the connection. Names resolve through
// net.DefaultResolver; their addresses are tried one after the other, IPv4 first, each with its share of the time
// that is left.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return Default().DialContext(ctx, network, address)
}

// Dial is net.Dial for stream networks: "tcp", "tcp4", "tcp6" and "unix".
func (io *IO) Dial(network, address string) (net.Conn, error) {
	return io.DialContext(context.Background(), network, address)
}

// DialTimeout is net.DialTimeout for stream networks.
func (io *IO) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return io.DialContext(ctx, network, address)
}

// DialContext connects to address: see the function of the same name.
func (io *IO) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	addrs, err := resolve(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: dialError(ctx, err)}
	}
	var first error
	for i, addr := range addrs {
		c, err := io.dialShare(ctx, network, addr, len(addrs)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialShare connects to addr within the share of the time left that one of n addresses has.
func (io *IO) dialShare(ctx context.Context, network string, addr net.Addr, n int) (net.Conn, error) {
	sub := ctx
	if deadline, ok := ctx.Deadline(); ok && n > 1 {
		var cancel context.CancelFunc
		sub, cancel = context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(n), 2*time.Second))
		defer cancel()
	}
	c, err := io.dialOne(sub, network, addr)
	if err != nil {
		return nil, dialError(sub, err)
	}
	return c, nil
}

func (io *IO) dialOne(ctx context.Context, network string, addr net.Addr) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a, ok := addr.(*net.TCPAddr); ok && len(a.IP) == 0 { // as in package net, nowhere means here
		ip := net.IPv4(127, 0, 0, 1)
		if network == "tcp6" {
			ip = net.IPv6loopback
		}
		addr = &net.TCPAddr{IP: ip, Port: a.Port}
	}
	e, err := endpointOf(network, addr)
	if err != nil {
		return nil, err
	}
	fd, err := socket(e)
	if err != nil {
		return nil, err
	}
	var result net.Conn
	var c *conn
	if e.family == unix.AF_UNIX {
		uc := &UnixConn{}
		result, c = uc, &uc.conn
	} else {
		tc := &TCPConn{}
		result, c = tc, &tc.conn
	}
	if err := io.adopt(&c.h, fd, net.ErrClosed); err != nil {
		return nil, err
	}
	if err := c.h.connect(ctx, &e.sa); err != nil {
		c.h.close()
		return nil, err
	}
	var sa backends.Sockaddr
	sys.SockName(unix.SYS_GETSOCKNAME, fd, &sa)
	c.network, c.laddr, c.raddr = network, toAddr(&sa), addr
	if sys.SockName(unix.SYS_GETPEERNAME, fd, &sa) == nil && e.family != unix.AF_UNIX {
		c.raddr = toAddr(&sa)
	}
	if e.family != unix.AF_UNIX {
		prepareTCP(fd, 0, net.KeepAliveConfig{})
	}
	return result, nil
}

// connect starts connecting and waits on the loop until the socket is writable, which is when it has succeeded or
// failed.
func (h *handle) connect(ctx context.Context, sa *backends.Sockaddr) error {
	if err := h.begin(&h.w); err != nil {
		return err
	}
	defer h.end(&h.w)
	switch err := sys.Connect(h.fd, sa); err {
	case nil, unix.EISCONN:
		return nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
	default:
		return os.NewSyscallError("connect", err)
	}
	for {
		if _, err := h.do(ctx, &h.w, &backends.Op{Code: backends.OpPoll, FD: h.fd, Flags: unix.POLLOUT}); err != nil {
			return syscallError("connect", err)
		}
		errno, err := unix.GetsockoptInt(h.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		switch err := unix.Errno(errno); err {
		case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		case unix.EISCONN:
			return nil
		case 0:
			var peer backends.Sockaddr
			if sys.SockName(unix.SYS_GETPEERNAME, h.fd, &peer) == nil {
				return nil
			}
		default:
			return os.NewSyscallError("connect", err)
		}
	}
}

// dialError maps the end of a context to the errors of package net.
func dialError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.Is(err, context.Canceled):
		return errCanceled
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return err
	}
	return err
}

// errTimeout and errCanceled are worded and behave like those of package net.
var (
	errTimeout  error = timeoutError{}
	errCanceled error = canceledError{}
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded
}

type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }
