//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// What a caller has handed over it has back when the call returns, or, of operations in flight,
// when they are made: lists of operations, names, addresses. These tests write to all of that at
// once. The race detector finds what is read later.

// TestAddressesAreCopied: addresses of calls that have returned are the caller's again.
func TestAddressesAreCopied(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		at := func() net.IP { return net.IPv4(127, 0, 0, 1).To4() }
		scribble := func(ip net.IP, port *int, zone *string) {
			clear(ip)
			*port, *zone = -1, "scribbled"
		}
		same := func(what string, got net.Addr, want string) {
			if got.String() != want {
				t.Errorf("%s is %v after its address was written to, was %v", what, got, want)
			}
		}

		la := &net.TCPAddr{IP: at()}
		l, err := lib.ListenTCP("tcp4", la)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want := l.Addr().String()
		scribble(la.IP, &la.Port, &la.Zone)
		same("a listener", l.Addr(), want)

		local, peer := &net.TCPAddr{IP: at()}, &net.TCPAddr{IP: at(), Port: l.Addr().(*net.TCPAddr).Port}
		c, err := lib.DialTCP("tcp4", local, peer)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want = c.LocalAddr().String() + c.RemoteAddr().String()
		scribble(local.IP, &local.Port, &local.Zone)
		scribble(peer.IP, &peer.Port, &peer.Zone)
		if got := c.LocalAddr().String() + c.RemoteAddr().String(); got != want {
			t.Errorf("a connection is %s after its addresses were written to, was %s", got, want)
		}

		ua := &net.UDPAddr{IP: at()}
		u, err := lib.ListenUDP("udp4", ua)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		want = u.LocalAddr().String()
		scribble(ua.IP, &ua.Port, &ua.Zone)
		same("a packet socket", u.LocalAddr(), want)
		for i := range 20 {
			to := &net.UDPAddr{IP: at(), Port: u.LocalAddr().(*net.UDPAddr).Port}
			if _, err := u.WriteToUDP([]byte{byte(i)}, to); err != nil {
				t.Fatal(err)
			}
			scribble(to.IP, &to.Port, &to.Zone)
		}
		p := make([]byte, 10)
		for i := range 20 {
			if n, from, err := u.ReadFromUDP(p); n != 1 || int(p[0]) != i || err != nil {
				t.Fatalf("packet %d: %d bytes %v from %v, %v", i, n, p[:n], from, err)
			} else {
				scribble(from.IP, &from.Port, &from.Zone) // which is the caller's, too
			}
		}

		path := filepath.Join(t.TempDir(), "s")
		xa := &net.UnixAddr{Name: path, Net: "unix"}
		x, err := lib.ListenUnix("unix", xa)
		if err != nil {
			t.Fatal(err)
		}
		xa.Name, xa.Net = "/scribbled", "scribbled"
		same("a unix listener", x.Addr(), path)
		to := &net.UnixAddr{Name: path, Net: "unix"}
		xc, err := lib.DialUnix("unix", nil, to)
		if err != nil {
			t.Fatal(err)
		}
		to.Name = "/scribbled"
		same("a unix connection's peer", xc.RemoteAddr(), path)
		xc.Close()
		x.Close() // which removes the file by its name
		if _, err := os.Lstat(path); err == nil {
			t.Error("Close of a unix listener has not removed its file")
		}
	})
}

// TestOperationsCopyNamesAndAddresses: what an Op was made of may be written to before it is
// submitted, and the list that it was submitted in while it is in flight.
func TestOperationsCopyNamesAndAddresses(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		ctx := t.Context()
		l, err := lib.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.Addr().(*net.TCPAddr).Port}
		socket := op.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0).Link()
		connect := op.Connect(-1, to).From(socket)
		clear(to.IP)
		to.Port = 1
		list := []*op.Op{socket, connect}
		b := lib.Start(list...)
		clear(list)
		if err := b.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		unix.Close(socket.N)

		// A chain that waits: the list is another's meanwhile.
		var event op.Event
		name := filepath.Join(t.TempDir(), "file")
		wait := op.EventWait(&event).Link()
		open := op.Open(op.CWD, name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600).Link()
		data := []byte("data")
		write := op.Write(-1, data, 0).From(open)
		list = []*op.Op{wait, open, write}
		b = lib.Start(list...)
		for i := range list {
			list[i] = op.Nop()
		}
		other := lib.Start(list...)
		clear(list)
		if err := other.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		event.Notify()
		if err := b.Wait(ctx); err != nil || write.N != 4 {
			t.Fatal(write.N, err)
		}
		clear(data) // it is over
		unix.Close(open.N)
		if got, err := os.ReadFile(name); string(got) != "data" || err != nil {
			t.Errorf("the file has %q, %v", got, err)
		}
	})
}

