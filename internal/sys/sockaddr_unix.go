//go:build unix

package sys

import (
	"encoding/binary"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// hasLength says that a struct sockaddr begins with its length, as on BSD and its descendants, and
// not with a family of 16 bits.
const hasLength = runtime.GOOS != "linux" && runtime.GOOS != "android" && runtime.GOOS != "solaris" &&
	runtime.GOOS != "illumos"

func familyOf(sa *Sockaddr) int {
	if hasLength {
		return int(sa.Data[1])
	}
	return int(binary.NativeEndian.Uint16(sa.Data[:]))
}

func putFamily(sa *Sockaddr, family int, size uint32) {
	clear(sa.Data[:])
	sa.Len = size
	if hasLength {
		sa.Data[0], sa.Data[1] = byte(size), byte(family)
		return
	}
	binary.NativeEndian.PutUint16(sa.Data[:], uint16(family))
}

// ToUnix decodes an internet or unix address into the form of package unix. It fails with
// EAFNOSUPPORT for other families, and with EINVAL for an address that is too short for its family.
func ToUnix(sa *Sockaddr) (unix.Sockaddr, error) {
	const pathOff = 2
	d := sa.Data[:]
	if sa.Len < pathOff || int(sa.Len) > len(d) {
		return nil, unix.EINVAL
	}
	switch familyOf(sa) {
	case unix.AF_INET:
		if sa.Len < unix.SizeofSockaddrInet4 {
			return nil, unix.EINVAL
		}
		return &unix.SockaddrInet4{Port: int(binary.BigEndian.Uint16(d[2:])), Addr: [4]byte(d[4:])}, nil
	case unix.AF_INET6:
		if sa.Len < unix.SizeofSockaddrInet6 {
			return nil, unix.EINVAL
		}
		return &unix.SockaddrInet6{
			Port: int(binary.BigEndian.Uint16(d[2:])), Addr: [16]byte(d[8:]),
			ZoneId: binary.NativeEndian.Uint32(d[24:]),
		}, nil
	case unix.AF_UNIX:
		path := string(d[pathOff:sa.Len])
		if strings.HasPrefix(path, "\x00") { // abstract
			return &unix.SockaddrUnix{Name: "@" + path[1:]}, nil
		}
		path, _, _ = strings.Cut(path, "\x00")
		return &unix.SockaddrUnix{Name: path}, nil
	}
	return nil, unix.EAFNOSUPPORT
}

// FromUnix encodes an address of package unix into sa as a system call would: as much as there is
// room for, which is sa.Len bytes before the call. After it sa.Len is the length of the whole
// address, or 0 if there is none or its family is unknown.
func FromUnix(sa *Sockaddr, from unix.Sockaddr) {
	const pathOff = 2
	var whole Sockaddr
	d := whole.Data[:]
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		putFamily(&whole, unix.AF_INET, unix.SizeofSockaddrInet4)
		binary.BigEndian.PutUint16(d[2:], uint16(a.Port))
		copy(d[4:], a.Addr[:])
	case *unix.SockaddrInet6:
		putFamily(&whole, unix.AF_INET6, unix.SizeofSockaddrInet6)
		binary.BigEndian.PutUint16(d[2:], uint16(a.Port))
		copy(d[8:], a.Addr[:])
		binary.NativeEndian.PutUint32(d[24:], a.ZoneId)
	case *unix.SockaddrUnix:
		size := pathOff + len(a.Name)
		if a.Name != "" && a.Name[0] != '@' {
			size++ // the terminating NUL
		}
		putFamily(&whole, unix.AF_UNIX, uint32(min(size, len(d))))
		copy(d[pathOff:], a.Name)
		if strings.HasPrefix(a.Name, "@") {
			d[pathOff] = 0
		}
	}
	copy(sa.Data[:min(int(sa.Len), len(d))], d[:whole.Len])
	sa.Len = whole.Len
}
