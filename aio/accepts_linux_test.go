//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// connect makes n connections to ln, each of which sends its number, and keeps them open until the
// test ends.
func connect(t *testing.T, ln net.Listener, n int) {
	t.Helper()
	for i := range n {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.Write([]byte{byte(i)})
	}
}

// number reads what connect wrote, and closes the connection.
func number(t *testing.T, c net.Conn) int {
	t.Helper()
	defer c.Close()
	b := make([]byte, 1)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Errorf("read: %v", err)
	}
	return int(b[0])
}

// Accepts yields connections until its context ends.
func TestAccepts(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		ctx, cancel := context.WithCancel(context.Background())
		dialed := make(chan struct{})
		defer func() { cancel(); <-dialed }()
		go func() {
			defer close(dialed)
			for range 3 {
				time.Sleep(time.Millisecond)
				if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
					defer c.Close()
				}
			}
			<-ctx.Done()
		}()
		n := 0
		var last error
		for c, err := range ln.Accepts(ctx) {
			if last = err; err == nil {
				if c.RemoteAddr() == nil || c.LocalAddr().String() != ln.Addr().String() {
					t.Errorf("addresses %v, %v", c.LocalAddr(), c.RemoteAddr())
				}
				c.Close()
				if n++; n == 3 {
					cancel()
				}
			}
		}
		if n != 3 || !errors.Is(last, context.Canceled) {
			t.Errorf("%d connections, last error %v", n, last)
		}
		for _, err := range ln.Accepts(ctx) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("with a context that has ended: %v", err)
			}
		}
	})
}

// A consumer that stops leaves the connections that were accepted ahead to the next consumer, in
// order: none is lost, none comes twice. There may be more than are accepted ahead at once.
func TestAcceptsBreak(t *testing.T) {
	const conns = 200
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		connect(t, ln, conns)
		seen := make(map[int]bool)
		see := func(c net.Conn, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			n := number(t, c)
			if seen[n] {
				t.Errorf("connection %d came twice", n)
			}
			seen[n] = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for len(seen) < conns {
			taken := 0
			for c, err := range ln.Accepts(ctx) {
				see(c, err)
				if taken++; taken == 70 || len(seen) == conns {
					break
				}
			}
			if len(seen) < conns {
				see(ln.Accept())
			}
		}
		clear(seen)
		connect(t, ln, 5)
		for c, err := range ln.Accepts(ctx) {
			see(c, err)
			break
		}
		ln.Close() // and with it what was accepted ahead
	})
}

// A consumer that is slow does not make the server hold ever more connections: they wait in the
// kernel.
func TestAcceptsSlow(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		connect(t, ln, 100)
		for c, err := range ln.Accepts(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			for io.Stats().InFlight > 0 { // until the accept has ended
				time.Sleep(time.Millisecond)
			}
			before := len(openFDs(t))
			connect(t, ln, 100)
			time.Sleep(5 * time.Millisecond)
			if n := len(openFDs(t)) - before; n > 100 { // fewer: what earlier tests have dropped is closed at any time
				t.Errorf("%d descriptors for 100 clients, none of which is accepted yet", n)
			}
			break
		}
	})
}

// However many connections are queued at the listener, a slow consumer of Accepts has no more of
// them open than the documentation says: all of them took up to the limit on open files.
func TestAcceptsAhead(t *testing.T) {
	const ahead = 64
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		before := len(openFDs(t))
		connect(t, ln, 300)
		taken := 0
		for c, err := range ln.Accepts(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			for last := -1; ; { // until nothing more is accepted
				time.Sleep(time.Millisecond)
				n := len(openFDs(t))
				if n == last {
					break
				}
				last = n
			}
			if n := len(openFDs(t)) - before - 300; n > ahead {
				t.Fatalf("%d connections wait for the consumer, want at most %d", n, ahead)
			}
			if taken++; taken == 70 {
				break
			}
		}
	})
}

// Close ends Accepts from outside and from inside its loop, with connections accepted ahead or
// without.
func TestAcceptsClose(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, ahead := range []int{0, 5} {
			ln := listen(t, lib)
			connect(t, ln, 1+ahead)
			var last error
			for c, err := range ln.Accepts(context.Background()) {
				if last = err; err == nil {
					c.Close()
					if err := ln.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				}
			}
			if !errors.Is(last, net.ErrClosed) || !strings.Contains(last.Error(), net.ErrClosed.Error()) {
				t.Errorf("closed inside: %v", last)
			}
			var op *net.OpError
			if !errors.As(last, &op) || op.Op != "accept" || op.Addr == nil {
				t.Errorf("the error is %#v", last)
			}
		}
		ln := listen(t, lib)
		var wg sync.WaitGroup
		for range 3 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for _, err := range ln.Accepts(context.Background()) {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("closed outside: %v", err)
					}
				}
			}()
		}
		time.Sleep(5 * time.Millisecond)
		ln.Close()
		wg.Wait()
		for _, err := range ln.Accepts(context.Background()) {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed before: %v", err)
			}
		}
		for _, err := range new(aio.TCPListener).Accepts(context.Background()) {
			if !errors.Is(err, unix.EINVAL) {
				t.Errorf("of the zero value: %v", err)
			}
		}
	})
}

// An error that is not the last leaves Accepts going.
func TestAcceptsErrors(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		ln.SetDeadline(time.Now().Add(5 * time.Millisecond))
		step := 0
		var limit unix.Rlimit
		unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
		defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		for c, err := range ln.Accepts(context.Background()) {
			switch step++; step {
			case 1:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("at the deadline: %v", err)
				}
				ln.SetDeadline(time.Time{})
				connect(t, ln, 1)
				low := limit
				low.Cur = 3
				unix.Setrlimit(unix.RLIMIT_NOFILE, &low)
				continue
			case 2:
				unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
				if !errors.Is(err, unix.EMFILE) {
					t.Fatalf("without descriptors: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			break
		}
	})
}

// A client that has left before it is accepted does no harm: it is skipped, or its connection says
// so.
func TestAcceptGone(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		ln := listen(t, lib)
		gone := func() {
			for range 5 {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
			connect(t, ln, 1)
		}
		gone()
		for {
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadFull(c, make([]byte, 1))
			c.Close()
			if err == nil {
				break
			}
			if !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("a client that left: %v", err)
			}
		}
		gone()
		for c, err := range ln.Accepts(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if c.RemoteAddr() == nil {
				t.Error("no remote address")
			}
			_, err = io.ReadFull(c, make([]byte, 1))
			c.Close()
			if err == nil {
				break
			}
		}
	})
}
