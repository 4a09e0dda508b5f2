package aio

import (
	"context"
	"net"
	"os"
	"time"
)

// The functions of package net on Default().

// Dial is net.Dial: see [Dialer.DialContext].
func Dial(network, address string) (net.Conn, error) { return Default().Dial(network, address) }

// DialTimeout is [Dial] that takes timeout at most.
func DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	return Default().DialTimeout(network, address, timeout)
}

// DialContext is [Dial] that also ends when ctx does: see [Dialer.DialContext].
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return Default().DialContext(ctx, network, address)
}

// DialTCP connects to raddr, from laddr or, if that is nil, any local address: net.DialTCP.
func DialTCP(network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	return Default().DialTCP(network, laddr, raddr)
}

// DialUDP makes a socket that sends to raddr and receives only from it: net.DialUDP.
func DialUDP(network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	return Default().DialUDP(network, laddr, raddr)
}

// ListenUDP receives what is sent to laddr: net.ListenUDP.
func ListenUDP(network string, laddr *net.UDPAddr) (*UDPConn, error) {
	return Default().ListenUDP(network, laddr)
}

// ListenMulticastUDP receives what is sent to the group gaddr, on the interface ifi or, if that is
// nil, the one that the system picks: net.ListenMulticastUDP. It is for simple programs; others
// join groups through SyscallConn.
func ListenMulticastUDP(network string, ifi *net.Interface, gaddr *net.UDPAddr) (*UDPConn, error) {
	return Default().ListenMulticastUDP(network, ifi, gaddr)
}

// DialIP makes a raw socket that sends to raddr: net.DialIP. network is like "ip4:icmp" or
// "ip6:58".
func DialIP(network string, laddr, raddr *net.IPAddr) (*IPConn, error) {
	return Default().DialIP(network, laddr, raddr)
}

// ListenIP receives the packets of a protocol sent to laddr: net.ListenIP.
func ListenIP(network string, laddr *net.IPAddr) (*IPConn, error) {
	return Default().ListenIP(network, laddr)
}

// DialUnix connects to raddr, from laddr unless that is nil: net.DialUnix.
func DialUnix(network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	return Default().DialUnix(network, laddr, raddr)
}

// ListenUnixgram listens for packets: net.ListenUnixgram. Close does not remove the socket's file.
func ListenUnixgram(network string, laddr *net.UnixAddr) (*UnixConn, error) {
	return Default().ListenUnixgram(network, laddr)
}

// Listen is net.Listen: see [ListenConfig.Listen].
func Listen(network, address string) (net.Listener, error) { return Default().Listen(network, address) }

// ListenPacket is net.ListenPacket: see [ListenConfig.ListenPacket].
func ListenPacket(network, address string) (net.PacketConn, error) {
	return Default().ListenPacket(network, address)
}

// ListenTCP listens on laddr: net.ListenTCP.
func ListenTCP(network string, laddr *net.TCPAddr) (*TCPListener, error) {
	return Default().ListenTCP(network, laddr)
}

// ListenUnix listens on laddr: net.ListenUnix. network is "unix" or "unixpacket".
func ListenUnix(network string, laddr *net.UnixAddr) (*UnixListener, error) {
	return Default().ListenUnix(network, laddr)
}

// FileConn returns a connection on a duplicate of f, a socket: net.FileConn. Close both. f becomes
// non-blocking.
func FileConn(f *os.File) (net.Conn, error) { return Default().FileConn(f) }

// FileListener returns a listener on a duplicate of f, a listening socket: net.FileListener. Close
// both. f becomes non-blocking.
func FileListener(f *os.File) (net.Listener, error) { return Default().FileListener(f) }

// FilePacketConn returns a packet connection on a duplicate of f, a packet socket:
// net.FilePacketConn. Close both. f becomes non-blocking.
func FilePacketConn(f *os.File) (net.PacketConn, error) { return Default().FilePacketConn(f) }
