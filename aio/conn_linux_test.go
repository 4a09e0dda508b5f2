package aio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/weirgo/weir/aio"
)

// pipe makes a pair of connected connections of which weir provides one end, or both.
func pipe(t testing.TB, network string, dial func(network, address string) (net.Conn, error),
	listen func(network, address string) (net.Listener, error)) (dialed, accepted net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	switch network {
	case "tcp6":
		address = "[::1]:0"
	case "unix":
		address = filepath.Join(t.TempDir(), "s")
	}
	ln, err := listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	type result struct {
		c   net.Conn
		err error
	}
	ch := make(chan result, 1)
	go func() {
		c, err := ln.Accept()
		ch <- result{c, err}
	}()
	d, err := dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := <-ch
	if a.err != nil {
		t.Fatal(a.err)
	}
	return d, a.c
}

// TestConn is package net's own suite for connections: deadlines, close, concurrent use.
func TestConn(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		for _, network := range []string{"tcp4", "tcp6", "unix"} {
			for _, peer := range []struct {
				name   string
				dial   func(network, address string) (net.Conn, error)
				listen func(network, address string) (net.Listener, error)
			}{
				{"both", io.Dial, io.Listen},
				{"dialer", io.Dial, net.Listen},
				{"listener", net.Dial, io.Listen},
			} {
				t.Run(network+"/"+peer.name, func(t *testing.T) {
					t.Parallel() // most of it is waiting for deadlines
					nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
						c1, c2 = pipe(t, network, peer.dial, peer.listen)
						return c1, c2, func() { c1.Close(); c2.Close() }, nil
					})
				})
			}
		}
	})
}

// tcpPair is two ends of one TCP connection, closed at the end of the test.
func tcpPair(t testing.TB, io *aio.IO) (a, b *aio.TCPConn) {
	t.Helper()
	c1, c2 := pipe(t, "tcp", io.Dial, io.Listen)
	t.Cleanup(func() { c1.Close(); c2.Close() })
	return c1.(*aio.TCPConn), c2.(*aio.TCPConn)
}

// A large transfer in both directions, with partial writes on the way, arrives as it was sent.
func TestTransfer(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		data := make([]byte, 8<<20+13)
		for i := range data {
			data[i] = byte(uint32(i) * 2654435761 >> 13)
		}
		want := sha256.Sum256(data)
		var wg sync.WaitGroup
		for _, pair := range [][2]*aio.TCPConn{{a, b}, {b, a}} {
			wg.Add(2)
			go func() {
				defer wg.Done()
				if n, err := pair[0].Write(data); n != len(data) || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
				if err := pair[0].CloseWrite(); err != nil {
					t.Error(err)
				}
			}()
			go func() {
				defer wg.Done()
				h := sha256.New()
				n, err := io.Copy(h, pair[1])
				if n != int64(len(data)) || err != nil || !bytes.Equal(h.Sum(nil), want[:]) {
					t.Errorf("read %d bytes, %v; hash equal: %v", n, err, bytes.Equal(h.Sum(nil), want[:]))
				}
			}()
		}
		wg.Wait()
	})
}

