//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// socket is what all sockets share: connections, packet sockets, listeners.
type socket struct {
	fd           fd.FD
	laddr, raddr net.Addr
	family       uint16 // AF_*
	sotype       uint16 // SOCK_*
	network      network
	connected    bool // to a peer, to which writes go
}

// network is the name of a network as in addresses, in less space than a string.
type network uint8

var networks = [...]string{"", "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "ip", "ip4", "ip6", "unix", "unixgram",
	"unixpacket"}

func networkOf(name string) network { return network(max(slices.Index(networks[:], name), 0)) }

func (n network) String() string { return networks[n] }

// zeroReadIsEOF reports whether a receive of 0 bytes from a socket of this type is the end.
func zeroReadIsEOF(sotype uint16) bool { return sotype != unix.SOCK_DGRAM && sotype != unix.SOCK_RAW }

// socketKind returns what a descriptor has to know of a socket of this type.
func socketKind(sotype uint16) fd.Kind {
	return fd.Kind{Polled: true, IsStream: sotype == unix.SOCK_STREAM, ZeroReadIsEOF: zeroReadIsEOF(sotype)}
}

func (s *socket) ok() bool { return s != nil && s.fd.Valid() }

// opError wraps err as package net does.
func (s *socket) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: s.network.String(), Source: s.laddr, Addr: s.raddr, Err: err}
}

// localError wraps an error that concerns only this end: deadlines, buffer sizes, everything about
// listeners.
func (s *socket) localError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: s.network.String(), Addr: s.laddr, Err: err}
}

// control runs f on the descriptor, which stays open meanwhile.
func (s *socket) control(f func(fd int) error) error {
	if err := s.fd.Acquire(); err != nil {
		return err
	}
	defer s.fd.Release()
	return f(s.fd.Sysfd)
}

// file returns a duplicate of the descriptor as an *os.File. Package net makes it, because only its
// files behave like those of net's connections: they wait without a thread, obey deadlines and end
// with Close, until Fd returns a descriptor in blocking mode. (os.NewFile keeps the mode, so Fd
// would return a non-blocking one.)
func (s *socket) file() (f *os.File, err error) {
	err = s.control(func(fd int) error {
		dup, err := sys.Dup(fd)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		std := os.NewFile(uintptr(dup), "")
		defer std.Close()
		var of io.Closer
		if s.sotype == unix.SOCK_STREAM || s.sotype == unix.SOCK_SEQPACKET {
			of, err = net.FileListener(std) // unlike FileConn it sets no options, and does not ask what it is
		} else {
			of, err = net.FilePacketConn(std)
		}
		if err == nil {
			defer of.Close()
			f, err = of.(interface{ File() (*os.File, error) }).File()
		}
		if e := (*net.OpError)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return err
	})
	return f, err
}

// addrOf asks the kernel for one of the addresses: unix.SYS_GETSOCKNAME or unix.SYS_GETPEERNAME. It
// returns nil if there is none.
func (s *socket) addrOf(call uintptr) net.Addr {
	var sa backends.Sockaddr
	if sys.SockName(call, s.fd.Sysfd, &sa) != nil {
		return nil
	}
	return s.addr(&sa)
}

// controlFunc is Dialer.ControlContext. The Control functions of dialers and listeners are
// converted to it.
type controlFunc = func(ctx context.Context, network, address string, c syscall.RawConn) error

func ignoreContext(f func(network, address string, c syscall.RawConn) error) controlFunc {
	if f == nil {
		return nil
	}
	return func(_ context.Context, network, address string, c syscall.RawConn) error {
		return f(network, address, c)
	}
}

// opening says which socket to make, and how.
type opening struct {
	network       string // without the protocol of "ip4:icmp"
	sotype, proto int
	laddr, raddr  net.Addr // nil: none
	listen        bool     // for connections or packets of any sender; otherwise connect to raddr, if there is one
	control       controlFunc
}

// open makes the socket that o describes.
func (io *IO) open(ctx context.Context, s *socket, o *opening) error {
	family, v6only := o.family()
	sysfd, err := newSocket(family, o.sotype, o.proto, v6only)
	if err != nil {
		return err
	}
	s.network, s.family, s.sotype = networkOf(o.network), uint16(family), uint16(o.sotype)
	if err := io.shared().Adopt(&s.fd, sysfd, socketKind(s.sotype)); err != nil {
		return err
	}
	if o.raddr == nil && o.laddr != nil && o.sotype != unix.SOCK_RAW {
		err = s.bindAndListen(ctx, o)
	} else {
		err = s.bindAndConnect(ctx, o)
	}
	if err != nil {
		s.fd.Close()
		return err
	}
	if s.laddr = s.addrOf(unix.SYS_GETSOCKNAME); !o.listen || o.sotype == unix.SOCK_RAW {
		if s.raddr = s.addrOf(unix.SYS_GETPEERNAME); s.raddr == nil {
			s.raddr = o.raddr
		}
	}
	return nil
}