// TestBatchesAreTheCallersAgain: what a batch, a message or a vector was made of is the caller's
// when the call has returned.
func TestBatchesAreTheCallersAgain(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		u, err := lib.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		to := u.LocalAddr().(*net.UDPAddr).AddrPort()
		const n = 40 // several portions
		ps := make([]aio.Packet, n)
		buf := make([]byte, n)
		for round := range 5 {
			for i := range ps {
				buf[i] = byte(round*n + i)
				ps[i] = aio.Packet{Buf: buf[i : i+1], Addr: to}
			}
			if m, err := u.WriteBatch(t.Context(), ps); m != n || err != nil {
				t.Fatal(m, err)
			}
			clear(buf)
			for i := range ps {
				ps[i] = aio.Packet{Buf: make([]byte, 2), Addr: netip.AddrPort{}}
			}
			for got := 0; got < n; {
				m, err := u.ReadBatch(t.Context(), ps[got:])
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range ps[got : got+m] {
					if p.N != 1 || int(p.Buf[0]) != round*n+got {
						t.Fatalf("round %d, packet %d: %v", round, got, p)
					}
					got++
				}
			}
			clear(ps)
		}

		a, b := streamEnds(t)
		for i := range 20 {
			m := &aio.Msg{Bufs: [][]byte{[]byte("one"), []byte("two"), fmt.Append(nil, i)}}
			size := len("onetwo") + len(fmt.Sprint(i))
			if n, err := lib.SendMsg(t.Context(), a, m, 0); n != size || err != nil {
				t.Fatal(n, err)
			}
			clear(m.Bufs[0])
			clear(m.Bufs)
			*m = aio.Msg{}
			bufs := [][]byte{[]byte("three"), fmt.Append(nil, i)}
			if n, err := lib.Writev(t.Context(), a, bufs, -1); n != len(bufs[0])+len(bufs[1]) || err != nil {
				t.Fatal(n, err)
			}
			clear(bufs[0])
			clear(bufs)
			want := fmt.Sprintf("onetwo%dthree%d", i, i)
			got := make([]byte, len(want))
			if _, err := lib.Recv(t.Context(), b, got, unix.MSG_WAITALL); string(got) != want || err != nil {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
	})
}

// streamEnds is the two ends of a stream, as descriptors.
func streamEnds(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// TestDialersAreTheCallersAgain: a Dialer or ListenConfig may be changed when the call has
// returned, also if an attempt that has lost goes on.
func TestDialersAreTheCallersAgain(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		_, _, port := both(t, lib)
		cancel := make(chan struct{})
		lost := make(chan struct{}, 1)
		for range 20 {
			var begun atomic.Bool
			d := &aio.Dialer{IO: lib, Resolver: resolver(t, "127.0.0.1", "::1"), FallbackDelay: time.Nanosecond,
				Cancel: cancel, Timeout: time.Minute}
			d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
				if network != "tcp6" {
					// the other begins; a channel would hide from the race detector what it reads
					time.Sleep(10 * time.Millisecond)
					return nil
				}
				begun.Store(true)
				<-ctx.Done() // it goes on when the other has won
				lost <- struct{}{}
				return nil
			}
			c, err := d.Dial("tcp", fmt.Sprintf("name.test:%d", port))
			*d = aio.Dialer{}
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if begun.Load() {
				<-lost
			}
		}

		lc := &aio.ListenConfig{IO: lib, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Hour}}
		l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
		*lc = aio.ListenConfig{}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := lib.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		raw, err := s.(*aio.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if idle, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE); idle != 3600 ||
				err != nil {
				t.Errorf("keep-alive after %d s, %v: the listener looks at a ListenConfig that is the caller's again",
					idle, err)
			}
		})
	})
}

// TestBuffersAreReturned: a call that was ended by its context, or a deadline, leaves its buffer
// alone from then on.
func TestBuffersAreReturned(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := streamEnds(t)
		for range 20 {
			p := make([]byte, 100)
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error)
			go func() {
				_, err := lib.Read(ctx, b, p)
				over <- err
			}()
			cancel()
			if err := <-over; err == nil {
				t.Fatal("a read of nothing")
			}
			for i := range p {
				p[i] = 'x'
			}
			unix.Write(a, []byte("late"))
			if n, err := lib.Read(t.Context(), b, make([]byte, 100)); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			if !bytes.Equal(p, bytes.Repeat([]byte{'x'}, 100)) {
				t.Fatal("a cancelled read has written to its buffer")
			}
		}
	})
}
