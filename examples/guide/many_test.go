//go:build linux

package guide_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/weirgo/weir/aio"
)

// idle serves connections that seldom say something. None of them holds a buffer while it waits.
func idle(ctx context.Context, conn *aio.TCPConn) error {
	for {
		err := conn.Receive(ctx, func(p []byte) error {
			_, err := conn.Write(p) // p is ours until this function returns
			return err
		})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// acceptAll serves the connections of a listener until ctx ends.
func acceptAll(ctx context.Context, ln *aio.TCPListener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	for conn, err := range ln.Accepts(ctx) {
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer conn.Close()
			idle(ctx, conn.(*aio.TCPConn))
		})
	}
	return nil
}

func Example_manyConnections() {
	ln, err := aio.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- acceptAll(ctx, ln) }()

	answers := 0
	for range 100 {
		conn, err := aio.Dial("tcp", ln.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close()
		conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			answers++
		}
	}
	cancel()
	fmt.Println(answers, <-ended)
	// Output:
	// 100 <nil>
}

// bounce sends datagrams back, as many with one system call as have arrived.
func bounce(ctx context.Context, conn *aio.UDPConn) error {
	packets := make([]aio.Packet, 32)
	for i := range packets {
		packets[i].Buf = make([]byte, 1500)
	}
	for {
		n, err := conn.ReadBatch(ctx, packets)
		if err != nil {
			return err
		}
		answers := make([]aio.Packet, n)
		for i, p := range packets[:n] {
			answers[i] = aio.Packet{Buf: p.Buf[:p.N], Addr: p.Addr}
		}
		if _, err := conn.WriteBatch(ctx, answers); err != nil {
			return err
		}
	}
}

func Example_datagrams() {
	server, err := aio.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- bounce(context.Background(), server) }()

	client, err := aio.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	to := netip.MustParseAddrPort(server.LocalAddr().String())
	sent := []aio.Packet{{Buf: []byte("one"), Addr: to}, {Buf: []byte("two"), Addr: to}}
	if _, err := client.WriteBatch(context.Background(), sent); err != nil {
		fmt.Println(err)
	}
	buf := make([]byte, 100)
	for range sent {
		n, _, err := client.ReadFromUDPAddrPort(buf)
		fmt.Println(string(buf[:n]), err)
	}
	server.Close()
	fmt.Println(errors.Is(<-ended, net.ErrClosed))
	// Output:
	// one <nil>
	// two <nil>
	// true
}