// Many buffers of many sizes arrive as one stream, past the number that one system call takes, and
// as one packet.
func TestWritev(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		data := payload(9 << 20)
		var bufs net.Buffers
		for rest, i := data, 0; len(rest) > 0; i++ {
			n := min(len(rest), i*37%9000) // empty ones too
			bufs = append(bufs, rest[:n])
			rest = rest[n:]
		}
		before := slices.Clone(bufs)
		for _, network := range []string{"tcp", "unix"} {
			a, b := pipe(t, network, lib.Dial, net.Listen)
			got := slowly(b)
			n, err := a.(interface {
				Writev([][]byte) (int64, error)
			}).Writev(bufs)
			if n != int64(len(data)) || err != nil {
				t.Errorf("%s: %d of %d bytes, %v", network, n, len(data), err)
			}
			a.Close()
			if !bytes.Equal(<-got, data) {
				t.Errorf("%s: other bytes arrived", network)
			}
			b.Close()
		}
		for i := range bufs {
			if len(bufs[i]) != len(before[i]) {
				t.Fatalf("buffer %d of the caller's was changed", i)
			}
		}

		a, b := pipe(t, "tcp", lib.Dial, net.Listen)
		tc := a.(*aio.TCPConn)
		if n, err := tc.Writev(nil); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		first := make([]byte, 1)
		go func() { // no read takes more than a byte
			b.Read(first)
			cancel()
		}()
		n, err := tc.WritevContext(ctx, bufs)
		if !errors.Is(err, context.Canceled) || n == 0 || n >= int64(len(data)) {
			t.Fatalf("ended by its context: %d, %v", n, err)
		}
		read := make([]byte, n)
		read[0] = first[0]
		if _, err := io.ReadFull(b, read[1:]); err != nil || !bytes.Equal(read, data[:n]) {
			t.Errorf("what arrived is not what was reported: %v", err)
		}
		a.Close()
		b.Close()
		if _, err := tc.Writev(bufs); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}

		u, err := lib.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		c, err := lib.DialUDP("udp4", nil, u.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Writev([][]byte{[]byte("one"), nil, []byte("packet")})
		if n, err := u.Read(read[:100]); err != nil || string(read[:n]) != "onepacket" {
			t.Errorf("packet %q, %v", read[:n], err)
		}
	})
}

// A read whose context ends returns the context's error; what is sent later goes to the next read.
func TestReadContext(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		buf := bytes.Repeat([]byte{0xAA}, 16)
		cause := errors.New("had enough")
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		n, err := a.ReadContext(ctx, buf)
		if n != 0 || !errors.Is(err, cause) {
			t.Fatalf("ReadContext = %d, %v, want the cause", n, err)
		}
		if _, err := b.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if !bytes.Equal(buf, bytes.Repeat([]byte{0xAA}, 16)) {
			t.Fatalf("the buffer changed after the read had returned: %x", buf)
		}
		if n, err := a.Read(buf); n != 4 || err != nil || string(buf[:4]) != "late" {
			t.Fatalf("next Read = %d, %v, %q", n, err, buf[:n])
		}
		ctx, cancel2 := context.WithCancel(context.Background())
		cancel2()
		if _, err := a.ReadContext(ctx, buf); !errors.Is(err, context.Canceled) {
			t.Fatalf("ReadContext with a cancelled context: %v", err)
		}
	})
}

// errorOf runs f on an end of a connection of weir's and of package net's in the same situation:
// the errors must have the same shape.
func TestErrorsLikeNet(t *testing.T) {
	situations := []struct {
		name string
		call func(c, peer net.Conn) error
	}{
		{"read at end", func(c, peer net.Conn) error { peer.Close(); return readOne(c) }},
		{"read after close", func(c, peer net.Conn) error { c.Close(); return readOne(c) }},
		{"write after close", func(c, peer net.Conn) error { c.Close(); return writeOne(c) }},
		{"close after close", func(c, peer net.Conn) error { c.Close(); return c.Close() }},
		{"set deadline after close", func(c, peer net.Conn) error { c.Close(); return c.SetDeadline(time.Now()) }},
		{"remove deadline after close", func(c, peer net.Conn) error { c.Close(); return c.SetDeadline(time.Time{}) }},
		{"read past deadline", func(c, peer net.Conn) error { c.SetReadDeadline(time.Unix(1, 0)); return readOne(c) }},
		{"write past deadline", func(c, peer net.Conn) error {
			c.SetWriteDeadline(time.Unix(1,
				0))
			return writeOne(c)
		}},
		{"read to deadline", func(c, peer net.Conn) error {
			c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			return readOne(c)
		}},
		{"read, closed meanwhile", func(c, peer net.Conn) error {
			time.AfterFunc(10*time.Millisecond, func() { c.Close() })
			return readOne(c)
		}},
		{"read, reset", func(c, peer net.Conn) error {
			peer.(interface{ SetLinger(int) error }).SetLinger(0)
			peer.Close()
			return readOne(c)
		}},
		{"write, reset", func(c, peer net.Conn) error {
			peer.(interface{ SetLinger(int) error }).SetLinger(0)
			peer.Close()
			readOne(c)
			return writeOne(c)
		}},
		{"write after CloseWrite", func(c, peer net.Conn) error {
			c.(interface{ CloseWrite() error }).CloseWrite()
			return writeOne(c)
		}},
		{"empty read", func(c, peer net.Conn) error { _, err := c.Read(nil); return err }},
		{"empty read after close", func(c, peer net.Conn) error { c.Close(); _, err := c.Read(nil); return err }},
		{"empty write after close", func(c, peer net.Conn) error { c.Close(); _, err := c.Write(nil); return err }},
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, s := range situations {
			t.Run(s.name, func(t *testing.T) {
				n1, n2 := pipe(t, "tcp", net.Dial, net.Listen)
				defer n1.Close()
				defer n2.Close()
				a1, a2 := pipe(t, "tcp", lib.Dial, lib.Listen)
				defer a1.Close()
				defer a2.Close()
				sameError(t, s.call(a1, a2), s.call(n1, n2))
			})
		}
	})
}

