package aio

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// endpoint is an address in the forms that a socket needs: family, and the encoded address.
type endpoint struct {
	addr   net.Addr // *net.TCPAddr or *net.UnixAddr
	family int
	v6only bool
	sa     backends.Sockaddr
}

// endpointOf encodes addr for a socket of network. A wildcard is dual-stack where the system is.
func endpointOf(network string, addr net.Addr) (*endpoint, error) {
	e := &endpoint{addr: addr}
	switch a := addr.(type) {
	case *net.UnixAddr:
		e.family = unix.AF_UNIX
		return e, sys.PutUnix(&e.sa, a.Name)
	case *net.TCPAddr:
		ip, _ := netip.AddrFromSlice(a.IP)
		ip = ip.WithZone(a.Zone)
		switch {
		case strings.HasSuffix(network, "4"), ip.Unmap().Is4():
			e.family = unix.AF_INET
			if ip.Is4In6() {
				ip = ip.Unmap()
			}
		case strings.HasSuffix(network, "6"):
			e.family, e.v6only = unix.AF_INET6, true
		case ip.IsValid() || haveIPv6():
			e.family = unix.AF_INET6
		default:
			e.family = unix.AF_INET
		}
		if e.family == unix.AF_INET && ip.IsValid() && !ip.Is4() && !ip.IsUnspecified() {
			return nil, &net.AddrError{Err: "non-IPv4 address", Addr: a.String()}
		}
		return e, sys.PutInet(&e.sa, e.family, netip.AddrPortFrom(ip, uint16(a.Port)))
	}
	return nil, net.UnknownNetworkError(network)
}

var haveIPv6 = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) == nil && unix.Bind(fd, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}) == nil
})

// socket makes a non-blocking stream socket for e.
func socket(e *endpoint) (int, error) {
	fd, err := unix.Socket(e.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if e.family == unix.AF_INET6 {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolInt(e.v6only))
	}
	return fd, nil
}

// toAddr decodes a socket address the way package net presents it.
func toAddr(sa *backends.Sockaddr) net.Addr {
	if path, ok := sys.Unix(sa); ok {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	if ap, ok := sys.Inet(sa); ok {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
	}
	return nil
}

// resolve turns an address as users write it into endpoints to try.
func resolve(ctx context.Context, network, address string) ([]net.Addr, error) {
	switch network {
	case "unix":
		return []net.Addr{&net.UnixAddr{Name: address, Net: network}}, nil
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(service)
	if err != nil || port < 0 || port > 65535 {
		if port, err = net.DefaultResolver.LookupPort(ctx, network, service); err != nil {
			return nil, err
		}
	}
	if host == "" {
		return []net.Addr{&net.TCPAddr{Port: port}}, nil
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var v4, v6 []net.Addr
	for _, ip := range ips {
		a := &net.TCPAddr{IP: ip.IP, Port: port, Zone: ip.Zone}
		if ip.IP.To4() != nil {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	switch network {
	case "tcp4":
		v6 = nil
	case "tcp6":
		v4 = nil
	}
	if len(v4)+len(v6) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	return append(v4, v6...), nil
}
