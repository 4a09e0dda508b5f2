//go:build !weir_portable

package aio

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// FileConn returns a connection on a duplicate of f: see [FileConn].
func (io *IO) FileConn(f *os.File) (net.Conn, error) {
	return fromFile(io, f, func(fd int, k kind) (net.Conn, *socket) {
		if k != kindTCP {
			c, s := newPacketConn(k)
			return c, s
		}
		prepareTCP(fd, 0, net.KeepAliveConfig{})
		c := &TCPConn{}
		return c, &c.socket
	})
}

// FileListener returns a listener on a duplicate of f: see [FileListener].
func (io *IO) FileListener(f *os.File) (net.Listener, error) {
	return fromFile(io, f, func(_ int, k kind) (net.Listener, *socket) {
		switch k {
		case kindTCP:
			l := &TCPListener{}
			return l, &l.socket
		case kindUnix:
			l := &UnixListener{}
			return l, &l.socket
		}
		return nil, nil
	})
}

// FilePacketConn returns a packet connection on a duplicate of f: see [FilePacketConn].
func (io *IO) FilePacketConn(f *os.File) (net.PacketConn, error) {
	return fromFile(io, f, func(_ int, k kind) (net.PacketConn, *socket) {
		c, s := newPacketConn(k)
		return c, s
	})
}

// packetConn is what connections of packets are.
type packetConn interface {
	net.Conn
	net.PacketConn
}

// newPacketConn returns a connection of kind k with its socket, or nil if that is none of packets.
func newPacketConn(k kind) (packetConn, *socket) {
	switch k {
	case kindUDP:
		c := &UDPConn{}
		return c, &c.socket
	case kindIP:
		c := &IPConn{}
		return c, &c.socket
	case kindUnix:
		c := &UnixConn{}
		return c, &c.socket
	}
	return nil, nil
}

// fromFile returns what open makes of a duplicate of f, which is a socket. open returns nil for a
// kind that it does not take.
func fromFile[T any](io *IO, f *os.File, open func(fd int, k kind) (T, *socket)) (T, error) {
	var none T
	io.running()
	fd, found, err := fileSocket(f)
	if err != nil {
		return none, fileError(f, err)
	}
	x, s := open(fd, found.kind())
	if err := io.adoptFile(fd, s, found); err != nil {
		return none, fileError(f, err)
	}
	return x, nil
}

// found is what the kernel says about a socket.
type found struct {
	family, sotype int
	local          backends.Sockaddr
}

// kind says which type stands for a socket.
type kind uint8

const (
	kindNone kind = iota
	kindTCP
	kindUDP
	kindIP
	kindUnix
)

func (s *found) kind() kind {
	switch s.family {
	case unix.AF_UNIX:
		return kindUnix
	case unix.AF_INET, unix.AF_INET6:
		switch s.sotype {
		case unix.SOCK_STREAM:
			return kindTCP
		case unix.SOCK_DGRAM:
			return kindUDP
		case unix.SOCK_RAW:
			return kindIP
		}
	}
	return kindNone
}

// fileSocket duplicates the descriptor of f, a socket.
func fileSocket(f *os.File) (fd int, s *found, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, nil, err
	}
	if err2 := raw.Control(func(orig uintptr) {
		fd, err = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	}); err2 != nil || err != nil {
		return -1, nil, errors.Join(err2, os.NewSyscallError("fcntl", err))
	}
	s = new(found)
	call := "setnonblock"
	if err = unix.SetNonblock(fd, true); err == nil {
		call = "getsockopt"
		s.sotype, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	}
	if err == nil {
		call = "getsockname"
		err = sys.SockName(unix.SYS_GETSOCKNAME, fd, &s.local)
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, os.NewSyscallError(call, err)
	}
	s.family = sys.Family(&s.local)
	return fd, s, nil
}

// adoptFile makes fd, which it owns from now on, the descriptor of s. If s is nil the socket is of
// the wrong kind.
func (io *IO) adoptFile(sysfd int, s *socket, f *found) error {
	if s == nil {
		unix.Close(sysfd)
		return unix.EINVAL
	}
	if err := io.shared().Adopt(&s.fd, sysfd, socketKind(uint16(f.sotype))); err != nil {
		return err
	}
	s.family, s.sotype = uint16(f.family), uint16(f.sotype)
	s.laddr, s.raddr = s.addr(&f.local), s.addrOf(unix.SYS_GETPEERNAME)
	s.network, s.connected = networkOf(s.laddr.Network()), s.raddr != nil
	return nil
}

func fileError(f *os.File, err error) error {
	return &net.OpError{Op: "file", Net: "file+net", Addr: fileAddr(f.Name()), Err: err}
}

type fileAddr string

func (fileAddr) Network() string  { return "file+net" }
func (f fileAddr) String() string { return string(f) }
