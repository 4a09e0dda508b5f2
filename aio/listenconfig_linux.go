//go:build !weir_portable

package aio

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// Listen listens for connections, on networks "tcp", "tcp4", "tcp6", "unix" and "unixpacket". ctx
// bounds resolving the address, not the listener. If a name has several addresses Listen uses one
// of them, IPv4 if there is one.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	mustContext(ctx)
	addr, err := lc.resolve(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	var l net.Listener
	switch a := addr.(type) {
	case *net.TCPAddr:
		var tl *TCPListener
		tl, err = lc.io().listenTCP(ctx, lc, network, a)
		l = tl
	case *net.UnixAddr:
		var ul *UnixListener
		ul, err = lc.io().listenUnix(ctx, lc, network, a)
		l = ul
	default:
		err = &net.AddrError{Err: "unexpected address type", Addr: address}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	return l, nil
}

// ListenPacket receives packets, on networks "udp", "udp4", "udp6", "unixgram", "ip:proto",
// "ip4:proto" and "ip6:proto". See [ListenConfig.Listen].
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	mustContext(ctx)
	addr, err := lc.resolve(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	control := ignoreContext(lc.Control)
	var c net.PacketConn
	switch a := addr.(type) {
	case *net.UDPAddr:
		var uc *UDPConn
		uc, err = lc.io().listenUDP(ctx, control, network, a)
		c = uc
	case *net.IPAddr:
		var ic *IPConn
		ic, err = lc.io().openIP(ctx, network, &opening{laddr: a, listen: true, control: control})
		c = ic
	case *net.UnixAddr:
		var uc *UnixConn
		uc, err = lc.io().listenUnixgram(ctx, control, network, a)
		c = uc
	default:
		err = &net.AddrError{Err: "unexpected address type", Addr: address}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	return c, nil
}

func (lc *ListenConfig) resolve(ctx context.Context, network, address string) (net.Addr, error) {
	addrs, err := resolve(ctx, nil, network, address)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if isV4(a) {
			return a, nil
		}
	}
	return addrs[0], nil
}

// Listen is net.Listen: see [ListenConfig.Listen].
func (io *IO) Listen(network, address string) (net.Listener, error) {
	return io.listenConfig().Listen(context.Background(), network, address)
}

// ListenPacket is net.ListenPacket: see [ListenConfig.ListenPacket].
func (io *IO) ListenPacket(network, address string) (net.PacketConn, error) {
	return io.listenConfig().ListenPacket(context.Background(), network, address)
}

// ListenTCP listens on laddr: see [ListenTCP].
func (io *IO) ListenTCP(network string, laddr *net.TCPAddr) (*TCPListener, error) {
	var l *TCPListener
	var err error
	switch network {
	case "tcp", "tcp4", "tcp6":
		to := laddr
		if to == nil {
			to = &net.TCPAddr{}
		}
		l, err = io.listenTCP(context.Background(), &ListenConfig{}, network, to)
	default:
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(laddr), Err: err}
	}
	return l, nil
}

// ListenUnix listens on laddr: see [ListenUnix].
func (io *IO) ListenUnix(network string, laddr *net.UnixAddr) (*UnixListener, error) {
	var l *UnixListener
	var err error
	switch {
	case network != "unix" && network != "unixpacket":
		err = net.UnknownNetworkError(network)
	case laddr == nil:
		err = errMissingAddress
	default:
		l, err = io.listenUnix(context.Background(), &ListenConfig{}, network, laddr)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrOrNil(laddr), Err: err}
	}
	return l, nil
}

func (io *IO) listenTCP(ctx context.Context, lc *ListenConfig, network string, laddr *net.TCPAddr) (*TCPListener,
	error) {
	l := &TCPListener{keepAlive: lc.KeepAlive, keepAliveConfig: lc.KeepAliveConfig}
	o := &opening{network: network, sotype: unix.SOCK_STREAM, laddr: laddr, listen: true,
		control: ignoreContext(lc.Control)}
	if lc.MultipathTCP() {
		o.proto = unix.IPPROTO_MPTCP
		if io.open(ctx, &l.socket, o) == nil {
			return l, nil
		}
		o.proto = 0
		l = &TCPListener{keepAlive: lc.KeepAlive, keepAliveConfig: lc.KeepAliveConfig}
	}
	if err := io.open(ctx, &l.socket, o); err != nil {
		return nil, err
	}
	return l, nil
}

func (io *IO) listenUnix(ctx context.Context, lc *ListenConfig, network string, laddr *net.UnixAddr) (*UnixListener,
	error) {
	sotype, err := unixType(network)
	if err != nil {
		return nil, err
	}
	l := &UnixListener{}
	o := &opening{network: network, sotype: sotype, laddr: laddr, listen: true, control: ignoreContext(lc.Control)}
	if err := io.open(ctx, &l.socket, o); err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(true)
	return l, nil
}
