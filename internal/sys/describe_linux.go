package sys

import (
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Describe says what a descriptor of this process is: the name that /proc has for it and, of a
// socket, the addresses of its ends. What cannot be found out is empty. It changes nothing and does
// not wait for a peer.
func Describe(fd int) (name, local, peer string) {
	if fd < 0 {
		return "", "", ""
	}
	name, _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if sa, err := unix.Getsockname(fd); err == nil {
		local = addressText(sa)
		if sa, err := unix.Getpeername(fd); err == nil {
			peer = addressText(sa)
		}
	}
	return name, local, peer
}

func addressText(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(sa.Port)).String()
	case *unix.SockaddrUnix:
		return sa.Name
	}
	return ""
}
