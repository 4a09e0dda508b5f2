package sys

import (
	"encoding/binary"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func addrPort(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	if s == "" {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return ap
}

func TestInet(t *testing.T) {
	for _, tt := range []struct {
		family   int
		in, want string
	}{
		{unix.AF_INET, "1.2.3.4:80", "1.2.3.4:80"},
		{unix.AF_INET, "255.255.255.255:65535", "255.255.255.255:65535"},
		{unix.AF_INET, "[::ffff:1.2.3.4]:80", "1.2.3.4:80"},
		{unix.AF_INET, "0.0.0.0:1", "0.0.0.0:1"},
		{unix.AF_INET, "[::]:1", "0.0.0.0:1"},
		{unix.AF_INET, "", "0.0.0.0:0"},
		{unix.AF_INET6, "[::1]:443", "[::1]:443"},
		{unix.AF_INET6, "[2001:db8::7:8]:256", "[2001:db8::7:8]:256"},
		{unix.AF_INET6, "1.2.3.4:80", "[::ffff:1.2.3.4]:80"},
		{unix.AF_INET6, "[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]:80"},
		{unix.AF_INET6, "0.0.0.0:1", "[::]:1"},
		{unix.AF_INET6, "[::]:1", "[::]:1"},
		{unix.AF_INET6, "", "[::]:0"},
		{unix.AF_INET6, "[fe80::1%lo]:5", "[fe80::1%lo]:5"},
		{unix.AF_INET6, "[fe80::1%1]:5", "[fe80::1%lo]:5"},
		{unix.AF_INET6, "[fe80::1%4000000]:5", "[fe80::1%4000000]:5"},
		{unix.AF_INET6, "[fe80::1%nosuchzone]:5", "[fe80::1]:5"},
	} {
		sa := dirty()
		if err := PutInet(sa, tt.family, addrPort(t, tt.in)); err != nil {
			t.Errorf("PutInet(%d, %s): %v", tt.family, tt.in, err)
			continue
		}
		if got, ok := Inet(sa); !ok || got.String() != tt.want || Family(sa) != tt.family {
			t.Errorf("PutInet(%d, %s) decodes as %v, %v, family %d, want %s", tt.family, tt.in, got, ok, Family(sa),
				tt.want)
		}
		want := uint32(unix.SizeofSockaddrInet4)
		if tt.family == unix.AF_INET6 {
			want = unix.SizeofSockaddrInet6
		}
		if sa.Len != want {
			t.Errorf("PutInet(%d, %s): length %d, want %d", tt.family, tt.in, sa.Len, want)
		}
		for i, b := range sa.Data[sa.Len:] {
			if b != 0 {
				t.Errorf("PutInet(%d, %s) left byte %d behind the address as it was", tt.family, tt.in, i)
				break
			}
		}
		if _, ok := Unix(sa); ok {
			t.Errorf("%s decodes as a unix address", tt.in)
		}
	}
	sa := new(Sockaddr)
	if err := PutInet(sa, unix.AF_INET, addrPort(t, "[::1]:1")); err == nil || err.Error() != "non-IPv4 address" {
		t.Errorf("an IPv6 address for an IPv4 socket: %v", err)
	}
	if err := PutInet(sa, unix.AF_UNIX, addrPort(t, "1.2.3.4:1")); err == nil {
		t.Error("PutInet for a unix socket succeeded")
	}
}

// dirty is an address with something in it.
func dirty() *Sockaddr {
	sa := &Sockaddr{Len: 99}
	for i := range sa.Data {
		sa.Data[i] = 0xEE
	}
	return sa
}

func TestUnix(t *testing.T) {
	long := strings.Repeat("x", 107)
	for _, tt := range []struct {
		in, want string
		len      uint32
	}{
		{"", "", 2},
		{"/tmp/x", "/tmp/x", 2 + 6 + 1},
		{"x", "x", 2 + 1 + 1},
		{"@", "@", 2 + 1},
		{"@name", "@name", 2 + 5},
		{"\x00name", "@name", 2 + 5},
		{"@a\x00b", "@a\x00b", 2 + 4},
		{long, long, 2 + 107 + 1},
		{"@" + long, "@" + long, 2 + 108},
	} {
		sa := dirty()
		if err := PutUnix(sa, tt.in); err != nil {
			t.Errorf("PutUnix(%q): %v", tt.in, err)
			continue
		}
		if got, ok := Unix(sa); !ok || got != tt.want || sa.Len != tt.len {
			t.Errorf("PutUnix(%q) decodes as %q, %v, length %d, want %q, %d", tt.in, got, ok, sa.Len, tt.want, tt.len)
		}
		if _, ok := Inet(sa); ok {
			t.Errorf("%q decodes as an internet address", tt.in)
		}
	}
	for _, in := range []string{long + "x", long + "xx", "@" + long + "x", "\x00" + long + "x"} {
		if err := PutUnix(new(Sockaddr), in); err != unix.EINVAL {
			t.Errorf("PutUnix of %d bytes: %v, want EINVAL", len(in), err)
		}
	}
}

func TestDecodeShort(t *testing.T) {
	for _, family := range []uint16{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX, unix.AF_NETLINK} {
		sa := new(Sockaddr)
		binary.NativeEndian.PutUint16(sa.Data[:], family)
		for sa.Len = 0; sa.Len <= uint32(len(sa.Data))+10; sa.Len++ {
			_, inet := Inet(sa)
			_, path := Unix(sa)
			wantInet := family == unix.AF_INET && sa.Len >= 16 || family == unix.AF_INET6 && sa.Len >= 28
			wantPath := family == unix.AF_UNIX && sa.Len >= 2
			if inet != wantInet || path != wantPath {
				t.Errorf("family %d, length %d: Inet %v, Unix %v, want %v, %v", family, sa.Len, inet, path, wantInet,
					wantPath)
			}
		}
	}
}

// The kernel agrees with the encoding, and so does package unix.
func TestSockaddrKernel(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		family int
		addr   string // of an internet socket
		path   string // of a unix socket
	}{
		{family: unix.AF_INET, addr: "127.0.0.1:0"},
		{family: unix.AF_INET, addr: "0.0.0.0:0"},
		{family: unix.AF_INET, addr: "127.1.2.3:0"},
		{family: unix.AF_INET6, addr: "[::1]:0"},
		{family: unix.AF_INET6, addr: "[::]:0"},
		{family: unix.AF_INET6, addr: "127.0.0.1:0"},
		{family: unix.AF_UNIX, path: filepath.Join(dir, "s")},
		{family: unix.AF_UNIX, path: "@weir-sockaddr-test-" + filepath.Base(dir)},
		{family: unix.AF_UNIX, path: ""}, // the kernel makes up an abstract name
	} {
		name := tt.addr + tt.path
		socket := func() int {
			fd, err := unix.Socket(tt.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err == unix.EAFNOSUPPORT {
				return -1
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(fd) })
			return fd
		}
		fd := socket()
		if fd < 0 {
			t.Logf("%s: the family is not supported here", name)
			continue
		}
		var sa, got Sockaddr
		var err error
		if tt.family == unix.AF_UNIX {
			err = PutUnix(&sa, tt.path)
		} else {
			err = PutInet(&sa, tt.family, addrPort(t, tt.addr))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := Bind(fd, &sa); err == unix.EADDRNOTAVAIL {
			t.Logf("%s: there is no such address here", name)
			continue
		} else if err != nil {
			t.Fatalf("%s: Bind: %v", name, err)
		}
		theirs, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if err := SockName(unix.SYS_GETSOCKNAME, fd, &got); err != nil {
			t.Fatalf("%s: SockName: %v", name, err)
		}
		switch theirs := theirs.(type) {
		case *unix.SockaddrInet4:
			ap, ok := Inet(&got)
			if want := netip.AddrPortFrom(netip.AddrFrom4(theirs.Addr), uint16(theirs.Port)); !ok || ap != want ||
				ap.Addr() != addrPort(t, tt.addr).Addr() || ap.Port() == 0 {
				t.Errorf("%s is bound to %v by us, %v by package unix", name, ap, want)
			}
		case *unix.SockaddrInet6:
			ap, ok := Inet(&got)
			want := netip.AddrPortFrom(netip.AddrFrom16(theirs.Addr), uint16(theirs.Port))
			if !ok || ap != want || ap.Addr().Unmap() != addrPort(t, tt.addr).Addr() || ap.Port() == 0 {
				t.Errorf("%s is bound to %v by us, %v by package unix", name, ap, want)
			}
		case *unix.SockaddrUnix:
			path, ok := Unix(&got)
			if !ok || path != theirs.Name || tt.path != "" && path != tt.path || tt.path == "" &&
				!strings.HasPrefix(path, "@") {
				t.Errorf("%s is bound to %q by us, %q by package unix", name, path, theirs.Name)
			}
		}

		// The address as the kernel gave it is good for connecting.
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
		c := socket()
		if err := Connect(c, &got); err != nil && err != unix.EINPROGRESS {
			t.Errorf("%s: Connect: %v", name, err)
			continue
		}
		var peer Sockaddr
		if err := SockName(unix.SYS_GETPEERNAME, c, &peer); err != nil {
			t.Errorf("%s: the peer's name: %v", name, err)
		}
		if peer.Len != got.Len {
			t.Errorf("%s: the peer's name has %d bytes, want %d", name, peer.Len, got.Len)
		}
	}
	var sa Sockaddr
	if err := SockName(unix.SYS_GETSOCKNAME, -1, &sa); err != unix.EBADF {
		t.Errorf("SockName(-1): %v", err)
	}
	if err := Bind(-1, &sa); err != unix.EBADF {
		t.Errorf("Bind(-1): %v", err)
	}
}

// A socket without a name has one of length 2.
func TestUnnamedUnix(t *testing.T) {
	a, _ := socketPair(t)
	sa := dirty()
	if err := SockName(unix.SYS_GETSOCKNAME, a, sa); err != nil {
		t.Fatal(err)
	}
	if path, ok := Unix(sa); !ok || path != "" || sa.Len != 2 {
		t.Errorf("an unnamed socket is called %q, %v, with %d bytes", path, ok, sa.Len)
	}
}

// What was decoded encodes to the same again, and no bytes at all are too much for the decoder.
func FuzzSockaddr(f *testing.F) {
	f.Add(uint32(16), []byte{2, 0, 0, 80, 127, 0, 0, 1})
	f.Add(uint32(28), []byte{10, 0, 1, 2, 3, 4, 5, 6, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0})
	f.Add(uint32(28), []byte{10, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4, 9, 0, 0, 0})
	f.Add(uint32(2), []byte{1, 0})
	f.Add(uint32(10), []byte("\x01\x00/tmp/sock\x00"))
	f.Add(uint32(9), []byte("\x01\x00\x00abs\x00ract"))
	f.Add(uint32(110), append([]byte{1, 0}, strings.Repeat("x", 108)...))
	f.Add(uint32(1<<31), []byte{1, 0, 1})
	f.Fuzz(func(t *testing.T, length uint32, data []byte) {
		sa := &Sockaddr{Len: length}
		copy(sa.Data[:], data)
		again := dirty()
		if ap, ok := Inet(sa); ok {
			if length < unix.SizeofSockaddrInet4 {
				t.Fatalf("an address of %d bytes decodes as %v", length, ap)
			}
			if err := PutInet(again, Family(sa), ap); err != nil {
				t.Fatalf("%v: %v", ap, err)
			}
			if got, ok := Inet(again); !ok || got != ap || Family(again) != Family(sa) {
				t.Fatalf("%v, encoded and decoded, is %v, %v", ap, got, ok)
			}
			n := 8 // family, port, address
			if Family(sa) == unix.AF_INET6 {
				n = 24
				clear(sa.Data[4:8]) // the flow
			}
			if string(again.Data[:n]) != string(sa.Data[:n]) {
				t.Fatalf("% x decodes as %v, which encodes as % x", sa.Data[:n], ap, again.Data[:n])
			}
		}
		if path, ok := Unix(sa); ok {
			if strings.HasPrefix(path, "@") && sa.Data[2] != 0 {
				return // a path of that name and an abstract address look the same
			}
			if err := PutUnix(again, path); err != nil {
				if len(path) == unix.SizeofSockaddrUnix-2 && path[0] != '@' {
					return // a path without the NUL at its end
				}
				t.Fatalf("%q: %v", path, err)
			}
			if got, ok := Unix(again); !ok || got != path {
				t.Fatalf("%q, encoded and decoded, is %q, %v", path, got, ok)
			}
			// Package unix encodes the same.
			if theirs := unixSockaddr(t, path); theirs != nil && string(theirs) != string(again.Data[:again.Len]) {
				t.Fatalf("%q encodes as % x, in package unix as % x", path, again.Data[:again.Len], theirs)
			}
		}
	})
}

// unixSockaddr is what package unix makes of path, read back from the kernel: nil if that cannot
// tell.
func unixSockaddr(t testing.TB, path string) []byte {
	if len(path) < 2 || path[0] != '@' || strings.Contains(path, "\x00") {
		return nil // only abstract names leave nothing in the file system
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil // in use
	}
	var sa Sockaddr
	if err := SockName(unix.SYS_GETSOCKNAME, fd, &sa); err != nil {
		t.Fatal(err)
	}
	return sa.Data[:sa.Len]
}

// Zones have the names of interfaces. Once known, those cost no system call and, but for the
// address itself, no memory.
func TestZones(t *testing.T) {
	ifis, err := net.Interfaces()
	if err != nil || len(ifis) == 0 {
		t.Skip("no interfaces:", err)
	}
	for _, ifi := range ifis {
		var sa Sockaddr
		ap := netip.AddrPortFrom(netip.MustParseAddr("fe80::1%"+ifi.Name), 5)
		if err := PutInet(&sa, unix.AF_INET6, ap); err != nil {
			t.Fatal(err)
		}
		if got, ok := Inet(&sa); !ok || got != ap {
			t.Errorf("%v became %v", ap, got)
		}
		if n := testing.AllocsPerRun(100, func() { zoneName(uint32(ifi.Index)); zoneID(ifi.Name) }); n > 0 {
			t.Errorf("%v allocations to name an interface", n)
		}
	}
	var sa Sockaddr
	for zone, want := range map[string]string{"1000000": "%1000000", "none of these": ""} {
		if err := PutInet(&sa, unix.AF_INET6, netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(zone),
			5)); err != nil {
			t.Fatal(err)
		}
		if got, _ := Inet(&sa); got.String() != "[fe80::1"+want+"]:5" {
			t.Errorf("zone %q became %v", zone, got)
		}
	}
}
