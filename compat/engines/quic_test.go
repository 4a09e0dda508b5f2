//go:build linux

package engines

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"

	"github.com/weirgo/weir/aio"
)

// batched gives quic-go the batches of weir's: it asks for them in the form that golang.org/x/net
// has. The kernel joins datagrams (GRO), which batched takes apart. Control messages do not come
// along.
type batched struct {
	*aio.UDPConn
	packets []aio.Packet
	left    []aio.Packet // those that have not been given away; of the first the rest

	received, joined atomic.Int64 // packets, and those among them that the kernel had joined
}

func newBatched(c *aio.UDPConn) (*batched, error) {
	b := &batched{UDPConn: c, packets: make([]aio.Packet, 8)}
	for i := range b.packets {
		b.packets[i].Buf = make([]byte, 64<<10)
	}
	return b, c.SetGRO(true)
}

// ReadBatch is called by one goroutine at a time.
func (b *batched) ReadBatch(ms []ipv4.Message, _ int) (n int, err error) {
	if len(b.left) == 0 {
		got, err := b.UDPConn.ReadBatch(context.Background(), b.packets)
		if err != nil {
			return 0, err
		}
		b.left = append(b.left, b.packets[:got]...)
		for i := range b.left {
			p := &b.left[i]
			p.Buf = p.Buf[:p.N]
			b.received.Add(1)
			if p.Segment > 0 && p.Segment < p.N {
				b.joined.Add(1)
			}
		}
	}
	for ; n < len(ms) && len(b.left) > 0; n++ {
		p := &b.left[0]
		one := p.Buf
		if p.Segment > 0 {
			one = one[:min(p.Segment, len(one))]
		}
		ms[n].N, ms[n].NN, ms[n].Flags, ms[n].Addr = copy(ms[n].Buffers[0], one), 0, 0, net.UDPAddrFromAddrPort(p.Addr)
		if p.Buf = p.Buf[len(one):]; len(p.Buf) == 0 {
			b.left = b.left[1:]
		}
	}
	return n, nil
}

// certificate is for a server that clients believe without asking.
func certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos: []string{"echo"}}
}

var believing = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}

// echoQUIC returns what comes, stream by stream and datagram by datagram.
func echoQUIC(ln *quic.Listener) {
	for {
		c, err := ln.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			for {
				d, err := c.ReceiveDatagram(context.Background())
				if err != nil {
					return
				}
				c.SendDatagram(d)
			}
		}()
		go func() {
			for {
				s, err := c.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go func() {
					io.Copy(s, s)
					s.Close()
				}()
			}
		}()
	}
}

func TestQUIC(t *testing.T) {
	type opener func(lib *aio.IO) (net.PacketConn, error)
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	kinds := map[string]opener{
		"net":   func(*aio.IO) (net.PacketConn, error) { return net.ListenUDP("udp4", loopback) },
		"plain": func(lib *aio.IO) (net.PacketConn, error) { return lib.ListenUDP("udp4", loopback) },
		"batched": func(lib *aio.IO) (net.PacketConn, error) {
			c, err := lib.ListenUDP("udp4", loopback)
			if err != nil {
				return nil, err
			}
			return newBatched(c)
		},
	}
	drives(t, func(t *testing.T, lib *aio.IO) {
		for _, c := range [][2]string{{"plain", "plain"}, {"batched", "batched"}, {"plain", "net"},
			{"net", "batched"}} {
			t.Run(c[0]+"-"+c[1], func(t *testing.T) {
				transport := func(kind string) *quic.Transport {
					c, err := kinds[kind](lib)
					if err != nil {
						t.Fatal(err)
					}
					tr := &quic.Transport{Conn: c}
					t.Cleanup(func() {
						if err := tr.Close(); err != nil {
							t.Error(err)
						}
						c.Close()
					})
					return tr
				}
				server, client := transport(c[0]), transport(c[1])
				testQUIC(t, server, client)
				for _, tr := range []*quic.Transport{server, client} {
					if b, ok := tr.Conn.(*batched); ok {
						t.Logf("%d packets, of which the kernel had joined %d", b.received.Load(), b.joined.Load())
						if b.received.Load() == 0 {
							t.Error("quic-go does not read batches")
						}
					}
				}
			})
		}
	})
}

func testQUIC(t *testing.T, server, client *quic.Transport) {
	config := &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1000}
	ln, err := server.Listen(certificate(t), config)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go echoQUIC(ln)
	dial := func() *quic.Conn {
		c, err := client.Dial(limited(t), server.Conn.LocalAddr(), believing, config)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	echo := func(c *quic.Conn, data []byte) error {
		s, err := c.OpenStreamSync(limited(t))
		if err != nil {
			return err
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := s.Write(data)
			wrote <- errors.Join(err, s.Close())
		}()
		back, err := io.ReadAll(s)
		if err := errors.Join(err, <-wrote); err != nil {
			return err
		}
		if !bytes.Equal(back, data) {
			return fmt.Errorf("%d bytes came back changed, of %d", len(back), len(data))
		}
		return nil
	}
	conns := make([]*quic.Conn, 4)
	for i := range conns {
		conns[i] = dial()
	}
	together(t, 16, func(i int) error {
		for j, size := range []int{0, 1, 1_000, 70_000, 1_000_000} {
			if err := echo(conns[i%len(conns)], pattern(size, i*10+j)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := echo(conns[0], pattern(8<<20, 1)); err != nil {
		t.Errorf("a large stream: %v", err)
	}

	// datagrams may be lost; on an idle loopback, one after the other, not all of them
	got := 0
	for i := range 20 {
		if err := conns[1].SendDatagram(pattern(1_000, i)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if d, err := conns[1].ReceiveDatagram(ctx); err == nil && bytes.Equal(d, pattern(1_000, i)) {
			got++
		}
		cancel()
	}
	if got == 0 {
		t.Error("no datagram came back")
	}

	// a read ends with its deadline, a dial with its context, and all with the connection
	s, err := conns[2].OpenStreamSync(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	var timeout net.Error
	if _, err := s.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("Read past its deadline: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := client.Dial(ctx, silent.LocalAddr(), believing, config); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial past its context: %v", err)
	}
	s.SetReadDeadline(time.Time{})
	read := make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	conns[2].CloseWithError(7, "enough")
	var closed *quic.ApplicationError
	if err := <-read; !errors.As(err, &closed) || closed.ErrorCode != 7 {
		t.Errorf("Read of a connection that was closed: %v", err)
	}
	for _, c := range conns {
		c.CloseWithError(0, "")
	}
}
