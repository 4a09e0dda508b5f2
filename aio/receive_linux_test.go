package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

type receiver interface {
	net.Conn
	Receive(ctx context.Context, f func(p []byte) error) error
}

// byReceive is a connection whose Read is a Receive. It keeps what it has received and what has not
// been read.
type byReceive struct {
	receiver
	turn chan struct{}
	left []byte
}

func (c *byReceive) Read(p []byte) (n int, err error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if len(c.left) == 0 {
		if len(p) == 0 {
			return 0, nil
		}
		if err := c.Receive(context.Background(), func(b []byte) error {
			c.left = bytes.Clone(b)
			return nil
		}); err != nil {
			return 0, err
		}
	}
	n = copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// TestReceiveConn is package net's own suite for connections that are read with Receive.
func TestReceiveConn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network, func(t *testing.T) {
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					a, b := pipe(t, network, lib.Dial, lib.Listen)
					c1 = &byReceive{receiver: a.(receiver), turn: make(chan struct{}, 1)}
					c2 = &byReceive{receiver: b.(receiver), turn: make(chan struct{}, 1)}
					return c1, c2, func() { a.Close(); b.Close() }, nil
				})
			})
		}
	})
}

func TestReceive(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network, func(t *testing.T) {
				c1, b := pairOf(t, network, lib)
				a := c1.(receiver)
				get := func(ctx context.Context) (got string, err error) {
					err = a.Receive(ctx, func(p []byte) error { got = string(p); return nil })
					return got, err
				}
				got := make(chan string)
				for _, want := range []string{"waited for", "there already"} {
					if want == "waited for" {
						go func() { s, _ := get(t.Context()); got <- s }()
						time.Sleep(time.Millisecond)
					}
					if _, err := b.Write([]byte(want)); err != nil {
						t.Fatal(err)
					}
					if want != "waited for" {
						go func() { s, _ := get(t.Context()); got <- s }()
					}
					if s := <-got; s != want {
						t.Errorf("%q, want %q", s, want)
					}
				}
				own := errors.New("of one's own")
				b.Write([]byte("x"))
				if err := a.Receive(t.Context(), func([]byte) error { return own }); err != own {
					t.Errorf("the error of the function: %v", err)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Millisecond, func() { cancel(own) })
				if _, err := get(ctx); !errors.Is(err, own) {
					t.Errorf("a context that ended: %v", err)
				}
				a.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, err := get(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) || !isOp(err, "read") {
					t.Errorf("a deadline: %v", err)
				}
				a.SetReadDeadline(time.Time{})
				b.Write([]byte("the rest"))
				if s, err := get(t.Context()); s != "the rest" || err != nil {
					t.Errorf("%q, %v", s, err)
				}
				b.Close()
				for range 2 {
					if _, err := get(t.Context()); err != io.EOF {
						t.Errorf("at the end: %v", err)
					}
				}
				time.AfterFunc(time.Millisecond, func() { a.Close() })
				for range 2 {
					if _, err := get(t.Context()); err != io.EOF && !errors.Is(err, net.ErrClosed) {
						t.Errorf("while it is closed: %v", err)
					}
				}
			})
		}
		none := new(aio.TCPConn)
		if err := none.Receive(t.Context(), nil); err != syscall.EINVAL {
			t.Errorf("without a connection: %v", err)
		}
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "packets")
			c, err := lib.FileConn(f)
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.(*aio.UnixConn).Receive(t.Context(), nil); err != syscall.EINVAL {
				t.Errorf("of packets: %v", err)
			}
			c.Close()
		}
	})
}

func isOp(err error, op string) bool {
	var e *net.OpError
	return errors.As(err, &e) && e.Op == op
}

// TestWriteToAnything: what is copied by way of a plain writer arrives whole, also in pieces larger
// than a buffer, and a writer that fails ends it with its error.
func TestWriteToAnything(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		data := payload(300_000)
		go func() { b.Write(data); b.CloseWrite() }()
		var got bytes.Buffer
		if n, err := a.WriteTo(struct{ io.Writer }{&got}); n != int64(len(data)) || err != nil ||
			!bytes.Equal(got.Bytes(), data) {
			t.Errorf("%d bytes, %v", n, err)
		}
		own := errors.New("of one's own")
		go a.Write([]byte("more"))
		if n, err := b.WriteTo(writerFunc(func(p []byte) (int, error) { return 2, own })); n != 2 ||
			!errors.Is(err, own) {
			t.Errorf("a writer that fails: %d, %v", n, err)
		}
		go a.Write([]byte("more"))
		if n, err := b.WriteTo(writerFunc(func(p []byte) (int, error) { return 1, nil })); n != 1 ||
			!errors.Is(err, io.ErrShortWrite) {
			t.Errorf("a writer that writes less: %d, %v", n, err)
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestReceiveAllocs: a Receive costs no allocation.
func TestReceiveAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		echo := func(p []byte) error { _, err := a.Write(p); return err }
		go func() {
			for a.Receive(context.Background(), echo) == nil {
			}
		}()
		p := make([]byte, 64)
		if n := testing.AllocsPerRun(500, func() {
			b.Write(p)
			b.Read(p)
		}); n >= 1 {
			t.Errorf("%v allocations a round trip", n)
		}
	})
}
