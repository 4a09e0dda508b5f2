//go:build !weir_portable

package aio

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// UDPConn is a UDP socket, connected or not: *net.UDPConn on an [IO]. Any goroutine may call its
// methods.
type UDPConn struct{ conn }

var (
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
	_ syscall.Conn   = (*UDPConn)(nil)
)

// DialUDP makes a socket that sends to raddr: see [DialUDP].
func (io *IO) DialUDP(network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	return io.dialUDPAddr(context.Background(), &Dialer{}, network, laddr, raddr)
}

func (io *IO) dialUDPAddr(ctx context.Context, d *Dialer, network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	var c *UDPConn
	err := udpNetwork(network)
	if err == nil && raddr == nil {
		err = errMissingAddress
	}
	if err == nil {
		c, err = io.dialUDP(ctx, d, network, laddr, raddr)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: addrOrNil(laddr), Addr: addrOrNil(raddr),
			Err: dialError(ctx, err)}
	}
	return c, nil
}

func (io *IO) dialUDP(ctx context.Context, d *Dialer, network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	return io.openUDP(ctx, &opening{network: network, laddr: addrOrNil(laddr), raddr: raddr, control: d.control()})
}

func (io *IO) openUDP(ctx context.Context, o *opening) (*UDPConn, error) {
	c := &UDPConn{}
	o.sotype = unix.SOCK_DGRAM
	if err := io.open(ctx, &c.socket, o); err != nil {
		return nil, err
	}
	return c, nil
}

// ListenUDP receives what is sent to laddr: see [ListenUDP].
func (io *IO) ListenUDP(network string, laddr *net.UDPAddr) (*UDPConn, error) {
	var c *UDPConn
	err := udpNetwork(network)
	if err == nil {
		to := laddr
		if to == nil {
			to = &net.UDPAddr{}
		}
		c, err = io.listenUDP(context.Background(), nil, network, to)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(laddr), Err: err}
	}
	return c, nil
}

func (io *IO) listenUDP(ctx context.Context, control controlFunc, network string, laddr *net.UDPAddr) (*UDPConn,
	error) {
	return io.openUDP(ctx, &opening{network: network, laddr: laddr, listen: true, control: control})
}

// ListenMulticastUDP receives what is sent to a group: see [ListenMulticastUDP].
func (io *IO) ListenMulticastUDP(network string, ifi *net.Interface, gaddr *net.UDPAddr) (*UDPConn, error) {
	var c *UDPConn
	err := udpNetwork(network)
	if err == nil && (gaddr == nil || gaddr.IP == nil) {
		err = errMissingAddress
	}
	if err == nil {
		c, err = io.listenUDP(context.Background(), nil, network, gaddr)
	}
	if err == nil {
		if err = c.control(func(fd int) error { return joinGroup(fd, ifi, gaddr.IP) }); err != nil {
			c.Close()
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(gaddr), Err: err}
	}
	return c, nil
}

// joinGroup makes a socket a member of a multicast group. Its own packets are not looped back.
func joinGroup(fd int, ifi *net.Interface, group net.IP) error {
	index := 0
	if ifi != nil {
		if index = ifi.Index; int(int32(index)) != index {
			return os.NewSyscallError("setsockopt", unix.EINVAL)
		}
	}
	if ip4 := group.To4(); ip4 != nil {
		m := &unix.IPMreqn{Ifindex: int32(index)}
		if ifi != nil {
			if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, m); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		m.Multiaddr = [4]byte(ip4)
		return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m))
	}
	if ifi != nil {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	m := &unix.IPv6Mreq{Interface: uint32(index)}
	copy(m.Multiaddr[:], group)
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, m))
}

func udpNetwork(network string) error {
	switch network {
	case "udp", "udp4", "udp6":
		return nil
	}
	return net.UnknownNetworkError(network)
}

// ReadFrom receives one packet, cut to len(p), and returns its sender. It blocks as Read does.
func (c *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(p)
	return n, addrOrNil(addr), err
}

// ReadFromUDP is [UDPConn.ReadFrom] with the concrete type.
func (c *UDPConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	// It is inlined, so that the address is on the stack of a caller that does not keep it, as in
	// package net.
	return c.readFromUDP(p, &net.UDPAddr{})
}

// readFromUDP is ReadFromUDP into addr.
func (c *UDPConn) readFromUDP(p []byte, addr *net.UDPAddr) (int, *net.UDPAddr, error) {
	n, ap, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		return n, nil, err
	}
	*addr = net.UDPAddr{IP: ap.Addr().AsSlice(), Port: int(ap.Port()), Zone: ap.Addr().Zone()}
	return n, addr, nil
}

// ReadFromUDPAddrPort is [UDPConn.ReadFrom] without allocating. On a socket for both families an
// IPv4 sender is reported in its IPv4-mapped form.
func (c *UDPConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	return c.ReadFromUDPAddrPortContext(context.Background(), p)
}

