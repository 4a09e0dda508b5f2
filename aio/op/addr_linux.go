package op

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

const cloexec = syscall.O_CLOEXEC // the same number as SOCK_CLOEXEC

// encode writes addr into sa.
func encode(sa *backends.Sockaddr, addr net.Addr) error {
	var ap netip.AddrPort
	port := 0
	switch addr := addr.(type) {
	case *net.TCPAddr:
		if ap = addr.AddrPort(); addr != nil {
			port = addr.Port
		}
	case *net.UDPAddr:
		if ap = addr.AddrPort(); addr != nil {
			port = addr.Port
		}
	case *net.UnixAddr:
		if addr == nil {
			return syscall.EAFNOSUPPORT
		}
		return sys.PutUnix(sa, addr.Name)
	}
	if !ap.IsValid() {
		return syscall.EAFNOSUPPORT
	}
	if int(ap.Port()) != port {
		return syscall.EINVAL
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if ap.Addr().Is4() {
		return sys.PutInet(sa, syscall.AF_INET, ap)
	}
	return sys.PutInet(sa, syscall.AF_INET6, ap)
}

// decode returns the address that accept(2) has written into sa.
func decode(sa *backends.Sockaddr) net.Addr {
	if ap, ok := sys.Inet(sa); ok {
		return net.TCPAddrFromAddrPort(ap)
	}
	if path, ok := sys.Unix(sa); ok {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	return nil
}
