//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TCPConn is a TCP connection: *net.TCPConn on an [IO]. Any goroutine may call its methods.
type TCPConn struct{ conn }

var (
	_ net.Conn      = (*TCPConn)(nil)
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
	_ syscall.Conn  = (*TCPConn)(nil)
)

// DialTCP connects to raddr: see [DialTCP].
func (io *IO) DialTCP(network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	return io.dialTCPAddr(context.Background(), &Dialer{}, network, laddr, raddr)
}

func (io *IO) dialTCPAddr(ctx context.Context, d *Dialer, network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	var c *TCPConn
	var err error
	switch {
	case network != "tcp" && network != "tcp4" && network != "tcp6":
		err = net.UnknownNetworkError(network)
	case raddr == nil:
		err = errMissingAddress
	default:
		c, err = io.dialTCP(ctx, d, network, laddr, raddr)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: addrOrNil(laddr), Addr: addrOrNil(raddr),
			Err: dialError(ctx, err)}
	}
	return c, nil
}

// dialTCP connects, by multipath TCP if that is asked for and available.
func (io *IO) dialTCP(ctx context.Context, d *Dialer, network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	o := &opening{network: network, sotype: unix.SOCK_STREAM, laddr: addrOrNil(laddr), raddr: raddr,
		control: d.control()}
	if d.MultipathTCP() {
		o.proto = unix.IPPROTO_MPTCP
		if c, err := io.dialTCPOnce(ctx, d, o); err == nil {
			return c, nil
		}
		o.proto = 0
	}
	return io.dialTCPOnce(ctx, d, o)
}

// dialTCPOnce connects. It tries again if the kernel picked an impossible local port: the one
// dialed, which connects a socket to itself, or one that is taken after all.
func (io *IO) dialTCPOnce(ctx context.Context, d *Dialer, o *opening) (*TCPConn, error) {
	for tries := 0; ; tries++ {
		c := &TCPConn{}
		err := io.open(ctx, &c.socket, o)
		free := o.laddr == nil || hostOf(o.laddr).port == 0
		switch {
		case free && tries < 2 && errors.Is(err, unix.EADDRNOTAVAIL):
		case free && tries < 2 && err == nil && c.toItself():
			c.Close()
		case err != nil:
			return nil, err
		default:
			prepareTCP(c.fd.Sysfd, d.KeepAlive, d.KeepAliveConfig)
			return c, nil
		}
	}
}

// toItself reports whether both ends of the connection are this socket.
func (c *TCPConn) toItself() bool {
	l, r := hostOf(c.laddr), hostOf(c.raddr)
	return l.port == r.port && l.ip.Equal(r.ip)
}

// CloseRead shuts the reading side down; most callers just Close.
func (c *TCPConn) CloseRead() error { return c.shutdown(unix.SHUT_RD) }

// CloseWrite shuts the writing side down: the peer reads io.EOF.
func (c *TCPConn) CloseWrite() error { return c.shutdown(unix.SHUT_WR) }

// SetNoDelay sets whether small writes leave at once (true, the default) or wait to be joined by
// others.
func (c *TCPConn) SetNoDelay(noDelay bool) error {
	return c.setInt(unix.IPPROTO_TCP, unix.TCP_NODELAY, boolInt(noDelay))
}

// SetLinger sets what happens to unsent data on Close. Negative: it is sent in the background (the
// default). 0: it is dropped and the connection reset. Positive: the kernel blocks close(2) for up
// to sec seconds.
func (c *TCPConn) SetLinger(sec int) error {
	l := unix.Linger{}
	if sec > math.MaxInt32 {
		return c.opError("set", os.NewSyscallError("setsockopt", unix.EINVAL))
	}
	if sec >= 0 {
		l = unix.Linger{Onoff: 1, Linger: int32(sec)}
	}
	return c.set("set", func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
	})
}

// SetKeepAlive sets whether the kernel probes an idle connection.
func (c *TCPConn) SetKeepAlive(keepalive bool) error {
	return c.setInt(unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(keepalive))
}

// SetKeepAlivePeriod sets how long a connection is idle before it is probed. 0: 15 seconds.
// Negative: unchanged.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.set("set", func(fd int) error {
		return os.NewSyscallError("setsockopt", setKeepAliveOption(fd, unix.TCP_KEEPIDLE, roundSeconds(d),
			keepAliveSeconds))
	})
}

// SetKeepAliveConfig configures probes as in package net.
func (c *TCPConn) SetKeepAliveConfig(cfg net.KeepAliveConfig) error {
	return c.set("set", func(fd int) error { return setKeepAlive(fd, cfg) })
}

// MultipathTCP reports whether the connection uses multipath TCP. It does not if the peer, or
// something on the path, does not support it.
func (c *TCPConn) MultipathTCP() (bool, error) {
	if !c.ok() {
		return false, syscall.EINVAL
	}
	multi := false
	err := c.control(func(fd int) error {
		proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if err != nil || proto != unix.IPPROTO_MPTCP {
			return os.NewSyscallError("getsockopt", err)
		}
		_, err = unix.GetsockoptInt(fd, unix.SOL_MPTCP, mptcpInfo)
		multi = err != unix.EOPNOTSUPP && err != unix.ENOPROTOOPT // these errors say that it has fallen back to TCP
		return nil
	})
	return multi, c.opError("get", err)
}

// mptcpInfo is MPTCP_INFO of linux/mptcp.h: Linux 5.16.
const mptcpInfo = 1

const (
	keepAliveSeconds = 15
	keepAliveCount   = 9
)

// setKeepAlive applies cfg. Zero fields mean the defaults; negative ones change nothing.
func setKeepAlive(fd int, cfg net.KeepAliveConfig) error {
	return os.NewSyscallError("setsockopt", errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(cfg.Enable)),
		setKeepAliveOption(fd, unix.TCP_KEEPIDLE, roundSeconds(cfg.Idle), keepAliveSeconds),
		setKeepAliveOption(fd, unix.TCP_KEEPINTVL, roundSeconds(cfg.Interval), keepAliveSeconds),
		setKeepAliveOption(fd, unix.TCP_KEEPCNT, cfg.Count, keepAliveCount),
	))
}

func setKeepAliveOption(fd, opt, v, zero int) error {
	if v < 0 {
		return nil
	}
	if v == 0 {
		v = zero
	}
	return setsockoptInt(fd, unix.IPPROTO_TCP, opt, v)
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

// roundSeconds rounds up. Negative values stay negative.
func roundSeconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int(d/time.Second) + boolInt(d%time.Second != 0) // a sum could overflow
}
