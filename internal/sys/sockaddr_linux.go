package sys

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// PutInet encodes ap as the address of a socket of family (unix.AF_INET or unix.AF_INET6) into sa.
// An IPv4 address goes into an AF_INET6 socket as a mapped one; an invalid or unspecified one
// becomes the family's wildcard.
func PutInet(sa *Sockaddr, family int, ap netip.AddrPort) error {
	d := sa.Data[:]
	clear(d)
	binary.NativeEndian.PutUint16(d, uint16(family))
	binary.BigEndian.PutUint16(d[2:], ap.Port())
	ip := ap.Addr()
	switch family {
	case unix.AF_INET:
		if ip.IsValid() && ip != netip.IPv6Unspecified() {
			if ip = ip.Unmap(); !ip.Is4() {
				return errors.New("non-IPv4 address")
			}
			a := ip.As4()
			copy(d[4:], a[:])
		}
		sa.Len = unix.SizeofSockaddrInet4
	case unix.AF_INET6:
		if ip.IsValid() && ip != netip.IPv4Unspecified() {
			a := ip.As16()
			copy(d[8:], a[:])
			binary.NativeEndian.PutUint32(d[24:], zoneID(ip.Zone()))
		}
		sa.Len = unix.SizeofSockaddrInet6
	default:
		return errors.New("not an internet address family")
	}
	return nil
}

// PutUnix encodes the path of a unix socket into sa; a leading '@' or NUL makes it abstract, as in
// package net.
func PutUnix(sa *Sockaddr, path string) error {
	const pathOff = 2
	if len(path) > unix.SizeofSockaddrUnix-pathOff || path != "" && path[0] != '@' && path[0] != 0 &&
		len(path) == unix.SizeofSockaddrUnix-pathOff {
		return unix.EINVAL
	}
	d := sa.Data[:]
	clear(d)
	binary.NativeEndian.PutUint16(d, unix.AF_UNIX)
	copy(d[pathOff:], path)
	sa.Len = pathOff + uint32(len(path))
	switch {
	case path == "":
	case path[0] == '@':
		d[pathOff] = 0
	case path[0] != 0:
		sa.Len++ // the terminating NUL
	}
	return nil
}

// Inet decodes an internet address; ok is false if sa holds something else. IPv4-mapped addresses
// stay mapped: callers that want package net's view unmap them.
func Inet(sa *Sockaddr) (ap netip.AddrPort, ok bool) {
	d := sa.Data[:]
	switch {
	case sa.Len >= unix.SizeofSockaddrInet4 && Family(sa) == unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(d[4:8])), binary.BigEndian.Uint16(d[2:])), true
	case sa.Len >= unix.SizeofSockaddrInet6 && Family(sa) == unix.AF_INET6:
		ip := netip.AddrFrom16([16]byte(d[8:24]))
		if zone := binary.NativeEndian.Uint32(d[24:]); zone != 0 && !ip.Is4In6() {
			ip = ip.WithZone(zoneName(zone))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(d[2:])), true
	}
	return netip.AddrPort{}, false
}

// Unix decodes the path of a unix socket, with '@' for the NUL of an abstract one; ok is false if
// sa holds something else.
func Unix(sa *Sockaddr) (path string, ok bool) {
	if sa.Len < 2 || Family(sa) != unix.AF_UNIX {
		return "", false
	}
	p := sa.Data[2:min(sa.Len, unix.SizeofSockaddrUnix)]
	if len(p) == 0 {
		return "", true
	}
	if p[0] == 0 {
		return "@" + string(p[1:]), true
	}
	path, _, _ = strings.Cut(string(p), "\x00")
	return path, true
}

// Family returns the address family in sa.
func Family(sa *Sockaddr) int { return int(binary.NativeEndian.Uint16(sa.Data[:])) }

// zones caches the names of interfaces for a minute: a lookup asks the kernel for all of them, and
// an address with a zone comes with every packet from the local link.
var zones struct {
	sync.RWMutex
	ids   map[string]uint32
	names map[uint32]string
	until time.Time
}

// askZones asks the kernel.
func askZones() {
	ifis, err := net.Interfaces()
	if err != nil {
		return
	}
	zones.Lock()
	defer zones.Unlock()
	zones.until = time.Now().Add(time.Minute)
	zones.ids, zones.names = make(map[string]uint32, len(ifis)), make(map[uint32]string, len(ifis))
	for _, ifi := range ifis {
		zones.ids[ifi.Name], zones.names[uint32(ifi.Index)] = uint32(ifi.Index), ifi.Name
	}
}

func zoneID(name string) uint32 {
	if name == "" {
		return 0
	}
	for asked := false; ; asked = true {
		zones.RLock()
		id, ok := zones.ids[name]
		fresh := time.Now().Before(zones.until)
		zones.RUnlock()
		if ok && fresh || asked {
			return id
		}
		if n, err := strconv.ParseUint(name, 10, 32); err == nil && !ok {
			return uint32(n)
		}
		askZones()
	}
}

func zoneName(id uint32) string {
	for asked := false; ; asked = true {
		zones.RLock()
		name, ok := zones.names[id]
		fresh := time.Now().Before(zones.until)
		zones.RUnlock()
		switch {
		case ok && (fresh || asked):
			return name
		case asked:
			return strconv.FormatUint(uint64(id), 10)
		}
		askZones()
	}
}
