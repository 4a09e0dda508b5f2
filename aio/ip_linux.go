//go:build !weir_portable

package aio

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// IPConn is a raw IP socket, connected or not: *net.IPConn on an [IO]. Any goroutine may call its
// methods. Only privileged processes may make one.
type IPConn struct{ conn }

var (
	_ net.Conn       = (*IPConn)(nil)
	_ net.PacketConn = (*IPConn)(nil)
	_ syscall.Conn   = (*IPConn)(nil)
)

// DialIP makes a raw socket that sends to raddr: see [DialIP].
func (io *IO) DialIP(network string, laddr, raddr *net.IPAddr) (*IPConn, error) {
	return io.dialIPAddr(context.Background(), &Dialer{}, network, laddr, raddr)
}

func (io *IO) dialIPAddr(ctx context.Context, d *Dialer, network string, laddr, raddr *net.IPAddr) (*IPConn, error) {
	var c *IPConn
	var err error
	if raddr == nil {
		err = errMissingAddress
	} else {
		c, err = io.openIP(ctx, network, &opening{laddr: addrOrNil(laddr), raddr: raddr, control: d.control()})
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: addrOrNil(laddr), Addr: addrOrNil(raddr),
			Err: dialError(ctx, err)}
	}
	return c, nil
}

// ListenIP receives the packets of a protocol: see [ListenIP].
func (io *IO) ListenIP(network string, laddr *net.IPAddr) (*IPConn, error) {
	to := laddr
	if to == nil {
		to = &net.IPAddr{}
	}
	c, err := io.openIP(context.Background(), network, &opening{laddr: to, listen: true})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(laddr), Err: err}
	}
	return c, nil
}

func (io *IO) openIP(ctx context.Context, network string, o *opening) (*IPConn, error) {
	afnet, proto, err := splitNetwork(network, true)
	if err != nil {
		return nil, err
	}
	if afnet[0] != 'i' {
		return nil, net.UnknownNetworkError(network)
	}
	c := &IPConn{}
	o.network, o.sotype, o.proto = afnet, unix.SOCK_RAW, proto
	if err := io.open(ctx, &c.socket, o); err != nil {
		return nil, err
	}
	return c, nil
}

// ReadFrom receives one packet, without its IPv4 header, and returns its sender. It blocks as Read
// does.
func (c *IPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromIP(p)
	return n, addrOrNil(addr), err
}

// ReadFromIP is [IPConn.ReadFrom] with the concrete type.
func (c *IPConn) ReadFromIP(p []byte) (int, *net.IPAddr, error) {
	if !c.ok() {
		return 0, nil, syscall.EINVAL
	}
	var from backends.Sockaddr
	n, err := c.fd.RecvFrom(context.Background(), p, &from)
	if err != nil {
		return n, nil, c.opError("read", err)
	}
	if c.family == unix.AF_INET {
		n = cutIPv4Header(p, n)
	}
	addr, _ := c.addr(&from).(*net.IPAddr)
	return n, addr, nil
}

// cutIPv4Header removes the header from the packet p[:n] and returns what is left of n.
func cutIPv4Header(p []byte, n int) int {
	const least = 20
	if n < least || p[0]>>4 != 4 {
		return n
	}
	header := int(p[0]&0x0f) * 4
	if header < least || header > n {
		return n
	}
	return copy(p, p[header:n])
}

// ReadMsgIP receives one packet with its header: data into p, control messages into oob. It returns
// the number of bytes in each, and flags MSG_*.
func (c *IPConn) ReadMsgIP(p, oob []byte) (n, oobn, flags int, addr *net.IPAddr, err error) {
	if !c.ok() {
		return 0, 0, 0, nil, syscall.EINVAL
	}
	var from backends.Sockaddr
	if n, oobn, flags, err = c.fd.RecvMsg(context.Background(), p, oob, 0, c.sotype, &from); err == nil {
		addr, _ = c.addr(&from).(*net.IPAddr)
	}
	return n, oobn, flags, addr, c.opError("read", err)
}

// WriteTo sends p as the payload of one packet to addr, a *net.IPAddr.
func (c *IPConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	a, ok := addr.(*net.IPAddr)
	if !ok {
		return 0, c.writeError(addr, syscall.EINVAL)
	}
	return c.WriteToIP(p, a)
}

// WriteToIP is [IPConn.WriteTo] with the concrete type.
func (c *IPConn) WriteToIP(p []byte, addr *net.IPAddr) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to backends.Sockaddr
	if err = c.target(addr, &to); err == nil {
		n, err = c.fd.SendTo(context.Background(), "sendto", p, &to)
	}
	return n, c.writeError(addrOrNil(addr), err)
}

// WriteMsgIP sends one packet to addr: data from p, control messages from oob. It returns the
// number of bytes sent of each.
func (c *IPConn) WriteMsgIP(p, oob []byte, addr *net.IPAddr) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var to backends.Sockaddr
	if err = c.target(addr, &to); err == nil {
		if n, err = c.fd.SendMsg(context.Background(), p, oob, c.sotype, &to); err == nil {
			oobn = len(oob)
		}
	}
	return n, oobn, c.writeError(addrOrNil(addr), err)
}

func (c *IPConn) target(addr *net.IPAddr, to *backends.Sockaddr) error {
	switch {
	case c.connected:
		return net.ErrWriteToConnected
	case addr == nil:
		return errMissingAddress
	}
	return c.encode(addr, to)
}
