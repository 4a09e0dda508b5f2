//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// host is the internet address in a net.Addr.
type host struct {
	ip   net.IP
	port int
	zone string
}

// hostOf returns the internet address of addr. An address of another kind, or a nil pointer, has no
// IP.
func hostOf(addr net.Addr) host {
	switch a := addr.(type) {
	case *net.TCPAddr:
		if a != nil {
			return host{a.IP, a.Port, a.Zone}
		}
	case *net.UDPAddr:
		if a != nil {
			return host{a.IP, a.Port, a.Zone}
		}
	case *net.IPAddr:
		if a != nil {
			return host{ip: a.IP, zone: a.Zone}
		}
	}
	return host{}
}

func (a host) wildcard() bool { return len(a.ip) == 0 || a.ip.IsUnspecified() }

// v4 reports whether an IPv4 socket can use the address.
func (a host) v4() bool { return len(a.ip) <= net.IPv4len || a.ip.To4() != nil }

// encode puts addr into sa, in the form that the kernel takes for this socket.
func (s *socket) encode(addr net.Addr, sa *backends.Sockaddr) error {
	if a, ok := addr.(*net.UnixAddr); ok {
		return sys.PutUnix(sa, a.Name)
	}
	a := hostOf(addr)
	ip := a.ip
	if len(ip) == 0 || s.family == unix.AF_INET6 && ip.Equal(net.IPv4zero) {
		return s.putInet(sa, netip.Addr{}, a.port)
	}
	kind, fits := "non-IPv6 address", ip.To16()
	if s.family == unix.AF_INET {
		kind, fits = "non-IPv4 address", ip.To4()
	}
	if fits == nil {
		return &net.AddrError{Err: kind, Addr: ip.String()}
	}
	n, _ := netip.AddrFromSlice(fits)
	return s.putInet(sa, n.WithZone(a.zone), a.port)
}

// putInet is the last step of encode. It refuses an invalid port as package net does.
func (s *socket) putInet(sa *backends.Sockaddr, ip netip.Addr, port int) error {
	if int(uint16(port)) != port {
		return unix.EINVAL
	}
	return sys.PutInet(sa, int(s.family), netip.AddrPortFrom(ip, uint16(port)))
}

// encodeAddrPort is encode for a netip.AddrPort.
func (s *socket) encodeAddrPort(ap netip.AddrPort, sa *backends.Sockaddr) error {
	if s.family == unix.AF_INET && !ap.Addr().Is4() && !ap.Addr().Is4In6() {
		return &net.AddrError{Err: "non-IPv4 address", Addr: ap.Addr().String()}
	}
	return sys.PutInet(sa, int(s.family), ap)
}

// addr decodes a socket address the way package net presents it for this kind of socket.
func (s *socket) addr(sa *backends.Sockaddr) net.Addr {
	switch s.family {
	case unix.AF_UNIX:
		if path, ok := sys.Unix(sa); ok {
			if path == "" {
				path = "@" // package net shows a socket without a name like this
			}
			return &net.UnixAddr{Name: path, Net: unixNetwork(s.sotype)}
		}
	case unix.AF_INET, unix.AF_INET6:
		ap, ok := sys.Inet(sa)
		if !ok {
			return nil
		}
		ip, port, zone := ap.Addr().AsSlice(), int(ap.Port()), ap.Addr().Zone()
		switch s.sotype {
		case unix.SOCK_STREAM:
			return &net.TCPAddr{IP: ip, Port: port, Zone: zone}
		case unix.SOCK_DGRAM:
			return &net.UDPAddr{IP: ip, Port: port, Zone: zone}
		case unix.SOCK_RAW:
			return &net.IPAddr{IP: ip, Zone: zone}
		}
	}
	return nil
}

func unixNetwork(sotype uint16) string {
	switch sotype {
	case unix.SOCK_DGRAM:
		return "unixgram"
	case unix.SOCK_SEQPACKET:
		return "unixpacket"
	}
	return "unix"
}

var errMissingAddress = errors.New("missing address")

