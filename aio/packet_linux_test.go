package aio_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"golang.org/x/net/ipv4"

	"github.com/weirgo/weir/aio"
)

// Packet calls with a context end with its cause; the socket goes on.
func TestPacketContext(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		c, err := io.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cause := errors.New("had enough")
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(5*time.Millisecond, func() { cancel(cause) })
		buf := bytes.Repeat([]byte{0xAA}, 8)
		if _, _, err := c.ReadFromUDPAddrPortContext(ctx, buf); !errors.Is(err, cause) {
			t.Fatalf("ended by its context: %v", err)
		}
		self := c.LocalAddr().(*net.UDPAddr).AddrPort()
		if _, err := c.WriteToUDPAddrPortContext(context.Background(), []byte("late"), self); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		if !bytes.Equal(buf, bytes.Repeat([]byte{0xAA}, 8)) {
			t.Fatalf("the buffer changed after the read had returned: %x", buf)
		}
		n, from, err := c.ReadFromUDPAddrPortContext(context.Background(), buf)
		if err != nil || string(buf[:n]) != "late" || from != self {
			t.Fatalf("next read: %q from %v, %v", buf[:n], from, err)
		}
	})
}

// A group is joined through SyscallConn, by a package that knows nothing of weir.
func TestMulticast(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	group := &net.UDPAddr{IP: net.IPv4(239, 13, 13, 13)}
	each(t, func(t *testing.T, io *aio.IO) {
		c, err := io.ListenPacket("udp4", "239.13.13.13:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := ipv4.NewPacketConn(c)
		for _, err := range []error{p.JoinGroup(lo, group), p.SetMulticastInterface(lo), p.SetMulticastLoopback(true),
			p.SetControlMessage(ipv4.FlagDst, true)} {
			if err != nil {
				t.Skip("no multicast on the loopback interface:", err)
			}
		}
		to := &net.UDPAddr{IP: group.IP, Port: c.LocalAddr().(*net.UDPAddr).Port}
		if _, err := p.WriteTo([]byte("all"), nil, to); err != nil {
			t.Skip("no multicast on the loopback interface:", err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 10)
		msgs := []ipv4.Message{{Buffers: [][]byte{buf}, OOB: ipv4.NewControlMessage(ipv4.FlagDst)}}
		if n, err := p.ReadBatch(msgs, 0); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		var cm ipv4.ControlMessage
		if err := cm.Parse(msgs[0].OOB[:msgs[0].NN]); err != nil || string(buf[:msgs[0].N]) != "all" ||
			!cm.Dst.Equal(group.IP) {
			t.Fatalf("received %q, %v, %v", buf[:msgs[0].N], cm, err)
		}
		l, err := io.ListenMulticastUDP("udp4", lo, group)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		to.Port = l.LocalAddr().(*net.UDPAddr).Port
		if _, err := p.WriteTo([]byte("all"), nil, to); err != nil {
			t.Fatal(err)
		}
		l.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := l.Read(buf); err != nil || string(buf[:n]) != "all" {
			t.Fatalf("received %q, %v", buf[:n], err)
		}
	})
}

// A raw socket sends an echo request to this host and reads the answer.
func TestIPConn(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln, err := io.ListenPacket("ip4:icmp", "127.0.0.1")
		if errors.Is(err, os.ErrPermission) {
			t.Skip("raw sockets are for the privileged:", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		c, err := io.Dial("ip4:1", "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		request := []byte{8, 0, 0, 0, 0x77, 0x77, 0, 1}
		sum := uint32(0)
		for i := 0; i < len(request); i += 2 {
			sum += uint32(request[i])<<8 | uint32(request[i+1])
		}
		sum = ^(sum>>16 + sum&0xffff)
		request[2], request[3] = byte(sum>>8), byte(sum)
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		ln.SetReadDeadline(time.Now().Add(10 * time.Second))
		for {
			n, from, err := ln.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			if from.String() != "127.0.0.1" || from.Network() != "ip" {
				t.Errorf("from %v", from)
			}
			if n == len(request) && buf[0] == 0 && bytes.Equal(buf[4:n], request[4:]) { // without the IPv4 header
				return
			}
		}
	})
}

// Packets allocate nothing once they have warmed up.
func TestPacketAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, io *aio.IO) {
		c, err := io.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		self := c.LocalAddr().(*net.UDPAddr).AddrPort()
		d, err := io.DialUDP("udp", nil, net.UDPAddrFromAddrPort(self))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		buf, oob := make([]byte, 64), make([]byte, 64)
		for name, f := range map[string]func(){
			"AddrPort":    func() { c.WriteToUDPAddrPort(buf, self); c.ReadFromUDPAddrPort(buf) },
			"MsgAddrPort": func() { c.WriteMsgUDPAddrPort(buf, nil, self); c.ReadMsgUDPAddrPort(buf, oob) },
			"connected":   func() { d.Write(buf); c.Read(buf) },
		} {
			for range 100 {
				f()
			}
			if n := testing.AllocsPerRun(1000, f); n >= 1 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
