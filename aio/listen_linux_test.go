package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

func listen(t testing.TB, io *aio.IO) *aio.TCPListener {
	t.Helper()
	ln, err := io.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*aio.TCPListener)
}

// Close ends an Accept that waits; a second Close and later Accepts are net.ErrClosed.
func TestListenerClose(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		var wg sync.WaitGroup
		for range 4 { // they queue up
			wg.Add(1)
			go func() {
				defer wg.Done()
				if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	})
}

// An Accept ends at its deadline or with its context, and the listener goes on: no client is lost.
func TestAcceptDeadlineAndContext(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		ln.SetDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := ln.Accept()
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Fatalf("Accept at the deadline: %v", err)
		}
		ln.SetDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if _, err := ln.AcceptContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("AcceptContext: %v", err)
		}
		dialed := make(chan struct{})
		go func() {
			defer close(dialed)
			c, err := net.Dial("tcp", ln.Addr().String())
			if err == nil {
				c.Write([]byte{42})
				c.Close()
			}
		}()
		defer func() { <-dialed }()
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b := make([]byte, 1)
		if _, err := c.Read(b); err != nil || b[0] != 42 {
			t.Fatalf("read %v, %v", b, err)
		}
		if c.LocalAddr().String() != ln.Addr().String() {
			t.Errorf("LocalAddr %v, listener %v", c.LocalAddr(), ln.Addr())
		}
		if _, ok := c.RemoteAddr().(*net.TCPAddr); !ok {
			t.Errorf("RemoteAddr is a %T", c.RemoteAddr())
		}
	})
}

// A connection that arrives while its Accept is being cancelled is returned or stays in the queue:
// none is lost, no descriptor leaks (tokio#7979, compio#315, tokio-uring#207).
func TestAcceptCancelRace(t *testing.T) {
	const rounds = 300
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		accepted := 0
		take := func(ctx context.Context) bool {
			c, err := ln.AcceptContext(ctx)
			if err != nil {
				return false
			}
			accepted++
			c.Close()
			return true
		}
		for i := range rounds {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
			}()
			go func() {
				time.Sleep(time.Duration(i%50) * 4 * time.Microsecond)
				cancel()
			}()
			take(ctx)
			<-done
			cancel()
		}
		for accepted < rounds {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			ok := take(ctx)
			cancel()
			if !ok {
				break
			}
		}
		if accepted != rounds {
			t.Errorf("accepted %d of %d connections", accepted, rounds)
		}
	})
}

// Running out of descriptors does not wedge a listener: Accept says EMFILE, and works again when
// there are some.
func TestAcceptEMFILE(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var old unix.Rlimit
		unix.Getrlimit(unix.RLIMIT_NOFILE, &old)
		low := old
		low.Cur = 3 // everything in use is above: no new descriptor fits
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Skip("setrlimit:", err)
		}
		_, err = ln.Accept()
		unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
		if !errors.Is(err, unix.EMFILE) {
			t.Fatalf("Accept without descriptors: %v", err)
		}
		got, err := ln.Accept()
		if err != nil {
			t.Fatalf("Accept afterwards: %v", err)
		}
		got.Close()
	})
}

// The file of a unix listener is there while it listens and gone after Close.
// What removes it: go#17131, go#11826, go#13877.
func TestUnixListener(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := io.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		ln.Close()
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := io.Listen("unix", "/"+strings.Repeat("x", 200)); err == nil {
			t.Error("a path that is too long was accepted")
		}
		c1, c2 := pipe(t, "unix", io.Dial, io.Listen)
		defer c1.Close()
		defer c2.Close()
		if c1.RemoteAddr().Network() != "unix" || c2.LocalAddr().String() != c1.RemoteAddr().String() {
			t.Errorf("addresses: %v %v", c1.RemoteAddr(), c2.LocalAddr())
		}
	})
}

// The collector closes handles that the program has not closed.
func TestLeakedConnIsCollected(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		before := len(openFDs(t))
		func() {
			a, b := pipe(t, "tcp", io.Dial, io.Listen)
			_, _ = a, b
		}()
		for range 100 {
			gc()
			if len(openFDs(t)) <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d descriptors before, %d after", before, len(openFDs(t)))
	})
}
