//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

func listenUDP(t testing.TB, io *aio.IO) (c *aio.UDPConn, self netip.AddrPort) {
	t.Helper()
	c, err := io.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadBuffer(4 << 20)
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// packets are n of them with room for size bytes.
func packets(n, size int) []aio.Packet {
	ps := make([]aio.Packet, n)
	for i := range ps {
		ps[i].Buf = make([]byte, size)
	}
	return ps
}

// receive reads batches until there are n packets, whose data it returns.
func receive(t testing.TB, c *aio.UDPConn, n, size int) (data []string, from []netip.AddrPort) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ps := packets(17, size)
	for len(data) < n {
		m, err := c.ReadBatch(ctx, ps)
		if err != nil {
			t.Fatalf("after %d packets: %v", len(data), err)
		}
		for _, p := range ps[:m] {
			for b := p.Buf[:p.N]; ; {
				one := b
				if p.Segment > 0 {
					one = b[:min(p.Segment, len(b))]
				}
				data, from = append(data, string(one)), append(from, p.Addr)
				if b = b[len(one):]; len(b) == 0 {
					break
				}
			}
		}
	}
	return data, from
}

// Batches arrive whole and in order, with their senders; empty packets and cut ones too.
func TestBatch(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		a, self := listenUDP(t, io)
		b, other := listenUDP(t, io)
		var ps []aio.Packet
		for i := range 200 {
			ps = append(ps, aio.Packet{Buf: bytes.Repeat([]byte{byte(i)}, i), Addr: self})
		}
		if n, err := b.WriteBatch(context.Background(), ps); n != len(ps) || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		data, from := receive(t, a, len(ps), 150)
		for i := range ps {
			if want := string(ps[i].Buf[:min(i, 150)]); data[i] != want || from[i] != other || ps[i].N != i {
				t.Fatalf("packet %d: %d bytes, want %d, from %v; %d sent", i, len(data[i]), len(want), from[i], ps[i].N)
			}
		}

		c, err := io.DialUDP("udp4", nil, a.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 { // more than one system call takes
			if n, err := c.WriteBatch(context.Background(), packets(1500, 1)); n != 1500 || err != nil {
				t.Fatalf("sent %d, %v", n, err)
			}
			if data, _ := receive(t, a, 1500, 2); len(data) != 1500 {
				t.Fatalf("received %d", len(data))
			}
		}
	})
}

// One buffer leaves as many datagrams, and many may arrive as one.
func TestBatchSegments(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		a, self := listenUDP(t, io)
		b, _ := listenUDP(t, io)
		data := payload(10500)
		for _, gro := range []bool{false, true} {
			if err := a.SetGRO(gro); errors.Is(err, unix.ENOPROTOOPT) {
				t.Skip("the kernel joins no datagrams:", err)
			} else if err != nil {
				t.Fatal(err)
			}
			ps := []aio.Packet{{Buf: []byte("before"), Addr: self}, {Buf: data, Addr: self, Segment: 1000},
				{Buf: data[:700], Addr: self, Segment: 1000}}
			if n, err := b.WriteBatch(context.Background(), ps); n != 3 || err != nil {
				t.Fatalf("sent %d, %v", n, err)
			}
			got, _ := receive(t, a, 13, 65535)
			want := []string{"before"}
			for i := 0; i < len(data); i += 1000 {
				want = append(want, string(data[i:min(i+1000, len(data))]))
			}
			want = append(want, string(data[:700]))
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("GRO %v: datagram %d has %d bytes, want %d, or others", gro, i, len(got[i]), len(want[i]))
				}
			}
		}
	})
}

