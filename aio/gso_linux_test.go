//go:build !weir_portable

package aio

import (
	"context"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket whose path has refused a buffer to be cut into datagrams is not asked again.
func TestGSORefusalIsRemembered(t *testing.T) {
	io, err := New(Options{Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Skip(err)
	}
	defer io.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDPLITE)
	if err != nil {
		t.Skip("no UDP-Lite here:", err)
	}
	f := os.NewFile(uintptr(fd), "lite")
	defer f.Close()
	lite, err := io.FilePacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	b := lite.(*UDPConn)
	ps := []Packet{{Buf: make([]byte, 3000), Addr: (&net.UDPAddr{IP: local.IP, Port: 9}).AddrPort(), Segment: 1000}}
	if n, err := b.WriteBatch(context.Background(), ps); n != 1 || err != nil || !b.fd.W.NoGSO() {
		t.Errorf("%d, %v; remembered: %v", n, err, b.fd.W.NoGSO())
	}

	to, err := io.ListenUDP("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := io.DialUDP("udp4", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := to.SetGRO(true); err != nil {
		t.Skip("the kernel joins no datagrams:", err)
	}
	for _, refused := range []bool{false, true} {
		from.fd.W.SetNoGSO(refused)
		ps[0] = Packet{Buf: make([]byte, 3000), Segment: 1000}
		if n, err := from.WriteBatch(context.Background(), ps); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		in := []Packet{{Buf: make([]byte, 1<<16)}}
		n, err := to.ReadBatch(context.Background(), in)
		if apart := in[0].N == 1000; n != 1 || err != nil || apart != refused {
			t.Errorf("refused %v: %d, %v, %d bytes in one", refused, n, err, in[0].N)
		}
	}
}
