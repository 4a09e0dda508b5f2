//go:build !linux || weir_portable

package aio

import (
	"context"
	"net"
	"os"
)

// plain returns lc as a net.ListenConfig.
func (lc *ListenConfig) plain() *net.ListenConfig {
	p := &net.ListenConfig{Control: lc.Control, KeepAlive: lc.KeepAlive, KeepAliveConfig: lc.KeepAliveConfig}
	if lc.mptcp != multipathDefault {
		p.SetMultipathTCP(lc.mptcp == multipathOn)
	}
	return p
}

// Listen listens for connections: see net.ListenConfig.Listen.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	mustContext(ctx)
	io := lc.io()
	listen := func() (net.Listener, error) { return lc.plain().Listen(ctx, network, address) }
	return made(io, "listen", network, listen, io.listener)
}

// ListenPacket receives packets: see net.ListenConfig.ListenPacket.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	mustContext(ctx)
	io := lc.io()
	listen := func() (net.PacketConn, error) { return lc.plain().ListenPacket(ctx, network, address) }
	return made(io, "listen", network, listen, io.packetConn)
}

// Listen is net.Listen: see [ListenConfig.Listen].
func (io *IO) Listen(network, address string) (net.Listener, error) {
	return io.listenConfig().Listen(context.Background(), network, address)
}

// ListenPacket is net.ListenPacket: see [ListenConfig.ListenPacket].
func (io *IO) ListenPacket(network, address string) (net.PacketConn, error) {
	return io.listenConfig().ListenPacket(context.Background(), network, address)
}

// listener makes a listener of the IO from l.
func (io *IO) listener(l net.Listener) (net.Listener, error) {
	switch l := l.(type) {
	case *net.TCPListener:
		return orNil[net.Listener](io.tcpListener(l))
	case *net.UnixListener:
		return orNil[net.Listener](io.unixListener(l))
	}
	return l, nil
}

// packetConn makes a packet connection of the IO from c.
func (io *IO) packetConn(c net.PacketConn) (net.PacketConn, error) {
	switch c := c.(type) {
	case *net.UDPConn:
		return orNil[net.PacketConn](io.udp(c))
	case *net.IPConn:
		return orNil[net.PacketConn](io.ip(c))
	case *net.UnixConn:
		return orNil[net.PacketConn](io.unix(c))
	}
	return c, nil
}

// FileConn returns a connection on a duplicate of f: see [FileConn].
func (io *IO) FileConn(f *os.File) (net.Conn, error) {
	io.running()
	dup := func() (net.Conn, error) { return net.FileConn(f) }
	return made(io, "file", "file+net", dup, func(c net.Conn) (net.Conn, error) { return io.conn("file", c) })
}

// FileListener returns a listener on a duplicate of f: see [FileListener].
func (io *IO) FileListener(f *os.File) (net.Listener, error) {
	io.running()
	return made(io, "file", "file+net", func() (net.Listener, error) { return net.FileListener(f) }, io.listener)
}

// FilePacketConn returns a packet connection on a duplicate of f: see [FilePacketConn].
func (io *IO) FilePacketConn(f *os.File) (net.PacketConn, error) {
	io.running()
	return made(io, "file", "file+net", func() (net.PacketConn, error) { return net.FilePacketConn(f) }, io.packetConn)
}
