//go:build !weir_portable

package aio

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// UnixConn is a unix socket, connected or, of network "unixgram", listening: *net.UnixConn on an
// [IO]. Any goroutine may call its methods.
type UnixConn struct{ conn }

var (
	_ net.Conn       = (*UnixConn)(nil)
	_ net.PacketConn = (*UnixConn)(nil)
	_ syscall.Conn   = (*UnixConn)(nil)
)

// DialUnix connects to raddr: see [DialUnix].
func (io *IO) DialUnix(network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	return io.dialUnixAddr(context.Background(), &Dialer{}, network, laddr, raddr)
}

func (io *IO) dialUnixAddr(ctx context.Context, d *Dialer, network string, laddr, raddr *net.UnixAddr) (*UnixConn,
	error) {
	c, err := io.dialUnix(ctx, d, network, laddr, raddr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: addrOrNil(laddr), Addr: addrOrNil(raddr),
			Err: dialError(ctx, err)}
	}
	return c, nil
}

func (io *IO) dialUnix(ctx context.Context, d *Dialer, network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	sotype, err := unixType(network)
	if err != nil {
		return nil, err
	}
	if laddr != nil && laddr.Name == "" {
		laddr = nil
	}
	if raddr != nil && raddr.Name == "" {
		raddr = nil
	}
	if raddr == nil && (sotype != unix.SOCK_DGRAM || laddr == nil) {
		return nil, errMissingAddress
	}
	c := &UnixConn{}
	o := &opening{network: network, sotype: sotype, laddr: addrOrNil(laddr), raddr: addrOrNil(raddr),
		control: d.control()}
	if err := io.open(ctx, &c.socket, o); err != nil {
		return nil, err
	}
	return c, nil
}

func unixType(network string) (int, error) {
	switch network {
	case "unix":
		return unix.SOCK_STREAM, nil
	case "unixgram":
		return unix.SOCK_DGRAM, nil
	case "unixpacket":
		return unix.SOCK_SEQPACKET, nil
	}
	return 0, net.UnknownNetworkError(network)
}

// ListenUnixgram listens for packets: see [ListenUnixgram].
func (io *IO) ListenUnixgram(network string, laddr *net.UnixAddr) (*UnixConn, error) {
	var c *UnixConn
	var err error
	switch {
	case network != "unixgram":
		err = net.UnknownNetworkError(network)
	case laddr == nil:
		err = errMissingAddress
	default:
		c, err = io.listenUnixgram(context.Background(), nil, network, laddr)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(laddr), Err: err}
	}
	return c, nil
}

func (io *IO) listenUnixgram(ctx context.Context, control controlFunc, network string, laddr *net.UnixAddr) (*UnixConn,
	error) {
	sotype, err := unixType(network)
	if err != nil {
		return nil, err
	}
	c := &UnixConn{}
	o := &opening{network: network, sotype: sotype, laddr: laddr, listen: true, control: control}
	if err := io.open(ctx, &c.socket, o); err != nil {
		return nil, err
	}
	return c, nil
}

// CloseRead shuts the reading side down; most callers just Close.
func (c *UnixConn) CloseRead() error { return c.shutdown(unix.SHUT_RD) }

// CloseWrite shuts the writing side down: the peer reads io.EOF.
func (c *UnixConn) CloseWrite() error { return c.shutdown(unix.SHUT_WR) }

// ReadFrom is Read that also returns the sender, if that has a name.
func (c *UnixConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUnix(p)
	return n, addrOrNil(addr), err
}

// ReadFromUnix is [UnixConn.ReadFrom] with the concrete type.
func (c *UnixConn) ReadFromUnix(p []byte) (int, *net.UnixAddr, error) {
	if !c.ok() {
		return 0, nil, syscall.EINVAL
	}
	var from backends.Sockaddr
	n, err := c.fd.RecvFrom(context.Background(), p, &from)
	err = c.noMore(n, err)
	return n, c.sender(&from, err), c.opError("read", err)
}

// ReadMsgUnix reads a message: data into p, control messages such as descriptors into oob. It
// returns the number of bytes in each, and flags MSG_*: MSG_CTRUNC if there was no room for
// everything. Descriptors that arrive are close-on-exec and belong to the caller.
func (c *UnixConn) ReadMsgUnix(p, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	if !c.ok() {
		return 0, 0, 0, nil, syscall.EINVAL
	}
	var from backends.Sockaddr
	n, oobn, flags, err = c.fd.RecvMsg(context.Background(), p, oob, unix.MSG_CMSG_CLOEXEC, c.sotype, &from)
	err = c.noMore(n, err)
	return n, oobn, flags, c.sender(&from, err), c.opError("read", err)
}

func (c *UnixConn) sender(from *backends.Sockaddr, err error) *net.UnixAddr {
	if err != nil {
		return nil
	}
	path, ok := sys.Unix(from)
	if !ok || path == "" {
		return nil
	}
	return &net.UnixAddr{Name: path, Net: unixNetwork(c.sotype)}
}

// WriteTo sends p as one packet to addr, a *net.UnixAddr.
func (c *UnixConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	a, ok := addr.(*net.UnixAddr)
	if !ok {
		return 0, c.writeError(addr, syscall.EINVAL)
	}
	return c.WriteToUnix(p, a)
}

// WriteToUnix is [UnixConn.WriteTo] with the concrete type.
func (c *UnixConn) WriteToUnix(p []byte, addr *net.UnixAddr) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to backends.Sockaddr
	switch {
	case c.connected:
		err = net.ErrWriteToConnected
	case addr == nil:
		err = errMissingAddress
	case addr.Net != unixNetwork(c.sotype):
		err = syscall.EAFNOSUPPORT
	default:
		if err = sys.PutUnix(&to, addr.Name); err == nil {
			n, err = c.fd.SendTo(context.Background(), "sendto", p, &to)
		}
	}
	return n, c.writeError(addrOrNil(addr), err)
}

// WriteMsgUnix writes a message to addr, which is nil if the socket is connected: data from p, and
// control messages such as descriptors from oob. It returns the number of bytes sent of each.
func (c *UnixConn) WriteMsgUnix(p, oob []byte, addr *net.UnixAddr) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var sa backends.Sockaddr
	var to *backends.Sockaddr
	switch {
	case c.sotype == unix.SOCK_DGRAM && c.connected:
		err = net.ErrWriteToConnected
	case addr != nil && addr.Net != unixNetwork(c.sotype):
		err = syscall.EAFNOSUPPORT
	case addr != nil:
		to, err = &sa, sys.PutUnix(&sa, addr.Name)
	}
	if err == nil {
		if n, err = c.fd.SendMsg(context.Background(), p, oob, c.sotype, to); err == nil {
			oobn = len(oob)
		}
	}
	return n, oobn, c.writeError(addrOrNil(addr), err)
}

// writeError wraps an error about sending to one address.
func (s *socket) writeError(addr net.Addr, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "write", Net: s.network.String(), Source: s.laddr, Addr: addr, Err: err}
}
