//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// TestNilListeners: a nil listener is EINVAL, as package net's.
func TestNilListeners(t *testing.T) {
	tcp, unx := (*aio.TCPListener)(nil), (*aio.UnixListener)(nil)
	for _, l := range []interface {
		net.Listener
		SetDeadline(time.Time) error
		File() (*os.File, error)
		SyscallConn() (syscall.RawConn, error)
		Accepts(context.Context) iter.Seq2[net.Conn, error]
	}{tcp, unx} {
		_, accept := l.Accept()
		_, file := l.File()
		_, raw := l.SyscallConn()
		for what, err := range map[string]error{
			"Accept": accept, "File": file, "SyscallConn": raw, "Close": l.Close(),
			"SetDeadline": l.SetDeadline(time.Time{}),
		} {
			if err != syscall.EINVAL {
				t.Errorf("%s of a nil %T: %v, want EINVAL", what, l, err)
			}
		}
		for _, err := range l.Accepts(t.Context()) {
			if err != syscall.EINVAL {
				t.Errorf("Accepts of a nil %T: %v, want EINVAL", l, err)
			}
		}
	}
}

// TestFailedWritevAllocs: a Writev that fails has not copied what it was to write.
func TestFailedWritevAllocs(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		bufs := [][]byte{make([]byte, 1<<20), make([]byte, 1<<20)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			if _, err := lib.Writev(t.Context(), -1, bufs, 0); !errors.Is(err, unix.EBADF) {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 10<<20 {
			t.Errorf("10 failed Writevs of 2 MiB each have allocated %d bytes", n)
		}
	})
}

// TestNilLocalAddress: a nil pointer as the local address of a Dialer is none, as with package net.
func TestNilLocalAddress(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		l, err := lib.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := (&aio.Dialer{IO: lib, LocalAddr: (*net.TCPAddr)(nil)}).Dial("tcp", l.Addr().String())
		std, stdErr := (&net.Dialer{LocalAddr: (*net.TCPAddr)(nil)}).Dial("tcp", l.Addr().String())
		if (err == nil) != (stdErr == nil) {
			t.Errorf("%v, package net: %v", err, stdErr)
		}
		if err == nil {
			c.Close()
		}
		if stdErr == nil {
			std.Close()
		}
	})
}

// Nothing that happens to a connection reaches the file that gets its descriptor's number next: a
// call that meets Close ends with net.ErrClosed, or did its work before (the faults of every
// library that closes under a running operation).
func TestDescriptorReuse(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 100
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		for range rounds {
			a, b := pipe(t, "unix", lib.Dial, lib.Listen)
			var wg sync.WaitGroup
			ended := func(what string, n int, err error) {
				if n > 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s of a connection that is being closed: %d, %v", what, n, err)
				}
			}
			for range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					n, err := a.Read(make([]byte, 100))
					ended("Read", n, err)
				}()
			}
			for range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for {
						if _, err := a.Write([]byte("from the closed one")); err != nil {
							ended("Write", 0, err)
							return
						}
					}
				}()
			}
			wg.Add(1)
			go func() { // room for the writes
				defer wg.Done()
				io.Copy(io.Discard, b)
			}()
			time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
			if err := a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			r, w, err := os.Pipe() // gets the number
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte("not for you"))
			n, err := a.Read(make([]byte, 100))
			ended("Read after Close", n, err)
			n, err = a.Write([]byte("nor from you"))
			ended("Write after Close", n, err)
			wg.Wait()
			w.Close()
			if got, err := io.ReadAll(r); string(got) != "not for you" || err != nil {
				t.Errorf("the pipe holds %q, %v", got, err)
			}
			r.Close()
			b.Close()
		}
	})
}

// However many close, one Close succeeds, every call ends, and what is in flight is neither lost
// nor stuck.
func TestCloseFromEverywhere(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, network := range []string{"tcp", "udp", "listener"} {
			for range 30 {
				var c interface {
					io.Closer
					SetDeadline(time.Time) error
				}
				var calls []func() error
				peer := io.Closer(io.NopCloser(nil))
				switch network {
				case "tcp":
					a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
					peer = b
					c = a
					calls = []func() error{
						func() error { return readOne(a) },
						func() error { _, err := a.Write(make([]byte, 1<<20)); return err },
						func() error { _, err := io.Copy(io.Discard, a); return err },
						func() error { _, err := io.Copy(a, b); return err },
					}
				case "udp":
					u, self := listenUDP(t, lib)
					c = u
					calls = []func() error{
						func() error { return readOne(u) },
						func() error { _, _, err := u.ReadFromUDPAddrPort(make([]byte, 1)); return err },
						func() error { _, err := u.WriteToUDPAddrPort(make([]byte, 1), self); return err },
						func() error { _, err := u.ReadBatch(t.Context(), packets(3, 10)); return err },
					}
				case "listener":
					ln := listen(t, lib)
					c = ln
					calls = []func() error{
						func() error { _, err := ln.Accept(); return err },
						func() error { _, err := ln.AcceptTCP(); return err },
						func() error {
							for _, err := range ln.Accepts(t.Context()) {
								return err
							}
							return nil
						},
					}
				}
				var wg sync.WaitGroup
				var succeeded atomic.Int32
				for _, call := range calls {
					wg.Add(1)
					go func() {
						defer wg.Done()
						for {
							err := call()
							if errors.Is(err, net.ErrClosed) {
								return
							}
							if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
								t.Errorf("%s: %v", network, err)
								return
							}
						}
					}()
				}
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := 0; c.SetDeadline(time.Now().Add(time.Duration(i%3)*time.Millisecond)) == nil; i++ {
						time.Sleep(50 * time.Microsecond)
					}
				}()
				time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
				var closers sync.WaitGroup
				for range 3 {
					closers.Add(1)
					go func() {
						defer closers.Done()
						if err := c.Close(); err == nil {
							succeeded.Add(1)
						} else if !errors.Is(err, net.ErrClosed) {
							t.Errorf("Close: %v", err)
						}
					}()
				}
				closers.Wait()
				peer.Close() // some calls wait for it
				wg.Wait()
				if n := succeeded.Load(); n != 1 {
					t.Errorf("%s: %d of 3 Closes succeeded", network, n)
				}
			}
		}
	})
}