// splitNetwork splits "ip4:icmp" into its two parts, and refuses networks that package net does not
// know.
func splitNetwork(network string, needsProto bool) (afnet string, proto int, err error) {
	afnet, name, ok := strings.Cut(network, ":")
	switch afnet {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram", "unixpacket":
		if !ok {
			return afnet, 0, nil
		}
	case "ip", "ip4", "ip6":
		if !ok && !needsProto {
			return afnet, 0, nil
		}
		if ok {
			proto, err = protocol(name)
			return afnet, proto, err
		}
	}
	return "", 0, net.UnknownNetworkError(network)
}

// protocol returns the number of an IP protocol.
func protocol(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	file, _ := os.ReadFile("/etc/protocols")
	for line := range strings.Lines(string(file)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		for i, w := range words {
			if i != 1 && w == name && len(words) > 1 {
				if n, err := strconv.Atoi(words[1]); err == nil {
					return n, nil
				}
			}
		}
	}
	switch strings.ToLower(name) {
	case "icmp":
		return unix.IPPROTO_ICMP, nil
	case "igmp":
		return unix.IPPROTO_IGMP, nil
	case "tcp":
		return unix.IPPROTO_TCP, nil
	case "udp":
		return unix.IPPROTO_UDP, nil
	case "ipv6-icmp":
		return unix.IPPROTO_ICMPV6, nil
	}
	return 0, &net.AddrError{Err: "unknown IP protocol specified", Addr: name}
}

// resolve returns the addresses to try, in order, for an address as users write it.
func resolve(ctx context.Context, r *net.Resolver, network, address string) ([]net.Addr, error) {
	afnet, _, err := splitNetwork(network, true)
	if err != nil {
		return nil, err
	}
	if isUnix(afnet) {
		return []net.Addr{&net.UnixAddr{Name: address, Net: afnet}}, nil
	}
	if r == nil {
		r = net.DefaultResolver
	}
	name, port := address, 0
	if afnet[0] != 'i' && address != "" {
		var service string
		if name, service, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
		if port, err = r.LookupPort(ctx, afnet, service); err != nil {
			return nil, err
		}
	}
	ips := []net.IPAddr{{}}
	if name != "" {
		if ips, err = lookup(ctx, r, afnet, name); err != nil {
			return nil, err
		}
	}
	addrs := make([]net.Addr, len(ips))
	for i, ip := range ips {
		switch afnet[0] {
		case 't':
			addrs[i] = &net.TCPAddr{IP: ip.IP, Port: port, Zone: ip.Zone}
		case 'u':
			addrs[i] = &net.UDPAddr{IP: ip.IP, Port: port, Zone: ip.Zone}
		default:
			addrs[i] = &net.IPAddr{IP: ip.IP, Zone: ip.Zone}
		}
	}
	return addrs, nil
}

// lookup finds the addresses of a name that suit a network.
func lookup(ctx context.Context, r *net.Resolver, afnet, name string) ([]net.IPAddr, error) {
	only := afnet[len(afnet)-1]
	if only != '4' && only != '6' {
		ips, err := r.LookupIPAddr(ctx, name)
		if err == nil && len(ips) == 1 && ips[0].IP.Equal(net.IPv6unspecified) {
			ips = append(ips, net.IPAddr{IP: net.IPv4zero}) // for systems on which IPv6 works only in part
		}
		return ips, err
	}
	if strings.IndexByte(name, '%') < 0 { // asks for one kind of record only
		found, err := r.LookupIP(ctx, "ip"+string(only), name)
		ips := make([]net.IPAddr, len(found))
		for i, ip := range found {
			ips[i].IP = ip
		}
		return ips, err
	}
	all, err := r.LookupIPAddr(ctx, name)
	if err != nil {
		return nil, err
	}
	var ips []net.IPAddr
	for _, ip := range all {
		if (ip.IP.To4() != nil) == (only == '4') {
			ips = append(ips, ip)
		}
	}
	if len(ips) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: name}
	}
	return ips, nil
}

// isV4 reports whether a is an IPv4 address.
func isV4(a net.Addr) bool { return hostOf(a).ip.To4() != nil }

// addrOrNil turns a nil pointer into a nil interface.
func addrOrNil[A interface {
	comparable
	net.Addr
}](a A) net.Addr {
	if a == *new(A) {
		return nil
	}
	return a
}