// family returns the address family of the socket, and whether an IPv6 socket is for IPv6 only. The
// rules are those of package net: a wildcard to listen on is dual-stack if the system is; otherwise
// it is IPv4 if both addresses allow it.
func (o *opening) family() (family int, v6only bool) {
	if o.sotype == unix.SOCK_SEQPACKET || isUnix(o.network) {
		return unix.AF_UNIX, false
	}
	switch o.network[len(o.network)-1] {
	case '4':
		return unix.AF_INET, false
	case '6':
		return unix.AF_INET6, true
	}
	l, r := hostOf(o.laddr), hostOf(o.raddr)
	switch {
	case o.listen && l.wildcard() && dualStack():
		return unix.AF_INET6, false
	case l.v4() && r.v4():
		return unix.AF_INET, false
	}
	return unix.AF_INET6, false
}

func isUnix(network string) bool {
	return network == "unix" || network == "unixgram" || network == "unixpacket"
}

// dualStack reports whether an IPv6 socket can serve IPv4 too.
var dualStack = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	mapped := &unix.SockaddrInet6{Addr: [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) == nil && unix.Bind(fd, mapped) == nil
})

// newSocket makes a non-blocking socket with the options that package net gives it.
func newSocket(family, sotype, proto int, v6only bool) (int, error) {
	fd, err := unix.Socket(family, sotype|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family == unix.AF_INET6 && sotype != unix.SOCK_RAW {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolInt(v6only))
	}
	if family != unix.AF_UNIX && sotype != unix.SOCK_STREAM {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	return fd, nil
}

// consult runs the user's Control function.
func (s *socket) consult(ctx context.Context, o *opening, addr net.Addr) error {
	if o.control == nil {
		return nil
	}
	network := o.network
	if s.family != unix.AF_UNIX {
		if c := network[len(network)-1]; c != '4' && c != '6' {
			network += map[bool]string{true: "4", false: "6"}[s.family == unix.AF_INET]
		}
	}
	address := ""
	if addr != nil {
		address = addr.String()
	}
	return o.control(ctx, network, address, &rawConn{s: s})
}

func (s *socket) bindAndListen(ctx context.Context, o *opening) error {
	laddr := o.laddr
	stream := o.sotype != unix.SOCK_DGRAM
	reuse := stream
	if a, ok := laddr.(*net.UDPAddr); ok && a.IP.IsMulticast() { // several may listen, and others join the group
		reuse = true
		any := *a
		if any.IP = net.IPv6unspecified; s.family == unix.AF_INET {
			any.IP = net.IPv4zero
		}
		laddr = &any
	}
	if reuse {
		if err := unix.SetsockoptInt(s.fd.Sysfd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	var sa backends.Sockaddr
	err := s.encode(laddr, &sa)
	if _, errno := err.(unix.Errno); err != nil && !errno {
		return err
	}
	if err := s.consult(ctx, o, laddr); err != nil {
		return err
	}
	if err == nil {
		err = sys.Bind(s.fd.Sysfd, &sa)
	}
	if err != nil {
		return fd.SyscallError("bind", err)
	}
	if !stream {
		return nil
	}
	return os.NewSyscallError("listen", unix.Listen(s.fd.Sysfd, backlog()))
}

func (s *socket) bindAndConnect(ctx context.Context, o *opening) error {
	addr := o.raddr
	if addr == nil {
		addr = o.laddr
	}
	if err := s.consult(ctx, o, addr); err != nil {
		return err
	}
	var sa backends.Sockaddr
	if o.laddr != nil {
		err := s.encode(o.laddr, &sa)
		if err == nil {
			err = sys.Bind(s.fd.Sysfd, &sa)
		}
		if err != nil {
			return fd.SyscallError("bind", err)
		}
	}
	if o.raddr == nil {
		return nil
	}
	if err := s.encode(o.raddr, &sa); err != nil {
		return fd.SyscallError("connect", err)
	}
	if err := s.fd.Connect(ctx, &sa); err != nil {
		return err
	}
	s.connected = true
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setsockoptInt sets an option to a number that comes from the user. The kernel takes 32 bits of
// it.
func setsockoptInt(fd, level, opt, v int) error {
	if int(int32(v)) != v {
		return unix.EINVAL
	}
	return unix.SetsockoptInt(fd, level, opt, v)
}