// Where the path takes no buffer to be cut into datagrams WriteBatch cuts it, and does not ask
// again (quic-go#3911, quinn#2399, msquic#3867). Sockets of UDP-Lite are such a path.
func TestBatchWithoutGSO(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		lite := func() (*aio.UDPConn, netip.AddrPort) {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK,
				unix.IPPROTO_UDPLITE)
			if err != nil {
				t.Skip("no UDP-Lite here:", err)
			}
			f := os.NewFile(uintptr(fd), "lite")
			defer f.Close()
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
			c, err := io.FilePacketConn(f)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c.(*aio.UDPConn), c.LocalAddr().(*net.UDPAddr).AddrPort()
		}
		a, self := lite()
		b, _ := lite()
		data := payload(10500)
		for round := range 3 {
			ps := []aio.Packet{{Buf: []byte("before"), Addr: self}, {Buf: data, Addr: self, Segment: 1000},
				{Buf: []byte("between"), Addr: self}, {Buf: data[:2100], Addr: self, Segment: 1000}}
			if n, err := b.WriteBatch(context.Background(), ps); n != len(ps) || err != nil {
				t.Fatalf("round %d: sent %d, %v", round, n, err)
			}
			want := []string{"before"}
			for i := 0; i < len(data); i += 1000 {
				want = append(want, string(data[i:min(i+1000, len(data))]))
			}
			want = append(want, "between", string(data[:1000]), string(data[1000:2000]), string(data[2000:2100]))
			got, _ := receive(t, a, len(want), 65535)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("round %d: datagram %d has %d bytes, want %d, or others", round, i, len(got[i]),
						len(want[i]))
				}
			}
			for i, p := range ps {
				if p.N != len(p.Buf) {
					t.Errorf("round %d: packet %d: N %d of %d", round, i, p.N, len(p.Buf))
				}
			}
		}
		if n, err := b.WriteBatch(context.Background(), []aio.Packet{{Buf: data, Addr: self, Segment: -1}}); n != 0 ||
			!errors.Is(err, unix.EINVAL) {
			t.Errorf("a negative Segment: %d, %v", n, err)
		}
	})
}

// However much a socket reports beside a packet, the size of its segments is told, and that it was
// cut.
func TestBatchFlags(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		a, self := listenUDP(t, io)
		b, _ := listenUDP(t, io)
		if err := a.SetGRO(true); errors.Is(err, unix.ENOPROTOOPT) {
			t.Skip("the kernel joins no datagrams:", err)
		}
		raw, _ := a.SyscallConn()
		raw.Control(func(fd uintptr) {
			for _, o := range [][3]int{
				{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}, {unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
				{unix.IPPROTO_IP, unix.IP_RECVTOS, 1}, {unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
				{unix.SOL_SOCKET, unix.SO_TIMESTAMPING,
					unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE},
			} {
				if err := unix.SetsockoptInt(int(fd), o[0], o[1], o[2]); err != nil {
					t.Fatal(err)
				}
			}
		})
		for _, size := range []int{10500, 2000} {
			if n, err := b.WriteBatch(context.Background(),
				[]aio.Packet{{Buf: payload(10500), Addr: self, Segment: 1000}}); n != 1 || err != nil {
				t.Fatalf("sent %d, %v", n, err)
			}
			a.SetReadDeadline(time.Now().Add(10 * time.Second))
			ps := []aio.Packet{{Buf: make([]byte, size)}}
			n, err := a.ReadBatch(context.Background(), ps)
			if cut := ps[0].Flags&unix.MSG_TRUNC != 0; n != 1 || err != nil || ps[0].N != size ||
				ps[0].Segment != 1000 || cut != (size < 10500) {
				t.Errorf("room for %d: %d, %v, N %d, Segment %d, Flags %#x", size, n, err, ps[0].N, ps[0].Segment,
					ps[0].Flags)
			}
		}
	})
}

// Errors of batches: what was sent or received before one is told; deadlines, contexts and Close
// end the wait.
func TestBatchErrors(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		a, self := listenUDP(t, io)
		ctx := context.Background()
		one := packets(1, 10)
		check := func(what string, n int, err error, wantN int, want error, op string) {
			t.Helper()
			var oe *net.OpError
			if n != wantN || !errors.Is(err, want) || !errors.As(err, &oe) || oe.Op != op {
				t.Errorf("%s: %d, %v; want %d, %v", what, n, err, wantN, want)
			}
		}
		n, err := a.WriteBatch(ctx, []aio.Packet{{Buf: []byte("x"), Addr: self}, {Buf: make([]byte, 1<<17), Addr: self},
			{Buf: []byte("y"), Addr: self}})
		check("too big", n, err, 1, unix.EMSGSIZE, "write")
		if n, err := a.WriteBatch(ctx, []aio.Packet{{Buf: []byte("x"), Addr: self},
			{Buf: []byte("nowhere")}}); n != 1 || err == nil {
			t.Errorf("without an address: %d, %v", n, err)
		}
		receive(t, a, 2, 10)
		c, err := io.DialUDP("udp4", nil, a.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		n, err = c.WriteBatch(ctx, []aio.Packet{{Addr: self}})
		check("connected", n, err, 0, net.ErrWriteToConnected, "write")
		if n, err := a.ReadBatch(ctx, nil); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
		if n, err := a.WriteBatch(ctx, nil); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
		ending, cancel := context.WithCancel(ctx)
		time.AfterFunc(5*time.Millisecond, cancel)
		n, err = a.ReadBatch(ending, one)
		check("context", n, err, 0, context.Canceled, "read")
		a.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		n, err = a.ReadBatch(ctx, one)
		check("deadline", n, err, 0, os.ErrDeadlineExceeded, "read")
		a.SetDeadline(time.Unix(1, 0))
		n, err = a.WriteBatch(ctx, []aio.Packet{{Addr: self}})
		check("past deadline", n, err, 0, os.ErrDeadlineExceeded, "write")
		a.SetDeadline(time.Time{})
		time.AfterFunc(5*time.Millisecond, func() { a.Close() })
		n, err = a.ReadBatch(ctx, one)
		check("closed meanwhile", n, err, 0, net.ErrClosed, "read")
		n, err = a.WriteBatch(ctx, []aio.Packet{{Addr: self}})
		check("closed", n, err, 0, net.ErrClosed, "write")
	})
}

func TestBatchAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, io *aio.IO) {
		a, self := listenUDP(t, io)
		out, in := packets(8, 100), packets(8, 100)
		for i := range out {
			out[i].Addr = self
		}
		f := func() {
			a.WriteBatch(context.Background(), out)
			for got := 0; got < len(out); {
				n, err := a.ReadBatch(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		}
		f()
		if n := testing.AllocsPerRun(200, f); n >= 1 {
			t.Errorf("%v allocations", n)
		}
	})
}

// BenchmarkUDPEcho has 64 senders exchange 64 bytes with a server that answers one by one, or in
// batches.
func BenchmarkUDPEcho(b *testing.B) {
	run := func(b *testing.B, server net.Addr) {
		const senders = 64
		var wg sync.WaitGroup
		b.ResetTimer()
		for i := range senders {
			wg.Add(1)
			go func() {
				defer wg.Done()
				c, err := net.Dial("udp4", server.String())
				if err != nil {
					b.Error(err)
					return
				}
				defer c.Close()
				buf := make([]byte, 64)
				for range (b.N + senders - 1 - i) / senders {
					c.Write(buf)
					c.SetReadDeadline(time.Now().Add(time.Second)) // one may be lost
					c.Read(buf)
				}
			}()
		}
		wg.Wait()
	}
	b.Run("net", func(b *testing.B) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			buf := make([]byte, 64)
			for {
				n, from, err := c.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				c.WriteToUDPAddrPort(buf[:n], from)
			}
		}()
		run(b, c.LocalAddr())
		c.Close()
	})
	for _, d := range drives {
		for _, batch := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", d, batch), func(b *testing.B) {
				c, _ := listenUDP(b, open(b, aio.Options{Drive: d}))
				var wg sync.WaitGroup
				wg.Add(1)
				go func() {
					defer wg.Done()
					ps := packets(batch, 64)
					for {
						n, err := c.ReadBatch(context.Background(), ps)
						if err != nil {
							return
						}
						for i := range ps[:n] {
							ps[i].Buf = ps[i].Buf[:ps[i].N]
						}
						c.WriteBatch(context.Background(), ps[:n])
						for i := range ps[:n] {
							ps[i].Buf = ps[i].Buf[:cap(ps[i].Buf)]
						}
					}
				}()
				run(b, c.LocalAddr())
				c.Close()
				wg.Wait()
			})
		}
	}
}

// A long batch ends when it should, also if there is always room: by a deadline, by a context, by
// Close. What it says to have sent is less than all.
func TestLongBatchEnds(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		_, self := listenUDP(t, io)
		ps := make([]aio.Packet, 500_000) // takes far longer than what ends it
		for i := range ps {
			ps[i] = aio.Packet{Buf: []byte{1}, Addr: self}
		}
		for name, tt := range map[string]struct {
			end  func(c *aio.UDPConn, cancel context.CancelFunc)
			want error
		}{
			"deadline": {func(c *aio.UDPConn, _ context.CancelFunc) { c.SetWriteDeadline(time.Now()) },
				os.ErrDeadlineExceeded},
			"context": {func(_ *aio.UDPConn, cancel context.CancelFunc) { cancel() }, context.Canceled},
			"close":   {func(c *aio.UDPConn, _ context.CancelFunc) { c.Close() }, net.ErrClosed},
		} {
			c, _ := listenUDP(t, io)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			time.AfterFunc(time.Millisecond, func() { tt.end(c, cancel) })
			if n, err := c.WriteBatch(ctx, ps); n == len(ps) || !errors.Is(err, tt.want) {
				t.Errorf("%s: sent %d of %d, %v", name, n, len(ps), err)
			}
		}
		c, _ := listenUDP(t, io)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if n, err := c.WriteBatch(ctx, ps[:1]); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is over before: %d, %v", n, err)
		}
	})
}