// Writes of several goroutines never mix, partial ones neither; nor do reads.
func TestWritesDoNotMix(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		a.SetWriteBuffer(4096) // so that they come in parts
		const size, writers, each = 50_000, 6, 6
		var wg sync.WaitGroup
		for i := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				p := bytes.Repeat([]byte{byte(i)}, size)
				for j := range each {
					var err error
					if j%2 == 0 {
						_, err = a.Write(p)
					} else {
						_, err = a.Writev([][]byte{p[:size/3], nil, p[size/3:]})
					}
					if err != nil {
						t.Error(err)
					}
				}
			}()
		}
		buf := make([]byte, size)
		for range writers * each {
			if _, err := io.ReadFull(b, buf); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf, bytes.Repeat(buf[:1], size)) {
				t.Fatal("two writes are mixed")
			}
		}
		wg.Wait()
	})
}

// Any goroutine may move a deadline, into the past and back, at any time, as net/http does to end
// its read in the background: no byte is lost.
func TestAbortRead(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		const total = 600
		go func() {
			for i := range total {
				if i%7 == 0 {
					time.Sleep(time.Duration(rand.IntN(60)) * time.Microsecond)
				}
				b.Write([]byte{byte(i)})
			}
		}()
		buf := make([]byte, 1)
		for got := 0; got < total; {
			done := make(chan struct{})
			go func() {
				time.Sleep(time.Duration(rand.IntN(40)) * time.Microsecond)
				a.SetReadDeadline(time.Unix(1, 0))
				close(done)
			}()
			n, err := a.Read(buf)
			<-done
			a.SetReadDeadline(time.Time{})
			switch {
			case n == 1 && err == nil && buf[0] == byte(got):
				got++
			case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
			default:
				t.Fatalf("after %d bytes: %d, %v, %d", got, n, err, buf[0])
			}
		}
	})
}

// BenchmarkAbortRead is what net/http does once for each request that it has read: it starts to
// read one byte more, and ends that with a deadline in the past.
func BenchmarkAbortRead(b *testing.B) {
	run := func(b *testing.B, c net.Conn) {
		buf := make([]byte, 1)
		ended := make(chan struct{})
		start := make(chan struct{})
		go func() {
			for range start {
				c.Read(buf)
				ended <- struct{}{}
			}
		}()
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			start <- struct{}{}
			c.SetReadDeadline(time.Unix(1, 0))
			<-ended
			c.SetReadDeadline(time.Time{})
		}
		close(start)
	}
	b.Run("net", func(b *testing.B) {
		c, d := pipe(b, "tcp", net.Dial, net.Listen)
		defer c.Close()
		defer d.Close()
		run(b, c)
	})
	for _, d := range drives {
		b.Run(d, func(b *testing.B) {
			c, _ := tcpPair(b, open(b, aio.Options{Drive: d}))
			run(b, c)
		})
	}
}

// The ways in which a peer can end a connection, half of it or all, look as they do in package net
// (netty#14193, netty#3729, netty#4317, netty#16718).
func TestPeerEnds(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		io.WriteString(b, "last words")
		b.CloseWrite()
		if got, err := io.ReadAll(a); string(got) != "last words" || err != nil {
			t.Errorf("half closed: %q, %v", got, err)
		}
		io.WriteString(a, "an answer") // the other half lives
		a.CloseWrite()
		if got, err := io.ReadAll(b); string(got) != "an answer" || err != nil {
			t.Errorf("the other half: %q, %v", got, err)
		}
		if err := a.CloseRead(); err != nil && !errors.Is(err, unix.ENOTCONN) {
			t.Errorf("CloseRead: %v", err)
		}

		c, d := tcpPair(t, lib) // reset under a read that waits
		time.AfterFunc(5*time.Millisecond, func() { d.SetLinger(0); d.Close() })
		if err := readOne(c); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("reset: %v", err)
		}

		e, f := tcpPair(t, lib) // and under a write that waits
		time.AfterFunc(5*time.Millisecond, func() { f.SetLinger(0); f.Close() })
		if n, err := e.Write(make([]byte, 64<<20)); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) ||
			n == 64<<20 {
			t.Errorf("reset: %d, %v", n, err)
		}
	})
}