func readOne(c net.Conn) error  { _, err := c.Read(make([]byte, 1)); return err }
func writeOne(c net.Conn) error { _, err := c.Write(make([]byte, 1)); return err }

// sameError checks that err answers the questions that programs ask of errors as want, package
// net's, does.
func sameError(t *testing.T, err, want error) {
	t.Helper()
	if got, want := describeError(err), describeError(want); got != want {
		t.Errorf("error differs from package net's\n got %s\nwant %s", got, want)
	}
}

// describeError says what programs can find out about an error.
func describeError(err error) string {
	if err == nil {
		return "nil"
	}
	s := fmt.Sprintf("%T", err)
	var op *net.OpError
	if errors.As(err, &op) {
		s += fmt.Sprintf(" Op=%s Net=%s Source=%v Addr=%v", op.Op, op.Net, op.Source != nil, op.Addr != nil)
	}
	var ne net.Error
	if errors.As(err, &ne) {
		s += fmt.Sprintf(" Timeout=%v", ne.Timeout())
	}
	for _, target := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled,
		context.DeadlineExceeded,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.EADDRINUSE, os.ErrNotExist, syscall.EINVAL,
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EMSGSIZE, syscall.EDESTADDRREQ, syscall.ENOTCONN,
		net.ErrWriteToConnected, os.ErrPermission} {
		if errors.Is(err, target) {
			s += fmt.Sprintf(" Is(%v)", target)
		}
	}
	var sc *os.SyscallError
	if errors.As(err, &sc) {
		s += " Syscall=" + sc.Syscall
	}
	return s
}

// sprint is fmt.Sprint of each.
func sprint(values []any) string {
	var s []string
	for _, v := range values {
		s = append(s, fmt.Sprint(v))
	}
	return strings.Join(s, ", ")
}

// Dialing fails as package net does.
func TestDialErrorsLikeNet(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		refused := ln.Addr().String()
		ln.Close()
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		expired, cancel2 := context.WithDeadline(context.Background(), time.Unix(1, 0))
		defer cancel2()
		for _, s := range []struct {
			name, network, address string
			ctx                    context.Context
		}{
			{"refused", "tcp", refused, context.Background()},
			{"no such path", "unix", filepath.Join(t.TempDir(), "none"), context.Background()},
			{"cancelled", "tcp", refused, cancelled},
			{"expired", "tcp", refused, expired},
			{"network", "tcp7", refused, context.Background()},
			{"address", "tcp", "127.0.0.1", context.Background()},
			{"port", "tcp", "127.0.0.1:99999", context.Background()},
		} {
			t.Run(s.name, func(t *testing.T) {
				_, got := lib.DialContext(s.ctx, s.network, s.address)
				_, want := new(net.Dialer).DialContext(s.ctx, s.network, s.address)
				sameError(t, got, want)
			})
		}
		t.Run("listen twice", func(t *testing.T) {
			ln, err := lib.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			_, got := lib.Listen("tcp", ln.Addr().String())
			_, want := net.Listen("tcp", ln.Addr().String())
			sameError(t, got, want)
		})
	})
}
