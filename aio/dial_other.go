//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

var errMissingAddress = errors.New("missing address")

// DialContext connects to address: see net.Dialer.DialContext. It blocks until that has succeeded
// or failed, the Dialer's time is over or ctx ends. ctx bounds connecting, not the connection.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	mustContext(ctx)
	io := d.io()
	if err := io.alive(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	ctx, cancel := io.while(ctx)
	defer cancel()
	if d.Cancel != nil {
		go func() {
			select {
			case <-d.Cancel:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	c, err := d.plain().DialContext(ctx, network, address)
	if err != nil {
		return nil, dialErr(io, err)
	}
	return io.conn("dial", c)
}

// plain returns d as a net.Dialer.
func (d *Dialer) plain() *net.Dialer {
	p := &net.Dialer{
		Timeout: d.Timeout, Deadline: d.Deadline, LocalAddr: d.LocalAddr, FallbackDelay: d.FallbackDelay,
		KeepAlive: d.KeepAlive, KeepAliveConfig: d.KeepAliveConfig, Resolver: d.Resolver,
		Control: d.Control, ControlContext: d.ControlContext,
	}
	if d.mptcp != multipathDefault {
		p.SetMultipathTCP(d.mptcp == multipathOn)
	}
	return p
}

// conn makes a connection of the IO from c.
func (io *IO) conn(op string, c net.Conn) (net.Conn, error) {
	var on net.Conn
	var err error
	switch c := c.(type) {
	case *net.TCPConn:
		on, err = orNil[net.Conn](io.tcp(c))
	case *net.UDPConn:
		on, err = orNil[net.Conn](io.udp(c))
	case *net.IPConn:
		on, err = orNil[net.Conn](io.ip(c))
	case *net.UnixConn:
		on, err = orNil[net.Conn](io.unix(c))
	}
	if err != nil {
		return nil, &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: err}
	}
	return on, nil
}

// orNil converts x to I. It returns nil if there is an error.
func orNil[I any, T any](x T, err error) (i I, _ error) {
	if err == nil {
		i = any(x).(I)
	}
	return i, err
}

// to connects to one address, and from another one if that is not nil.
func to[C any](ctx context.Context, d *Dialer, network string, known bool, laddr, raddr net.Addr) (c C, err error) {
	switch {
	case !known:
		err = net.UnknownNetworkError(network)
	case raddr == nil:
		err = errMissingAddress
	default:
		from := *d
		from.LocalAddr = laddr
		var any net.Conn
		if any, err = from.DialContext(ctx, network, raddr.String()); err != nil {
			return c, err
		}
		return any.(C), nil
	}
	return c, &net.OpError{Op: "dial", Net: network, Source: laddr, Addr: raddr, Err: err}
}

func isTCP(network string) bool { return network == "tcp" || network == "tcp4" || network == "tcp6" }
func isUDP(network string) bool { return network == "udp" || network == "udp4" || network == "udp6" }

// DialTCP connects from laddr, which may be the zero value, to raddr.
func (d *Dialer) DialTCP(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*TCPConn, error) {
	mustContext(ctx)
	var l, r net.Addr
	if laddr.IsValid() {
		l = net.TCPAddrFromAddrPort(laddr)
	}
	if raddr.IsValid() {
		r = net.TCPAddrFromAddrPort(raddr)
	}
	return to[*TCPConn](ctx, d, network, isTCP(network), l, r)
}

// DialUDP makes a UDP socket that is bound to laddr, which may be the zero value, and connected to
// raddr.
func (d *Dialer) DialUDP(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*UDPConn, error) {
	mustContext(ctx)
	var l, r net.Addr
	if laddr.IsValid() {
		l = net.UDPAddrFromAddrPort(laddr)
	}
	if raddr.IsValid() {
		r = net.UDPAddrFromAddrPort(raddr)
	}
	return to[*UDPConn](ctx, d, network, isUDP(network), l, r)
}

// DialIP makes a raw socket that is bound to laddr, which may be the zero value, and connected to
// raddr.
func (d *Dialer) DialIP(ctx context.Context, network string, laddr, raddr netip.Addr) (*IPConn, error) {
	mustContext(ctx)
	var l, r net.Addr
	if laddr.IsValid() {
		l = &net.IPAddr{IP: laddr.AsSlice(), Zone: laddr.Zone()}
	}
	if raddr.IsValid() {
		r = &net.IPAddr{IP: raddr.AsSlice(), Zone: raddr.Zone()}
	}
	return to[*IPConn](ctx, d, network, len(network) > 1 && network[:2] == "ip", l, r)
}

// DialUnix connects from laddr, which may be nil, to raddr.
func (d *Dialer) DialUnix(ctx context.Context, network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	mustContext(ctx)
	var l, r net.Addr
	if laddr != nil {
		l = laddr
	}
	if raddr != nil {
		r = raddr
	}
	known := network == "unix" || network == "unixgram" || network == "unixpacket"
	return to[*UnixConn](ctx, d, network, known, l, r)
}

// made makes something of the IO from what package net has made.
func made[P, C any](io *IO, op, network string, make func() (P, error), on func(P) (C, error)) (c C, err error) {
	if err := io.alive(); err != nil {
		return c, &net.OpError{Op: op, Net: network, Err: err}
	}
	p, err := make()
	if err != nil {
		return c, err
	}
	if c, err = on(p); err != nil {
		return c, &net.OpError{Op: op, Net: network, Err: err}
	}
	return c, nil
}

// DialTCP connects to raddr: see [DialTCP].
func (io *IO) DialTCP(network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	return made(io, "dial", network, func() (*net.TCPConn, error) { return net.DialTCP(network, laddr, raddr) }, io.tcp)
}

// DialUDP makes a socket that sends to raddr: see [DialUDP].
func (io *IO) DialUDP(network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	return made(io, "dial", network, func() (*net.UDPConn, error) { return net.DialUDP(network, laddr, raddr) }, io.udp)
}

// DialIP makes a raw socket that sends to raddr: see [DialIP].
func (io *IO) DialIP(network string, laddr, raddr *net.IPAddr) (*IPConn, error) {
	return made(io, "dial", network, func() (*net.IPConn, error) { return net.DialIP(network, laddr, raddr) }, io.ip)
}

// DialUnix connects to raddr: see [DialUnix].
func (io *IO) DialUnix(network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	return made(io, "dial", network, func() (*net.UnixConn, error) { return net.DialUnix(network, laddr, raddr) },
		io.unix)
}

// ListenTCP listens on laddr: see [ListenTCP].
func (io *IO) ListenTCP(network string, laddr *net.TCPAddr) (*TCPListener, error) {
	return made(io, "listen", network, func() (*net.TCPListener, error) { return net.ListenTCP(network, laddr) },
		io.tcpListener)
}

// ListenUnix listens on laddr: see [ListenUnix].
func (io *IO) ListenUnix(network string, laddr *net.UnixAddr) (*UnixListener, error) {
	return made(io, "listen", network, func() (*net.UnixListener, error) { return net.ListenUnix(network, laddr) },
		io.unixListener)
}

// ListenUDP receives what is sent to laddr: see [ListenUDP].
func (io *IO) ListenUDP(network string, laddr *net.UDPAddr) (*UDPConn, error) {
	return made(io, "listen", network, func() (*net.UDPConn, error) { return net.ListenUDP(network, laddr) }, io.udp)
}

// ListenIP receives the packets of a protocol: see [ListenIP].
func (io *IO) ListenIP(network string, laddr *net.IPAddr) (*IPConn, error) {
	return made(io, "listen", network, func() (*net.IPConn, error) { return net.ListenIP(network, laddr) }, io.ip)
}

// ListenUnixgram listens for packets: see [ListenUnixgram].
func (io *IO) ListenUnixgram(network string, laddr *net.UnixAddr) (*UnixConn, error) {
	return made(io, "listen", network, func() (*net.UnixConn, error) { return net.ListenUnixgram(network, laddr) },
		io.unix)
}

// ListenMulticastUDP receives what is sent to a group: see [ListenMulticastUDP].
func (io *IO) ListenMulticastUDP(network string, ifi *net.Interface, gaddr *net.UDPAddr) (*UDPConn, error) {
	return made(io, "listen", network, func() (*net.UDPConn, error) {
		return net.ListenMulticastUDP(network, ifi, gaddr)
	}, io.udp)
}