// ReadFromUDPAddrPortContext is [UDPConn.ReadFromUDPAddrPort] that also ends when ctx does, with
// its cause.
func (c *UDPConn) ReadFromUDPAddrPortContext(ctx context.Context, p []byte) (int, netip.AddrPort, error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, netip.AddrPort{}, syscall.EINVAL
	}
	var from backends.Sockaddr
	n, err := c.fd.RecvFrom(ctx, p, &from)
	if err != nil {
		return n, netip.AddrPort{}, c.opError("read", err)
	}
	ap, _ := sys.Inet(&from)
	return n, ap, nil
}

// ReadMsgUDP receives one packet: data into p, control messages into oob. It returns the number of
// bytes in each, and flags MSG_*: MSG_TRUNC if p was too small, MSG_CTRUNC if oob was.
func (c *UDPConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, ap, err := c.ReadMsgUDPAddrPort(p, oob)
	if ap.IsValid() {
		addr = net.UDPAddrFromAddrPort(ap)
	}
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is [UDPConn.ReadMsgUDP] without allocating.
func (c *UDPConn) ReadMsgUDPAddrPort(p, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	if !c.ok() {
		return 0, 0, 0, addr, syscall.EINVAL
	}
	var from backends.Sockaddr
	n, oobn, flags, err = c.fd.RecvMsg(context.Background(), p, oob, 0, c.sotype, &from)
	if err == nil {
		addr, _ = sys.Inet(&from)
	}
	return n, oobn, flags, addr, c.opError("read", err)
}

// WriteTo sends p as one packet to addr, a *net.UDPAddr.
func (c *UDPConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.writeError(addr, syscall.EINVAL)
	}
	return c.WriteToUDP(p, a)
}

// WriteToUDP is [UDPConn.WriteTo] with the concrete type.
func (c *UDPConn) WriteToUDP(p []byte, addr *net.UDPAddr) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to backends.Sockaddr
	switch {
	case c.connected:
		err = net.ErrWriteToConnected
	case addr == nil:
		err = errMissingAddress
	default:
		if err = c.encode(addr, &to); err != nil {
			err = fd.SyscallError("sendto", err)
		} else {
			n, err = c.fd.SendTo(context.Background(), "sendto", p, &to)
		}
	}
	if err != nil {
		return n, c.writeError(addrOrNil(addr), err)
	}
	return n, nil
}

// WriteToUDPAddrPort is [UDPConn.WriteTo] without allocating.
func (c *UDPConn) WriteToUDPAddrPort(p []byte, addr netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPortContext(context.Background(), p, addr)
}

// WriteToUDPAddrPortContext is [UDPConn.WriteToUDPAddrPort] that also ends when ctx does, with its
// cause.
func (c *UDPConn) WriteToUDPAddrPortContext(ctx context.Context, p []byte, addr netip.AddrPort) (n int, err error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	var to backends.Sockaddr
	switch {
	case c.connected:
		err = net.ErrWriteToConnected
	case !addr.IsValid():
		err = errMissingAddress
	default:
		if err = c.encodeAddrPort(addr, &to); err == nil {
			n, err = c.fd.SendTo(ctx, "sendto", p, &to)
		}
	}
	if err != nil {
		return n, c.writeError(udpAddrPort{addr}, err)
	}
	return n, nil
}

// udpAddrPort is the address in errors.
type udpAddrPort struct{ netip.AddrPort }

func (udpAddrPort) Network() string { return "udp" }

// WriteMsgUDP sends one packet to addr: data from p, control messages from oob. addr must be nil if
// the socket is connected. It returns the number of bytes sent of each.
func (c *UDPConn) WriteMsgUDP(p, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var sa backends.Sockaddr
	to, err := c.target(addr != nil, &sa, func() error { return c.encode(addr, &sa) })
	if err == nil {
		n, oobn, err = c.writeMsg(p, oob, to)
	}
	if err != nil {
		return n, oobn, c.writeError(addrOrNil(addr), err)
	}
	return n, oobn, nil
}

// WriteMsgUDPAddrPort is [UDPConn.WriteMsgUDP] without allocating.
func (c *UDPConn) WriteMsgUDPAddrPort(p, oob []byte, addr netip.AddrPort) (n, oobn int, err error) {
	if !c.ok() {
		return 0, 0, syscall.EINVAL
	}
	var sa backends.Sockaddr
	to, err := c.target(addr.IsValid(), &sa, func() error { return c.encodeAddrPort(addr, &sa) })
	if err == nil {
		n, oobn, err = c.writeMsg(p, oob, to)
	}
	if err != nil {
		return n, oobn, c.writeError(udpAddrPort{addr}, err)
	}
	return n, oobn, nil
}

// target returns the address to send a message to: nil on a connected socket.
func (c *UDPConn) target(given bool, sa *backends.Sockaddr, encode func() error) (*backends.Sockaddr, error) {
	switch {
	case c.connected && given:
		return nil, net.ErrWriteToConnected
	case c.connected:
		return nil, nil
	case !given:
		return nil, errMissingAddress
	}
	return sa, fd.SyscallError("sendmsg", encode())
}

func (c *UDPConn) writeMsg(p, oob []byte, to *backends.Sockaddr) (n, oobn int, err error) {
	if n, err = c.fd.SendMsg(context.Background(), p, oob, c.sotype, to); err == nil {
		oobn = len(oob)
	}
	return n, oobn, err
}
